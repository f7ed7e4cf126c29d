/** The grid's keys: arrows move around, Space ticks. */

import type { KeyPress } from "../shared/keys.ts";

export type GridKey =
  | "left"
  | "right"
  | "up"
  | "down"
  | "first"
  | "last"
  | "next_page"
  | "previous_page"
  | "tick"
  | "no"
  | "unsure"
  | "confirm"
  | "clear"
  | "undo"
  | "redo"
  | "search"
  | "filter"
  | "look"
  | "help"
  | "leave";

export interface GridBinding {
  key: GridKey;
  codes: readonly string[];
  shift?: boolean;
  written: readonly string[];
  does: string;
}

export const GRID_BINDINGS: readonly GridBinding[] = [
  { key: "left", codes: ["ArrowLeft"], written: ["←", "→", "↑", "↓"], does: "go from image to image" },
  { key: "right", codes: ["ArrowRight"], written: [], does: "" },
  { key: "up", codes: ["ArrowUp"], written: [], does: "" },
  { key: "down", codes: ["ArrowDown"], written: [], does: "" },
  { key: "first", codes: ["Home"], written: ["Home", "End"], does: "first and last image of the page" },
  { key: "last", codes: ["End"], written: [], does: "" },
  { key: "next_page", codes: ["PageDown"], written: ["Page ↓", "Page ↑"], does: "next and previous page" },
  { key: "previous_page", codes: ["PageUp"], written: [], does: "" },
  {
    key: "tick",
    codes: ["Space", "Enter", "NumpadEnter"],
    written: ["Space", "Enter"],
    does: "tick, or clear the tick",
  },
  { key: "no", codes: ["KeyN"], written: ["n"], does: "this image does not show it" },
  { key: "unsure", codes: ["KeyU"], written: ["u"], does: "unsure about this image" },
  {
    key: "confirm",
    codes: ["KeyC"],
    written: ["c"],
    does: "confirm the page: what is not ticked does not show it",
  },
  { key: "clear", codes: ["KeyX"], written: ["x"], does: "clear every vote on this page for this class" },
  { key: "look", codes: ["KeyV"], written: ["v"], does: "view the image large" },
  { key: "search", codes: ["KeyS"], written: ["s", "/"], does: "choose another class" },
  { key: "filter", codes: ["KeyL"], written: ["l"], does: "filter the images" },
  { key: "redo", codes: ["KeyZ"], shift: true, written: ["Z"], does: "redo" },
  { key: "undo", codes: ["KeyZ"], written: ["z"], does: "undo (a confirmed page goes back as one)" },
  { key: "help", codes: ["Slash"], shift: true, written: ["?"], does: "these keys" },
  { key: "leave", codes: ["Escape"], written: ["Esc"], does: "give the keyboard back to the notebook" },
];

export function gridKey(press: KeyPress): GridKey | null {
  if (press.altKey) return null;
  if (press.ctrlKey || press.metaKey) {
    const letter = press.key.toLowerCase();
    if (letter === "z") return press.shiftKey ? "redo" : "undo";
    return letter === "y" ? "redo" : null;
  }
  if (press.key === "?") return "help";
  if (press.key === "/") return "search";
  const binding = GRID_BINDINGS.find(
    ({ codes, shift }) => codes.includes(press.code) && (shift ?? false) === press.shiftKey,
  );
  return binding?.key ?? null;
}
