/** The annotation widget as anywidget or a page of the service loads it. */

import { startOnPage } from "../page/start.ts";
import { mountScreen, type RenderProps } from "../shared/views/mount.ts";
import { Controller } from "./controller.ts";
import { press } from "./key_actions.ts";
import { Screen } from "./screen.ts";
import { AnnotatorView } from "./view.tsx";

function render(props: RenderProps): () => void {
  return mountScreen(props, {
    name: "annotator",
    label: "Annotation",
    makeController: (model) => new Controller(model),
    makeScreen: (controller, root) => new Screen(controller, root),
    press,
    View: AnnotatorView,
  });
}

startOnPage(render);

export default { render };
