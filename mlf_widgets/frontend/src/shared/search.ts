/**
 * Type-ahead over all classes: name, synonyms, definition. The texts are lower-cased once. The first keystroke is one pass
 * over all strings; each further one is a pass over the classes found so far.
 */

import type { ClassColumns } from "./messages.ts";

const COMBINING_MARKS = /\p{M}/gu;
const BETWEEN_WORDS = /[-(\n]/g;

function plain(text: string): string {
  return text.normalize("NFKD").replace(COMBINING_MARKS, "").toLowerCase();
}

/** A text in which every word follows a space, even the first: finding where words begin is then one native search. */
function spaced(text: string): string {
  return ` ${text.replace(BETWEEN_WORDS, " ")}`;
}

interface Hit {
  index: number;
  score: number;
}

export class ClassSearch {
  private readonly names: string[];
  private readonly synonyms: string[];
  private readonly definitions: string[];
  private readonly keys: string[];
  private readonly indexOfKey: ReadonlyMap<string, number>;
  private readonly everything: readonly number[];
  /** The last answer, and all classes that it was chosen from. */
  private last = { typed: "", limit: 0, best: [] as number[], matching: [] as readonly number[] };

  constructor(classes: ClassColumns) {
    this.names = classes.names.map((name) => spaced(plain(name)));
    this.synonyms = classes.synonyms.map((words) =>
      words.length === 0 ? "" : spaced(plain(words.join("\n"))),
    );
    this.definitions = classes.definitions.map((text) => spaced(plain(text)));
    this.keys = classes.keys.map((key) => key.toLowerCase());
    const gone = new Set(classes.gone ?? []);
    this.everything = this.names.map((_, index) => index).filter((index) => !gone.has(index));
    this.indexOfKey = new Map(this.everything.map((index) => [this.keys[index] ?? "", index]));
  }

  /** Class indices, the best first: by name, then synonym, then key, then definition. Every word typed must occur. */
  find(query: string, limit = 40): number[] {
    const typed = plain(query.trim());
    if (typed === "") return [];
    if (typed === this.last.typed && limit === this.last.limit) return this.last.best;
    const whole = spaced(typed);
    const words = typed.split(/\s+/).map(spaced);
    const best: Hit[] = [];
    const matching: number[] = [];
    for (const index of this.candidates(typed)) {
      const score = this.score(index, typed, whole, words);
      if (score === 0) continue;
      matching.push(index);
      const worst = best.length < limit ? 0 : (best[best.length - 1]?.score ?? 0);
      if (score > worst) {
        if (best.length === limit) best.pop();
        best.splice(placeOf(best, score), 0, { index, score });
      }
    }
    this.last = { typed, limit, best: best.map((hit) => hit.index), matching };
    return this.last.best;
  }

  /** Classes that include every match: adding a letter finds nothing that did not match before. */
  private candidates(typed: string): readonly number[] {
    const { typed: before, matching } = this.last;
    if (before === "" || !typed.startsWith(before)) return this.everything;
    const byKey = this.indexOfKey.get(typed); // keys are matched whole, so this one may be new
    return byKey === undefined || matching.includes(byKey) ? matching : [...matching, byKey];
  }

  private score(index: number, typed: string, whole: string, words: string[]): number {
    const name = this.names[index] ?? "";
    const synonyms = this.synonyms[index] ?? "";
    const brevity = 1 / (1 + name.length);
    if (name === whole) return 100;
    const inName = place(name, whole);
    if (inName > 0) return 60 + 10 * inName + brevity;
    const inSynonyms = place(synonyms, whole);
    if (inSynonyms > 0) return 40 + 5 * inSynonyms + brevity;
    if (this.keys[index] === typed) return 95;
    const definition = this.definitions[index] ?? "";
    let score = 10;
    for (const word of words) {
      const inside = word.slice(1);
      if (name.includes(inside)) score += 6;
      else if (synonyms.includes(inside)) score += 4;
      else if (definition.includes(word)) score += 2;
      else if (definition.includes(inside)) score += 1;
      else return 0;
    }
    return score / words.length + brevity;
  }
}

/** Where a hit of this score belongs among others, the best first; after those of the same score. */
function placeOf(hits: readonly Hit[], score: number): number {
  let low = 0;
  let high = hits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((hits[middle]?.score ?? 0) >= score) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** 3: starts with it; 2: a word starts with it; 1: holds it; 0: does not. */
function place(text: string, sought: string): 0 | 1 | 2 | 3 {
  if (!text.includes(sought.slice(1))) return 0;
  if (text.startsWith(sought)) return 3;
  return text.includes(sought) ? 2 : 1;
}
