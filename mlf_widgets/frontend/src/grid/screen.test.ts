// @vitest-environment happy-dom
/** The grid keeps nothing of tiles that have gone. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeKernel } from "../testing/fake_kernel.ts";
import { openNewPage } from "../testing/page.ts";
import { pressKey } from "../testing/presses.ts";
import { until } from "../testing/until.ts";
import widget from "./index.ts";

const observed = new Set<Element>();

beforeEach(() => {
  openNewPage();
  observed.clear();
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      observe = (element: Element) => observed.add(element);
      unobserve = (element: Element) => observed.delete(element);
      disconnect = () => observed.clear();
    },
  );
});

afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

test("tiles of pages that were left are not watched any more", async () => {
  const el = document.createElement("div");
  document.body.append(el);
  const kernel = new FakeKernel({ nTasks: 150, info: { class_index: null } });
  const close = widget.render({ model: kernel.channel(), el });
  const next = () => el.querySelector<HTMLButtonElement>("[data-mlf-action='next']");
  await until(() => expect(el.querySelectorAll(".mlf-tile")).toHaveLength(48));
  for (const first of [48, 96]) {
    next()?.click();
    await until(() => expect(el.querySelector(`[data-position='${first}']`)).not.toBeNull());
  }
  expect(observed.size).toBe(48);
  for (const element of observed) expect(element.isConnected).toBe(true);
  close();
});

test("when work is given to others, no tile keeps the picture of the image that had its place", async () => {
  const el = document.createElement("div");
  document.body.append(el);
  const kernel = new FakeKernel({ nTasks: 30, info: { class_index: null } });
  const close = widget.render({ model: kernel.channel(), el });
  const name = () => el.querySelector("[data-position='1'] .mlf-tile-label")?.getAttribute("title");
  await until(() => expect(name()).toBe("Image 2"));
  const task = kernel.task.bind(kernel);
  kernel.task = (position) => ({ ...task(position < 1 ? position : position + 1), position });
  Object.assign(kernel, { nTasks: 29 });
  const nBefore = kernel.nRequests.images ?? 0;
  await until(() => expect(kernel.nRequests.images ?? 0).toBeGreaterThan(nBefore));
  close();
});

test("the keys go on to the grid when the tile that had the focus is on another page", async () => {
  const el = document.createElement("div");
  document.body.append(el);
  const kernel = new FakeKernel({ nTasks: 60, nProposals: 60, info: { class_index: 3 } });
  const close = widget.render({ model: kernel.channel(), el });
  const box = (position: number) => el.querySelector<HTMLInputElement>(`input[data-position='${position}']`);
  await until(() => expect(box(0)?.disabled).toBe(false));
  box(0)?.focus();
  pressKey(box(0) ?? el, "PageDown", "PageDown");
  await until(() => expect(box(48)?.disabled).toBe(false));
  expect(document.activeElement).toBe(el.querySelector("[data-mlf='grid']"));
  pressKey(document.activeElement ?? el, "ArrowRight", "ArrowRight");
  expect(document.activeElement).toBe(box(49));
  close();
});
