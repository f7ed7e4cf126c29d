// @vitest-environment happy-dom
/** What keys do in the widget, and what they leave alone. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { open } from "../testing/annotator_page.ts";
import { leavePage, openNewPage } from "../testing/page.ts";
import { until } from "../testing/until.ts";

beforeEach(openNewPage);
afterEach(leavePage);

describe("keys", () => {
  test("tick any of the 20 labels, and turn to its page", async () => {
    const { ready, press, ticked, classes, kernel, settled } = await open();
    await ready();
    press("Digit3", "3");
    await until(() => expect(ticked()).toEqual([2]));
    press("KeyP", "p");
    await until(() => expect(classes()).toEqual(kernel.proposals(0).slice(15)));
    expect(ticked()).toEqual([19]);
    await settled();
    expect(kernel.state(0).votes).toEqual({ 2: "yes", 19: "yes" });
  });

  test("do what is printed on them, whatever the layout", async () => {
    const { ready, press, root, kernel, settled } = await open();
    await ready();
    press("KeyZ", "y"); // German: label 16
    press("Digit6", "-"); // French: the key of the 6
    press("Digit7", "7");
    press("Period", "."); // unsure about the last label, where Shift + 7 writes something else
    await settled();
    expect(kernel.state(0).votes).toEqual({ 15: "yes", 5: "yes", 6: "unsure" });
    press("KeyY", "z"); // German: undo
    await settled();
    expect(kernel.state(0).votes).toEqual({ 15: "yes", 5: "yes", 6: "yes" });
    press("Digit7", "/", { shiftKey: true }); // German: search
    await until(() => expect(root.querySelector("dialog.mlf-dialog-search")).not.toBeNull());
  });

  test("undo and redo across images, none and unsure", async () => {
    const { ready, shows, press, kernel, action, settled } = await open();
    await ready();
    press("KeyN", "n");
    press("KeyX", "x");
    press("ArrowRight", "ArrowRight");
    await shows("image-1");
    press("KeyZ", "z");
    await shows("image-0");
    await settled();
    expect(kernel.state(0)).toMatchObject({ none: true, unsure: false });
    expect(action("none")?.getAttribute("aria-pressed")).toBe("true");
    press("KeyZ", "Z", { shiftKey: true });
    await until(() => expect(action("unsure")?.getAttribute("aria-pressed")).toBe("true"));
    await settled();
    expect(kernel.state(0)).toMatchObject({ none: true, unsure: true });
  });

  test("do not leave the widget, known or not, but Tab and typing stay the browser's", async () => {
    const { ready, press, root } = await open();
    await ready();
    const leaked = vi.fn();
    document.body.addEventListener("keydown", leaked);
    expect(press("Digit1", "1").defaultPrevented).toBe(true);
    expect(press("Enter", "Enter", { shiftKey: true }).defaultPrevented).toBe(false);
    expect(press("Tab", "Tab").defaultPrevented).toBe(false);
    press("KeyC", "c");
    expect(document.activeElement).toBe(root.querySelector("textarea"));
    expect(press("Digit1", "1").defaultPrevented).toBe(false);
    document.body.removeEventListener("keydown", leaked);
    expect(leaked).not.toHaveBeenCalled();
    expect(root.hasAttribute("data-lm-suppress-shortcuts")).toBe(true);
  });

  test("give the keyboard back on Escape, from a field to the widget first", async () => {
    const { ready, press, root } = await open();
    await ready();
    root.focus();
    press("KeyC", "c");
    press("Escape", "Escape");
    expect(document.activeElement).toBe(root);
    press("Escape", "Escape");
    expect(document.activeElement).not.toBe(root);
  });

  test("jump to a number, and hold still for what is repeated by itself", async () => {
    const { ready, shows, press, root, ticked } = await open();
    await ready();
    press("KeyJ", "j");
    const field = root.querySelector<HTMLInputElement>(".mlf-jump");
    if (field === null) throw new Error("no field");
    field.value = "8";
    press("Enter", "Enter");
    await shows("image-7");
    press("Digit1", "1");
    press("Digit1", "1", { repeat: true });
    await until(() => expect(ticked()).toHaveLength(1));
  });

  test("open and close the help, which lists them", async () => {
    const { ready, press, root } = await open();
    await ready();
    press("Slash", "?", { shiftKey: true });
    await until(() => expect(root.querySelector("dialog")?.textContent).toContain("first image not done"));
    press("Digit1", "1"); // not meant for what lies behind
    press("Escape", "Escape");
    await until(() => expect(root.querySelector("dialog")).toBeNull());
    expect(root.querySelector("input:checked")).toBeNull();
  });
});
