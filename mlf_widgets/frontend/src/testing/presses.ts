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

/** Type into whatever has the focus on the page, key by key, as a browser does; nothing else happens before the next key. */
export async function typeText(text: string): Promise<void> {
  for (const key of text) {
    const target = document.activeElement ?? document.body;
    const code = /\d/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`;
    const isField = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
    if (!pressKey(target, code, key).defaultPrevented && isField && !target.disabled && !target.readOnly) {
      await drawn(); // between the press and the letter there is time for what the press asked for
      target.setRangeText(key, target.selectionStart ?? 0, target.selectionEnd ?? 0, "end");
      target.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    await drawn();
  }
}

/** Whatever is due at once has been drawn. */
async function drawn(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
