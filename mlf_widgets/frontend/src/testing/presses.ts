/** Keys as a person presses them. */

import type { KeyPress } from "../shared/keys.ts";

/** A key press, with no modifier key held unless `more` says so. */
export function keyPress(code: string, key: string, more: Partial<KeyPress> = {}): KeyPress {
  return { code, key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more };
}

/** Press a key on an element; the event tells whether somebody handled it. */
export function pressKey(
  target: EventTarget,
  code: string,
  key: string,
  more: KeyboardEventInit = {},
): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { code, key, bubbles: true, cancelable: true, ...more });
  target.dispatchEvent(event);
  return event;
}
