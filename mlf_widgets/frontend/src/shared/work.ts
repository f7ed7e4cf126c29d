/** What all widgets on a session know about the work, and how it changes: pure, so that any sequence can be tested. */

import {
  advanceStacks,
  fold,
  hasForeignTarget,
  hasUnsure,
  isDone,
  type LoggedEvent,
  saysTheSame,
  type UndoStacks,
} from "./fold.ts";
import type { AnnotationEvent, Changes, ImageState, Progress, SessionInfo, Task } from "./messages.ts";
import type { SaveStatus } from "./save_queue.ts";

/** One image as far as the browser knows it: `state` is always the fold of `events` on `base`. */
export interface ImageEntry {
  task: Task;
  base: ImageState;
  events: readonly LoggedEvent[];
  state: ImageState;
}

export interface WorkState {
  info: SessionInfo | null;
  entries: ReadonlyMap<number, ImageEntry>;
  /** The task that the person is at. */
  position: number;
  progress: Progress;
  /** This widget's events that the store's last answer to `changes` did not include. */
  log: readonly LoggedEvent[];
  stacks: UndoStacks;
  storeStacks: UndoStacks;
  lastSeq: number;
  /** Positions whose state must be asked for again, once none of their events is on its way. */
  stale: ReadonlySet<number>;
  save: SaveStatus;
  /** What went wrong, in words; "" when nothing did. */
  error: string;
  /** What a screen reader says next, and everyone reads for a moment. */
  said: string;
}

export type WorkHappening =
  | { type: "opened"; info: SessionInfo }
  | { type: "tasksLoaded"; tasks: Task[] }
  | { type: "eventsMade"; events: AnnotationEvent[] }
  | { type: "eventsRestored"; events: AnnotationEvent[] }
  | { type: "acknowledged"; eventId: string; seq: number }
  | { type: "refused"; eventId: string }
  | { type: "changed"; changes: Changes; isRelisted?: boolean }
  | { type: "saveStatus"; status: SaveStatus }
  | { type: "failed"; error: string }
  | { type: "said"; text: string };

const NO_STACKS: UndoStacks = { undo: [], redo: [] };
const MAX_ENTRIES = 3000;

export const INITIAL_WORK: WorkState = {
  info: null,
  entries: new Map(),
  position: 0,
  progress: { n_tasks: 0, n_done: 0, n_unsure: 0, n_commented: 0 },
  log: [],
  stacks: NO_STACKS,
  storeStacks: NO_STACKS,
  lastSeq: 0,
  stale: new Set(),
  save: { state: "saved", nWaiting: 0, isKept: true, reason: "" },
  error: "",
  said: "",
};

export function reduceWork<S extends WorkState>(state: S, happening: WorkHappening): S {
  switch (happening.type) {
    case "opened":
      return opened(state, happening.info);
    case "tasksLoaded":
      return tasksLoaded(state, happening.tasks);
    case "eventsMade":
    case "eventsRestored":
      return withEvents(state, happening.events);
    case "acknowledged":
      return acknowledged(state, happening.eventId, happening.seq);
    case "refused":
      return refused(state, happening.eventId);
    case "changed":
      return happening.isRelisted ? relisted(state, happening.changes) : changed(state, happening.changes);
    case "saveStatus":
      return { ...state, save: happening.status };
    case "failed":
      return { ...state, error: happening.error };
    case "said":
      return { ...state, said: happening.text };
  }
}

/** Positions that must be asked for again, and can be: none of their events is on its way. */
export function refreshable(state: WorkState): number[] {
  return [...state.stale].filter((position) => !isWaiting(state.entries.get(position)));
}

/**
 * Whether the store counts otherwise, though nothing is on its way: what another window decided was told of while a
 * decision here was, and then came with the task alone.
 */
export function isMiscounted({ log, progress }: WorkState, told: Progress): boolean {
  const counts = ["n_done", "n_unsure", "n_commented"] as const;
  return log.length === 0 && counts.some((count) => progress[count] !== told[count]);
}

function opened<S extends WorkState>(state: S, info: SessionInfo): S {
  const isAgain = state.info !== null;
  const storeStacks = { undo: info.undo, redo: info.redo };
  const next: S = {
    ...state,
    info,
    progress: info.progress,
    storeStacks,
    lastSeq: info.last_seq,
    log: state.log.filter(({ seq }) => seq === null || seq > info.last_seq),
    position: isAgain ? state.position : info.start_position,
    error: "",
  };
  return { ...next, stacks: stacksOf(next) };
}

function tasksLoaded<S extends WorkState>(state: S, tasks: Task[]): S {
  const entries = new Map(state.entries);
  const stale = new Set(state.stale);
  for (const task of tasks) {
    if (isWaiting(entries.get(task.position)) && entries.has(task.position)) continue;
    const later = state.log.filter(
      ({ event, seq }) =>
        event.image_number === task.image_number && (seq === null || seq > task.state.last_seq),
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

function withEvents<S extends WorkState>(state: S, events: AnnotationEvent[]): S {
  const known = new Set(state.log.map(({ event }) => event.event_id));
  const fresh = events.filter((event) => !known.has(event.event_id)).map((event) => ({ event, seq: null }));
  const next: S = { ...state, log: [...state.log, ...fresh] };
  const entries = new Map(state.entries);
  const stale = new Set(state.stale);
  let { progress } = state;
  for (const logged of fresh) {
    const position = positionOf(entries, logged.event.image_number, state.position);
    const entry = position === undefined ? undefined : entries.get(position);
    if (position === undefined || entry === undefined) continue;
    const changedEntry = refolded({ ...entry, events: [...entry.events, logged] });
    progress = moved(progress, entry.state, changedEntry.state);
    entries.set(position, changedEntry);
    if (hasForeignTarget(changedEntry.events)) stale.add(position);
  }
  return { ...next, entries, progress, stale, stacks: stacksOf({ ...next, entries }) };
}

function acknowledged<S extends WorkState>(state: S, eventId: string, seq: number): S {
  const withSeq = (logged: LoggedEvent) => (logged.event.event_id === eventId ? { ...logged, seq } : logged);
  // If an earlier acknowledgement was lost, a later answer of the store includes the event: drop what it includes.
  const isAfter = (lastSeq: number) => (logged: LoggedEvent) => logged.seq === null || logged.seq > lastSeq;
  const own = state.log.find(({ event }) => event.event_id === eventId);
  const next = { ...state, log: state.log.map(withSeq).filter(isAfter(state.lastSeq)) };
  if (own === undefined) return next;
  const position = positionOf(state.entries, own.event.image_number, state.position);
  const entry = position === undefined ? undefined : state.entries.get(position);
  if (position === undefined || entry === undefined) return { ...next, stacks: stacksOf(next) };
  const entries = new Map(state.entries);
  const events = entry.events.map(withSeq).filter(isAfter(entry.base.last_seq));
  entries.set(position, refolded({ ...entry, events }));
  return { ...next, entries, stacks: stacksOf({ ...next, entries }) };
}

function refused<S extends WorkState>(state: S, eventId: string): S {
  const own = state.log.find(({ event }) => event.event_id === eventId);
  const next = { ...state, log: state.log.filter((logged) => logged !== own) };
  if (own === undefined) return next;
  const position = positionOf(state.entries, own.event.image_number, state.position);
  const entry = position === undefined ? undefined : state.entries.get(position);
  if (position === undefined || entry === undefined) return { ...next, stacks: stacksOf(next) };
  const entries = new Map(state.entries);
  const without = refolded({
    ...entry,
    events: entry.events.filter(({ event }) => event.event_id !== eventId),
  });
  entries.set(position, without);
  const progress = moved(state.progress, entry.state, without.state);
  return { ...next, entries, progress, stacks: stacksOf({ ...next, entries }) };
}

/** Tasks went to other people, and those after them moved up: what was known by position no longer holds. */
function relisted<S extends WorkState>(state: S, changes: Changes): S {
  const { last_seq, undo, redo, progress } = changes;
  const next: S = {
    ...state,
    entries: new Map(),
    stale: new Set(),
    position: Math.max(0, Math.min(state.position, progress.n_tasks - 1)),
    log: state.log.filter(({ seq }) => seq === null || seq > last_seq),
    lastSeq: Math.max(state.lastSeq, last_seq),
    storeStacks: { undo, redo },
    progress,
  };
  return { ...next, stacks: stacksOf(next) };
}

function changed<S extends WorkState>(state: S, changes: Changes): S {
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
    // What was said about the image can be newer than the rest of the answer.
    const lastSeq = Math.max(changes.last_seq, said.last_seq);
    const later = entry.events.filter(({ seq }) => seq !== null && seq > lastSeq);
    if (later.length === 0 && saysTheSame(entry.state, said) && !hasForeignTarget(entry.events)) {
      stale.delete(position);
      continue;
    }
    entries.set(position, refolded({ task: entry.task, base: said, events: later, state: said }));
    stale.delete(position);
  }
  const log = state.log.filter(({ seq }) => seq === null || seq > changes.last_seq);
  const next: S = {
    ...state,
    entries,
    stale,
    log,
    lastSeq: Math.max(state.lastSeq, changes.last_seq),
    storeStacks: { undo: changes.undo, redo: changes.redo },
    progress: log.length === 0 ? changes.progress : { ...state.progress, n_tasks: changes.progress.n_tasks },
  };
  return { ...next, stacks: stacksOf(next) };
}

function stacksOf(state: WorkState): UndoStacks {
  return state.log.reduce(
    (stacks, { event }) =>
      advanceStacks(stacks, event, positionOf(state.entries, event.image_number, state.position) ?? -1),
    state.storeStacks,
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
  imageNumber: number,
  likely: number,
): number | undefined {
  if (entries.get(likely)?.task.image_number === imageNumber) return likely;
  for (const [position, entry] of entries) if (entry.task.image_number === imageNumber) return position;
  return undefined;
}

function moved(progress: Progress, before: ImageState, after: ImageState): Progress {
  const step = (is: (state: ImageState) => boolean) => Number(is(after)) - Number(is(before));
  return {
    n_tasks: progress.n_tasks,
    n_done: progress.n_done + step(isDone),
    n_unsure: progress.n_unsure + step(hasUnsure),
    n_commented: progress.n_commented + step((state) => state.comment !== ""),
  };
}

/** The entries nearest to `position`; those with events on their way stay. */
function bounded(entries: Map<number, ImageEntry>, position: number): Map<number, ImageEntry> {
  if (entries.size <= MAX_ENTRIES) return entries;
  const byDistance = [...entries].sort(([a], [b]) => Math.abs(a - position) - Math.abs(b - position));
  return new Map(byDistance.filter(([, entry], rank) => rank < MAX_ENTRIES / 2 || isWaiting(entry)));
}
