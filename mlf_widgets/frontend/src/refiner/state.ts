/** What the refinement widget knows besides the work itself, and how it changes. */

import type { WalkHappening, WalkState } from "../shared/walking_controller.ts";
import { type ImageEntry, INITIAL_WORK, reduceWork } from "../shared/work.ts";
import { isRevealed, type Row, rowsOf } from "./labels.ts";

export interface RefinerState extends WalkState {
  /** The row that arrows and Space act on. */
  cursor: number;
  /** Labels that nobody disputes are shown too. */
  isUnfolded: boolean;
  /** Positions whose evidence the refiner has asked to see. */
  opened: ReadonlySet<number>;
}

export type Happening =
  | WalkHappening
  | { type: "cursorMoved"; cursor: number }
  | { type: "folded" }
  | { type: "evidenceOpened" };

export const INITIAL_STATE: RefinerState = {
  ...INITIAL_WORK,
  filter: "all",
  dialog: null,
  cursor: 0,
  isUnfolded: false,
  opened: new Set(),
};

export function reduce(state: RefinerState, happening: Happening): RefinerState {
  switch (happening.type) {
    case "wentTo":
      return { ...state, position: happening.position, cursor: 0, isUnfolded: false, dialog: null, said: "" };
    case "filterChosen":
      return { ...state, filter: happening.filter };
    case "dialog":
      return { ...state, dialog: happening.dialog };
    case "cursorMoved": {
      const last = Math.max(0, shownRows(state).length - 1);
      return { ...state, cursor: Math.min(Math.max(happening.cursor, 0), last) };
    }
    case "folded":
      return { ...state, isUnfolded: !state.isUnfolded, cursor: 0 };
    case "evidenceOpened":
      return { ...state, opened: new Set([...state.opened, state.position]) };
    default:
      return reduceWork(state, happening);
  }
}

export function currentEntry(state: RefinerState): ImageEntry | undefined {
  return state.entries.get(state.position);
}

export function isCurrentRevealed(state: RefinerState): boolean {
  const entry = currentEntry(state);
  const isBlindFirst = state.info?.refinement.blind_first ?? false;
  return entry !== undefined && isRevealed(entry, isBlindFirst, state.opened.has(state.position));
}

/** All rows of the image now shown. */
export function allRows(state: RefinerState): Row[] {
  const entry = currentEntry(state);
  return entry === undefined ? [] : rowsOf(entry, isCurrentRevealed(state));
}

/** Rows on screen: what nobody disputes is folded away, except where the refiner has voted on it. */
export function shownRows(state: RefinerState): Row[] {
  return allRows(state).filter((row) => row.isQuestion || row.own !== undefined || state.isUnfolded);
}
