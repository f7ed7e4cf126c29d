/** The explorer of the data set as anywidget loads it. */

import { mountScreen, type RenderProps } from "../shared/views/mount.ts";
import { ExplorerController } from "./controller.ts";
import { ExplorerScreen, press } from "./screen.ts";
import { ExplorerView } from "./view.tsx";

function render(props: RenderProps): () => void {
  return mountScreen(props, {
    name: "explorer",
    label: "Explorer of the data set",
    makeController: (model) => new ExplorerController(model),
    makeScreen: (controller, root) => new ExplorerScreen(controller, root),
    press,
    View: ExplorerView,
  });
}

export default { render };
