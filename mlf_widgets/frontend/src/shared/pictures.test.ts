// @vitest-environment happy-dom
/** Pictures within their budgets: what is on screen stays, whatever lies ahead. */

import { expect, test, vi } from "vitest";
import { FakeKernel } from "../testing/fake_kernel.ts";
import { until } from "../testing/until.ts";
import { type ExamplesKey, examplesFor, Pictures } from "./pictures.ts";
import { Client } from "./protocol.ts";

function keys(from: number, to: number): ExamplesKey[] {
  return Array.from({ length: to - from }, (_, i) => examplesFor(undefined, from + i));
}

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
  pictures.want([0, 1, 2, 3, 4, 5, 6], keys(10, 22));
  await until(() => expect(onReady.mock.calls.length).toBeGreaterThanOrEqual(10));
  for (const position of [0, 1]) expect(pictures.image(position), `image ${position}`).toBeDefined();
  for (const key of keys(10, 12)) expect(pictures.sprite(key), key).toBeDefined();
  expect(closed.has(pictures.image(0)?.bitmap ?? {})).toBe(false);
  expect(pictures.decodedBytes).toBeLessThanOrEqual(2 * budget);
  pictures.close();
  vi.unstubAllGlobals();
});

test("examples of a class are asked for once for each group of tasks, and never for another", async () => {
  vi.stubGlobal("createImageBitmap", async () => ({ width: 100, height: 100, close: () => {} }));
  const kernel = new FakeKernel({ exampleGroup: (position) => String(position % 2) });
  const channel = kernel.channel();
  const sent = vi.spyOn(channel, "send");
  const client = new Client(channel);
  const [first, second] = (await client.request("tasks", { positions: [0, 1, 2] })).result;
  const [one, other] = [examplesFor(first, 4), examplesFor(second, 4)];
  const pictures = new Pictures(client, 100, 128, vi.fn());
  for (let turn = 0; turn < 2; turn++) {
    pictures.want([], [one, other, examplesFor(second, 5)]);
    await until(() => expect(pictures.sprite(other)).toBeDefined());
  }
  expect(pictures.sprite(one)).not.toBe(pictures.sprite(other));
  expect(pictures.sprite(examplesFor(undefined, 4))).toBeUndefined();
  const asked = sent.mock.calls
    .map(([message]) => message as { kind: string; params: unknown })
    .flatMap(({ kind, params }) => (kind === "sprite" ? [params] : []));
  expect(asked).toEqual([
    { class_indices: [4], group: "0" },
    { class_indices: [4, 5], group: "1" },
  ]);
  pictures.close();
  vi.unstubAllGlobals();
});

test("examples that come along with a task are not asked for again, and those known do not travel", async () => {
  vi.stubGlobal("createImageBitmap", async () => ({ width: 100, height: 100, close: () => {} }));
  const channel = new FakeKernel({ exampleGroup: () => "3" }).channel();
  const sent = vi.spyOn(channel, "send");
  const client = new Client(channel);
  const [task] = (await client.request("tasks", { positions: [7] })).result;
  const examples = (task?.proposals ?? []).map(({ class_index }) => examplesFor(task, class_index));
  const [first, second] = examples;
  if (first === undefined || second === undefined) throw new Error("no proposals");
  const pictures = new Pictures(client, 100, 128, vi.fn());
  pictures.want([7], [second]);
  await until(() => expect(pictures.sprite(second)).toBeDefined());
  pictures.wantFirstExamples(7, 3);
  pictures.want([7], examples.slice(0, 3));
  await until(() => expect(examples.slice(0, 3).map((key) => pictures.sprite(key))).not.toContain(undefined));
  pictures.want([7], examples.slice(0, 4));
  await until(() => expect(pictures.sprite(examples[3] ?? first)).toBeDefined());
  const asked = sent.mock.calls
    .map(([message]) => message as { kind: string; params: unknown })
    .flatMap(({ kind, params }) => (/sprite|first/.test(kind) ? [params] : []));
  const [, , , fourth] = task?.proposals ?? [];
  expect(asked).toEqual([
    { class_indices: [task?.proposals[1]?.class_index], group: "3" },
    { position: 7, count: 3, known: [second] },
    { class_indices: [fourth?.class_index], group: "3" },
  ]);
  pictures.close();
  vi.unstubAllGlobals();
});

test("who passes many images asks for the examples of one at a time, and of none while much is under way", async () => {
  vi.stubGlobal("createImageBitmap", async () => ({ width: 100, height: 100, close: () => {} }));
  const channel = new FakeKernel().channel();
  const sent = vi.spyOn(channel, "send");
  const asked = () =>
    sent.mock.calls
      .map(([message]) => message as { kind: string; params: { position?: number } })
      .flatMap(({ kind, params }) => (kind === "first_examples" ? [params.position] : []));
  const onReady = vi.fn();
  const pictures = new Pictures(new Client(channel), 100, 128, onReady);
  for (let position = 0; position < 30; position++) pictures.wantFirstExamples(position, 5);
  expect(asked()).toEqual([0]);
  await until(() => expect(onReady).toHaveBeenCalled());
  pictures.wantFirstExamples(30, 5);
  expect(asked()).toEqual([0, 30]);
  await until(() => expect(onReady).toHaveBeenCalledTimes(2));
  for (const position of [31, 32, 33, 34]) pictures.want([position], []);
  pictures.wantFirstExamples(35, 5);
  expect(asked()).toEqual([0, 30]);
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
