// @vitest-environment happy-dom
/** The refiner as a page has it: its frame is that of every widget that walks, with words and keys of its own. */

import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeKernel, type FakeKernelOptions } from "../testing/fake_kernel.ts";
import { leavePage, openNewPage, openWidget } from "../testing/page.ts";
import { pressKey } from "../testing/presses.ts";
import { until } from "../testing/until.ts";
import widget from "./index.ts";

beforeEach(() => {
  openNewPage();
});

afterEach(leavePage);

function open(options: FakeKernelOptions = {}) {
  const kernel = new FakeKernel({ ...options, info: { round: "refinement", ...options.info } });
  const root = openWidget(widget, kernel);
  const action = (name: string) => root.querySelector<HTMLButtonElement>(`[data-mlf-action='${name}']`);
  const press = (code: string, key: string, shiftKey = false) => pressKey(root, code, key, { shiftKey });
  return { kernel, root, action, press };
}

test("its head says whose work it is and how much is settled; its foot what can be done", async () => {
  const { root, action } = open({ nTasks: 3 });
  await until(() => expect(root.dataset.ready).toBe("true"));
  expect(root.querySelector(".mlf-who")?.textContent).toBe("Toys ada, refinement");
  expect(root.querySelector(".mlf-progress")?.textContent).toBe("0 settled");
  expect(root.querySelector(".mlf-place")?.textContent).toBe("Image  of 3");
  const names = [...root.querySelectorAll<HTMLElement>(".mlf-foot button")].map((b) => b.dataset.mlfAction);
  expect(names).toEqual("previous undo redo search unsure none majority next confirm".split(" "));
  action("none")?.click();
  await until(() => expect(root.querySelector(".mlf-progress")?.textContent).toBe("1 settled"));
  expect(action("none")?.getAttribute("aria-pressed")).toBe("true");
});

test("its buttons name the keys that the project has given them", async () => {
  const { root, action, press } = open({ annotation: { keys: { unsure: "e" } } });
  await until(() => expect(root.dataset.ready).toBe("true"));
  expect(action("unsure")?.querySelector("kbd")?.textContent).toBe("e");
  press("KeyE", "e");
  await until(() => expect(action("unsure")?.getAttribute("aria-pressed")).toBe("true"));
});

test.each([
  ["help", "Slash", "?", true, "accept what most annotators said"],
  ["guidelines", "KeyG", "g", false, "Look well."],
  ["search", "KeyS", "s", false, "Add a label"],
])("the dialog %s opens by its key and closes by Escape", async (kind, code, key, shift, words) => {
  const { root, press } = open({ annotation: { guidelines: "Look well." } });
  await until(() => expect(root.dataset.ready).toBe("true"));
  press(code, key, shift);
  await until(() => expect(root.querySelector(`.mlf-dialog-${kind}`)?.textContent).toContain(words));
  press("Escape", "Escape");
  await until(() => expect(root.querySelector("dialog")).toBeNull());
});

test("with nothing to settle, it says so and looks again when asked", async () => {
  const { kernel, root } = open({ nTasks: 0 });
  await until(() => expect(root.textContent).toContain("No images to settle yet"));
  expect(root.textContent).toContain(
    "ada has no disputed images in Toys. Whoever runs the project assigns them.",
  );
  const nBefore = kernel.nRequests.changes ?? 0;
  root.querySelector("button")?.click();
  await until(() => expect(kernel.nRequests.changes ?? 0).toBeGreaterThan(nBefore));
});
