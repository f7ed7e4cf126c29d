/** The grid as anywidget loads it. */

import { mountScreen, type RenderProps } from "../shared/views/mount.ts";
import { GridController } from "./controller.ts";
import { GridScreen } from "./screen.ts";
import { GridView } from "./view.tsx";

function render(props: RenderProps): () => void {
  return mountScreen(props, {
    name: "grid",
    label: "Grid of images",
    makeController: (model) => new GridController(model),
    makeScreen: (controller, root) => new GridScreen(controller, root),
    press: (event, screen) => screen.press(event),
    View: GridView,
  });
}

export default { render };
