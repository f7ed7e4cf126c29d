/** What the grid has on the screen: which tiles are drawn, which have been seen; and its keys. */

import { isTyping } from "../shared/keys.ts";
import { letGoOfKeyboard } from "../shared/views/keyboard.ts";
import { PaintWatch } from "../shared/views/painting.ts";
import { Visibility } from "../shared/views/visibility.ts";
import type { GridController } from "./controller.ts";
import { actOn } from "./key_actions.ts";
import { gridKey } from "./keys.ts";
import { positionsOfPage } from "./state.ts";

export class GridScreen {
  private readonly tiles = new Map<number, HTMLElement>();
  private readonly unwatch = new Map<number, () => void>();
  private readonly drawn = new Set<number>();
  private readonly seen = new Set<number>();
  private readonly visibility = new Visibility(() => this.noteSeen());
  private readonly paint: PaintWatch;
  private listName = "";

  constructor(
    readonly controller: GridController,
    private readonly root: HTMLElement,
  ) {
    controller.hasSeen = (position) => this.seen.has(position);
    controller.forgetSeen = () => this.seen.clear();
    controller.reveal = (position, isFirst) => this.reveal(position, isFirst);
    this.paint = new PaintWatch(root, () => this.wish());
  }

  /** A tile has appeared, or gone. */
  place(position: number, element: HTMLElement | null): void {
    if (element === null) {
      this.unwatch.get(position)?.();
      this.unwatch.delete(position);
      this.tiles.delete(position);
      this.drawn.delete(position);
    } else if (this.tiles.get(position) !== element) {
      this.tiles.set(position, element);
      this.unwatch.set(position, this.visibility.watch(element));
    }
  }

  /** Whether a tile shows all it can. */
  setDrawn(position: number, isDrawn: boolean): void {
    if (isDrawn) this.drawn.add(position);
    else this.drawn.delete(position);
    this.rendered();
  }

  /** The page has been rewritten. */
  rendered(): void {
    const { save, classIndex, which, page, position } = this.controller.state.value;
    const listName = `${classIndex}:${which}`;
    if (listName !== this.listName) this.seen.clear(); // a new question: nothing has been seen for it yet
    this.listName = listName;
    this.root.dataset.saved = save.state;
    this.root.dataset.classId = classIndex === null ? "" : String(classIndex);
    this.root.dataset.page = String(page);
    this.noteSeen();
    this.paint.check(`${listName}:${page}:${position}`);
  }

  press(event: KeyboardEvent): boolean {
    if (isTyping(event.target)) return false;
    const key = gridKey(event);
    return key !== null && actOn(key, this.controller, this.root, () => letGoOfKeyboard(this.root), event);
  }

  get hasUnsaved(): boolean {
    return this.controller.hasUnsaved;
  }

  close(): void {
    this.paint.close();
    this.visibility.close();
  }

  private noteSeen(): void {
    for (const position of positionsOfPage(this.controller.state.value)) {
      const element = this.tiles.get(position);
      if (element !== undefined && this.drawn.has(position) && this.visibility.isSeen(element)) {
        this.seen.add(position);
      }
    }
  }

  private reveal(position: number, isFirst = false): void {
    const tile = this.tiles.get(position);
    const box = tile?.querySelector<HTMLInputElement>("input");
    const { activeElement } = this.root.ownerDocument;
    const isInside =
      this.root.contains(activeElement) && !activeElement?.closest("dialog") && !isTyping(activeElement);
    if (isInside && activeElement !== box) box?.focus({ preventScroll: true });
    tile?.scrollIntoView?.({ block: isFirst ? "start" : "nearest" });
  }

  private wish(): { imageId: string; isDrawn(): boolean } | null {
    const state = this.controller.state.value;
    if (state.info === null || !state.isListed) return null;
    const shown = positionsOfPage(state);
    const entry = state.entries.get(state.position);
    if (shown.length > 0 && entry === undefined) return null;
    return {
      imageId: shown.length > 0 ? (entry?.task.image_id ?? "") : "",
      isDrawn: () => shown.every((position) => this.drawn.has(position)),
    };
  }
}
