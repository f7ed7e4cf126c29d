// @vitest-environment happy-dom
/** The widget as a page has it: what it shows, what keys and clicks do, what it claims. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeKernel, type FakeKernelOptions } from "../testing/fake_kernel.ts";
import { closeWidgets, leavePage, openNewPage, openWidget } from "../testing/page.ts";
import { pressKey } from "../testing/presses.ts";
import { until } from "../testing/until.ts";
import widget from "./index.ts";

vi.setConfig({ testTimeout: 30_000 });

beforeEach(() => {
  openNewPage();
});

afterEach(leavePage);

async function open(options: FakeKernelOptions = {}) {
  const kernel = new FakeKernel(options);
  const root = openWidget(widget, kernel);
  const ready = () => until(() => expect(root.dataset.ready).toBe("true"));
  const shows = (imageId: string) =>
    until(() => expect(root.dataset).toMatchObject({ imageId: imageId, ready: "true" }));
  const press = (code: string, key: string, more: KeyboardEventInit = {}) => {
    const target = root.contains(document.activeElement) ? (document.activeElement as HTMLElement) : root;
    return pressKey(target, code, key, more);
  };
  const boxes = () => [...root.querySelectorAll<HTMLInputElement>("input[type=checkbox][data-class-id]")];
  const classes = () => boxes().map((box) => Number(box.dataset.classId));
  const ticked = () =>
    boxes()
      .filter((box) => box.checked)
      .map((box) => Number(box.dataset.classId));
  const action = (name: string) => root.querySelector<HTMLButtonElement>(`[data-mlf-action='${name}']`);
  const settled = () => until(() => expect(root.dataset.saved).toBe("saved"));
  return { kernel, root, ready, shows, press, boxes, classes, ticked, action, settled };
}

describe("what is on the page", () => {
  test("is the first image with the first page of its proposals, once painted", async () => {
    const { root, shows, classes, kernel } = await open();
    await shows("image-0");
    expect(classes()).toEqual(kernel.proposals(0).slice(0, 5));
    expect(root.dataset.saved).toBe("saved");
    expect(root.querySelectorAll(".mlf-card canvas")).toHaveLength(5);
    for (const name of ["next", "previous", "undo", "redo", "none", "unsure", "search"]) {
      expect(root.querySelector(`button[data-mlf-action='${name}']`), name).not.toBeNull();
    }
  });

  test("is reused for the next image: words change, elements stay", async () => {
    const { shows, press, boxes, classes, kernel } = await open();
    await shows("image-0");
    const before = boxes();
    press("ArrowRight", "ArrowRight");
    await shows("image-1");
    expect(classes()).toEqual(kernel.proposals(1).slice(0, 5));
    expect(boxes()).toEqual(before);
  });

  test("never names an image as painted while another's labels stand there", async () => {
    const { root, shows, press, classes, kernel } = await open();
    await shows("image-0");
    const seen: [string | undefined, number[]][] = [];
    const observer = new MutationObserver(() => {
      if (root.dataset.ready === "true") seen.push([root.dataset.imageId, classes()]);
    });
    observer.observe(root, { attributes: true });
    for (let i = 0; i < 6; i++) {
      press("ArrowRight", "ArrowRight");
      if (i % 2) await new Promise((done) => setTimeout(done, 30));
    }
    await shows("image-6");
    observer.disconnect();
    expect(seen.length).toBeGreaterThan(0);
    for (const [imageId, shown] of seen) {
      expect(shown).toEqual(kernel.proposals(Number(imageId?.split("-")[1])).slice(0, 5));
    }
  });

  test("is words, whatever a class is called", async () => {
    const evil = "<img src=x onerror=alert(1)><b>bold</b>";
    const { root, ready } = await open({
      names: [evil, ...Array.from({ length: 30 }, (_, i) => `class ${i}`)],
    });
    await ready();
    expect(root.querySelector("img, b")).toBeNull();
    expect(root.querySelector(".mlf-card-name")?.textContent).toBe(evil);
  });

  test("says so where there is nothing to do, no file, or no store", async () => {
    const empty = await open({ nTasks: 0 });
    await until(() => expect(empty.root.textContent).toContain("No images for you yet"));
    closeWidgets();
    const filed = await open({ hasImage: () => false });
    await filed.shows("image-0");
    expect(filed.root.textContent).toContain("no file for this image");
    closeWidgets();
    const away = await open();
    away.kernel.fault = "storeAway";
    await until(() =>
      expect(away.root.querySelector("[role=alert]")?.textContent).toContain("store is away"),
    );
  });

  test("says why an image cannot be shown, and lets it be judged all the same", async () => {
    vi.stubGlobal("createImageBitmap", () => Promise.reject(new Error("broken file")));
    const { root, shows, press, ticked } = await open();
    await shows("image-0");
    expect(root.querySelector(".mlf-stage-note")?.textContent).toContain("broken file");
    press("Digit2", "2");
    await until(() => expect(ticked()).toEqual([1]));
  });

  test("names a simulated annotator so, and shows scores only where they are sent", async () => {
    const plain = await open();
    await plain.ready();
    expect(plain.root.querySelector(".mlf-card-score")).toBeNull();
    expect(plain.root.textContent).not.toContain("simulated");
    closeWidgets();
    const scored = await open({ annotation: { show_scores: true }, info: { is_simulated: true } });
    await scored.ready();
    expect(scored.root.querySelector(".mlf-card-score")?.textContent).toBe("1.00");
    expect(scored.root.textContent).toContain("simulated");
  });
});

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

  test("go by place on the keyboard, whatever the layout types there", async () => {
    const { ready, press, kernel, settled } = await open();
    await ready();
    press("KeyQ", "a"); // French
    press("Digit6", "-");
    press("Digit7", "/", { shiftKey: true }); // German
    await settled();
    expect(kernel.state(0).votes).toEqual({ 10: "yes", 5: "yes", 6: "unsure" });
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

describe("adding a label", () => {
  test("by typing, Enter and a checkbox that takes it back", async () => {
    const { ready, press, root, kernel, settled, boxes } = await open();
    await ready();
    press("KeyS", "s");
    const field = await until(() => {
      const found = root.querySelector<HTMLInputElement>("[role=combobox]");
      if (found === null) throw new Error("not open");
      return found;
    });
    field.value = "class 44";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await until(() => expect(root.querySelector("[role=option]")?.textContent).toContain("class 44"));
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    await settled();
    expect(kernel.state(0).votes).toEqual({ 44: "yes" });
    expect(kernel.log[0]?.event.shown).toContain(44);
    const box = await until(() => {
      const found = boxes().find(({ dataset }) => dataset.classId === "44");
      if (found === undefined) throw new Error("no checkbox");
      return found;
    });
    box.click();
    await until(() => expect(kernel.state(0).votes).toEqual({}));
  });
});

describe("a comment", () => {
  test("is kept when one goes on while writing it", async () => {
    const { ready, shows, root, kernel, action, settled } = await open();
    await ready();
    const field = root.querySelector("textarea");
    if (field === null) throw new Error("no field");
    field.focus();
    field.value = "half a thought";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    kernel.tell({ notice: "goto", position: 4 });
    await shows("image-4");
    await settled();
    expect(kernel.state(0).comment).toBe("half a thought");
    expect(kernel.state(4).comment).toBe("");
    expect(field.value).toBe("");
    action("previous")?.click();
    await shows("image-3");
  });
});

describe("the saved state", () => {
  test("follows the store's word, and closing the page warns while something is unsaved", async () => {
    const { ready, root, press, kernel } = await open();
    await ready();
    const leave = () => {
      const event = new Event("beforeunload", { cancelable: true });
      window.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(leave()).toBe(false);
    kernel.fault = "storeAway";
    press("Digit1", "1");
    await until(() => expect(root.dataset.saved).toBe("offline"));
    expect(root.querySelector(".mlf-saved")?.textContent).toContain(
      "Offline: 1 decision kept on this machine",
    );
    expect(leave()).toBe(true);
    kernel.fault = "none";
    await until(() => expect(root.dataset.saved).toBe("saved"));
    expect(kernel.log).toHaveLength(1);
    expect(leave()).toBe(false);
  });

  test("does not claim to keep what this machine has no room for", async () => {
    const setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    const full = { length: 0, key: () => null, getItem: () => null, setItem, removeItem: () => {} };
    const storage = vi.spyOn(window, "localStorage", "get").mockReturnValue(full as unknown as Storage);
    const { ready, root, press, kernel } = await open();
    await ready();
    kernel.fault = "storeAway";
    press("Digit1", "1");
    await until(() => expect(root.dataset.saved).toBe("offline"));
    expect(root.querySelector(".mlf-saved")?.textContent).toContain(
      "1 decision not saved, keep this page open",
    );
    expect(root.textContent).not.toContain("kept on this machine");
    storage.mockRestore();
  });

  test("says why a decision was refused until that was read", async () => {
    const { ready, root, press, kernel, ticked } = await open();
    await ready();
    kernel.fault = "refuseSaves";
    press("Digit1", "1");
    await until(() => expect(root.dataset.saved).toBe("failed"));
    expect(root.querySelector("[role=alert]")?.textContent).toContain("not your task");
    expect(ticked()).toEqual([]);
    kernel.fault = "none";
    root.querySelector<HTMLButtonElement>("[role=alert] button")?.click();
    await until(() => expect(root.dataset.saved).toBe("saved"));
  });
});

describe("closing", () => {
  test("leaves nothing behind in the page", async () => {
    const { ready, root, kernel } = await open();
    await ready();
    closeWidgets();
    expect(root.isConnected).toBe(false);
    const before = { ...kernel.nRequests };
    window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
    document.dispatchEvent(new Event("visibilitychange"));
    expect(kernel.nRequests).toEqual(before);
  });
});
