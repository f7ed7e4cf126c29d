/** The refinement widget as anywidget loads it: the only part that touches the model and the page around it. */

import { render as draw, h } from "preact";
import type { Channel } from "../shared/protocol.ts";
import { mountRoot } from "../shared/views/mount.ts";
import { RefinerController } from "./controller.ts";
import { press } from "./key_actions.ts";
import { RefinerScreen } from "./screen.ts";
import { RefinerView } from "./view.tsx";

interface RenderProps {
  model: Channel;
  el: HTMLElement;
}

function render({ model, el }: RenderProps): () => void {
  const controller = new RefinerController(model);
  const root = mountRoot(el, "refiner", "Refinement");
  const screen = new RefinerScreen(controller, root.element);
  root.listen({
    onKey: (event) => press(event, screen),
    onActivity: () => controller.touch(),
    onHidden: (isHidden) => controller.setHidden(isHidden),
    hasUnsaved: () => controller.has_unsaved || screen.pendingComment.current !== null,
  });
  draw(h(RefinerView, { screen }), root.element);
  void controller.start();
  return () => {
    controller.close();
    screen.close();
    draw(null, root.element);
    root.close();
  };
}

export default { render };
