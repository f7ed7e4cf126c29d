/** Type-ahead over all classes: name, synonyms, definition. Lower-cased once; a keystroke is one pass over strings. */

import type { ClassColumns } from "./messages.ts";

const COMBINING_MARKS = /\p{M}/gu;

function plain(text: string): string {
  return text.normalize("NFKD").replace(COMBINING_MARKS, "").toLowerCase();
}

export class ClassSearch {
  private readonly names: string[];
  private readonly synonyms: string[];
  private readonly definitions: string[];

  constructor(private readonly classes: ClassColumns) {
    this.names = classes.names.map(plain);
    this.synonyms = classes.synonyms.map((words) => (words.length === 0 ? "" : plain(words.join("\n"))));
    this.definitions = classes.definitions.map(plain);
  }

  /** Class indices, the best first: by name, then synonym, then key, then definition. Every word typed must occur. */
  find(query: string, limit = 40): number[] {
    const whole = plain(query.trim());
    if (whole === "") return [];
    const words = whole.split(/\s+/);
    const hits: { index: number; score: number }[] = [];
    for (let index = 0; index < this.names.length; index++) {
      const score = this.score(index, whole, words);
      if (score > 0) hits.push({ index, score });
    }
    hits.sort((a, b) => b.score - a.score || a.index - b.index);
    return hits.slice(0, limit).map((hit) => hit.index);
  }

  private score(index: number, whole: string, words: string[]): number {
    const name = this.names[index] ?? "";
    const synonyms = this.synonyms[index] ?? "";
    const brevity = 1 / (1 + name.length);
    if (name === whole) return 100;
    const inName = place(name, whole);
    if (inName > 0) return 60 + 10 * inName + brevity;
    const inSynonyms = place(synonyms, whole);
    if (inSynonyms > 0) return 40 + 5 * inSynonyms + brevity;
    if ((this.classes.keys[index] ?? "").toLowerCase() === whole) return 95;
    let score = 10;
    for (const word of words) {
      if (name.includes(word)) score += 6;
      else if (synonyms.includes(word)) score += 4;
      else if (place(this.definitions[index] ?? "", word) > 1) score += 2;
      else if (this.definitions[index]?.includes(word)) score += 1;
      else return 0;
    }
    return score / words.length + brevity;
  }
}

/** 3: starts with it; 2: a word starts with it; 1: holds it; 0: does not. */
function place(text: string, sought: string): 0 | 1 | 2 | 3 {
  let at = text.indexOf(sought);
  if (at < 0) return 0;
  if (at === 0) return 3;
  while (at > 0) {
    const before = text.charCodeAt(at - 1);
    if (before === 32 || before === 10 || before === 45 || before === 40) return 2;
    at = text.indexOf(sought, at + 1);
  }
  return 1;
}
