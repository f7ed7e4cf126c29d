import { describe, expect, test } from "vitest";
import { fc } from "../testing/drawn.ts";
import type { ClassColumns } from "./messages.ts";
import { ClassSearch } from "./search.ts";

function columns(rows: [name: string, synonyms?: string[], definition?: string][]): ClassColumns {
  return {
    keys: rows.map((_, i) => `n${i}`),
    names: rows.map(([name]) => name),
    synonyms: rows.map(([, synonyms]) => synonyms ?? []),
    definitions: rows.map(([, , definition]) => definition ?? ""),
  };
}

describe("finding a class", () => {
  const classes = columns([
    ["space shuttle", [], "a reusable spacecraft"],
    ["heater", ["space heater"], "warms a room"],
    ["oven", [], "a heater of food in a closed space"],
    ["space heater", [], "warms a room"],
    ["Crème brûlée", ["burnt cream"], "a dessert"],
    ["theater", [], "where plays are shown"],
  ]);
  const search = new ClassSearch(classes);

  test("puts the name before the synonym before the definition", () => {
    expect(search.find("space heater")).toEqual([3, 1, 2]);
    expect(search.find("heat")[0]).toBe(1);
    expect(search.find("n4")).toEqual([4]);
  });

  test("sees past accents, capitals and the order of the words", () => {
    expect(search.find("creme BRULEE")).toEqual([4]);
    expect(search.find("cream burnt")).toEqual([4]);
    expect(search.find("  ")).toEqual([]);
    expect(search.find("zebra")).toEqual([]);
  });

  test("finds a class by any piece of its name, and nothing that lacks a word typed", () => {
    const word = fc.stringMatching(/^[a-e]{1,4}$/);
    const name = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(" "));
    const row = fc.tuple(name, fc.array(name, { maxLength: 2 }), name);
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 12 }),
        fc.array(word, { minLength: 1, maxLength: 2 }),
        (rows, words) => {
          const made = columns(rows.map(([a, b, c]) => [a, b, c]));
          const found = new ClassSearch(made).find(words.join(" "), 1000);
          const holds = rows.map(([a, b, c]) => {
            const all = [a, ...b, c].join("\n");
            return words.every((one) => all.includes(one));
          });
          for (const index of found) expect(holds[index]).toBe(true);
          expect(new Set(found).size).toBe(found.length);
          // Keys are no part of the reference: they are matched whole, and hold a digit.
          expect(found.length).toBe(holds.filter(Boolean).length);
        },
      ),
    );
  });

  test("finds letter by letter what it finds at once", () => {
    const word = fc.stringMatching(/^[n0-2ab -]{1,4}$/);
    const row = fc.tuple(word, fc.array(word, { maxLength: 2 }), word);
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 14 }),
        fc.array(fc.stringMatching(/^[n0-2ab -]{1,6}$/), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 20 }),
        (rows, queries, limit) => {
          const made = columns(rows);
          const kept = new ClassSearch(made);
          for (const query of queries) {
            for (let length = 1; length <= query.length; length++) {
              const typed = query.slice(0, length);
              expect(kept.find(typed, limit)).toEqual(new ClassSearch(made).find(typed, limit));
            }
          }
        },
      ),
    );
  });

  test("takes a keystroke's time at 21,841 classes", () => {
    const syllables = [
      "ba",
      "co",
      "di",
      "fu",
      "ga",
      "he",
      "jo",
      "ka",
      "li",
      "mo",
      "nu",
      "pe",
      "ro",
      "sa",
      "ti",
    ];
    let seed = 1;
    const random = (n: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % n;
    };
    const text = (n: number) =>
      Array.from({ length: n }, () =>
        [random(15), random(15), random(15)].map((i) => syllables[i]).join(""),
      ).join(" ");
    const many = columns(
      Array.from({ length: 21_841 }, () => [
        text(1 + random(3)),
        [text(2), text(2)].slice(random(3)),
        text(12),
      ]),
    );
    const large = new ClassSearch(many);
    const queries = [
      "b",
      "ba",
      "bac",
      "baco",
      "bacodi",
      "bacodi f",
      "ti ro",
      "sati mo ka",
      "zzz",
      "he he he",
    ];
    const times = queries.map((query) => {
      const ofQuery = Array.from({ length: 7 }, () => {
        large.find("xyz"); // what is typed next adds nothing to this, and is sought among all
        const start = performance.now();
        large.find(query);
        return performance.now() - start;
      });
      return ofQuery.sort((x, y) => x - y)[3] ?? 0;
    });
    // Printed, never asserted: how long it takes depends on what else the machine does.
    console.info(`search of 21,841 classes: slowest query ${Math.max(...times).toFixed(1)} ms (median of 7)`);
    expect(large.find(many.names[777] ?? "").slice(0, 20)).toContain(777);
  });
});
