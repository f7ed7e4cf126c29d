/** What events imply: the same rules as `pipeline/annotation/folding.py`, so that the browser need not wait for the store. */

import type { AnnotationEvent, ImageState, Region, UndoEntry, Vote } from "./messages.ts";

/** An event and its place in the store's log; `seq` is null until the store has acknowledged it. */
export interface LoggedEvent {
  event: AnnotationEvent;
  seq: number | null;
}

const UNDOABLE = new Set(["vote", "none", "unsure", "comment", "searched", "region"]);

export const EMPTY_STATE: ImageState = {
  votes: {},
  none: false,
  unsure: false,
  comment: "",
  regions: {},
  shown: [],
  searched: false,
  active_ms: 0,
  last_seq: 0,
  offered: [],
  open_again: [],
  saw_frames: false,
};

/** Events in the order in which the store has, or will have, them. */
export function inLogOrder(events: readonly LoggedEvent[]): LoggedEvent[] {
  return [...events].sort(
    (a, b) => (a.seq ?? Number.POSITIVE_INFINITY) - (b.seq ?? Number.POSITIVE_INFINITY) || 0,
  );
}

/**
 * The state of one image: events of it applied to a state that already holds earlier ones.
 *
 * An undo whose target lies in `base` cannot be applied here; the caller asks the store (see `hasForeignTarget`).
 */
export function fold(events: readonly LoggedEvent[], base: ImageState = EMPTY_STATE): ImageState {
  const ordered = inLogOrder(events);
  const undone = new Map<string, boolean>();
  for (const { event } of ordered) {
    if (event.kind === "undo" || event.kind === "redo") {
      undone.set(event.payload.target ?? "", event.kind === "undo");
    }
  }
  const votes: Record<string, Vote> = { ...base.votes };
  const regions: Record<string, Region[]> = { ...base.regions };
  const shown = new Set(base.shown);
  let offered = base.offered ?? [];
  let openAgain = base.open_again ?? [];
  let sawFrames = base.saw_frames ?? false;
  let { none, unsure, comment, searched, active_ms, last_seq } = base;
  for (const { event, seq } of ordered) {
    for (const classIndex of event.shown) shown.add(classIndex);
    openAgain = openAgain.filter((classIndex) => !event.shown.includes(classIndex));
    active_ms += event.active_ms;
    last_seq = Math.max(last_seq, seq ?? 0);
    if (undone.get(event.event_id)) continue;
    const { payload } = event;
    const key = String(payload.class_index);
    switch (event.kind) {
      case "vote":
        delete votes[key];
        if (payload.vote !== undefined && payload.vote !== "clear") votes[key] = payload.vote;
        none = none && payload.vote !== "yes";
        break;
      case "none":
        none = payload.value === true;
        if (none) for (const voted of Object.keys(votes)) delete votes[voted];
        break;
      case "unsure":
        unsure = payload.value === true;
        break;
      case "comment":
        comment = payload.text ?? "";
        break;
      case "searched":
        searched = payload.value === true;
        break;
      case "frames":
        sawFrames = true;
        break;
      case "region":
        regions[key] = payload.regions ?? [];
        if (regions[key].length === 0) delete regions[key];
        break;
      case "classes": {
        Object.assign(votes, payload.votes);
        const already = offered;
        const added = (payload.offered ?? []).filter((classIndex) => !already.includes(classIndex));
        offered = [...offered, ...added];
        openAgain = [...openAgain, ...added];
        break;
      }
    }
  }
  return {
    votes,
    none,
    unsure,
    comment,
    regions,
    shown: [...shown].sort((a, b) => a - b),
    searched,
    active_ms,
    last_seq,
    offered,
    open_again: openAgain,
    saw_frames: sawFrames,
  };
}

/** Whether an undo or redo among the events aims at one that is not among them. */
export function hasForeignTarget(events: readonly LoggedEvent[]): boolean {
  const known = new Set(events.map(({ event }) => event.event_id));
  return events.some(
    ({ event }) => (event.kind === "undo" || event.kind === "redo") && !known.has(event.payload.target ?? ""),
  );
}

export interface UndoStacks {
  undo: UndoEntry[];
  redo: UndoEntry[];
}

/** What can be undone and redone once this event counts; the next one is last. A new action empties `redo`. */
export function advanceStacks(stacks: UndoStacks, event: AnnotationEvent, position: number): UndoStacks {
  if (UNDOABLE.has(event.kind)) {
    if (stacks.undo.some(([id]) => id === event.event_id)) return stacks;
    return { undo: [...stacks.undo, [event.event_id, position]], redo: [] };
  }
  if (event.kind !== "undo" && event.kind !== "redo") return stacks;
  const [from, to] = event.kind === "undo" ? (["undo", "redo"] as const) : (["redo", "undo"] as const);
  const moved = stacks[from].find(([id]) => id === event.payload.target);
  if (moved === undefined) return stacks;
  return {
    ...stacks,
    [from]: stacks[from].filter((entry) => entry !== moved),
    [to]: [...stacks[to], moved],
  };
}

/** Whether the annotator has decided anything about the labels. */
export function isDecided(state: ImageState): boolean {
  return state.none || state.unsure || Object.keys(state.votes).length > 0;
}

/** Whether the image is decided, and nothing has been offered since that was not shown. */
export function isDone(state: ImageState): boolean {
  return isDecided(state) && (state.open_again ?? []).length === 0;
}

/** Whether the image or one of its labels is flagged unsure. */
export function hasUnsure(state: ImageState): boolean {
  return state.unsure || Object.values(state.votes).includes("unsure");
}

/** Whether two states hold the same decisions, whatever was seen and however long it took. */
export function decidesTheSame(a: ImageState, b: ImageState): boolean {
  const sameFlags =
    a.none === b.none && a.unsure === b.unsure && a.comment === b.comment && a.searched === b.searched;
  return sameFlags && isSameRecord(a.votes, b.votes);
}

/** Whether two states say the same, whatever event they end with. */
export function saysTheSame(a: ImageState, b: ImageState): boolean {
  return (
    a.none === b.none &&
    a.unsure === b.unsure &&
    a.comment === b.comment &&
    a.searched === b.searched &&
    a.active_ms === b.active_ms &&
    isSameRecord(a.votes, b.votes) &&
    a.shown.length === b.shown.length &&
    a.shown.every((classIndex, i) => classIndex === b.shown[i]) &&
    JSON.stringify(Object.entries(a.regions).sort()) === JSON.stringify(Object.entries(b.regions).sort())
  );
}

function isSameRecord(a: Record<string, string>, b: Record<string, string>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
