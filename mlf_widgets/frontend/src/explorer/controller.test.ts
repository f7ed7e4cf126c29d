// @vitest-environment happy-dom
/** The explorer of the data set, where many ask for large pictures at once. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Channel } from "../shared/protocol.ts";
import { pretendToDecode } from "../testing/fake_kernel.ts";
import { ExplorerController } from "./controller.ts";

beforeEach(() => {
  vi.useFakeTimers();
  pretendToDecode();
});

afterEach(() => {
  vi.useRealTimers();
});

test("pictures that too many wait for are asked for again after a moment, until it is closed", async () => {
  let nAsked = 0;
  let nCrowded = 2;
  let listener: Parameters<Channel["on"]>[1] = () => {};
  const channel: Channel = {
    send: (content) => {
      const { id } = content as { id: string };
      const isRefused = ++nAsked <= nCrowded;
      const head = { media_type: "image/jpeg", width_px: 8, height_px: 8, reason: "" };
      const reply = isRefused
        ? { id, ok: false, code: "CrowdedError", message: "ask again in a moment" }
        : { id, ok: true, result: [head] };
      void Promise.resolve().then(() => listener(reply, isRefused ? [] : [new DataView(new ArrayBuffer(4))]));
    },
    on: (_name, callback) => {
      listener = callback;
    },
    off: () => {},
  };
  const controller = new ExplorerController(channel);
  controller.look(7);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(nAsked).toBe(1);
  expect(controller.large.failure(7)).toBeUndefined();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(nAsked).toBe(3);
  expect(controller.large.get(7)).toBeDefined();

  nCrowded = Number.POSITIVE_INFINITY;
  controller.look(8);
  await vi.advanceTimersByTimeAsync(3_000);
  controller.close();
  nAsked = 0;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(nAsked).toBe(0);
});
