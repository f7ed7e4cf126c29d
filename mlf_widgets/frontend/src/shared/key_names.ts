/**
 * What a key is called: by what it writes, wherever it lies, so that it does what is printed on it.
 *
 * Two things go by place. Digits do on a layout that writes none without Shift (French: `&` lies on the key of the 1), and
 * letters do on a layout of another script (Russian: `й` lies on the key of the q).
 */

/** What this needs from a KeyboardEvent. */
export interface KeyPress {
  key: string;
  code: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  getModifierState?(name: string): boolean;
}

/** From `code` to what the key writes without Shift: as the browser tells it, or as presses have shown so far. */
export type KeyLayout = ReadonlyMap<string, string>;

/** What is printed in the place of a digit and does something of its own. */
const WITH_SHIFT_ON_A_DIGIT: ReadonlySet<string> = new Set(["/", "?", "+", "-"]);
/** A layout that the browser tells has about 48 keys; one that is learnt from presses begins with one. */
const WHOLE_LAYOUT = 30;

/** The name of a pressed key: a small letter, a digit, a sign, or the browser's own name such as `ArrowLeft`. */
export function keyName(press: KeyPress, layout: KeyLayout | null = null): string {
  const { key, code, shiftKey } = press;
  if (key === " ") return "Space";
  const [, placeOfLetter, placeOfDigit] = /^(?:Key([A-Z])|Digit(\d))$/.exec(code) ?? [];
  if (placeOfDigit !== undefined) {
    if (isDigit(key)) return shiftKey ? placeOfDigit : key;
    const isForItself = shiftKey ? WITH_SHIFT_ON_A_DIGIT.has(key) : writesDigits(layout);
    return isForItself ? key : placeOfDigit;
  }
  const small = key.toLowerCase();
  if (/^[a-z]$/.test(small)) return small;
  if (placeOfLetter !== undefined && (isLetter(key) || isOfAnotherScript(layout)))
    return placeOfLetter.toLowerCase();
  return key;
}

/** What is known of the layout after a press; the same object where it has shown nothing new. */
export function learnt(layout: KeyLayout | null, press: KeyPress): KeyLayout | null {
  const { key, code } = press;
  const isPlain = !(press.shiftKey || press.ctrlKey || press.metaKey || press.altKey);
  if (!isPlain || isThirdLevel(press) || [...key].length !== 1 || !/^(Key|Digit|Backquote)/.test(code))
    return layout;
  const written = key.toLowerCase();
  const known = layout?.get(code);
  if (known === written) return layout;
  // Another letter than before: somebody has changed the layout, and nothing known of it holds any more.
  return new Map([...(known === undefined ? (layout ?? []) : []), [code, written] as const]);
}

/** Whether the key writes a third sign, with AltGr. */
export function isThirdLevel(press: KeyPress): boolean {
  return press.getModifierState?.("AltGraph") ?? false;
}

/** How the key with this name is written on this keyboard. */
export function writtenKey(name: string, layout: KeyLayout | null): string {
  if (!/^[a-z]$/.test(name) || layout === null || layout.size < WHOLE_LAYOUT) return name;
  if ([...layout.values()].includes(name)) return name;
  const there = layout.get(`Key${name.toUpperCase()}`);
  return there !== undefined && isLetter(there) ? there : name;
}

/** Whether `/` is known to be written without Shift: then no digit writes it with Shift. */
export function hasPlainSlash(layout: KeyLayout | null): boolean {
  return layout !== null && [...layout.values()].includes("/");
}

/** The keyboard's layout where the browser tells it (Chromium does). */
export async function keyboardLayout(): Promise<KeyLayout | null> {
  try {
    const { keyboard } = navigator as { keyboard?: { getLayoutMap(): Promise<KeyLayout> } };
    const layout = await keyboard?.getLayoutMap();
    return layout === undefined ? null : new Map(layout);
  } catch {
    return null; // not told inside a frame that has no permission
  }
}

function writesDigits(layout: KeyLayout | null): boolean {
  return layout !== null && [...layout.values()].some(isDigit);
}

function isOfAnotherScript(layout: KeyLayout | null): boolean {
  return (
    layout !== null && [...layout.values()].some((key) => isLetter(key) && !/\p{Script=Latin}/u.test(key))
  );
}

function isDigit(key: string): boolean {
  return /^[0-9]$/.test(key);
}

function isLetter(key: string): boolean {
  return /^\p{L}$/u.test(key);
}
