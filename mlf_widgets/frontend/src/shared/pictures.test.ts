// @vitest-environment happy-dom
/** Pictures within their budgets: what is on screen stays, whatever lies ahead. */

import { expect, test, vi } from "vitest";
import { FakeKernel } from "../testing/fake_kernel.ts";
import { until } from "../testing/until.ts";
import { Pictures } from "./pictures.ts";
import { Client } from "./protocol.ts";

test("what is ahead makes no room for itself at the cost of what is on screen", async () => {
  const closed = new Set<object>();
  vi.stubGlobal("createImageBitmap", async () => {
    const bitmap = { width: 100, height: 100, close: () => closed.add(bitmap) };
    return bitmap;
  });
  const onReady = vi.fn();
  const client = new Client(new FakeKernel({ nClasses: 60 }).channel());
  const budget = 3 * 100 * 100 * 4; // three pictures of each kind
  const budgets = { imageBytes: budget, spriteBytes: budget, encodedBytes: 1 << 20 };
  const pictures = new Pictures(client, 100, 128, onReady, budgets);
  pictures.want([0, 1, 2, 3, 4, 5, 6], [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]);
  await until(() => expect(onReady.mock.calls.length).toBeGreaterThanOrEqual(10));
  for (const position of [0, 1]) expect(pictures.image(position), `image ${position}`).toBeDefined();
  for (const classIndex of [10, 11]) expect(pictures.sprite(classIndex), `class ${classIndex}`).toBeDefined();
  expect(closed.has(pictures.image(0)?.bitmap ?? {})).toBe(false);
  expect(pictures.decodedBytes).toBeLessThanOrEqual(2 * budget);
  pictures.close();
  vi.unstubAllGlobals();
});

test("a picture larger than the budget stays while it is the one on screen", async () => {
  vi.stubGlobal("createImageBitmap", async () => ({ width: 100, height: 100, close: () => {} }));
  const onReady = vi.fn();
  const budgets = { imageBytes: 1, spriteBytes: 1, encodedBytes: 1 << 20 };
  const pictures = new Pictures(new Client(new FakeKernel().channel()), 100, 128, onReady, budgets);
  pictures.want([4, 5, 6], []);
  await until(() => expect(onReady).toHaveBeenCalledTimes(3));
  expect(pictures.image(4)).toBeDefined();
  pictures.close();
  vi.unstubAllGlobals();
});
