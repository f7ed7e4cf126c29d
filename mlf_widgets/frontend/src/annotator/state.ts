/** What the annotation widget knows besides the work itself, and how it changes. */

import type { WalkHappening, WalkState } from "../shared/walking_controller.ts";
import { type ImageEntry, INITIAL_WORK, reduceWork } from "../shared/work.ts";

export { type ImageEntry, refreshable } from "../shared/work.ts";

export interface AnnotatorState extends WalkState {
  page: number;
  showsAll: boolean;
}

export type Happening = WalkHappening | { type: "turnedToPage"; page: number } | { type: "toggledAll" };

export const INITIAL_STATE: AnnotatorState = {
  ...INITIAL_WORK,
  page: 0,
  showsAll: false,
  filter: "all",
  dialog: null,
};

export function reduce(state: AnnotatorState, happening: Happening): AnnotatorState {
  switch (happening.type) {
    case "wentTo":
      return { ...state, position: happening.position, page: 0, dialog: null, said: "" };
    case "turnedToPage":
      return { ...state, page: Math.min(Math.max(happening.page, 0), pageCount(state) - 1) };
    case "toggledAll":
      return { ...state, showsAll: !state.showsAll, page: 0 };
    case "filterChosen":
      return { ...state, filter: happening.filter };
    case "dialog":
      return { ...state, dialog: happening.dialog };
    default:
      return reduceWork(state, happening);
  }
}

/** The image now shown; undefined until its task has arrived. */
export function currentEntry(state: AnnotatorState): ImageEntry | undefined {
  return state.entries.get(state.position);
}

export function pageSize(state: AnnotatorState): number {
  const size = state.info?.annotation.page_size ?? 5;
  return state.showsAll || size === 0 ? Number.POSITIVE_INFINITY : size;
}

export function pageCount(state: AnnotatorState): number {
  const nProposals = currentEntry(state)?.task.proposals.length ?? 0;
  return Math.max(1, Math.ceil(nProposals / pageSize(state)));
}

/** Numbers (from 0) of the proposals on the page now shown. */
export function numbersOnPage(state: AnnotatorState): number[] {
  const nProposals = currentEntry(state)?.task.proposals.length ?? 0;
  const size = pageSize(state);
  const first = size === Number.POSITIVE_INFINITY ? 0 : state.page * size;
  return Array.from({ length: Math.max(0, Math.min(size, nProposals - first)) }, (_, i) => first + i);
}

/** Classes with a vote that were not among the proposals. */
export function addedClasses(entry: ImageEntry): number[] {
  const proposed = new Set(entry.task.proposals.map((proposal) => proposal.class_index));
  return Object.keys(entry.state.votes)
    .map(Number)
    .filter((classIndex) => !proposed.has(classIndex));
}
