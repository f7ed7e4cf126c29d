/** The browser of the data set as anywidget loads it. */

import { mountScreen, type RenderProps } from "../shared/views/mount.ts";
import { BrowserController } from "./controller.ts";
import { BrowserScreen, press } from "./screen.ts";
import { BrowserView } from "./view.tsx";

function render(props: RenderProps): () => void {
  return mountScreen(props, {
    name: "grid",
    label: "Browser of the data set",
    makeController: (model) => new BrowserController(model),
    makeScreen: (controller, root) => new BrowserScreen(controller, root),
    press,
    View: BrowserView,
  });
}

export default { render };
