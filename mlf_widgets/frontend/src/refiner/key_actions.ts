/** What each key press does to the refinement widget. */

import { keepTabInside } from "../shared/accessibility.ts";
import { isForTheControl, isTyping, type KeyAction, REPEATING_ACTIONS } from "../shared/keys.ts";
import { walk } from "../shared/views/walking_keys.ts";
import { type RefinerAction, refinerKey } from "./keys.ts";
import type { RefinerScreen } from "./screen.ts";

/** Keys that go on doing what they do while they are held. */
const REPEATING: ReadonlySet<string> = new Set<RefinerAction | KeyAction>([
  ...REPEATING_ACTIONS,
  "cursor_up",
  "cursor_down",
]);

/** Do what a key press means; returns whether it meant anything here. */
export function press(event: KeyboardEvent, screen: RefinerScreen): boolean {
  const { controller, root } = screen;
  controller.touch();
  screen.learnFrom(event);
  const { dialog } = controller.state.peek();
  if (dialog !== null) return pressInDialog(event, screen);
  if (isTyping(event.target)) return pressInField(event, root);
  const key = refinerKey(event, screen.ownKeys, screen.keyLayout.peek());
  if (key === null) return false;
  if (key.kind === "vote") {
    if (!event.repeat) controller.decide(key.number, key.vote);
    return true;
  }
  if (event.repeat && !REPEATING.has(key.action)) return true;
  if (isForTheControl(event)) return false;
  act(key.action, screen);
  return true;
}

function act(action: RefinerAction, screen: RefinerScreen): void {
  const { controller } = screen;
  const { cursor } = controller.state.peek();
  switch (action) {
    case "confirm":
      return void controller.confirm();
    case "majority":
      return controller.acceptMajority();
    case "fold":
      return controller.fold();
    case "evidence":
      return controller.showEvidence();
    case "cursor_down":
      return controller.moveCursor(1);
    case "cursor_up":
      return controller.moveCursor(-1);
    case "cursor_yes":
      return controller.decide(cursor, "yes");
    case "cursor_no":
      return controller.decide(cursor, "no");
    case "cursor_unsure":
      return controller.decide(cursor, "unsure");
    case "compare": {
      const row = screen.rows.peek()[cursor];
      if (row !== undefined) controller.open({ kind: "compare", classIndex: row.classIndex, number: 0 });
      return;
    }
    default:
      return walk(action, screen);
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
  const key = refinerKey(event, screen.ownKeys, screen.keyLayout.peek());
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
