/** Keys: which key does what, and how it is written on screen. */

import {
  hasPlainSlash,
  isThirdLevel,
  type KeyLayout,
  type KeyPress,
  keyName,
  writtenKey,
} from "./key_names.ts";

export { type KeyLayout, type KeyPress, keyboardLayout, learnt } from "./key_names.ts";

/** Keys of the 20 labels. */
export const LABEL_KEYS: readonly string[] = [..."1234567890qwertyuiop"];

interface Binding {
  action: string;
  /** Its name, as `keyName` has it. */
  key: string;
  /** A second key that does the same. */
  also?: string;
  /** A label's key that does the same where there is no such label. */
  spare?: string;
  shift?: boolean;
  /** How it is written, where that is not its name. */
  written?: string;
  /** What the help says; "" where the row of another key says it. */
  does: string;
  /** Left out where each widget that walks from image to image does the same: `walk` in `views/walking_keys.ts`. */
  by?: "annotator" | "each";
  /** Goes on doing what it does while it is held. */
  repeats?: true;
}

/** A new key is a row here; the compiler then asks each widget that has it what it does, and the help shows it. */
const BINDINGS = [
  { action: "next", key: "ArrowRight", written: "→", does: "next image" },
  { action: "previous", key: "ArrowLeft", written: "←", does: "previous image" },
  {
    action: "next_page",
    key: "ArrowDown",
    written: "↓",
    does: "next page of labels",
    by: "annotator",
    repeats: true,
  },
  {
    action: "previous_page",
    key: "ArrowUp",
    written: "↑",
    does: "previous page of labels",
    by: "annotator",
    repeats: true,
  },
  {
    action: "show_all",
    key: "a",
    does: "all labels at once, or in pages",
    by: "annotator",
  },
  { action: "none", key: "n", does: "none of these" },
  { action: "unsure", key: "x", does: "unsure about this image" },
  { action: "unsure_label", key: ".", does: "unsure about the last label", by: "annotator" },
  { action: "search", key: "s", also: "/", does: "add another label" },
  { action: "comment", key: "c", does: "comment" },
  { action: "undo", key: "z", does: "undo", repeats: true },
  { action: "redo", key: "z", shift: true, does: "redo", repeats: true },
  { action: "first_not_done", key: "f", does: "first image not done" },
  { action: "jump", key: "j", does: "jump to a number" },
  { action: "filter", key: "l", does: "filter images" },
  { action: "zoom_in", key: "+", also: "=", does: "zoom in", repeats: true },
  { action: "zoom_out", key: "-", written: "−", does: "zoom out", repeats: true },
  { action: "zoom_fit", key: "v", does: "fit the image" },
  { action: "full_resolution", key: "b", does: "full resolution" },
  {
    action: "frames",
    key: ",",
    spare: "w",
    does: "where models saw the labels best (also w, where no label has that key)",
    by: "annotator",
  },
  {
    action: "pan_left",
    key: "ArrowLeft",
    shift: true,
    written: "⇧ arrows",
    does: "move around the zoomed image",
    repeats: true,
  },
  { action: "pan_right", key: "ArrowRight", shift: true, written: "⇧→", does: "", repeats: true },
  { action: "pan_up", key: "ArrowUp", shift: true, written: "⇧↑", does: "", repeats: true },
  { action: "pan_down", key: "ArrowDown", shift: true, written: "⇧↓", does: "", repeats: true },
  { action: "compare", key: "d", does: "image and example side by side", by: "each" },
  { action: "definitions", key: "h", does: "what the labels mean", by: "annotator" },
  { action: "mark", key: "m", does: "mark where the last label is", by: "annotator" },
  { action: "searched", key: "k", does: "all classes searched, where asked to", by: "annotator" },
  { action: "guidelines", key: "g", does: "guidelines" },
  { action: "help", key: "?", does: "these keys" },
  {
    action: "leave",
    key: "Escape",
    written: "Esc",
    does: "give the keyboard back; twice: the notebook has it",
  },
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

export type KeyMeaning =
  | { kind: "label"; number: number; isUnsure: boolean }
  | { kind: "action"; action: KeyAction }
  | null;

/**
 * What a key press means.
 *
 * @param overrides action to key, from the project's settings; they win over every default.
 * @param layout what is known of the keyboard.
 * @param nLabels how many labels there are to tick: a key past the last one may mean something else.
 */
export function meaningOf(
  press: KeyPress,
  overrides: Record<string, string> = {},
  layout: KeyLayout | null = null,
  nLabels: number = LABEL_KEYS.length,
): KeyMeaning {
  if (press.altKey || isThirdLevel(press)) return null;
  const name = keyName(press, layout);
  if (press.ctrlKey || press.metaKey) {
    if (name === "z") return { kind: "action", action: press.shiftKey ? "redo" : "undo" };
    return name === "y" ? { kind: "action", action: "redo" } : null;
  }
  const own = actionWithOwnKey(name, press.shiftKey, overrides);
  if (own !== undefined) return { kind: "action", action: own };
  const number = LABEL_KEYS.indexOf(name);
  if (number >= 0 && (number < nLabels || !isSpare(name)))
    return { kind: "label", number, isUnsure: press.shiftKey };
  const binding = KEY_BINDINGS.find(
    ({ action, key, also, spare, shift }) =>
      overrides[action] === undefined &&
      [key, also, spare].includes(name) &&
      (isSign(name) || (shift ?? false) === press.shiftKey),
  );
  return binding === undefined ? null : { kind: "action", action: binding.action };
}

/** Whether a label's key means something else where there is no such label. */
function isSpare(name: string): boolean {
  return KEY_BINDINGS.some(({ spare }) => spare === name);
}

/** The action that a project gave this key to. */
export function actionWithOwnKey(
  name: string,
  isShifted: boolean,
  overrides: Record<string, string>,
): KeyAction | undefined {
  return KEY_BINDINGS.find(({ action }) => {
    const own = overrides[action];
    if (own === undefined) return false;
    const [, shift, key = ""] = /^(shift\+)?(.+)$/i.exec(own) ?? [];
    return key.toLowerCase() === name.toLowerCase() && (isSign(name) || (shift !== undefined) === isShifted);
  })?.action;
}

/** How the n-th label's key is written on this keyboard; "" past the twentieth, and where the project took it. */
export function writtenLabelKey(
  number: number,
  layout: KeyLayout | null,
  overrides: Record<string, string> = {},
): string {
  const key = LABEL_KEYS[number];
  if (key === undefined || actionWithOwnKey(key, false, overrides) !== undefined) return "";
  return writtenKey(key, layout);
}

/**
 * The keys that say unsure about the n-th label, as they are written on this keyboard.
 *
 * Shift with a digit writes `/` or `+` on many layouts, and then means that: unless it is known not to, the way around
 * Shift is told.
 */
export function writtenUnsureKey(
  number: number,
  layout: KeyLayout | null,
  overrides: Record<string, string> = {},
): string {
  const key = writtenLabelKey(number, layout, overrides);
  if (key === "") return "";
  const isSafe = !/^\d$/.test(key) || hasPlainSlash(layout);
  return isSafe ? `⇧${key}` : `${key} ${writtenActionKey("unsure_label", layout, overrides)}`;
}

/** How an action's key is written on this keyboard; "" where the project gave it to another action. */
export function writtenActionKey(
  action: KeyAction,
  layout: KeyLayout | null,
  overrides: Record<string, string> = {},
): string {
  const own = overrides[action];
  if (own !== undefined) return own.replace(/^shift\+/i, "⇧");
  const binding = KEY_BINDINGS.find((candidate) => candidate.action === action);
  if (binding === undefined) return "";
  const { key, shift = false, written } = binding;
  if (actionWithOwnKey(key, shift, overrides) !== undefined) return "";
  if (written !== undefined) return written;
  return shift ? `⇧${writtenKey(key, layout)}` : writtenKey(key, layout);
}

/** Neither a letter nor a digit nor the name of a key: whether Shift was needed to write it does not matter. */
export function isSign(name: string): boolean {
  return /^[^\p{L}\p{N}]$/u.test(name);
}

/** Whether a key belongs to the field it is typed in. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox" && target.type !== "radio";
  return (
    target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable
  );
}

/** A button has the focus, and this is the key that presses it. */
export function isForTheControl({ key, target }: KeyboardEvent): boolean {
  return (
    (key === "Enter" || key === " ") && target instanceof Element && target.matches("button, summary, a")
  );
}
