// @vitest-environment happy-dom
/** Going from image to image: what was not looked at, what is left, and what a message belongs to. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeKernel, type FakeKernelOptions } from "../testing/fake_kernel.ts";
import { closeWidgets, leavePage, openNewPage, openWidget } from "../testing/page.ts";
import { pressKey } from "../testing/presses.ts";
import { until } from "../testing/until.ts";
import widget from "./index.ts";

beforeEach(() => {
  openNewPage();
  vi.stubGlobal("IntersectionObserver", undefined); // there is no layout here: all that is drawn is seen
});
afterEach(leavePage);

async function open(options: FakeKernelOptions = {}, kernel = new FakeKernel(options)) {
  const root = openWidget(widget, kernel);
  const shows = (imageId: string) =>
    until(() => expect(root.dataset).toMatchObject({ imageId: imageId, ready: "true" }));
  const press = (code: string, key: string, more: KeyboardEventInit = {}) =>
    pressKey(
      root.contains(document.activeElement) ? (document.activeElement as HTMLElement) : root,
      code,
      key,
      more,
    );
  const next = () => press("ArrowRight", "ArrowRight");
  const said = () => root.querySelector(".mlf-said-words")?.textContent ?? "";
  const settled = () => until(() => expect(root.dataset.saved).toBe("saved"));
  const unseen = () => [...root.querySelectorAll(".mlf-page-unseen")].map((page) => page.textContent);
  return { kernel, root, shows, press, next, said, settled, unseen };
}

describe("labels that were not looked at", () => {
  test("have their pages marked until each was on the screen", async () => {
    const { shows, press, unseen } = await open();
    await shows("image-0");
    await until(() => expect(unseen()).toEqual(["2", "3", "4"]));
    press("ArrowDown", "ArrowDown");
    await until(() => expect(unseen()).toEqual(["3", "4"]));
    press("KeyP", "p"); // a vote turns to its page
    await until(() => expect(unseen()).toEqual(["3"]));
  });

  test("are told once on going on from a decided image, and not from one that is passed", async () => {
    const { shows, press, next, said } = await open();
    await shows("image-0");
    next();
    await shows("image-1");
    expect(said()).toBe("");
    press("Digit1", "1");
    next();
    await shows("image-2");
    expect(said()).toBe("Image 2: 15 labels not looked at");
    press("ArrowLeft", "ArrowLeft");
    await shows("image-1");
    next();
    await shows("image-2");
    expect(said()).toBe("");
  });

  test("keep a decided image where the project asks for a look at every page", async () => {
    const { shows, press, next, said, root } = await open({ annotation: { must_see_all: true } });
    await shows("image-0");
    press("KeyN", "n");
    for (const left of [15, 10, 5]) {
      await until(() => expect(root.dataset.ready).toBe("true"));
      next();
      await until(() => expect(said()).toContain(`${left} labels not looked at`));
      await until(() => expect(root.dataset).toMatchObject({ imageId: "image-0", ready: "true" }));
    }
    next();
    await shows("image-1");
    next(); // not decided: passed
    await shows("image-2");
  });
});

describe("the message beside the buttons", () => {
  test("belongs to the image on the screen", async () => {
    const { shows, press, next, said } = await open({ nProposals: 5 });
    await shows("image-0");
    press("Digit1", "1");
    await until(() => expect(said()).toBe("class 0: yes"));
    next();
    await shows("image-1");
    expect(said()).toBe("");
  });
});

describe("the last image", () => {
  test("leads to the first that is not done, and says how many are left", async () => {
    const { shows, press, next, said } = await open({ nTasks: 3, nProposals: 5 });
    await shows("image-0");
    press("Digit1", "1");
    next();
    await shows("image-1");
    next();
    await shows("image-2");
    press("Digit1", "1");
    press("ArrowRight", "ArrowRight", { repeat: true }); // a key held down stops at the end
    await until(() => expect(said()).toContain("yes"));
    next();
    await shows("image-1");
    expect(said()).toBe("That was the last image; this one is not done");
  });

  test("says when all are done, or when it alone is not", async () => {
    const { shows, press, next, said } = await open({ nTasks: 2, nProposals: 5 });
    await shows("image-0");
    press("Digit1", "1");
    next();
    await shows("image-1");
    next();
    await until(() => expect(said()).toBe("This is the last image, and the only one not done"));
    press("Digit1", "1");
    next();
    await until(() => expect(said()).toBe("This is the last image, and all 2 are done"));
  });
});

test("a vote before the image is on the screen is not taken, and that is said", async () => {
  const { shows, press, next, said, kernel, settled, root } = await open();
  await shows("image-0");
  const frames: FrameRequestCallback[] = [];
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => frames.push(callback));
  next();
  press("Digit1", "1");
  press("KeyN", "n");
  await until(() => expect(said()).toBe("The image is not on the screen yet"));
  root.querySelector<HTMLInputElement>(".mlf-cards input")?.click();
  for (const frame of frames.splice(0)) frame(0);
  await shows("image-1");
  press("Digit2", "2");
  await settled();
  expect(kernel.state(1)).toMatchObject({ votes: { 8: "yes" }, none: false });
});

test("all labels at once is remembered", async () => {
  const { shows, press, root, kernel } = await open();
  await shows("image-0");
  press("KeyA", "a");
  await until(() => expect(root.querySelectorAll(".mlf-card")).toHaveLength(20));
  closeWidgets();
  const again = await open({}, kernel);
  await until(() => expect(again.root.querySelectorAll(".mlf-card")).toHaveLength(20));
  again.press("KeyA", "a");
  await until(() => expect(again.root.querySelectorAll(".mlf-card")).toHaveLength(5));
  closeWidgets();
  const last = await open({}, kernel);
  await last.shows("image-0");
  expect(last.root.querySelectorAll(".mlf-card")).toHaveLength(5);
});

test("after a jump what is shown is asked for first: its task and image, its examples, and only then what lies around", async () => {
  const kernel = new FakeKernel({ nTasks: 400 });
  const asked: string[] = [];
  const channel = kernel.channel.bind(kernel);
  kernel.channel = () => {
    const plain = channel();
    return {
      ...plain,
      send: (content: unknown) => {
        const { kind, params } = content as { kind: string; params: Record<string, unknown> };
        asked.push(kind === "tasks" ? `tasks ${(params.positions as number[]).length}` : kind);
        plain.send(content);
      },
    };
  };
  const { root, shows, press } = await open({}, kernel);
  await shows("image-0");
  await until(() => expect(asked.filter((kind) => kind.startsWith("tasks "))).toHaveLength(3));
  asked.length = 0;
  press("KeyJ", "j");
  const field = root.querySelector<HTMLInputElement>(".mlf-jump");
  if (field === null) throw new Error("no field");
  field.value = "301";
  press("Enter", "Enter");
  await shows("image-300");
  const order = asked.filter((kind) => /^(tasks .*|image|sprite|first_examples)$/.test(kind));
  expect(order.slice(0, 3)).toEqual(["tasks 1", "image", "first_examples"]);
  expect(order.slice(3)).not.toContain("first_examples");
});

test("an image that has no file is asked for in vain, and nothing is said to have failed", async () => {
  const { root, shows } = await open({ hasImage: () => false });
  await shows("image-0");
  expect(root.querySelector(".mlf-stage-note[role=alert]")).toBeNull();
  expect(root.textContent).toContain("This project has no file for this image.");
});
