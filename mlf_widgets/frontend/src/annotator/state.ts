/** What the annotation widget knows, and how it changes: pure, so that every sequence of happenings can be tested. */

import {
  advanceStacks,
  fold,
  hasForeignTarget,
  hasUnsure,
  isDecided,
  type LoggedEvent,
  saysTheSame,
  type UndoStacks,
} from "../shared/fold.ts";
import type {
  AnnotationEvent,
  Changes,
  ImageState,
  Progress,
  SessionInfo,
  Task,
  TaskFilter,
} from "../shared/messages.ts";
import type { SaveStatus } from "../shared/save_queue.ts";

/** One image as far as the browser knows it: `state` is always the fold of `events` on `base`. */
export interface ImageEntry {
  task: Task;
  base: ImageState;
  events: readonly LoggedEvent[];
  state: ImageState;
}

export type Dialog =
  | { kind: "help" }
  | { kind: "guidelines" }
  | { kind: "search" }
  | { kind: "compare"; class_index: number; number: number };

export interface AnnotatorState {
  info: SessionInfo | null;
  entries: ReadonlyMap<number, ImageEntry>;
  position: number;
  page: number;
  shows_all: boolean;
  filter: TaskFilter;
  progress: Progress;
  /** Own events that the store's last word on `changes` did not include. */
  log: readonly LoggedEvent[];
  stacks: UndoStacks;
  store_stacks: UndoStacks;
  last_seq: number;
  /** Positions whose state must be asked for anew, once nothing of theirs is on its way. */
  stale: ReadonlySet<number>;
  save: SaveStatus;
  dialog: Dialog | null;
  /** What went wrong, in words; "" when nothing did. */
  error: string;
  /** What a screen reader says next, and everyone reads for a moment. */
  said: string;
}

export type Happening =
  | { type: "opened"; info: SessionInfo }
  | { type: "tasks_loaded"; tasks: Task[] }
  | { type: "went_to"; position: number }
  | { type: "turned_to_page"; page: number }
  | { type: "toggled_all" }
  | { type: "event_made"; event: AnnotationEvent }
  | { type: "events_restored"; events: AnnotationEvent[] }
  | { type: "acknowledged"; event_id: string; seq: number }
  | { type: "refused"; event_id: string }
  | { type: "changed"; changes: Changes }
  | { type: "filter_chosen"; filter: TaskFilter }
  | { type: "save_status"; status: SaveStatus }
  | { type: "dialog"; dialog: Dialog | null }
  | { type: "failed"; error: string }
  | { type: "said"; text: string };

const NO_STACKS: UndoStacks = { undo: [], redo: [] };
const MAX_ENTRIES = 3000;

export const INITIAL_STATE: AnnotatorState = {
  info: null,
  entries: new Map(),
  position: 0,
  page: 0,
  shows_all: false,
  filter: "all",
  progress: { n_tasks: 0, n_done: 0, n_unsure: 0, n_commented: 0 },
  log: [],
  stacks: NO_STACKS,
  store_stacks: NO_STACKS,
  last_seq: 0,
  stale: new Set(),
  save: { state: "saved", n_waiting: 0, reason: "" },
  dialog: null,
  error: "",
  said: "",
};

export function reduce(state: AnnotatorState, happening: Happening): AnnotatorState {
  switch (happening.type) {
    case "opened":
      return opened(state, happening.info);
    case "tasks_loaded":
      return tasksLoaded(state, happening.tasks);
    case "went_to":
      return { ...state, position: happening.position, page: 0, dialog: null };
    case "turned_to_page":
      return { ...state, page: Math.min(Math.max(happening.page, 0), pageCount(state) - 1) };
    case "toggled_all":
      return { ...state, shows_all: !state.shows_all, page: 0 };
    case "event_made":
      return withEvents(state, [happening.event]);
    case "events_restored":
      return withEvents(state, happening.events);
    case "acknowledged":
      return acknowledged(state, happening.event_id, happening.seq);
    case "refused":
      return refused(state, happening.event_id);
    case "changed":
      return changed(state, happening.changes);
    case "filter_chosen":
      return { ...state, filter: happening.filter };
    case "save_status":
      return { ...state, save: happening.status };
    case "dialog":
      return { ...state, dialog: happening.dialog };
    case "failed":
      return { ...state, error: happening.error };
    case "said":
      return { ...state, said: happening.text };
  }
}

/** The image now shown; undefined until its task has arrived. */
export function currentEntry(state: AnnotatorState): ImageEntry | undefined {
  return state.entries.get(state.position);
}

export function pageSize(state: AnnotatorState): number {
  const size = state.info?.annotation.page_size ?? 5;
  return state.shows_all || size === 0 ? Number.POSITIVE_INFINITY : size;
}

export function pageCount(state: AnnotatorState): number {
  const n_proposals = currentEntry(state)?.task.proposals.length ?? 0;
  return Math.max(1, Math.ceil(n_proposals / pageSize(state)));
}

/** Numbers (from 0) of the proposals on the page now shown. */
export function numbersOnPage(state: AnnotatorState): number[] {
  const n_proposals = currentEntry(state)?.task.proposals.length ?? 0;
  const size = pageSize(state);
  const first = size === Number.POSITIVE_INFINITY ? 0 : state.page * size;
  return Array.from({ length: Math.max(0, Math.min(size, n_proposals - first)) }, (_, i) => first + i);
}

/** Classes with a vote that were not among the proposals. */
export function addedClasses(entry: ImageEntry): number[] {
  const proposed = new Set(entry.task.proposals.map((proposal) => proposal.class_index));
  return Object.keys(entry.state.votes)
    .map(Number)
    .filter((classIndex) => !proposed.has(classIndex));
}

/** Positions that must be asked for anew, and can be: nothing of theirs is on its way. */
export function refreshable(state: AnnotatorState): number[] {
  return [...state.stale].filter((position) => !isWaiting(state.entries.get(position)));
}

function opened(state: AnnotatorState, info: SessionInfo): AnnotatorState {
  const isAgain = state.info !== null;
  const store_stacks = { undo: info.undo, redo: info.redo };
  const next: AnnotatorState = {
    ...state,
    info,
    progress: info.progress,
    store_stacks,
    last_seq: info.last_seq,
    log: state.log.filter(({ seq }) => seq === null || seq > info.last_seq),
    position: isAgain ? state.position : info.start_position,
    error: "",
  };
  return { ...next, stacks: stacksOf(next) };
}

function tasksLoaded(state: AnnotatorState, tasks: Task[]): AnnotatorState {
  const entries = new Map(state.entries);
  const stale = new Set(state.stale);
  for (const task of tasks) {
    if (isWaiting(entries.get(task.position)) && entries.has(task.position)) continue;
    const later = state.log.filter(
      ({ event, seq }) => event.image_index === task.image_index && (seq === null || seq > task.state.last_seq),
    );
    entries.set(task.position, {
      task,
      base: task.state,
      events: later,
      state: fold(later, task.state),
    });
    stale.delete(task.position);
    if (hasForeignTarget(later)) stale.add(task.position);
  }
  const next = { ...state, entries: bounded(entries, state.position), stale };
  return { ...next, stacks: stacksOf(next) };
}

function withEvents(state: AnnotatorState, events: AnnotationEvent[]): AnnotatorState {
  const known = new Set(state.log.map(({ event }) => event.event_id));
  const fresh = events.filter((event) => !known.has(event.event_id)).map((event) => ({ event, seq: null }));
  const next: AnnotatorState = { ...state, log: [...state.log, ...fresh] };
  const entries = new Map(state.entries);
  const stale = new Set(state.stale);
  let { progress } = state;
  for (const logged of fresh) {
    const position = positionOf(entries, logged.event.image_index, state.position);
    const entry = position === undefined ? undefined : entries.get(position);
    if (position === undefined || entry === undefined) continue;
    const changedEntry = refolded({ ...entry, events: [...entry.events, logged] });
    progress = moved(progress, entry.state, changedEntry.state);
    entries.set(position, changedEntry);
    if (hasForeignTarget(changedEntry.events)) stale.add(position);
  }
  return { ...next, entries, progress, stale, stacks: stacksOf({ ...next, entries }) };
}

function acknowledged(state: AnnotatorState, event_id: string, seq: number): AnnotatorState {
  const withSeq = (logged: LoggedEvent) => (logged.event.event_id === event_id ? { ...logged, seq } : logged);
  const own = state.log.find(({ event }) => event.event_id === event_id);
  const next = { ...state, log: state.log.map(withSeq) };
  if (own === undefined) return next;
  const position = positionOf(state.entries, own.event.image_index, state.position);
  const entry = position === undefined ? undefined : state.entries.get(position);
  if (position === undefined || entry === undefined) return next;
  const entries = new Map(state.entries);
  entries.set(position, refolded({ ...entry, events: entry.events.map(withSeq) }));
  return { ...next, entries };
}

function refused(state: AnnotatorState, event_id: string): AnnotatorState {
  const own = state.log.find(({ event }) => event.event_id === event_id);
  const next = { ...state, log: state.log.filter((logged) => logged !== own) };
  if (own === undefined) return next;
  const position = positionOf(state.entries, own.event.image_index, state.position);
  const entry = position === undefined ? undefined : state.entries.get(position);
  if (position === undefined || entry === undefined) return { ...next, stacks: stacksOf(next) };
  const entries = new Map(state.entries);
  const without = refolded({
    ...entry,
    events: entry.events.filter(({ event }) => event.event_id !== event_id),
  });
  entries.set(position, without);
  const progress = moved(state.progress, entry.state, without.state);
  return { ...next, entries, progress, stacks: stacksOf({ ...next, entries }) };
}

function changed(state: AnnotatorState, changes: Changes): AnnotatorState {
  const entries = new Map(state.entries);
  const stale = new Set(state.stale);
  for (const [key, said] of Object.entries(changes.states)) {
    const position = Number(key);
    const entry = entries.get(position);
    if (entry === undefined) continue;
    if (isWaiting(entry)) {
      stale.add(position); // what is on its way may be in `said` already; ask again when it is settled
      continue;
    }
    const later = entry.events.filter(({ seq }) => seq !== null && seq > changes.last_seq);
    if (later.length === 0 && saysTheSame(entry.state, said) && !hasForeignTarget(entry.events)) {
      stale.delete(position);
      continue;
    }
    entries.set(position, refolded({ task: entry.task, base: said, events: later, state: said }));
    stale.delete(position);
  }
  const log = state.log.filter(({ seq }) => seq === null || seq > changes.last_seq);
  const next: AnnotatorState = {
    ...state,
    entries,
    stale,
    log,
    last_seq: Math.max(state.last_seq, changes.last_seq),
    store_stacks: { undo: changes.undo, redo: changes.redo },
    progress: log.length === 0 ? changes.progress : state.progress,
  };
  return { ...next, stacks: stacksOf(next) };
}

function stacksOf(state: AnnotatorState): UndoStacks {
  return state.log.reduce(
    (stacks, { event }) =>
      advanceStacks(stacks, event, positionOf(state.entries, event.image_index, state.position) ?? -1),
    state.store_stacks,
  );
}

function refolded(entry: ImageEntry): ImageEntry {
  return { ...entry, state: fold(entry.events, entry.base) };
}

function isWaiting(entry: ImageEntry | undefined): boolean {
  return entry?.events.some(({ seq }) => seq === null) ?? false;
}

function positionOf(
  entries: ReadonlyMap<number, ImageEntry>,
  image_index: number,
  likely: number,
): number | undefined {
  if (entries.get(likely)?.task.image_index === image_index) return likely;
  for (const [position, entry] of entries) if (entry.task.image_index === image_index) return position;
  return undefined;
}

function moved(progress: Progress, before: ImageState, after: ImageState): Progress {
  const step = (is: (state: ImageState) => boolean) => Number(is(after)) - Number(is(before));
  return {
    n_tasks: progress.n_tasks,
    n_done: progress.n_done + step(isDecided),
    n_unsure: progress.n_unsure + step(hasUnsure),
    n_commented: progress.n_commented + step((state) => state.comment !== ""),
  };
}

/** The entries nearest to `position`; those with events on their way stay. */
function bounded(entries: Map<number, ImageEntry>, position: number): Map<number, ImageEntry> {
  if (entries.size <= MAX_ENTRIES) return entries;
  const byDistance = [...entries].sort(([a], [b]) => Math.abs(a - position) - Math.abs(b - position));
  return new Map(
    byDistance.filter(([, entry], rank) => rank < MAX_ENTRIES / 2 || isWaiting(entry)),
  );
}
