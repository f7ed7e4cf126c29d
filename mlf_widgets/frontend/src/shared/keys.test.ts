// @vitest-environment happy-dom
import { describe, expect, test } from "vitest";
import contract from "../../../../tests/contract/keys.json";
import { keyPress } from "../testing/presses.ts";
import { type KeyLayout, type KeyPress, keyName, learnt } from "./key_names.ts";
import {
  isTyping,
  KEY_BINDINGS,
  LABEL_KEYS,
  meaningOf,
  writtenActionKey,
  writtenLabelKey,
  writtenUnsureKey,
} from "./keys.ts";

const label = (number: number, isUnsure = false) => ({ kind: "label", number, isUnsure });
const action = (name: string) => ({ kind: "action", action: name });
const SHIFT = { shiftKey: true };

/** What a keyboard writes on each code: alone, and with Shift. */
type Keyboard = Record<string, readonly [string, string]>;

const US: Keyboard = Object.fromEntries([
  ...[..."abcdefghijklmnopqrstuvwxyz"].map((l) => [`Key${l.toUpperCase()}`, [l, l.toUpperCase()]]),
  ...[..."1234567890"].map((d, i) => [`Digit${d}`, [d, "!@#$%^&*()"[i]]]),
  ["Minus", ["-", "_"]],
  ["Equal", ["=", "+"]],
  ["Slash", ["/", "?"]],
  ["Period", [".", ">"]],
  ["Backquote", ["`", "~"]],
]);
const digits = (alone: string, shifted: string): Keyboard =>
  Object.fromEntries([..."1234567890"].map((d, i) => [`Digit${d}`, [alone[i] ?? "", shifted[i] ?? ""]]));
const GERMAN: Keyboard = {
  ...US,
  ...digits("1234567890", '!"§$%&/()='),
  KeyY: ["z", "Z"],
  KeyZ: ["y", "Y"],
  Minus: ["ß", "?"],
  Equal: ["Dead", "Dead"],
  Slash: ["-", "_"],
  BracketRight: ["+", "*"],
  Period: [".", ":"],
};
const FRENCH: Keyboard = {
  ...US,
  ...digits("&é\"'(-è_çà", "1234567890"),
  KeyQ: ["a", "A"],
  KeyA: ["q", "Q"],
  KeyW: ["z", "Z"],
  KeyZ: ["w", "W"],
  KeyM: [",", "?"],
  Semicolon: ["m", "M"],
  Minus: [")", "°"],
  Equal: ["=", "+"],
  Slash: ["!", "§"],
  Period: [":", "/"],
  Comma: [";", "."],
};
const RUSSIAN: Keyboard = {
  ...US,
  ...digits("1234567890", '!"№;%:?*()'),
  ...Object.fromEntries(
    [..."фисвуапршолдьтщзйкыегмцчня"].map((l, i) => [
      `Key${"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]}`,
      [l, l.toUpperCase()],
    ]),
  ),
  Slash: [".", ","],
  Backslash: ["\\", "/"],
};
const HUNGARIAN: Keyboard = {
  ...US,
  ...digits("123456789ö", "'\"+!%/=()Ö"),
  Backquote: ["0", "§"],
};
const LAYOUTS = { US, GERMAN, FRENCH, RUSSIAN, HUNGARIAN };

function layoutOf(keyboard: Keyboard): KeyLayout {
  return new Map(Object.entries(keyboard).map(([code, [alone]]) => [code, alone]));
}

/** Press the key at a place of a keyboard. */
function at(keyboard: Keyboard, code: string, more: Partial<KeyPress> = {}): KeyPress {
  const [alone, shifted] = keyboard[code] ?? ["", ""];
  return keyPress(code, more.shiftKey ? shifted : alone, more);
}

/** Press the key that has this printed on it; with Shift where it is written so. */
function printed(keyboard: Keyboard, sign: string): KeyPress {
  for (const [code, [alone, shifted]] of Object.entries(keyboard)) {
    if (alone === sign) return keyPress(code, sign);
    if (shifted === sign) return keyPress(code, sign, SHIFT);
  }
  throw new Error(`no key writes ${sign}`);
}

describe("keys", () => {
  test("are 20 for labels, and no action has one of them or another's", () => {
    expect(new Set(LABEL_KEYS)).toHaveProperty("size", 20);
    const taken = KEY_BINDINGS.flatMap(({ key, also, shift }) =>
      [key, also].filter((each) => each !== undefined).map((each) => `${each}${shift ? "+" : ""}`),
    );
    expect(new Set(taken)).toHaveProperty("size", taken.length);
    for (const key of taken) expect(LABEL_KEYS).not.toContain(key);
  });

  test.each(Object.entries(LAYOUTS))("do what is printed on them: %s", (name, keyboard) => {
    for (const layout of [null, layoutOf(keyboard)]) {
      const means = (press: KeyPress) => meaningOf(press, {}, layout);
      const letter = (l: string) =>
        name === "RUSSIAN" ? at(keyboard, `Key${l.toUpperCase()}`) : printed(keyboard, l);
      for (const [number, key] of LABEL_KEYS.entries()) {
        const isDigit = number < 10;
        const press = !isDigit
          ? letter(key)
          : at(keyboard, name === "HUNGARIAN" && key === "0" ? "Backquote" : `Digit${key}`);
        expect(means(press), key).toEqual(label(number));
      }
      for (const [key, does] of Object.entries({
        z: "undo",
        n: "none",
        s: "search",
        m: "mark",
        a: "show_all",
      }))
        expect(means(letter(key)), key).toEqual(action(does));
      for (const [sign, does] of Object.entries({ "/": "search", "?": "help", ".": "unsure_label" }))
        expect(means(printed(keyboard, sign)), sign).toEqual(action(does));
      if (name !== "FRENCH") expect(means(printed(keyboard, "-"))).toEqual(action("zoom_out"));
      expect(means(printed(keyboard, "+"))).toEqual(action("zoom_in"));
      if (name !== "FRENCH") expect(means(printed(keyboard, "_"))).toBeNull();
      expect(means(at(keyboard, "Digit2", SHIFT))).toEqual(label(1, true));
    }
  });

  test("of digits go by place where the layout writes none without Shift, and only there", () => {
    expect(meaningOf(at(FRENCH, "Digit6"))).toEqual(label(5)); // writes "-"
    expect(meaningOf(at(FRENCH, "Digit6", SHIFT))).toEqual(label(5, true));
    expect(meaningOf(at(HUNGARIAN, "Digit0"), {}, layoutOf(HUNGARIAN))).toBeNull(); // ö: the 0 lies elsewhere
    const seen = learnt(null, at(HUNGARIAN, "Digit1"));
    expect(meaningOf(at(HUNGARIAN, "Digit0"), {}, seen)).toBeNull();
  });

  test("of the number pad are digits with NumLock, and arrows without", () => {
    expect(meaningOf(keyPress("Numpad4", "4"))).toEqual(label(3));
    expect(meaningOf(keyPress("Numpad4", "ArrowLeft"))).toEqual(action("previous"));
    expect(meaningOf(keyPress("Numpad7", "Home"))).toBeNull();
    expect(meaningOf(keyPress("Numpad5", "Clear"))).toBeNull();
    expect(meaningOf(keyPress("NumpadAdd", "+"))).toEqual(action("zoom_in"));
    expect(meaningOf(keyPress("NumpadDivide", "/"))).toEqual(action("search"));
  });

  test("with Ctrl or Cmd undo and redo, and are else left to the browser, as those with Alt or AltGr are", () => {
    expect(meaningOf(keyPress("KeyY", "z", { ctrlKey: true }))).toEqual(action("undo")); // German
    expect(meaningOf(keyPress("KeyZ", "я", { ctrlKey: true }))).toEqual(action("undo")); // Russian
    expect(meaningOf(keyPress("KeyZ", "Z", { metaKey: true, shiftKey: true }))).toEqual(action("redo"));
    expect(meaningOf(keyPress("KeyY", "y", { ctrlKey: true }))).toEqual(action("redo"));
    expect(meaningOf(keyPress("KeyR", "r", { ctrlKey: true }))).toBeNull();
    expect(meaningOf(keyPress("KeyN", "n", { altKey: true }))).toBeNull();
    const altGr = { getModifierState: (name: string) => name === "AltGraph" };
    expect(meaningOf(keyPress("Digit7", "{", altGr))).toBeNull();
    expect(meaningOf(keyPress("Tab", "Tab"))).toBeNull();
  });

  test("mean the same with Caps Lock, which is not Shift", () => {
    expect(meaningOf(keyPress("KeyQ", "Q"))).toEqual(label(10));
    expect(meaningOf(keyPress("KeyZ", "Z"))).toEqual(action("undo"));
  });

  test("that a project chooses win, and are written so; what lost its key shows none", () => {
    const own = { next: "k", none: "1", redo: "Shift+k", jump: "PageDown" };
    expect(meaningOf(keyPress("KeyK", "k"), own)).toEqual(action("next"));
    expect(meaningOf(keyPress("KeyK", "K", SHIFT), own)).toEqual(action("redo"));
    expect(meaningOf(keyPress("ArrowRight", "ArrowRight"), own)).toBeNull();
    expect(meaningOf(keyPress("Digit1", "1"), own)).toEqual(action("none"));
    expect(meaningOf(keyPress("PageDown", "PageDown"), own)).toEqual(action("jump"));
    expect(meaningOf(keyPress("Semicolon", ";"), { launch: ";" })).toBeNull();
    expect(writtenActionKey("next", null, own)).toBe("k");
    expect(writtenActionKey("redo", null, own)).toBe("⇧k");
    expect(writtenLabelKey(0, null, own)).toBe("");
    expect(writtenActionKey("mark", null, { next: "m" })).toBe("");
  });

  test("that a project's settings accept all do what they should, and there are settings for every action", () => {
    expect(KEY_BINDINGS.map(({ action }) => action)).toEqual(contract.actions);
    for (const [name, written] of Object.entries(contract.keys)) {
      const [, shift, key = ""] = /^(shift\+)?(.+)$/i.exec(written) ?? [];
      const named = ["ArrowUp", "PageDown", "F1", "Backspace"].find(
        (n) => n.toLowerCase() === key.toLowerCase(),
      );
      const pressed = key === "Space" ? " " : (named ?? key.toLowerCase());
      expect(meaningOf(keyPress("", pressed, { shiftKey: shift !== undefined }), contract.keys)).toEqual(
        action(name),
      );
    }
  });

  test("are written as they will work on this keyboard", () => {
    const french = layoutOf(FRENCH);
    expect(writtenLabelKey(10, french)).toBe("q"); // printed q, wherever it lies
    expect(writtenActionKey("redo", french)).toBe("⇧z");
    expect(writtenLabelKey(10, layoutOf(RUSSIAN))).toBe("й");
    expect(writtenLabelKey(10, null)).toBe("q");
    expect(writtenLabelKey(9, french)).toBe("0");
    expect(writtenLabelKey(20, null)).toBe("");
    expect(writtenActionKey("help", french)).toBe("?");
    expect(writtenUnsureKey(6, layoutOf(US))).toBe("⇧7");
    expect(writtenUnsureKey(6, layoutOf(GERMAN))).toBe("7 ."); // Shift + 7 writes /
    expect(writtenUnsureKey(6, null)).toBe("7 .");
    expect(writtenUnsureKey(12, null)).toBe("⇧e");
  });

  test("tell the layout where the browser does not, and that it was changed", () => {
    const once = learnt(null, at(US, "KeyY"));
    expect(learnt(once, at(US, "KeyY"))).toBe(once);
    expect(learnt(once, at(US, "KeyY", SHIFT))).toBe(once);
    expect(learnt(once, keyPress("ArrowUp", "ArrowUp"))).toBe(once);
    expect([...(learnt(once, at(GERMAN, "KeyY")) ?? [])]).toEqual([["KeyY", "z"]]);
    const greek = learnt(null, keyPress("KeyA", "α"));
    expect(keyName(keyPress("KeyQ", ";"), greek)).toBe("q"); // writes no letter, in a script of others
    expect(keyName(keyPress("KeyQ", "'"), null)).toBe("'"); // Dvorak: the q lies elsewhere
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
