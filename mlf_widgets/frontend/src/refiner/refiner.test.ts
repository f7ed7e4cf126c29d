/** The refiner's logic: what is asked, what stands, what may be shown, and keys. */

import { describe, expect, test } from "vitest";
import contract from "../../../../tests/contract/disputes.json";
import { EMPTY_STATE } from "../shared/fold.ts";
import { isForAnnotatorAlone, KEY_BINDINGS } from "../shared/keys.ts";
import type { Evidence, ImageState, Vote } from "../shared/messages.ts";
import type { ImageEntry } from "../shared/work.ts";
import { keyPress } from "../testing/presses.ts";
import { refinerKey } from "./keys.ts";
import {
  agreedClasses,
  isRevealed,
  labelSetsBefore,
  majority,
  openQuestions,
  questions,
  rowsOf,
} from "./labels.ts";

function evidence(votes: Record<number, Record<string, Vote>>, voices = ["A", "B"]): Evidence {
  return { votes, voices, comments: {}, regions: {}, simulated: [] };
}

function entry(openLabels: number[], said: Evidence | null, state: Partial<ImageState> = {}): ImageEntry {
  const proposals = [5, 3, 8, 1].map((classIndex) => ({
    class_index: classIndex,
    score: null,
    model: "",
    view: null,
  }));
  const now = { ...EMPTY_STATE, ...state };
  const task = {
    position: 0,
    image_number: 0,
    image_id: "0.jpg",
    has_image: true,
    proposals,
    state: now,
    evidence: said,
    open_labels: openLabels,
    order: "score",
    is_probe: false,
    example_group: "",
  };
  return { task, base: now, events: [], state: now };
}

describe("what annotators left, by the contract with the kernel", () => {
  test.each(contract)("$name", (sample) => {
    const voices = ["A", "B", "C"].slice(0, sample.annotators);
    const votes = Object.entries(sample.said).map(([key, words]) => [
      key,
      Object.fromEntries(words.map((word, i) => [voices[i], word])),
    ]);
    expect(agreedClasses(evidence(Object.fromEntries(votes), voices))).toEqual(sample.agreed);
  });
});

describe("what is asked", () => {
  test("is what is disputed, in the order of the proposals, what somebody added last", () => {
    expect(questions(entry([1, 5, 20], evidence({})))).toEqual([5, 1, 20]);
  });

  test("is everything offered where nothing is disputed, as in an audit", () => {
    expect(questions(entry([], evidence({ 40: { A: "yes", B: "yes" } })))).toEqual([5, 3, 8, 1, 40]);
  });

  test("is answered by votes, and by none of these", () => {
    expect(openQuestions(entry([5, 1], null, { votes: { 5: "no" } }))).toEqual([1]);
    expect(openQuestions(entry([5, 1], null, { none: true }))).toEqual([]);
  });
});

describe("what stands", () => {
  const said = evidence({ 3: { A: "yes", B: "yes" }, 5: { A: "yes", B: "no" }, 8: { A: "no", B: "no" } });
  const stands = (state: Partial<ImageState>) =>
    Object.fromEntries(rowsOf(entry([5], said, state), true).map((row) => [row.classIndex, row.stands]));

  test("is what all agreed on, and the question is open until something is decided", () => {
    expect(stands({})).toEqual({ 3: "yes", 5: null, 8: "no", 1: "no" });
  });

  test("is the refiner's word before everything else", () => {
    expect(stands({ votes: { 3: "no", 5: "unsure", 20: "yes" } })).toEqual({
      3: "no",
      5: "unsure",
      8: "no",
      1: "no",
      20: "yes",
    });
  });

  test("is no for a question left alone on a decided image", () => {
    expect(stands({ votes: { 20: "yes" } })[5]).toBe("no");
    expect(stands({ none: true })).toEqual({ 3: "no", 5: "no", 8: "no", 1: "no" });
  });

  test("says nothing of agreement that may not be known yet", () => {
    const rows = rowsOf(entry([5], null), false);
    expect(rows.some(({ isAgreed }) => isAgreed)).toBe(false);
  });
});

describe("what was said before", () => {
  test("a label stands undisputed with two voices and nobody against it", () => {
    const votes = {
      1: { A: "yes", B: "yes" },
      2: { A: "yes", B: "no", C: "yes" },
      3: { A: "yes" },
      4: { A: "yes", C: "yes" },
    } as const;
    expect(agreedClasses(evidence(votes, ["A", "B", "C"]))).toEqual([1, 4]);
    expect(agreedClasses(evidence({ 3: { A: "yes" } }, ["A"]))).toEqual([3]);
    expect(agreedClasses(null)).toEqual([]);
  });

  test.each([
    [{ A: "yes", B: "no" }, null],
    [{ A: "yes", B: "unsure" }, "yes"],
    [{ A: "no", B: "no", C: "yes" }, "no"],
    [{}, null],
  ] as [Record<string, Vote>, unknown][])("of %o most said %s", (votes, expected) => {
    expect(majority(evidence({ 1: votes }), 1)).toBe(expected);
  });

  test("is shown as one label set a voice", () => {
    const sets = labelSetsBefore(evidence({ 1: { A: "yes", B: "unsure" }, 2: { A: "no", B: "yes" } }));
    expect(sets).toEqual([
      { voice: "A", yes: [1], unsure: [] },
      { voice: "B", yes: [2], unsure: [1] },
    ]);
  });
});

describe("what may be shown", () => {
  const said = evidence({ 5: { A: "yes", B: "no" } });
  test("is everything where nobody decides blind", () => {
    expect(isRevealed(entry([5], said), false, false)).toBe(true);
  });

  test("waits for every question, or for the refiner's wish, where one decides blind", () => {
    expect(isRevealed(entry([5, 1], said, { votes: { 5: "yes" } }), true, false)).toBe(false);
    expect(isRevealed(entry([5, 1], said, { votes: { 5: "yes" } }), true, true)).toBe(true);
    expect(isRevealed(entry([5, 1], said, { votes: { 5: "yes", 1: "no" } }), true, false)).toBe(true);
  });

  test("is nothing while the kernel holds it back", () => {
    expect(isRevealed(entry([5], null, { votes: { 5: "yes" } }), true, true)).toBe(false);
  });
});

describe("keys", () => {
  const press = (code: string, key: string, more = {}) => refinerKey(keyPress(code, key, more));
  test("a digit says yes, the letter beside it no, shift and the digit unsure", () => {
    expect(press("Digit2", "2")).toEqual({ kind: "vote", number: 1, vote: "yes" });
    expect(press("KeyW", "w")).toEqual({ kind: "vote", number: 1, vote: "no" });
    expect(press("KeyW", "ц")).toEqual({ kind: "vote", number: 1, vote: "no" }); // Russian: by place
    expect(press("KeyZ", "w")).toEqual({ kind: "vote", number: 1, vote: "no" }); // French: by what is printed
    expect(press("Comma", ".", { shiftKey: true })).toEqual({ kind: "action", action: "cursor_unsure" });
    expect(press("Digit2", "@", { shiftKey: true })).toEqual({ kind: "vote", number: 1, vote: "unsure" });
  });

  test.each([
    ["Enter", "Enter", {}, "confirm"],
    ["KeyA", "a", {}, "majority"],
    ["KeyH", "h", {}, "fold"],
    ["KeyK", "k", {}, "evidence"],
    ["ArrowDown", "ArrowDown", {}, "cursor_down"],
    ["ArrowDown", "ArrowDown", { shiftKey: true }, "pan_down"],
    ["KeyZ", "Z", { shiftKey: true }, "redo"],
    ["Slash", "?", { shiftKey: true }, "help"],
  ])("%s (%s) %o means %s", (code, key, more, action) => {
    expect(press(code, key, more)).toEqual({ kind: "action", action });
  });

  test("of its own stand before none that it shares with the annotation widget", () => {
    const shared = KEY_BINDINGS.filter(({ action }) => !isForAnnotatorAlone(action));
    expect(shared.length).toBeGreaterThan(15);
    for (const { action, key, shift = false } of shared) {
      expect(press("", key, { shiftKey: shift })).toEqual({ kind: "action", action });
    }
  });

  test("keys of the annotation widget alone mean nothing here", () => {
    expect(press("KeyM", "m")).toBeNull();
    expect(press("Enter", "Enter", { ctrlKey: true })).toBeNull();
  });
});
