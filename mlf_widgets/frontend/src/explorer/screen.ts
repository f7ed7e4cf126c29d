/** What the explorer of the data set has on the screen: which tiles are drawn; and its keys. */

import { gridKey } from "../grid/keys.ts";
import { keepTabInside } from "../shared/accessibility.ts";
import { isTyping } from "../shared/keys.ts";
import { letGoOfKeyboard } from "../shared/views/keyboard.ts";
import { PaintWatch } from "../shared/views/painting.ts";
import type { ExplorerController } from "./controller.ts";

export class ExplorerScreen {
  /** Nothing is decided here. */
  readonly hasUnsaved = false;

  private readonly drawn = new Set<number>();
  private readonly watch: PaintWatch;

  constructor(
    readonly controller: ExplorerController,
    readonly root: HTMLElement,
  ) {
    root.dataset.mode = "explore";
    this.watch = new PaintWatch(root, () => this.wish());
  }

  /** Whether the tile of an image shows all it can. */
  setDrawn(imageIndex: number, isDrawn: boolean): void {
    if (isDrawn) this.drawn.add(imageIndex);
    else this.drawn.delete(imageIndex);
    this.rendered();
  }

  /** The page has been rewritten. */
  rendered(): void {
    const shown = this.controller.images.peek()?.map(({ image_index }) => image_index) ?? ["none"];
    this.watch.check(`${shown.join()}|${this.controller.cursor.peek()}`);
  }

  close(): void {
    this.watch.close();
  }

  private wish() {
    const images = this.controller.images.peek();
    if (images === null) return null;
    return {
      imageId: images[this.controller.cursor.peek()]?.image_id ?? "",
      isDrawn: () => images.every(({ image_index }) => this.drawn.has(image_index)),
    };
  }
}

/** Do what a key press means; returns whether it meant anything here. */
export function press(event: KeyboardEvent, { controller, root }: ExplorerScreen): boolean {
  const dialog = controller.dialog.peek();
  if (dialog !== null) {
    const element = root.querySelector<HTMLElement>("dialog[open]");
    if (element !== null && keepTabInside(element, event)) return true;
    if (event.key !== "Escape") return false;
    controller.open(null);
    return true;
  }
  if (isTyping(event.target)) return false;
  const image = controller.images.peek()?.[controller.cursor.peek()];
  const key = gridKey(event);
  switch (key) {
    case "left":
      void controller.move(-1);
      return true;
    case "right":
      void controller.move(1);
      return true;
    case "up":
      void controller.move(-controller.nColumns.peek());
      return true;
    case "down":
      void controller.move(controller.nColumns.peek());
      return true;
    case "next_page":
      void controller.turnTo(controller.page.peek() + 1);
      return true;
    case "previous_page":
      void controller.turnTo(controller.page.peek() - 1);
      return true;
    case "tick":
    case "look":
      if (event.target instanceof Element && event.target.matches("button:not(.mlf-explorer-image)"))
        return false;
      if (image !== undefined) controller.look(image.image_index);
      return true;
    case "search":
    case "help":
      controller.open({ kind: key });
      return true;
    case "leave":
      letGoOfKeyboard(root);
      return true;
    default:
      return false;
  }
}
