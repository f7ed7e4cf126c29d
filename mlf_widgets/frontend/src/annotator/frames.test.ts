// @vitest-environment happy-dom
/** Where models saw the labels best: shown on demand, noted where it was, and gone on the next image. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { View } from "../shared/messages.ts";
import { FakeKernel, type FakeKernelOptions } from "../testing/fake_kernel.ts";
import { leavePage, openNewPage, openWidget } from "../testing/page.ts";
import { pressKey } from "../testing/presses.ts";
import { until } from "../testing/until.ts";
import { framesOf, spokenFrames } from "./frames.ts";
import widget from "./index.ts";

beforeEach(() => {
  openNewPage();
  vi.stubGlobal("IntersectionObserver", undefined); // there is no layout here: all that is drawn is seen
});
afterEach(leavePage);

const WHOLE: View = [0, 0, 1, 1];
const UPPER_LEFT: View = [0, 0, 0.6, 0.6];
const LOWER_RIGHT: View = [0.4, 0.4, 0.6, 0.6];
const VIEWS = [UPPER_LEFT, WHOLE, UPPER_LEFT, LOWER_RIGHT, WHOLE];
const view = (rank: number) => VIEWS[rank % VIEWS.length] ?? null;

function proposalsSeen(...views: (View | null)[]) {
  return views.map((view, at) => ({
    proposal: { class_index: at, score: null, model: "", view },
    name: String(at + 1),
  }));
}

async function open(options: FakeKernelOptions) {
  const kernel = new FakeKernel(options);
  const root = openWidget(widget, kernel);
  const shows = (imageId: string) =>
    until(() => expect(root.dataset).toMatchObject({ imageId, ready: "true" }));
  await shows("image-0");
  return {
    kernel,
    shows,
    press: (code: string, key: string) => pressKey(root, code, key),
    said: () => root.querySelector(".mlf-said-words")?.textContent ?? "",
    button: () => root.querySelector<HTMLButtonElement>("[data-mlf-action=frames]"),
    root,
    kinds: () => kernel.log.map(({ event }) => event.kind),
    saved: () => until(() => expect(root.dataset.saved).toBe("saved")),
  };
}

describe("frames", () => {
  test("are one for each part, called by the labels seen there; the whole image has none", () => {
    expect(framesOf(proposalsSeen(UPPER_LEFT, WHOLE, null, UPPER_LEFT))).toEqual([
      { name: "1 4", regions: [{ kind: "box", x: 0, y: 0, width: 0.6, height: 0.6 }], isFaint: true },
    ]);
    expect(
      spokenFrames(proposalsSeen(UPPER_LEFT, WHOLE, LOWER_RIGHT, UPPER_LEFT, [0.3, 0.3, 0.4, 0.4])),
    ).toBe("1, 4: upper left; 2: whole image; 3: lower right; 5: middle centre");
  });

  test("are off at first, come with a key, are noted once, and are off again on the next image", async () => {
    const { press, said, button, kinds, saved, shows, kernel } = await open({ view });
    expect(button()?.getAttribute("aria-pressed")).toBe("false");
    expect(kinds()).toEqual([]);
    press("Comma", ",");
    await until(() => expect(button()?.getAttribute("aria-pressed")).toBe("true"));
    expect(said()).toBe("Models saw best 1, 3: upper left; 2, 5: whole image; 4: lower right");
    press("Comma", ",");
    await until(() => expect(button()?.getAttribute("aria-pressed")).toBe("false"));
    button()?.click();
    await until(() => expect(button()?.getAttribute("aria-pressed")).toBe("true"));
    await saved();
    expect(kinds()).toEqual(["frames"]);
    expect(kernel.state(0)).toMatchObject({ saw_frames: true, votes: {} });
    expect(kernel.progress().n_done).toBe(0);
    press("KeyZ", "z");
    await until(() => expect(said()).toBe("Nothing to undo"));
    press("ArrowRight", "ArrowRight");
    await shows("image-1");
    expect(button()?.getAttribute("aria-pressed")).toBe("false");
  });

  test("come with w where no label has that key; where one has, w ticks it", async () => {
    const few = await open({ view, nProposals: 11 });
    few.press("KeyW", "w");
    await until(() => expect(few.kinds()).toEqual(["frames"]));
    leavePage();
    openNewPage();
    const many = await open({ view, nProposals: 12 });
    many.press("KeyW", "w");
    await until(() => expect(many.kinds()).toEqual(["vote"]));
  });

  test("are not offered where models looked at whole images alone", async () => {
    const { press, said, button, kinds, root } = await open({});
    expect(button()).toBeNull();
    press("Comma", ",");
    await until(() => expect(said()).toBe("Models looked at this image as a whole"));
    expect(kinds()).toEqual([]);
    press("Slash", "?");
    await until(() => expect(root.querySelector("dialog")?.textContent).toContain("these keys"));
    expect(root.querySelector("dialog")?.textContent).not.toContain("models saw");
  });

  test("stand in the table of keys where models looked closer", async () => {
    const { press, root } = await open({ view });
    press("Slash", "?");
    await until(() => expect(root.querySelector("dialog")?.textContent).toContain("where models saw"));
  });
});
