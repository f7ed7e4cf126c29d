/** The browser of the data set as anywidget loads it: the only part that touches the model and the page around it. */

import { render as draw, h } from "preact";
import { gridKey } from "../grid/keys.ts";
import { keepTabInside } from "../shared/accessibility.ts";
import { isTyping } from "../shared/keys.ts";
import type { Channel } from "../shared/protocol.ts";
import { giveKeyboardBack } from "../shared/views/keyboard.ts";
import { mountRoot } from "../shared/views/mount.ts";
import { PaintWatch } from "../shared/views/painting.ts";
import { BrowserController } from "./controller.ts";
import { BrowserView } from "./view.tsx";

interface RenderProps {
  model: Channel;
  el: HTMLElement;
}

function render({ model, el }: RenderProps): () => void {
  const controller = new BrowserController(model);
  const root = mountRoot(el, "grid", "Browser of the data set");
  root.element.dataset.mode = "browse";
  const drawn = new Set<number>();
  const watch = new PaintWatch(root.element, () => {
    const images = controller.images.peek();
    if (images === null) return null;
    return {
      image_id: images[controller.cursor.peek()]?.image_id ?? "",
      isDrawn: () => images.every(({ image_index }) => drawn.has(image_index)),
    };
  });
  const onRendered = () => {
    const shown = controller.images.peek()?.map(({ image_index }) => image_index) ?? ["none"];
    watch.check(`${shown.join()}|${controller.cursor.peek()}`);
  };
  root.listen({
    onKey: (event) => press(event, controller, root.element),
    onActivity: () => {},
    onHidden: () => {},
    hasUnsaved: () => false,
  });
  draw(h(BrowserView, { controller, drawn, onRendered }), root.element);
  void controller.start();
  return () => {
    controller.close();
    watch.close();
    draw(null, root.element);
    root.close();
  };
}

function press(event: KeyboardEvent, controller: BrowserController, root: HTMLElement): boolean {
  const dialog = controller.dialog.peek();
  if (dialog !== null) {
    const element = root.querySelector<HTMLElement>("dialog[open]");
    if (element !== null && keepTabInside(element, event)) return true;
    if (event.key !== "Escape") return false;
    controller.dialog.value = null;
    return true;
  }
  if (isTyping(event.target)) return false;
  const image = controller.images.peek()?.[controller.cursor.peek()];
  switch (gridKey(event)) {
    case "left":
      void controller.move(-1);
      return true;
    case "right":
      void controller.move(1);
      return true;
    case "up":
      void controller.move(-controller.n_columns.peek());
      return true;
    case "down":
      void controller.move(controller.n_columns.peek());
      return true;
    case "next_page":
      void controller.turnTo(controller.page.peek() + 1);
      return true;
    case "previous_page":
      void controller.turnTo(controller.page.peek() - 1);
      return true;
    case "tick":
    case "look":
      if (event.target instanceof Element && event.target.matches("button:not(.mlf-browse-image)"))
        return false;
      if (image !== undefined) controller.look(image.image_index);
      return true;
    case "search":
      controller.dialog.value = { kind: "search" };
      return true;
    case "help":
      controller.dialog.value = { kind: "help" };
      return true;
    case "leave":
      giveKeyboardBack(root);
      return true;
    default:
      return false;
  }
}

export default { render };
