/** What the grid knows beside the work itself: one class, the tasks it is asked about, the page on screen. */

import type { GridPage, ImageState, TaskFilter, Vote } from "../shared/messages.ts";
import { INITIAL_WORK, reduceWork, type WorkHappening, type WorkState } from "../shared/work.ts";

export type Dialog = { kind: "help" } | { kind: "search" } | { kind: "look"; position: number };

export interface GridState extends WorkState {
  /** The class that is asked about; null shows the tasks without a question. */
  class_index: number | null;
  which: TaskFilter;
  /** Tasks that passed the filter when it was chosen; they stay, so that nothing moves while one ticks. */
  positions: readonly number[];
  n_total: number;
  isListed: boolean;
  page: number;
  page_size: number;
  dialog: Dialog | null;
}

export type Happening =
  | WorkHappening
  | { type: "chose"; class_index: number | null; which: TaskFilter }
  | { type: "listed"; page: GridPage }
  | { type: "turned_to_page"; page: number }
  | { type: "resized_page"; page_size: number }
  | { type: "moved_to"; position: number }
  | { type: "dialog"; dialog: Dialog | null };

export const PAGE_SIZES = [12, 24, 48, 96] as const;

export const INITIAL_STATE: GridState = {
  ...INITIAL_WORK,
  class_index: null,
  which: "all",
  positions: [],
  n_total: 0,
  isListed: false,
  page: 0,
  page_size: 48,
  dialog: null,
};

export function reduce(state: GridState, happening: Happening): GridState {
  switch (happening.type) {
    case "chose":
      return {
        ...state,
        class_index: happening.class_index,
        which: happening.which,
        positions: [],
        n_total: 0,
        isListed: false,
        page: 0,
        dialog: null,
      };
    case "listed": {
      const { positions, n_total } = happening.page;
      return withPosition({ ...state, positions, n_total, isListed: true, page: 0 }, 0);
    }
    case "turned_to_page": {
      const page = Math.min(Math.max(happening.page, 0), pageCount(state) - 1);
      if (page === state.page) return state;
      return withPosition({ ...state, page }, 0);
    }
    case "resized_page": {
      const first = state.positions.indexOf(state.position);
      const page = Math.floor(Math.max(0, first) / happening.page_size);
      return { ...state, page_size: happening.page_size, page };
    }
    case "moved_to": {
      const index = state.positions.indexOf(happening.position);
      if (index < 0) return state;
      return { ...state, position: happening.position, page: Math.floor(index / state.page_size) };
    }
    case "dialog":
      return { ...state, dialog: happening.dialog };
    default:
      return reduceWork(state, happening);
  }
}

export function pageCount(state: GridState): number {
  return Math.max(1, Math.ceil(state.positions.length / state.page_size));
}

export function positionsOfPage(state: GridState, page = state.page): readonly number[] {
  return state.positions.slice(page * state.page_size, (page + 1) * state.page_size);
}

/** The tile that a step of the arrows leads to; the next or previous page's where the page ends. */
export function neighbour(state: GridState, step: number): number | undefined {
  const index = state.positions.indexOf(state.position);
  if (index < 0) return state.positions[state.page * state.page_size];
  return state.positions[index + step];
}

/** What an annotator's word on a class is: a vote, `no` by having left it unticked, or null for none at all. */
export interface Word {
  vote: Vote;
  isOwn: boolean;
}

export function wordOn(state: ImageState, class_index: number): Word | null {
  const own = state.votes[String(class_index)];
  if (own !== undefined) return { vote: own, isOwn: true };
  const isDecided = state.none || state.unsure || Object.keys(state.votes).length > 0;
  if (!isDecided || !state.shown.includes(class_index)) return null;
  return { vote: state.unsure ? "unsure" : "no", isOwn: false };
}

/** Tasks of the page that have no vote of their own on the class: what confirming the page would make a `no`. */
export function unanswered(state: GridState, positions = positionsOfPage(state)): number[] {
  const { class_index } = state;
  if (class_index === null) return [];
  return positions.filter((position) => {
    const entry = state.entries.get(position);
    return entry !== undefined && entry.state.votes[String(class_index)] === undefined;
  });
}

function withPosition(state: GridState, number: number): GridState {
  const position = positionsOfPage(state)[number];
  return position === undefined ? state : { ...state, position };
}
