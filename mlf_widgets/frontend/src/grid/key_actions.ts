/** What each key of the grid does. */

import type { GridController } from "./controller.ts";
import type { GridKey } from "./keys.ts";
import { positionsOfPage } from "./state.ts";

/** Do what a key means; returns whether it was handled. */
export function actOn(
  key: GridKey,
  controller: GridController,
  root: HTMLElement,
  leave: () => void,
  event: KeyboardEvent,
): boolean {
  const state = controller.state.value;
  if (state.dialog !== null) return inDialog(key, controller);
  const onControl = event.target instanceof Element && event.target.matches("button, select");
  const shown = positionsOfPage(state);
  switch (key) {
    case "left":
      controller.move(-1);
      return true;
    case "right":
      controller.move(1);
      return true;
    case "up":
      controller.move(-controller.nColumns.value);
      return true;
    case "down":
      controller.move(controller.nColumns.value);
      return true;
    case "first":
    case "last": {
      const target = key === "first" ? shown[0] : shown.at(-1);
      if (target !== undefined) controller.goTo(target);
      return true;
    }
    case "next_page":
      controller.turnPage(state.page + 1);
      return true;
    case "previous_page":
      controller.turnPage(state.page - 1);
      return true;
    case "tick":
      if (onControl) return false; // the button's own key
      controller.toggle(state.position, "yes");
      return true;
    case "no":
    case "unsure":
      controller.toggle(state.position, key);
      return true;
    case "confirm":
      controller.confirmPage();
      return true;
    case "clear":
      controller.clearPage();
      return true;
    case "undo":
    case "redo":
      void controller.undo(key);
      return true;
    case "search":
    case "help":
      controller.open({ kind: key });
      return true;
    case "look":
      controller.open({ kind: "look", position: state.position });
      return true;
    case "filter":
      root.querySelector<HTMLSelectElement>("select[data-mlf-action='filter']")?.focus();
      return true;
    case "leave":
      leave();
      return true;
  }
}

function inDialog(key: GridKey, controller: GridController): boolean {
  const { dialog, position } = controller.state.value;
  if (
    key === "leave" ||
    (dialog?.kind === "help" && key === "help") ||
    (dialog?.kind === "look" && key === "look")
  ) {
    controller.open(null);
    return true;
  }
  if (dialog?.kind !== "look") return false;
  if (key === "left" || key === "right") {
    controller.move(key === "left" ? -1 : 1);
    controller.open({ kind: "look", position: controller.state.value.position });
    return true;
  }
  if (key === "tick" || key === "no" || key === "unsure") {
    controller.toggle(position, key === "tick" ? "yes" : key);
    return true;
  }
  return false;
}
