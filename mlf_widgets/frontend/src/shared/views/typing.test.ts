// @vitest-environment happy-dom
/** Whatever else happens on the page while somebody types: no letter is lost, and none goes anywhere else. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { open } from "../../testing/annotator_page.ts";
import { leavePage, openNewPage } from "../../testing/page.ts";
import { typeText } from "../../testing/presses.ts";

vi.setConfig({ testTimeout: 30_000 });
beforeEach(openNewPage);
afterEach(leavePage);

async function openAtTheKeyboard(options = {}) {
  const page = await open(options);
  await page.ready();
  page.root.focus();
  const field = page.root.querySelector<HTMLInputElement>(".mlf-jump");
  if (field === null) throw new Error("no field for a number");
  return { ...page, field };
}

describe("a number to jump to", () => {
  test("is what was typed, also where each press shows a key of an unknown keyboard", async () => {
    const { field, press, shows } = await openAtTheKeyboard({ nTasks: 400 });
    expect(field.value).toBe("1");
    await typeText("j237");
    expect(field.value).toBe("237");
    press("Enter", "Enter");
    await shows("image-236");
    expect(field.value).toBe("237");
  });

  test("stays while the image changes; a field that nobody has written in shows the new number", async () => {
    const { field, root, kernel, shows } = await openAtTheKeyboard();
    await typeText("j");
    kernel.tell({ notice: "goto", position: 4 });
    await shows("image-4");
    expect(field.value).toBe("5");
    expect(document.activeElement).toBe(field);
    await typeText("1");
    kernel.tell({ notice: "goto", position: 6 });
    await shows("image-6");
    await typeText("2");
    expect(field.value).toBe("12");
    root.focus();
    expect(field.value).toBe("7");
  });

  test("stays while another window is in front", async () => {
    const { field, press, shows } = await openAtTheKeyboard({ nTasks: 40 });
    await typeText("j3");
    field.dispatchEvent(new FocusEvent("blur"));
    await typeText("1");
    expect(field.value).toBe("31");
    press("Enter", "Enter");
    await shows("image-30");
  });
});
