// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import annotator from "../annotator/index.ts";
import grid from "../grid/index.ts";
import refiner from "../refiner/index.ts";
import { FakeKernel } from "../testing/fake_kernel.ts";
import { leavePage, openNewPage, openWidget } from "../testing/page.ts";
import { pressKey } from "../testing/presses.ts";
import { until } from "../testing/until.ts";
import { KEY_BINDINGS } from "./keys.ts";
import { asKnown, BOTH, speak, t, told } from "./words.ts";

beforeEach(openNewPage);
afterEach(() => {
  leavePage();
  speak("en");
});

/** Texts and attributes of a page that are English although German has other words for them. */
function leftInEnglish(root: HTMLElement, names: readonly string[]): string[] {
  const said = [...root.querySelectorAll("*")].flatMap((element) => [
    ...["title", "aria-label", "placeholder"].map((name) => element.getAttribute(name) ?? ""),
    ...[...element.childNodes]
      .filter(({ nodeType }) => nodeType === 3)
      .map((node) => node.textContent?.trim() ?? ""),
  ]);
  return said.filter((text) => !names.includes(text) && text in BOTH && BOTH[text] !== text);
}

describe("the interface's words", () => {
  test("name the same values in both languages, and none is empty", () => {
    const values = (words: string) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const [english, german] of Object.entries(BOTH)) {
      expect(values(german), english).toEqual(values(english));
      expect(german.trim()).not.toBe("");
    }
  });

  test("are filled in, whatever the values hold", () => {
    expect(t("{name}: yes", { name: "$& {n} <b>" })).toBe("$& {n} <b>: yes");
    speak("de");
    expect(t("{name}: yes", { name: "Katze" })).toBe("Katze: ja");
  });

  test("say of what kind a message of the kernel is, and leave its own words", async () => {
    expect(told("StoreError", "disk full")).toBe("disk full");
    speak("de");
    expect(told("StoreError", "disk full")).toBe(
      "Der Speicher lässt sich nicht lesen oder beschreiben (disk full)",
    );
    expect(told("Unheard", "disk full")).toBe("disk full");
  });

  test("say what every key does", () => {
    speak("de");
    for (const { does } of KEY_BINDINGS) if (does !== "") expect(asKnown(does), does).toBe(BOTH[does]);
  });

  test("come in the project's language; names of classes and of people stay as they are", async () => {
    const names = ["Undo", "Saved", ...Array.from({ length: 30 }, (_, i) => `class ${i}`)];
    const kernel = new FakeKernel({ names, annotation: { language: "de", guidelines: "x" } });
    const root = openWidget(annotator, kernel);
    await until(() => expect(root.dataset.ready).toBe("true"));
    expect(root.querySelector(".mlf-card-name")?.textContent).toBe("Undo");
    expect(root.querySelector(".mlf-saved-words")?.textContent).toBe("Gespeichert");
    const buttons = [...root.querySelectorAll(".mlf-foot button")].map(
      (button) => button.firstChild?.textContent,
    );
    expect(buttons).toEqual(
      ["‹ Previous", "Undo", "Redo", "First not done", "Add label", "Unsure", "None of these", "Next ›"].map(
        (w) => BOTH[w],
      ),
    );
    pressKey(root, "Digit1", "1");
    await until(() => expect(root.querySelector(".mlf-said-words")?.textContent).toBe("Undo: ja"));
    pressKey(root, "Slash", "?", { shiftKey: true });
    await until(() => expect(root.querySelector("dialog")?.textContent).toContain("nächstes Bild"));
    expect(leftInEnglish(root, names)).toEqual([]);
  });

  test.each([
    ["refiner", refiner, "Bestätigen"],
    ["grid", grid, "Klasse wählen …"],
  ])("of the %s come in it too", async (_name, widget, words) => {
    const root = openWidget(widget, new FakeKernel({ annotation: { language: "de" } }));
    await until(() => expect(root.dataset.ready).toBe("true"));
    await until(() => expect(root.textContent).toContain(words));
    pressKey(root, "Slash", "?", { shiftKey: true });
    await until(() => expect(root.querySelector("dialog")?.textContent).toContain("diese Tasten"));
    expect(leftInEnglish(root, [])).toEqual([]);
  });
});

test.each([
  ["annotator", annotator],
  ["refiner", refiner],
  ["grid", grid],
])(
  "names of the %s's project read in their own direction, whatever stands around them",
  async (_name, widget) => {
    const names = Array.from({ length: 30 }, (_, i) => `חתול ${i}`);
    const kernel = new FakeKernel({
      names,
      info: { class_index: 0, project_name: "חתולים", annotator: "עדה" },
    });
    const root = openWidget(widget, kernel);
    await until(() => expect(root.dataset.ready).toBe("true"));
    await until(() => expect(root.textContent).toContain("חתול 0"));
    const outside = [...root.querySelectorAll("*")].filter(
      (element) =>
        [...element.childNodes].some(
          ({ nodeType, textContent }) => nodeType === 3 && /[א-ת]/.test(textContent ?? ""),
        ) && element.closest("bdi, [dir=auto]") === null,
    );
    expect(outside.map(({ outerHTML }) => outerHTML.slice(0, 120))).toEqual([]);
  },
);
