/** What there is to settle on one image: which labels, what was said of them before, and what stands after. Pure. */

import { isDecided } from "../shared/fold.ts";
import type { Evidence, Vote } from "../shared/messages.ts";
import type { ImageEntry } from "../shared/work.ts";

export interface Row {
  classIndex: number;
  /** Asked about: what a refiner leaves alone here counts as `no` once the image is decided. */
  isQuestion: boolean;
  /** The refiner's own vote. */
  own: Vote | undefined;
  /** Every annotator ticked it, and the refiner may know. */
  isAgreed: boolean;
  /** What stands as things are: the refiner's own vote; if none, what all agreed on; if nothing, `no` where left alone; null while open. */
  stands: Vote | null;
}

/**
 * Classes that stand agreed: all who were shown one ticked it, two or more of them, or the only annotator.
 *
 * The kernel has the same rule (`pipeline/votes/disputes.py`); `tests/contract/disputes.json` holds both to it.
 */
export function agreedClasses(evidence: Evidence | null): number[] {
  if (evidence === null) return [];
  const nNeeded = Math.min(2, evidence.voices.length);
  return Object.entries(evidence.votes)
    .filter(([, votes]) => {
      const words = Object.values(votes);
      return words.length >= nNeeded && words.every((vote) => vote === "yes");
    })
    .map(([key]) => Number(key));
}

/** Yes or no where more annotators say so than say the other; null where they are tied, or nobody was sure. */
export function majority(evidence: Evidence | null, classIndex: number): "yes" | "no" | null {
  const votes = Object.values(evidence?.votes[String(classIndex)] ?? {});
  const lean = votes.filter((vote) => vote === "yes").length - votes.filter((vote) => vote === "no").length;
  return lean === 0 ? null : lean > 0 ? "yes" : "no";
}

/**
 * Classes that the refiner is asked about, in the order of the proposals, what others added last.
 *
 * These are the open labels. On an image without any, as an audit has it, it is every class that was offered.
 *
 * @param revealed Whether the refiner may see what the annotators said: then also what they agreed to add.
 */
export function questions(entry: ImageEntry, revealed = true): number[] {
  const { open_labels, proposals, evidence } = entry.task;
  const proposed = proposals.map(({ class_index }) => class_index);
  if (open_labels.length === 0) {
    return [...new Set([...proposed, ...(revealed ? agreedClasses(evidence) : [])])];
  }
  const asked = new Set(open_labels);
  return [...new Set([...proposed.filter((classIndex) => asked.has(classIndex)), ...open_labels])];
}

/** Questions without a vote of the refiner's own. */
export function openQuestions(entry: ImageEntry, revealed = true): number[] {
  if (entry.state.none) return [];
  return questions(entry, revealed).filter(
    (classIndex) => entry.state.votes[String(classIndex)] === undefined,
  );
}

/** Whether the refiner may see what the annotators said. */
export function isRevealed(entry: ImageEntry, isBlindFirst: boolean, wasAskedFor: boolean): boolean {
  if (entry.task.evidence === null) return false;
  return !isBlindFirst || wasAskedFor || (isDecided(entry.state) && openQuestions(entry, false).length === 0);
}

/** Questions, then what the refiner added, then the labels that nobody disputes. */
export function rowsOf(entry: ImageEntry, revealed: boolean): Row[] {
  const asked = questions(entry, revealed);
  const agreed = new Set(revealed ? agreedClasses(entry.task.evidence) : []);
  const isAsked = new Set(asked);
  const proposed = entry.task.proposals.map(({ class_index }) => class_index);
  const offered = new Set([...asked, ...proposed, ...agreed]);
  const added = Object.keys(entry.state.votes)
    .map(Number)
    .filter((classIndex) => !offered.has(classIndex));
  const rest = [...agreed, ...proposed.filter((classIndex) => !agreed.has(classIndex))];
  const order = [...new Set([...asked, ...added, ...rest])];
  return order.map((classIndex) => {
    const isQuestion = isAsked.has(classIndex);
    const own = entry.state.votes[String(classIndex)];
    const isAgreed = agreed.has(classIndex);
    return {
      classIndex,
      isQuestion,
      own,
      isAgreed,
      stands: standing(entry, own, isQuestion, isAgreed),
    };
  });
}

function standing(
  entry: ImageEntry,
  own: Vote | undefined,
  isQuestion: boolean,
  isAgreed: boolean,
): Vote | null {
  if (own !== undefined) return own;
  if (entry.state.none) return "no";
  if (isAgreed) return "yes";
  if (!isQuestion) return "no";
  if (!isDecided(entry.state)) return null;
  return entry.state.unsure ? "unsure" : "no";
}

export interface LabelSet {
  voice: string;
  yes: number[];
  unsure: number[];
}

/** What each annotator had ticked. */
export function labelSetsBefore(evidence: Evidence): LabelSet[] {
  const voted = (voice: string, word: Vote) =>
    Object.entries(evidence.votes)
      .filter(([, votes]) => votes[voice] === word)
      .map(([key]) => Number(key));
  return evidence.voices.map((voice) => ({
    voice,
    yes: voted(voice, "yes"),
    unsure: voted(voice, "unsure"),
  }));
}
