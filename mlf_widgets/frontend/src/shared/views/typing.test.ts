// @vitest-environment happy-dom
/** Whatever else happens on the page while somebody types: no letter is lost, and none goes anywhere else. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { open } from "../../testing/annotator_page.ts";
import { leavePage, openNewPage } from "../../testing/page.ts";
import { typeText } from "../../testing/presses.ts";
import { until } from "../../testing/until.ts";

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

describe("a comment", () => {
  test("keeps a space at which somebody paused, for the next word", async () => {
    const { root, kernel, settled } = await openAtTheKeyboard();
    await typeText("ctwo ");
    await until(() => expect(kernel.state(0).comment).toBe("two"));
    await settled();
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted, 50)));
    await typeText("words");
    root.focus();
    await until(() => expect(kernel.state(0).comment).toBe("two words"));
  });

  test("takes the keys, and none does anything else, before its image has arrived", async () => {
    const { root, kernel, field, press, shows } = await openAtTheKeyboard({ nTasks: 400 });
    kernel.fault = "storeAway";
    await typeText("j300");
    press("Enter", "Enter");
    await until(() => expect(field.value).toBe("300"));
    await typeText("cnx1");
    expect(document.activeElement).toBe(root.querySelector("textarea"));
    kernel.fault = "none";
    const again = () => root.querySelector<HTMLElement>(".mlf-trouble button");
    await until(() => expect(again()).not.toBeNull());
    again()?.click();
    await shows("image-299");
    await typeText("seen");
    root.focus();
    await until(() => expect(kernel.log.map(({ event }) => event.payload)).toEqual([{ text: "seen" }]));
  });

  test("ends where its image goes away: the rest belongs to no other", async () => {
    const { root, kernel, shows, settled } = await openAtTheKeyboard();
    await typeText("cone");
    kernel.tell({ notice: "goto", position: 4 });
    await shows("image-4");
    await typeText("two");
    expect(root.contains(document.activeElement)).toBe(false);
    await settled();
    expect([kernel.state(0).comment, kernel.state(4)]).toMatchObject(["one", { comment: "", votes: {} }]);
  });
});

test("the keys stay with the widget where the label that had the focus goes away", async () => {
  const { root, kernel, boxes, press, ticked } = await openAtTheKeyboard();
  const added = 50;
  await typeText("sclass 50");
  press("Enter", "Enter");
  await until(() => expect(ticked()).toEqual([added]));
  const box = boxes().find(({ dataset }) => dataset.classId === String(added));
  box?.focus();
  box?.click();
  await until(() => expect(box?.isConnected).toBe(false));
  expect(document.activeElement).toBe(root);
  await typeText("1");
  await until(() => expect(kernel.state(0).votes).toEqual({ 0: "yes" }));
});
