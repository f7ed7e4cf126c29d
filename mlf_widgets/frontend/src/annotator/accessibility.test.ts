// @vitest-environment happy-dom
/** What axe can tell without pixels: names, roles, what belongs where. Colours are looked at in a real browser. */

import axe from "axe-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeKernel, type FakeKernelOptions } from "../testing/fake_kernel.ts";
import { closeWidgets, leavePage, openNewPage, openWidget } from "../testing/page.ts";
import { pressKey } from "../testing/presses.ts";
import { until } from "../testing/until.ts";
import widget from "./index.ts";

beforeEach(() => {
  openNewPage();
  document.documentElement.lang = "en";
  document.title = "Annotation";
});

afterEach(leavePage);

async function open(options: FakeKernelOptions = {}): Promise<HTMLElement> {
  return openWidget(widget, new FakeKernel(options));
}

async function problems(root: HTMLElement): Promise<string[]> {
  const { violations } = await axe.run(root, { rules: { "color-contrast": { enabled: false } } });
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`,
  );
}

test("axe finds nothing while it opens, with nothing to do, and at work", async () => {
  expect(await problems(await open())).toEqual([]);
  closeWidgets();
  const empty = await open({ nTasks: 0 });
  await until(() => expect(empty.textContent).toContain("No images"));
  expect(await problems(empty)).toEqual([]);
  closeWidgets();
  const root = await open({ annotation: { regions: "box", show_scores: true, guidelines: "Look well." } });
  await until(() => expect(root.dataset.ready).toBe("true"));
  expect(await problems(root)).toEqual([]);
  pressKey(root, "Digit2", "2");
  pressKey(root, "Digit3", "#", { shiftKey: true });
  pressKey(root, "KeyA", "a");
  await until(() => expect(root.querySelectorAll("input[data-class-id]")).toHaveLength(20));
  expect(await problems(root)).toEqual([]);
});

test.each([
  ["help", "Slash", "?", true],
  ["guidelines", "KeyG", "g", false],
  ["search", "KeyS", "s", false],
  ["compare", "KeyD", "d", false],
])("axe finds nothing in the dialog %s", async (_name, code, key, shift) => {
  const root = await open({ annotation: { guidelines: "Look well." } });
  await until(() => expect(root.dataset.ready).toBe("true"));
  pressKey(root, code, key, { shiftKey: shift });
  await until(() => expect(root.querySelector("dialog")).not.toBeNull());
  expect(await problems(root)).toEqual([]);
});
