/** The annotator on a page: what a person does with it, and what they see of it. */

import { expect } from "vitest";
import widget from "../annotator/index.ts";
import { FakeKernel, type FakeKernelOptions } from "./fake_kernel.ts";
import { openWidget } from "./page.ts";
import { pressKey } from "./presses.ts";
import { until } from "./until.ts";

export async function open(options: FakeKernelOptions = {}) {
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
