// @vitest-environment happy-dom
/** Tables that sort, filter and download; images that are chosen and ordered. */

import { expect, test } from "vitest";
import { choose, filterOf, NO_FILTER, type SiteData } from "./images.ts";
import { csvRow, enhanceTable, numberOf } from "./tables.ts";

const DATA: SiteData = {
  project: "toys",
  classes: ["ant", "bee", "cow"],
  people: [
    { name: "ada", simulated: false },
    { name: "ben", simulated: true },
  ],
  sources: ["agreed", "refined"],
  ids: ["a.jpg", "b.jpg", "c.jpg"],
  numbers: null,
  original: [0, 1, -1],
  refined: [[0], [1, 2], null],
  source: [0, 1, -1],
  words: [
    [
      [0, [0], 0, 0, ""],
      [1, [0], 0, 0, ""],
    ],
    [
      [0, [1], 0, 0, ""],
      [1, [2], 0, 1, "hm"],
    ],
    [],
  ],
  refiners: [[], [], []],
  disagreement: [0, 1000, -1],
  nOpen: [0, 2, 0],
  sprites: { side: 64, columns: 10, each: 100, files: ["s.jpg"], n: 3 },
  notice: "",
};

test("images are filtered by class, number of labels, source, disagreement, annotator and name", () => {
  const found = (part: object) => choose(DATA, { ...NO_FILTER, ...part }, "order", false);
  expect(found({})).toEqual([0, 1, 2]);
  expect(found({ classIndex: 2 })).toEqual([1]);
  expect(found({ nLabels: "2+" })).toEqual([1]);
  expect(found({ nLabels: "1" })).toEqual([0]);
  expect(found({ source: "agreed" })).toEqual([0]);
  expect(found({ disagreement: "disputed" })).toEqual([1]);
  expect(found({ disagreement: "agreed" })).toEqual([0]);
  expect(found({ disagreement: "changed" })).toEqual([1]);
  expect(found({ disagreement: "kept" })).toEqual([0]);
  expect(found({ person: "ben" })).toEqual([0, 1]);
  expect(found({ text: "C.J" })).toEqual([2]);
  expect(found({ disagreement: "compared" })).toEqual([0, 1]);
});

test("a link opens exactly its images, also where not all images are listed", () => {
  const found = (hash: string, data = DATA) => choose(data, filterOf(hash).filter, "order", false);
  expect(found("#only=0,2")).toEqual([0, 2]);
  expect(found("#only=1-2")).toEqual([1, 2]);
  expect(found("#only=1-2&images=compared")).toEqual([1]);
  expect(found("#only=5-9,12-20,41", { ...DATA, numbers: [8, 10, 41] })).toEqual([0, 2]);
  expect(found("#only=all")).toEqual([0, 1, 2]);
});

test("the worst image comes first, and every column orders", () => {
  expect(choose(DATA, NO_FILTER, "worst", true)[0]).toBe(1);
  expect(choose(DATA, NO_FILTER, "id", true)).toEqual([2, 1, 0]);
  expect(choose(DATA, NO_FILTER, "nLabels", false)).toEqual([2, 0, 1]);
  expect(filterOf("#labels=2+&sort=worst&look=first")).toMatchObject({
    filter: { nLabels: "2+" },
    sort: "worst",
    look: true,
  });
  expect(filterOf("#labels=<b>&images=evil").filter).toEqual(NO_FILTER);
});

test("a table sorts by number or word, with what is undefined last, and filters", () => {
  document.body.innerHTML =
    "<table><caption>Models</caption><thead><tr><th>model</th><th>Top-1</th></tr></thead><tbody>" +
    "<tr><th>b</th><td>9.5% (1 to 2)</td></tr><tr><th>a</th><td>12.0%</td></tr><tr><th>c</th><td>undefined</td></tr></tbody></table>";
  const table = document.querySelector("table") as HTMLTableElement;
  enhanceTable(table, 0);
  const rows = () => [...table.querySelectorAll<HTMLTableRowElement>("tbody tr")];
  const column = () => rows().map((row) => row.children[0]?.textContent);
  const sort = table.querySelectorAll<HTMLButtonElement>(".mlf-sort")[1];
  sort?.click();
  expect(column()).toEqual(["a", "b", "c"]);
  sort?.click();
  expect(column()).toEqual(["b", "a", "c"]);
  const filter = document.querySelector<HTMLInputElement>("input[type=search]") as HTMLInputElement;
  filter.value = "12.0";
  filter.dispatchEvent(new Event("input"));
  const shown = rows().filter((row) => !row.hidden);
  expect(shown.map((row) => row.children[0]?.textContent)).toEqual(["a"]);
});

test("numbers are read from what a cell begins with; a formula is no cell of a download", () => {
  expect([numberOf("1,234 of 5"), numberOf("−3.5"), numberOf("< 0.0001"), numberOf("word")]).toEqual([
    1234,
    -3.5,
    0.0001,
    Number.NaN,
  ]);
  expect(csvRow(["=1+1", "-2", 'a "b", c'])).toBe('\'=1+1,-2,"a ""b"", c"\r\n');
});
