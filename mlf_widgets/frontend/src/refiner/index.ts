/** The refinement widget as anywidget or a page of the service loads it. */

import { startOnPage } from "../page/start.ts";
import { mountScreen, type RenderProps } from "../shared/views/mount.ts";
import { RefinerController } from "./controller.ts";
import { press } from "./key_actions.ts";
import { RefinerScreen } from "./screen.ts";
import { RefinerView } from "./view.tsx";

function render(props: RenderProps): () => void {
  return mountScreen(props, {
    name: "refiner",
    label: "Refinement",
    makeController: (model) => new RefinerController(model),
    makeScreen: (controller, root) => new RefinerScreen(controller, root),
    press,
    View: RefinerView,
  });
}

startOnPage(render);

export default { render };
