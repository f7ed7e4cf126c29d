/** The interface's own words in the project's language: `t("Saved")`. The compiler refuses words that `german.ts` lacks. */

import { signal } from "@preact/signals";
import { GERMAN } from "./german.ts";
import type { Language } from "./messages.ts";

/** Words that the interface may say. */
export type English = keyof typeof GERMAN;

const language = signal<Language>("en");

/** Say everything in this language from now on. */
export function speak(which: Language): void {
  language.value = which;
}

/** The interface's words in the language of the project. */
export function t(words: English, values: Readonly<Record<string, string | number>> = {}): string {
  const own: string = language.value === "de" ? GERMAN[words] : words;
  return own.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The words for each of several values. */
export function inWords<T extends string>(words: Readonly<Record<T, English>>): Record<T, string> {
  return Object.fromEntries(Object.entries<English>(words).map(([value, own]) => [value, t(own)])) as Record<
    T,
    string
  >;
}

/** A number as the project's language writes it. */
export function count(n: number): string {
  return n.toLocaleString(language.value);
}

/** A day as the project's language writes it. */
export function ofDay(time: Date): string {
  return time.toLocaleDateString(language.value, { weekday: "short", day: "numeric", month: "short" });
}

/** The same for words that another part of the program gives; as they are where they are not known here. */
export function asKnown(words: string): string {
  return words in GERMAN ? t(words as English) : words;
}

/** What stands before a message of the kernel or the service, by its code, where the page does not speak its language. */
const KINDS: Readonly<Record<string, English>> = {
  StoreError: "The store cannot be read or written",
  ServiceError: "The annotation service does not answer as it should",
  DatasetError: "The project's data cannot be read",
  ProjectError: "The project cannot be opened",
  MessageError: "The page and the program do not understand each other",
  CrowdedError: "Many large pictures are asked for at once",
  Crowded: "Many large pictures are asked for at once",
  RateLimited: "Too many requests at once",
  Unauthorized: "The log-in has ended; open the page again",
  Forbidden: "This is not allowed here",
  CrossSite: "This is not allowed here",
  TooLarge: "This is too much at once",
  InternalError: "Something in the program failed",
};

/** A message of the kernel or the service: its kind in the project's language, its own words behind. */
export function told(code: string, message: string): string {
  const kind = KINDS[code];
  return language.value === "en" || kind === undefined ? message : `${t(kind)} (${message})`;
}

/** Every word in both languages, for tests. */
export const BOTH: Readonly<Record<string, string>> = GERMAN;
