/** The refiner's keys: a digit says yes to a label, the key below it no, Shift with the digit unsure. */

import { type KeyLayout, type KeyPress, keyName } from "../shared/key_names.ts";
import {
  type AnnotatorAction,
  actionWithOwnKey,
  isForAnnotatorAlone,
  type KeyAction,
  meaningOf,
} from "../shared/keys.ts";

export type RefinerAction =
  | Exclude<KeyAction, AnnotatorAction>
  | "confirm"
  | "majority"
  | "fold"
  | "evidence"
  | "cursor_down"
  | "cursor_up"
  | "cursor_yes"
  | "cursor_no"
  | "cursor_unsure";

export type RefinerKey =
  | { kind: "vote"; number: number; vote: "yes" | "no" | "unsure" }
  | { kind: "action"; action: RefinerAction }
  | null;

const OWN: Readonly<Record<string, RefinerAction>> = {
  Enter: "confirm",
  a: "majority",
  h: "fold",
  k: "evidence",
  ArrowDown: "cursor_down",
  ArrowUp: "cursor_up",
  Space: "cursor_yes",
  Backspace: "cursor_no",
  Delete: "cursor_no",
  d: "compare",
  ".": "cursor_unsure",
};
/** Labels that have keys of their own: the digits, and the row of letters beneath. */
export const N_KEYED = 10;

export function refinerKey(
  press: KeyPress,
  overrides: Record<string, string> = {},
  layout: KeyLayout | null = null,
): RefinerKey {
  const name = keyName(press, layout);
  const isShifted = press.shiftKey && name !== "."; // French writes the full stop with Shift
  const isPlain = !isShifted && !press.altKey && !press.ctrlKey && !press.metaKey;
  const isOverridden = actionWithOwnKey(name, press.shiftKey, overrides) !== undefined;
  const own = OWN[name];
  if (isPlain && !isOverridden && own !== undefined) return { kind: "action", action: own };
  const meaning = meaningOf(press, overrides, layout);
  if (meaning === null) return null;
  if (meaning.kind === "label") {
    const { number, isUnsure } = meaning;
    if (number < N_KEYED) return { kind: "vote", number, vote: isUnsure ? "unsure" : "yes" };
    return isUnsure ? null : { kind: "vote", number: number - N_KEYED, vote: "no" };
  }
  return isForAnnotatorAlone(meaning.action) ? null : { kind: "action", action: meaning.action };
}

/** Keys that only this widget has, as the help shows them. */
export const OWN_KEYS: readonly { written: readonly string[]; does: string }[] = [
  { written: ["1", "…", "0"], does: "yes to the label with this key, or take it back" },
  { written: ["q", "…", "p"], does: "no to the label with this key (q beside 1, w beside 2, …)" },
  { written: ["⇧ 1", "…", "⇧ 0"], does: "unsure about the label" },
  { written: ["Enter"], does: "confirm the image as it is ticked, and go on" },
  { written: ["a"], does: "accept what most annotators said, where there is a majority" },
  { written: ["k"], does: "show what the annotators said (once all are decided, where you decide blind)" },
  { written: ["h"], does: "show or fold the labels that nobody disputes" },
  { written: ["↑", "↓"], does: "go from label to label" },
  { written: ["Space"], does: "yes to the current label" },
  { written: ["Backspace"], does: "no to the current label" },
  { written: ["."], does: "unsure about the current label" },
];
