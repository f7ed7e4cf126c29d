/** What the grid knows besides the work itself: one class, the tasks to ask about, the page on screen. */

import type { GridPage, ImageState, TaskFilter, Vote } from "../shared/messages.ts";
import { INITIAL_WORK, reduceWork, type WorkHappening, type WorkState } from "../shared/work.ts";

export type Dialog = { kind: "help" } | { kind: "search" } | { kind: "look"; position: number };

export interface GridState extends WorkState {
  /** The class that is asked about; null shows the tasks without a question. */
  classIndex: number | null;
  which: TaskFilter;
  /** Tasks that passed the filter when it was chosen; they stay, so that nothing moves while one ticks. */
  positions: readonly number[];
  nTotal: number;
  isListed: boolean;
  page: number;
  pageSize: number;
  dialog: Dialog | null;
}

export type Happening =
  | WorkHappening
  | { type: "chose"; classIndex: number | null; which: TaskFilter }
  | { type: "listed"; page: GridPage }
  | { type: "turnedToPage"; page: number }
  | { type: "resizedPage"; pageSize: number }
  | { type: "movedTo"; position: number }
  | { type: "dialog"; dialog: Dialog | null };

export const PAGE_SIZES = [12, 24, 48, 96] as const;

export const INITIAL_STATE: GridState = {
  ...INITIAL_WORK,
  classIndex: null,
  which: "all",
  positions: [],
  nTotal: 0,
  isListed: false,
  page: 0,
  pageSize: 48,
  dialog: null,
};

export function reduce(state: GridState, happening: Happening): GridState {
  switch (happening.type) {
    case "chose":
      return {
        ...state,
        classIndex: happening.classIndex,
        which: happening.which,
        positions: [],
        nTotal: 0,
        isListed: false,
        page: 0,
        dialog: null,
      };
    case "listed": {
      const { positions, n_total } = happening.page;
      return withPosition({ ...state, positions, nTotal: n_total, isListed: true, page: 0 }, 0);
    }
    case "turnedToPage": {
      const page = Math.min(Math.max(happening.page, 0), pageCount(state) - 1);
      if (page === state.page) return state;
      return withPosition({ ...state, page }, 0);
    }
    case "resizedPage": {
      const first = state.positions.indexOf(state.position);
      const page = Math.floor(Math.max(0, first) / happening.pageSize);
      return { ...state, pageSize: happening.pageSize, page };
    }
    case "movedTo": {
      const index = state.positions.indexOf(happening.position);
      if (index < 0) return state;
      return { ...state, position: happening.position, page: Math.floor(index / state.pageSize) };
    }
    case "dialog":
      return { ...state, dialog: happening.dialog };
    default:
      return reduceWork(state, happening);
  }
}

export function pageCount(state: GridState): number {
  return Math.max(1, Math.ceil(state.positions.length / state.pageSize));
}

export function positionsOfPage(state: GridState, page = state.page): readonly number[] {
  return state.positions.slice(page * state.pageSize, (page + 1) * state.pageSize);
}

/** The tile that a step of the arrows leads to; the next or previous page's where the page ends. */
export function neighbour(state: GridState, step: number): number | undefined {
  const index = state.positions.indexOf(state.position);
  if (index < 0) return state.positions[state.page * state.pageSize];
  return state.positions[index + step];
}

/** An annotator's word on a class: a vote, `no` because it was left unticked, or null for none at all. */
export interface Word {
  vote: Vote;
  isOwn: boolean;
}

export function wordOn(state: ImageState, classIndex: number): Word | null {
  const own = state.votes[String(classIndex)];
  if (own !== undefined) return { vote: own, isOwn: true };
  const isDecided = state.none || state.unsure || Object.keys(state.votes).length > 0;
  if (!isDecided || !state.shown.includes(classIndex)) return null;
  return { vote: state.unsure ? "unsure" : "no", isOwn: false };
}

/** Tasks of the page that have no vote of their own on the class: what confirming the page would make a `no`. */
export function unanswered(state: GridState, positions = positionsOfPage(state)): number[] {
  const { classIndex } = state;
  if (classIndex === null) return [];
  return positions.filter((position) => {
    const entry = state.entries.get(position);
    return entry !== undefined && entry.state.votes[String(classIndex)] === undefined;
  });
}

function withPosition(state: GridState, number: number): GridState {
  const position = positionsOfPage(state)[number];
  return position === undefined ? state : { ...state, position };
}
