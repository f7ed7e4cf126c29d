/** The grid as anywidget loads it: the only part that touches the model and the page around it. */

import { render as draw, h } from "preact";
import type { Channel } from "../shared/protocol.ts";
import { mountRoot } from "../shared/views/mount.ts";
import { GridController } from "./controller.ts";
import { GridScreen } from "./screen.ts";
import { GridView } from "./view.tsx";

interface RenderProps {
  model: Channel;
  el: HTMLElement;
}

function render({ model, el }: RenderProps): () => void {
  const controller = new GridController(model);
  const root = mountRoot(el, "grid", "Grid of images");
  const screen = new GridScreen(controller, root.element);
  root.listen({
    onKey: (event) => screen.press(event),
    onActivity: () => controller.touch(),
    onHidden: (isHidden) => controller.setHidden(isHidden),
    hasUnsaved: () => controller.has_unsaved,
  });
  draw(h(GridView, { screen }), root.element);
  void controller.start();
  return () => {
    controller.close();
    screen.close();
    draw(null, root.element);
    root.close();
  };
}

export default { render };
