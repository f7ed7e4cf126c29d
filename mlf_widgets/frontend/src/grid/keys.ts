/** The grid's keys: arrows move around, Space ticks. */

import { isThirdLevel, type KeyLayout, type KeyPress, keyName } from "../shared/key_names.ts";
import { isSign } from "../shared/keys.ts";

interface Binding {
  key: string;
  /** Their names, as `keyName` has them. */
  names: readonly string[];
  shift?: boolean;
  written: readonly string[];
  does: string;
}

const BINDINGS = [
  { key: "left", names: ["ArrowLeft"], written: ["←", "→", "↑", "↓"], does: "go from image to image" },
  { key: "right", names: ["ArrowRight"], written: [], does: "" },
  { key: "up", names: ["ArrowUp"], written: [], does: "" },
  { key: "down", names: ["ArrowDown"], written: [], does: "" },
  { key: "first", names: ["Home"], written: ["Home", "End"], does: "first and last image of the page" },
  { key: "last", names: ["End"], written: [], does: "" },
  { key: "next_page", names: ["PageDown"], written: ["Page ↓", "Page ↑"], does: "next and previous page" },
  { key: "previous_page", names: ["PageUp"], written: [], does: "" },
  {
    key: "tick",
    names: ["Space", "Enter"],
    written: ["Space", "Enter"],
    does: "tick, or clear the tick",
  },
  { key: "no", names: ["n"], written: ["n"], does: "this image does not show it" },
  { key: "unsure", names: ["u"], written: ["u"], does: "unsure about this image" },
  {
    key: "confirm",
    names: ["c"],
    written: ["c"],
    does: "confirm the page: what is not ticked does not show it",
  },
  { key: "clear", names: ["x"], written: ["x"], does: "clear every vote on this page for this class" },
  { key: "look", names: ["v"], written: ["v"], does: "view the image large" },
  { key: "search", names: ["s", "/"], written: ["s", "/"], does: "choose another class" },
  { key: "filter", names: ["l"], written: ["l"], does: "filter the images" },
  { key: "redo", names: ["z"], shift: true, written: ["Z"], does: "redo" },
  { key: "undo", names: ["z"], written: ["z"], does: "undo (a confirmed page goes back as one)" },
  { key: "help", names: ["?"], written: ["?"], does: "these keys" },
  {
    key: "leave",
    names: ["Escape"],
    written: ["Esc"],
    does: "give the keyboard back; twice: the notebook has it",
  },
] as const satisfies readonly Binding[];

export type GridKey = (typeof BINDINGS)[number]["key"];
export const GRID_BINDINGS: readonly (Binding & { key: GridKey })[] = BINDINGS;

export function gridKey(press: KeyPress, layout: KeyLayout | null = null): GridKey | null {
  if (press.altKey || isThirdLevel(press)) return null;
  const name = keyName(press, layout);
  if (press.ctrlKey || press.metaKey) {
    if (name === "z") return press.shiftKey ? "redo" : "undo";
    return name === "y" ? "redo" : null;
  }
  const binding = GRID_BINDINGS.find(
    ({ names, shift }) => names.includes(name) && (isSign(name) || (shift ?? false) === press.shiftKey),
  );
  return binding?.key ?? null;
}
