/** The grid's logic: pages, words, what confirming means, and keys. */

import { describe, expect, test } from "vitest";
import { EMPTY_STATE } from "../shared/fold.ts";
import type { ImageState, Task } from "../shared/messages.ts";
import { keyPress } from "../testing/presses.ts";
import { gridKey } from "./keys.ts";
import {
  type GridState,
  INITIAL_STATE,
  neighbour,
  positionsOfPage,
  reduce,
  unanswered,
  wordOn,
} from "./state.ts";

const CLASS = 7;

function task(position: number, state: Partial<ImageState> = {}): Task {
  return {
    position,
    image_number: 100 + position,
    image_id: `${position}.jpg`,
    has_image: true,
    proposals: [],
    state: { ...EMPTY_STATE, ...state },
    evidence: null,
    open_labels: [],
    order: "score",
    is_probe: false,
    example_group: "",
  };
}

function grid(nTasks: number, states: Record<number, Partial<ImageState>> = {}): GridState {
  const positions = Array.from({ length: nTasks }, (_, i) => 2 * i);
  const listed = [
    { type: "chose", classIndex: CLASS, which: "all" },
    { type: "listed", page: { class_index: CLASS, positions, n_total: nTasks } },
    { type: "resizedPage", pageSize: 12 },
    { type: "tasksLoaded", tasks: positions.map((position) => task(position, states[position])) },
  ] as const;
  return listed.reduce<GridState>(
    (state, happening) => reduce(state, structuredClone(happening)),
    INITIAL_STATE,
  );
}

describe("what an annotator's word on a class is", () => {
  const word = (state: Partial<ImageState>) => wordOn({ ...EMPTY_STATE, ...state }, CLASS);
  test.each([
    ["nothing, where nothing was said", {}, null],
    [
      "nothing, where the image is decided and the class was never shown",
      { votes: { 3: "yes" }, shown: [3] },
      null,
    ],
    ["nothing, where the class was shown and the image is not decided", { shown: [CLASS] }, null],
    ["the vote", { votes: { [CLASS]: "unsure" }, shown: [CLASS] }, { vote: "unsure", isOwn: true }],
    [
      "no, where it was left unticked",
      { votes: { 3: "yes" }, shown: [3, CLASS] },
      { vote: "no", isOwn: false },
    ],
    ["unsure, where the image is", { unsure: true, shown: [CLASS] }, { vote: "unsure", isOwn: false }],
    ["no, where none applies", { none: true, shown: [CLASS] }, { vote: "no", isOwn: false }],
  ] as [string, Partial<ImageState>, unknown][])("%s", (_what, state, expected) => {
    expect(word(state)).toEqual(expected);
  });
});

describe("pages", () => {
  test("hold what was listed, in its order, and the last one what is left", () => {
    const state = grid(30);
    expect(positionsOfPage(state)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
    expect(positionsOfPage(reduce(state, { type: "turnedToPage", page: 9 }))).toEqual([
      48, 50, 52, 54, 56, 58,
    ]);
  });

  test("arrows go on to the next page and back", () => {
    const last = reduce(grid(30), { type: "movedTo", position: 22 });
    const next = neighbour(last, 1);
    expect(next).toBe(24);
    const moved = reduce(last, { type: "movedTo", position: 24 });
    expect(moved.page).toBe(1);
    expect(reduce(moved, { type: "movedTo", position: 22 }).page).toBe(0);
    expect(neighbour(grid(30), -1)).toBeUndefined();
  });

  test("another size of page keeps the image that one is at", () => {
    const state = reduce(reduce(grid(30), { type: "movedTo", position: 40 }), {
      type: "resizedPage",
      pageSize: 24,
    });
    expect(positionsOfPage(state)).toContain(40);
  });

  test("a choice that nothing passes leaves an empty page and no error", () => {
    const state = grid(0);
    expect(positionsOfPage(state)).toEqual([]);
    expect(unanswered(state)).toEqual([]);
  });
});

test("only what has no vote of its own is open, whatever else was said of the image", () => {
  const states: Record<number, Partial<ImageState>> = {
    0: { votes: { [CLASS]: "no" } },
    2: { votes: { 3: "yes" }, shown: [3] },
    4: { none: true },
  };
  expect(unanswered(grid(4, states))).toEqual([2, 4, 6]);
});

test("a vote made here and not yet saved counts at once", () => {
  const event = {
    event_id: "e-0000001",
    round: "annotation",
    annotator: "ada",
    image_number: 102,
    kind: "vote",
    payload: { class_index: CLASS, vote: "no" },
    shown: [CLASS],
    active_ms: 0,
    order: "score",
    client_time: "",
  } as const;
  const state = reduce(grid(3), { type: "eventsMade", events: [{ ...event, shown: [CLASS] }] });
  expect(unanswered(state)).toEqual([0, 4]);
  expect(state.entries.get(2)?.state.shown).toEqual([CLASS]);
  expect(unanswered(reduce(state, { type: "refused", eventId: "e-0000001" }))).toEqual([0, 2, 4]);
});

describe("keys", () => {
  const press = (code: string, key = "", more = {}) => gridKey(keyPress(code, key, more));
  test.each([
    ["Space", " ", {}, "tick"],
    ["Enter", "Enter", {}, "tick"],
    ["KeyC", "c", {}, "confirm"],
    ["KeyZ", "z", {}, "undo"],
    ["KeyZ", "Z", { shiftKey: true }, "redo"],
    ["KeyZ", "z", { ctrlKey: true }, "undo"],
    ["KeyC", "c", { ctrlKey: true }, null],
    ["Minus", "?", { shiftKey: true }, "help"],
    ["KeyQ", "q", {}, null],
    ["ArrowLeft", "ArrowLeft", { altKey: true }, null],
  ])("%s (%s) %o means %s", (code, key, more, expected) => {
    expect(press(code, key, more)).toBe(expected);
  });
});
