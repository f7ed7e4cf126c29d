/** The compact file beside the explorer, and choosing and ordering images from it. */

import { byLetter } from "./tables.ts";

/** What one person has said of an image: [person, class indices, has ticked "none", was unsure, comment]. */
export type Word = readonly [
  person: number,
  labels: readonly number[],
  none: 0 | 1,
  unsure: 0 | 1,
  comment: string,
];

/** Everything by image, in the same order; written by `pipeline/reports/explorer_data.py`. */
export interface SiteData {
  project: string;
  classes: readonly string[];
  people: readonly { name: string; simulated: boolean }[];
  sources: readonly string[];
  ids: readonly string[];
  /** The images' numbers where not all are listed; otherwise each one's number is its place. */
  numbers: readonly number[] | null;
  original: readonly number[];
  /** Refined labels; null where nobody has decided. */
  refined: readonly (readonly number[] | null)[];
  source: readonly number[];
  words: readonly (readonly Word[])[];
  refiners: readonly (readonly Word[])[];
  /** Mean pairwise Jaccard distance of the annotators' label sets, in thousandths; -1 where fewer than two decided. */
  disagreement: readonly number[];
  nOpen: readonly number[];
  /** Thumbnails: side in pixels, how many lie in a row and in a sprite, how many images have one. */
  sprites: { side: number; columns: number; each: number; files: readonly string[]; n: number };
  notice: string;
}

export type SortBy = "worst" | "order" | "id" | "original" | "nLabels" | "disagreement" | "nOpen" | "source";

export interface Filter {
  classIndex: number | null;
  /** "" for any; "0" … "4", "5+", "2+". */
  nLabels: string;
  source: string;
  disagreement: "" | "compared" | "disputed" | "agreed" | "changed" | "kept";
  person: string;
  text: string;
  /** First and last numbers of the images that a link has chosen; null for all. */
  only: readonly (readonly [number, number])[] | null;
}

export const NO_FILTER: Filter = {
  classIndex: null,
  nLabels: "",
  source: "",
  disagreement: "",
  person: "",
  text: "",
  only: null,
};

export function nLabels(data: SiteData, image: number): number {
  return data.refined[image]?.length ?? -1;
}

/** Whether the refined labels are others than the original one alone. */
export function isChanged(data: SiteData, image: number): boolean {
  const labels = data.refined[image];
  return labels != null && !(labels.length === 1 && labels[0] === data.original[image]);
}

function allWords(data: SiteData, image: number): readonly Word[] {
  return [...(data.words[image] ?? []), ...(data.refiners[image] ?? [])];
}

export function passes(data: SiteData, image: number, filter: Filter): boolean {
  const { classIndex, person, source, disagreement } = filter;
  if (classIndex !== null) {
    const isThere =
      data.original[image] === classIndex ||
      data.refined[image]?.includes(classIndex) ||
      allWords(data, image).some(([, labels]) => labels.includes(classIndex));
    if (!isThere) return false;
  }
  if (filter.nLabels !== "") {
    const n = nLabels(data, image);
    const wanted = Number.parseInt(filter.nLabels, 10);
    if (n < 0 || (filter.nLabels.endsWith("+") ? n < wanted : n !== wanted)) return false;
  }
  if (source !== "" && data.sources[data.source[image] ?? -1] !== source) return false;
  if (person !== "" && !allWords(data, image).some(([who]) => data.people[who]?.name === person))
    return false;
  const distance = data.disagreement[image] ?? -1;
  if (disagreement === "compared" && distance < 0) return false;
  if (disagreement === "disputed" && distance <= 0) return false;
  if (disagreement === "agreed" && distance !== 0) return false;
  if (disagreement === "changed" && !isChanged(data, image)) return false;
  if (disagreement === "kept" && (isChanged(data, image) || data.refined[image] == null)) return false;
  if (filter.only !== null && !isAmong(filter.only, data.numbers?.[image] ?? image)) return false;
  return filter.text === "" || (data.ids[image] ?? "").toLowerCase().includes(filter.text.toLowerCase());
}

/** Whether a number lies in one of the ranges, which ascend. */
function isAmong(ranges: readonly (readonly [number, number])[], number: number): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.[1] ?? 0) < number) low = middle + 1;
    else high = middle;
  }
  return (ranges[low]?.[0] ?? Number.POSITIVE_INFINITY) <= number;
}

/** Ranges such as `0-5,7`; null where it is none. */
function rangesOf(text: string | null): Filter["only"] {
  if (text === null || !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) return null;
  return text.split(",").map((part) => {
    const [first, last] = part.split("-").map(Number);
    return [first ?? 0, last ?? first ?? 0];
  });
}

/** Images that pass, in the order wanted; equals stay in their own order. */
export function choose(data: SiteData, filter: Filter, by: SortBy, isDescending: boolean): number[] {
  const chosen = data.ids.map((_, image) => image).filter((image) => passes(data, image, filter));
  const sign = isDescending ? -1 : 1;
  const name = (classIndex: number) => (classIndex < 0 ? "" : (data.classes[classIndex] ?? ""));
  const number = (column: readonly number[]) => (a: number, b: number) =>
    (column[a] ?? -1) - (column[b] ?? -1);
  const orders: Record<SortBy, (a: number, b: number) => number> = {
    order: (a, b) => a - b,
    worst: (a, b) =>
      number(data.disagreement)(a, b) || number(data.nOpen)(a, b) || nLabels(data, a) - nLabels(data, b),
    id: (a, b) => byLetter.compare(data.ids[a] ?? "", data.ids[b] ?? ""),
    original: (a, b) => byLetter.compare(name(data.original[a] ?? -1), name(data.original[b] ?? -1)),
    nLabels: (a, b) => nLabels(data, a) - nLabels(data, b),
    disagreement: number(data.disagreement),
    nOpen: number(data.nOpen),
    source: (a, b) =>
      byLetter.compare(data.sources[data.source[a] ?? -1] ?? "", data.sources[data.source[b] ?? -1] ?? ""),
  };
  return chosen.sort((a, b) => sign * orders[by](a, b) || a - b);
}

/** What the address asks for, such as `#labels=2+&sort=worst`; what it does not know is left as it is. */
export function filterOf(hash: string): { filter: Filter; sort: SortBy; look: boolean } {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const disagreement = asked.get("images") ?? "";
  const isKnown = ["compared", "disputed", "agreed", "changed", "kept"].includes(disagreement);
  const classIndex = Number.parseInt(asked.get("class") ?? "", 10);
  return {
    filter: {
      ...NO_FILTER,
      classIndex: Number.isNaN(classIndex) ? null : classIndex,
      nLabels: /^\d+ ?\+?$/.test((asked.get("labels") ?? "").replace(" ", "+"))
        ? (asked.get("labels") ?? "").replace(" ", "+")
        : "",
      disagreement: isKnown ? (disagreement as Filter["disagreement"]) : "",
      person: asked.get("person") ?? "",
      only: rangesOf(asked.get("only")),
    },
    sort: asked.get("sort") === "worst" ? "worst" : "order",
    look: asked.get("look") === "first",
  };
}
