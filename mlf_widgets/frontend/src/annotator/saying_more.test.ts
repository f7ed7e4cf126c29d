// @vitest-environment happy-dom
/** What is said beyond ticking: added labels, missing classes, comments, searches. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { open } from "../testing/annotator_page.ts";
import { leavePage, openNewPage } from "../testing/page.ts";
import { until } from "../testing/until.ts";

beforeEach(openNewPage);
afterEach(leavePage);

describe("a class that the list lacks", () => {
  test("is suggested from the search, in the comment, once; one that the list has is not", async () => {
    const { kernel, root, ready, press, action, settled } = await open({
      names: ["cat", "dog"],
      nProposals: 2,
    });
    await ready();
    const type = async (text: string) => {
      press("KeyS", "s");
      await until(() => expect(root.querySelector("dialog .mlf-search-field")).not.toBeNull());
      const field = root.querySelector<HTMLInputElement>("dialog .mlf-search-field");
      if (field === null) throw new Error("no field");
      field.value = text;
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    };
    await type("Cat");
    await until(() => expect(root.querySelectorAll("dialog [role=option]")).toHaveLength(1));
    expect(action("suggest")).toBeNull();
    press("Escape", "Escape");
    await until(() => expect(root.querySelector("dialog")).toBeNull());
    for (let again = 0; again < 2; again++) {
      await type(" snow  leopard ");
      await until(() => expect(action("suggest")?.textContent).toContain("“snow leopard”"));
      action("suggest")?.click();
      await until(() => expect(root.querySelector("dialog")).toBeNull());
    }
    await settled();
    expect(kernel.log.map(({ event }) => event.payload.text)).toEqual(["class: snow leopard"]);
    await until(() => expect(root.querySelector("textarea")?.value).toBe("class: snow leopard"));
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
    await until(() => expect(field.value).toBe(""));
    action("previous")?.click();
    await shows("image-3");
  });

  test("is kept when it is written at once after going on, before a frame was painted", async () => {
    const { ready, root, kernel, press } = await open();
    await ready();
    const field = root.querySelector("textarea");
    if (field === null) throw new Error("no field");
    press("ArrowRight", "ArrowRight");
    await Promise.resolve(); // drawn, and nothing else has come to pass
    field.focus();
    field.value = "quick";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => setTimeout(done, 200));
    expect(field.value).toBe("quick");
    field.blur();
    await until(() => expect(kernel.state(1).comment).toBe("quick"));
  });
});

describe("a probe", () => {
  test("asks for a search of all classes, and keeps that it was done, with how the image was shown", async () => {
    const { root, shows, press, action, settled, kernel } = await open({
      isProbe: (position) => position === 1,
    });
    await shows("image-0");
    expect(root.textContent).not.toContain("search all classes");
    press("KeyK", "k"); // means nothing here
    press("ArrowRight", "ArrowRight");
    await shows("image-1");
    expect(root.textContent).toContain("Please search all classes");
    expect(action("searched")?.getAttribute("aria-pressed")).toBe("false");
    press("KeyK", "k");
    await settled();
    expect(action("searched")?.getAttribute("aria-pressed")).toBe("true");
    expect(kernel.log.map(({ event }) => [event.kind, event.payload.value, event.order])).toEqual([
      ["searched", true, "score"],
    ]);
    expect(kernel.progress().n_done).toBe(0); // searching decides nothing
    action("searched")?.click();
    await settled();
    expect(kernel.state(1).searched).toBe(false);
  });
});
