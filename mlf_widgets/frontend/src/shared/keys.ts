/** Keys: which key does what, and how it is written on screen. */

/** Physical keys of the 20 label keys, so that they lie in two rows on every keyboard layout. */
export const LABEL_CODES: readonly string[] = [
  ...["Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0"],
  ...["KeyQ", "KeyW", "KeyE", "KeyR", "KeyT", "KeyY", "KeyU", "KeyI", "KeyO", "KeyP"],
];

interface Binding {
  action: string;
  code: string;
  shift?: boolean;
  /** How it is written where the layout is unknown. */
  written: string;
  /** What the help says; "" where the row of another key says it. */
  does: string;
  /** Left out where each widget that walks from image to image does the same: `walk` in `views/walking_keys.ts`. */
  by?: "annotator" | "each";
  /** Goes on doing what it does while it is held. */
  repeats?: true;
}

/**
 * By physical key where letters and arrows are concerned; `/` and `?` by what they type, wherever they lie.
 *
 * A new key is a row here; the compiler then asks each widget that has it what it does, and the help shows it.
 */
const BINDINGS = [
  { action: "next", code: "ArrowRight", written: "→", does: "next image" },
  { action: "previous", code: "ArrowLeft", written: "←", does: "previous image" },
  {
    action: "next_page",
    code: "ArrowDown",
    written: "↓",
    does: "next page of labels",
    by: "annotator",
    repeats: true,
  },
  {
    action: "previous_page",
    code: "ArrowUp",
    written: "↑",
    does: "previous page of labels",
    by: "annotator",
    repeats: true,
  },
  {
    action: "show_all",
    code: "KeyA",
    written: "a",
    does: "all labels at once, or in pages",
    by: "annotator",
  },
  { action: "none", code: "KeyN", written: "n", does: "none of these" },
  { action: "unsure", code: "KeyX", written: "x", does: "unsure about this image" },
  { action: "search", code: "KeyS", written: "s", does: "add another label" },
  { action: "comment", code: "KeyC", written: "c", does: "comment" },
  { action: "undo", code: "KeyZ", written: "z", does: "undo", repeats: true },
  { action: "redo", code: "KeyZ", shift: true, written: "Z", does: "redo", repeats: true },
  { action: "first_not_done", code: "KeyF", written: "f", does: "first image not done" },
  { action: "jump", code: "KeyJ", written: "j", does: "jump to a number" },
  { action: "filter", code: "KeyL", written: "l", does: "filter images" },
  { action: "zoom_in", code: "Equal", written: "+", does: "zoom in", repeats: true },
  { action: "zoom_out", code: "Minus", written: "−", does: "zoom out", repeats: true },
  { action: "zoom_fit", code: "KeyV", written: "v", does: "fit the image" },
  { action: "full_resolution", code: "KeyB", written: "b", does: "full resolution" },
  {
    action: "pan_left",
    code: "ArrowLeft",
    shift: true,
    written: "⇧ arrows",
    does: "move around the zoomed image",
    repeats: true,
  },
  { action: "pan_right", code: "ArrowRight", shift: true, written: "⇧→", does: "", repeats: true },
  { action: "pan_up", code: "ArrowUp", shift: true, written: "⇧↑", does: "", repeats: true },
  { action: "pan_down", code: "ArrowDown", shift: true, written: "⇧↓", does: "", repeats: true },
  { action: "compare", code: "KeyD", written: "d", does: "image and example side by side", by: "each" },
  { action: "definitions", code: "KeyH", written: "h", does: "what the labels mean", by: "annotator" },
  { action: "mark", code: "KeyM", written: "m", does: "mark where the last label is", by: "annotator" },
  { action: "guidelines", code: "KeyG", written: "g", does: "guidelines" },
  { action: "help", code: "Slash", shift: true, written: "?", does: "these keys" },
  { action: "leave", code: "Escape", written: "Esc", does: "give the keyboard back to the notebook" },
] as const satisfies readonly Binding[];

type Bound = (typeof BINDINGS)[number];
export type KeyAction = Bound["action"];
/** What only the annotator has a key for. */
export type AnnotatorAction = Extract<Bound, { by: "annotator" }>["action"];
/** What each widget that walks from image to image does in the same way. */
export type WalkAction = Exclude<KeyAction, Extract<Bound, { by: "annotator" | "each" }>["action"]>;

export interface KeyBinding extends Binding {
  action: KeyAction;
}

export const KEY_BINDINGS: readonly KeyBinding[] = BINDINGS;

/** Actions whose keys go on doing what they do while they are held. */
export const REPEATING_ACTIONS: readonly KeyAction[] = KEY_BINDINGS.flatMap(({ action, repeats }) =>
  repeats ? [action] : [],
);

/** Whether other widgets have no use for the action. */
export function isForAnnotatorAlone(action: KeyAction): action is AnnotatorAction {
  return KEY_BINDINGS.some((binding) => binding.action === action && binding.by === "annotator");
}

/** What this needs from a KeyboardEvent. */
export interface KeyPress {
  key: string;
  code: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

export type KeyMeaning =
  | { kind: "label"; number: number; isUnsure: boolean }
  | { kind: "action"; action: KeyAction }
  | null;

/**
 * What a key press means.
 *
 * @param overrides action to key, from the project's settings; they win over every default.
 */
export function meaningOf(press: KeyPress, overrides: Record<string, string> = {}): KeyMeaning {
  const letter = press.key.toLowerCase();
  if (press.altKey) return null;
  if (press.ctrlKey || press.metaKey) {
    if (letter === "z") return { kind: "action", action: press.shiftKey ? "redo" : "undo" };
    if (letter === "y") return { kind: "action", action: "redo" };
    return null;
  }
  for (const [action, key] of Object.entries(overrides)) {
    if (key.toLowerCase() === letter && isAction(action)) return { kind: "action", action };
  }
  // Label keys first: on some layouts a digit's key types `/`, `+` or `-`.
  const number = LABEL_CODES.indexOf(press.code.replace("Numpad", "Digit"));
  if (number >= 0) return { kind: "label", number, isUnsure: press.shiftKey };
  if (press.key === "?") return { kind: "action", action: "help" };
  if (press.key === "/") return { kind: "action", action: "search" };
  if (press.key === "+") return { kind: "action", action: "zoom_in" };
  if (press.key === "-") return { kind: "action", action: "zoom_out" };
  const binding = KEY_BINDINGS.find(
    ({ action, code, shift }) =>
      code === press.code && (shift ?? false) === press.shiftKey && overrides[action] === undefined,
  );
  return binding === undefined ? null : { kind: "action", action: binding.action };
}

/** How the n-th label's key is written on this keyboard; "" past the twentieth. */
export function writtenLabelKey(number: number, layout: ReadonlyMap<string, string> | null): string {
  const code = LABEL_CODES[number];
  if (code === undefined) return "";
  if (code.startsWith("Digit")) return code.slice(-1);
  return layout?.get(code) ?? code.slice(-1).toLowerCase();
}

/** How an action's key is written on this keyboard. */
export function writtenActionKey(
  action: KeyAction,
  layout: ReadonlyMap<string, string> | null,
  overrides: Record<string, string> = {},
): string {
  const own = overrides[action];
  if (own !== undefined) return own;
  const binding = KEY_BINDINGS.find((candidate) => candidate.action === action);
  if (binding === undefined) return "";
  if (!binding.code.startsWith("Key")) return binding.written;
  const letter = layout?.get(binding.code) ?? binding.written.toLowerCase();
  return binding.shift ? `⇧${letter}` : letter;
}

/** The keyboard's layout where the browser tells it (Chromium does). */
export async function keyboardLayout(): Promise<ReadonlyMap<string, string> | null> {
  try {
    const { keyboard } = navigator as { keyboard?: { getLayoutMap(): Promise<ReadonlyMap<string, string>> } };
    return (await keyboard?.getLayoutMap()) ?? null;
  } catch {
    return null; // not told inside a frame that has no permission
  }
}

/** Whether a key belongs to the field it is typed in. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox" && target.type !== "radio";
  return (
    target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable
  );
}

function isAction(name: string): name is KeyAction {
  return KEY_BINDINGS.some(({ action }) => action === name);
}
