/** What each key press does to the refinement widget. */

import { keepTabInside } from "../shared/accessibility.ts";
import { isTyping } from "../shared/keys.ts";
import { giveKeyboardBack } from "../shared/views/keyboard.ts";
import { type RefinerAction, refinerKey } from "./keys.ts";
import type { RefinerScreen } from "./screen.ts";

/** Keys that go on doing what they do while they are held. */
const REPEATING: ReadonlySet<RefinerAction> = new Set([
  ...(["cursor_up", "cursor_down", "undo", "redo", "zoom_in", "zoom_out"] as const),
  ...(["pan_left", "pan_right", "pan_up", "pan_down"] as const),
]);

/** Do what a key press means; returns whether it meant anything here. */
export function press(event: KeyboardEvent, screen: RefinerScreen): boolean {
  const { controller, root } = screen;
  controller.touch();
  const { dialog, info } = controller.state.peek();
  if (dialog !== null) return pressInDialog(event, screen);
  if (isTyping(event.target)) return pressInField(event, root);
  const key = refinerKey(event, info?.annotation.keys);
  if (key === null) return false;
  if (key.kind === "vote") {
    if (!event.repeat) controller.decide(key.number, key.vote);
    return true;
  }
  if (event.repeat && !REPEATING.has(key.action)) return true;
  const onControl = event.target instanceof Element && event.target.matches("button, a, summary");
  if (onControl && (event.code === "Enter" || event.code === "Space")) return false; // the button's own keys
  act(key.action, screen);
  return true;
}

function act(action: RefinerAction, screen: RefinerScreen): void {
  const { controller, stage, root } = screen;
  switch (action) {
    case "confirm":
      void controller.confirm();
      break;
    case "majority":
      controller.acceptMajority();
      break;
    case "fold":
      controller.fold();
      break;
    case "evidence":
      controller.showEvidence();
      break;
    case "cursor_down":
      controller.moveCursor(1);
      break;
    case "cursor_up":
      controller.moveCursor(-1);
      break;
    case "cursor_yes":
      controller.decide(controller.state.peek().cursor, "yes");
      break;
    case "cursor_no":
      controller.decide(controller.state.peek().cursor, "no");
      break;
    case "compare": {
      const row = screen.rows.peek()[controller.state.peek().cursor];
      if (row !== undefined) controller.open({ kind: "compare", class_index: row.class_index, number: 0 });
      break;
    }
    case "next":
      void controller.step(1);
      break;
    case "previous":
      void controller.step(-1);
      break;
    case "none":
      controller.toggleNone();
      break;
    case "unsure":
      controller.toggleUnsure();
      break;
    case "undo":
    case "redo":
      void controller.undo(action);
      break;
    case "search":
    case "help":
    case "guidelines":
      controller.open({ kind: action });
      break;
    case "comment":
      focusField(root, ".mlf-comment");
      break;
    case "jump":
      focusField(root, ".mlf-jump");
      break;
    case "filter":
      focusField(root, ".mlf-filter");
      break;
    case "first_not_done":
      void controller.goToFirstNotDone();
      break;
    case "zoom_in":
      stage.zoom(1);
      break;
    case "zoom_out":
      stage.zoom(-1);
      break;
    case "zoom_fit":
      stage.fit();
      break;
    case "full_resolution":
      void screen.showActualSize();
      break;
    case "pan_left":
      stage.panStep(-1, 0);
      break;
    case "pan_right":
      stage.panStep(1, 0);
      break;
    case "pan_up":
      stage.panStep(0, -1);
      break;
    case "pan_down":
      stage.panStep(0, 1);
      break;
    case "leave":
      giveKeyboardBack(root);
      break;
  }
}

function pressInField(event: KeyboardEvent, root: HTMLElement): boolean {
  if (event.key !== "Escape") return false;
  root.focus({ preventScroll: true });
  return true;
}

function pressInDialog(event: KeyboardEvent, screen: RefinerScreen): boolean {
  const { controller, root } = screen;
  const { dialog } = controller.state.peek();
  const element = root.querySelector<HTMLElement>("dialog[open]");
  if (element !== null && keepTabInside(element, event)) return true;
  if (event.key === "Escape") {
    controller.open(null);
    return true;
  }
  if (isTyping(event.target)) return false;
  const key = refinerKey(event);
  if (key?.kind !== "action") return false;
  if ((key.action === "help" || key.action === "compare") && dialog?.kind === key.action) {
    controller.open(null);
    return true;
  }
  const step = key.action === "next" ? 1 : key.action === "previous" ? -1 : 0;
  if (dialog?.kind !== "compare" || step === 0) return false;
  controller.open({ ...dialog, number: Math.max(0, dialog.number + step) });
  return true;
}

function focusField(root: HTMLElement, selector: string): void {
  const field = root.querySelector<HTMLElement>(selector);
  field?.focus();
  if (field instanceof HTMLInputElement) field.select();
}
