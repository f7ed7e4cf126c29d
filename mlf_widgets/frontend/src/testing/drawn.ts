/** Properties are checked on the same drawn examples in every run, and on others with MLF_SOAK=1 (`make soak`). */

import * as fc from "fast-check";

if (!process.env.MLF_SOAK) fc.configureGlobal({ seed: 20251125 });

export { fc };
