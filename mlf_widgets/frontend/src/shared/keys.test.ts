// @vitest-environment happy-dom
import { describe, expect, test } from "vitest";
import { keyPress } from "../testing/presses.ts";
import { isTyping, KEY_BINDINGS, LABEL_CODES, meaningOf, writtenActionKey, writtenLabelKey } from "./keys.ts";

describe("keys", () => {
  test("are 20 for labels, and no action has one of them or another's", () => {
    expect(new Set(LABEL_CODES)).toHaveProperty("size", 20);
    const taken = KEY_BINDINGS.map(({ code, shift }) => `${code}${shift ? "+" : ""}`);
    expect(new Set(taken)).toHaveProperty("size", KEY_BINDINGS.length);
    for (const { code } of KEY_BINDINGS) expect(LABEL_CODES).not.toContain(code);
  });

  test("of labels go by place: the same on every layout, on the number pad too", () => {
    expect(meaningOf(keyPress("Digit1", "&"))).toEqual({ kind: "label", number: 0, isUnsure: false }); // French
    expect(meaningOf(keyPress("KeyY", "z"))).toEqual({ kind: "label", number: 15, isUnsure: false }); // German
    expect(meaningOf(keyPress("Digit7", "/", { shiftKey: true }))).toMatchObject({
      number: 6,
      isUnsure: true,
    });
    expect(meaningOf(keyPress("Numpad4", "4"))).toMatchObject({ kind: "label", number: 3 });
  });

  test("of help, search and zoom go by what they type, wherever it lies", () => {
    expect(meaningOf(keyPress("Minus", "?", { shiftKey: true }))).toEqual({ kind: "action", action: "help" }); // German
    expect(meaningOf(keyPress("Slash", "/"))).toEqual({ kind: "action", action: "search" });
    expect(meaningOf(keyPress("NumpadAdd", "+"))).toEqual({ kind: "action", action: "zoom_in" });
    expect(meaningOf(keyPress("Slash", "-"))).toEqual({ kind: "action", action: "zoom_out" });
  });

  test("with Ctrl or Cmd undo and redo, and are else left to the browser, as those with Alt are", () => {
    expect(meaningOf(keyPress("KeyZ", "z", { ctrlKey: true }))).toMatchObject({ action: "undo" });
    expect(meaningOf(keyPress("KeyZ", "Z", { metaKey: true, shiftKey: true }))).toMatchObject({
      action: "redo",
    });
    expect(meaningOf(keyPress("KeyY", "y", { ctrlKey: true }))).toMatchObject({ action: "redo" });
    expect(meaningOf(keyPress("KeyR", "r", { ctrlKey: true }))).toBeNull();
    expect(meaningOf(keyPress("KeyN", "n", { altKey: true }))).toBeNull();
    expect(meaningOf(keyPress("Tab", "Tab"))).toBeNull();
  });

  test("that a project chooses win, and are written so", () => {
    const own = { next: "k", none: "1" };
    expect(meaningOf(keyPress("KeyK", "k"), own)).toMatchObject({ action: "next" });
    expect(meaningOf(keyPress("ArrowRight", "ArrowRight"), own)).toBeNull();
    expect(meaningOf(keyPress("Digit1", "1"), own)).toMatchObject({ action: "none" });
    expect(meaningOf(keyPress("KeyK", "k"), { launch: "k" })).toBeNull();
    expect(writtenActionKey("next", null, own)).toBe("k");
  });

  test("are written as this keyboard has them", () => {
    const french = new Map([
      ["KeyQ", "a"],
      ["KeyZ", "w"],
    ]);
    expect(writtenLabelKey(10, french)).toBe("a");
    expect(writtenLabelKey(10, null)).toBe("q");
    expect(writtenLabelKey(9, french)).toBe("0");
    expect(writtenLabelKey(20, null)).toBe("");
    expect(writtenActionKey("redo", french)).toBe("⇧w");
    expect(writtenActionKey("help", french)).toBe("?");
  });

  test("belong to a field that is typed in, not to a checkbox", () => {
    const field = document.createElement("input");
    expect(isTyping(field)).toBe(true);
    field.type = "checkbox";
    expect(isTyping(field)).toBe(false);
    expect(isTyping(document.createElement("textarea"))).toBe(true);
    expect(isTyping(document.createElement("button"))).toBe(false);
    expect(isTyping(null)).toBe(false);
  });
});
