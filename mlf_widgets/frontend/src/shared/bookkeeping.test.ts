/** The cache, the clock, the queue of saves and the protocol: bookkeeping that nobody sees until it is wrong. */

import { describe, expect, test, vi } from "vitest";
import { fc } from "../testing/drawn.ts";
import { ActivityClock } from "./clock.ts";
import { Lru } from "./lru.ts";
import type { AnnotationEvent, SaveResult } from "./messages.ts";
import { type Channel, Client, RefusedError, UnreachableError } from "./protocol.ts";
import { type KeyedStorage, SaveQueue, type SaveStatus } from "./save_queue.ts";

describe("the cache", () => {
  test("holds what was used last within its budget, and lets each other value go once", () => {
    const use = fc.record({ set: fc.boolean(), key: fc.nat(9), cost: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(fc.array(use, { maxLength: 60 }), (uses) => {
        const dropped: object[] = [];
        const cache = new Lru<number, { key: number }>(100, (value) => dropped.push(value));
        let known: { key: number; value: { key: number }; cost: number }[] = []; // the last used at the end
        const made: object[] = [];
        for (const { set, key, cost } of uses) {
          const held = known.find((entry) => entry.key === key);
          if (!set) {
            expect(cache.get(key)).toBe(held?.value);
            if (held) known = [...known.filter((entry) => entry !== held), held];
            continue;
          }
          const value = { key };
          made.push(value);
          cache.set(key, value, cost);
          known = [...known.filter((entry) => entry !== held), { key, value, cost }];
          const total = () => known.reduce((sum, entry) => sum + entry.cost, 0);
          while (total() > 100 && known.length > 1) known.shift();
          expect(cache.cost).toBe(total());
        }
        expect(cache.size).toBe(known.length);
        for (const { key, value } of known) expect(cache.peek(key)).toBe(value);
        cache.clear();
        expect(new Set(dropped)).toEqual(new Set(made));
        expect(dropped).toHaveLength(made.length);
      }),
    );
  });
});

describe("the clock", () => {
  test("counts from input to input, without what is idle or hidden", () => {
    let now = 0;
    const clock = new ActivityClock(10_000, () => now);
    now = 4_000;
    clock.touch();
    now = 30_000; // 10 s count, 16 s are idle
    clock.touch();
    now = 32_000;
    expect(clock.peek()).toBe(16_000);
    clock.setHidden(true);
    now = 90_000;
    clock.touch();
    clock.setHidden(false);
    now = 91_000;
    expect(clock.take()).toBe(17_000);
    expect(clock.take()).toBe(0);
  });

  test("knows when a break is due: after active time alone, once, and anew after a break", () => {
    let now = 0;
    const clock = new ActivityClock(10_000, () => now);
    const work = (ms: number) => {
      for (const end = now + ms; now < end; now += 5_000) clock.touch();
    };
    work(9 * 60_000);
    expect(clock.needsBreak(10 * 60_000)).toBe(false);
    clock.take(); // going on to another image changes nothing
    work(2 * 60_000);
    expect(clock.needsBreak(10 * 60_000)).toBe(true);
    expect(clock.needsBreak(10 * 60_000)).toBe(false);
    work(9 * 60_000);
    now += 6 * 60_000; // a break of their own
    work(9 * 60_000);
    expect(clock.needsBreak(10 * 60_000)).toBe(false);
  });

  test("never counts more than has passed, nor anything twice", () => {
    const step = fc.record({
      ms: fc.nat(60_000),
      do: fc.constantFrom("touch", "hide", "show", "take", "nothing"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let now = 0;
        let taken = 0;
        const clock = new ActivityClock(5_000, () => now);
        let nTouches = 1;
        for (const { ms, do: what } of steps) {
          now += ms;
          if (what === "touch" || what === "show") nTouches++;
          if (what === "touch") clock.touch();
          if (what === "hide") clock.setHidden(true);
          if (what === "show") clock.setHidden(false);
          if (what === "take") taken += clock.take();
        }
        taken += clock.take();
        expect(taken).toBeLessThanOrEqual(now);
        expect(taken).toBeLessThanOrEqual(nTouches * 5_000);
      }),
    );
  });
});

function storage(): KeyedStorage & { items: Map<string, string> } {
  const items = new Map<string, string>();
  return {
    items,
    get length() {
      return items.size;
    },
    key: (i) => [...items.keys()][i] ?? null,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

function event(eventId: string): AnnotationEvent {
  return {
    event_id: eventId,
    round: "annotation",
    annotator: "ada",
    image_number: 0,
    kind: "none",
    payload: { value: true },
    shown: [],
    active_ms: 0,
    order: "score",
    client_time: "",
  };
}

function queue(send: (events: AnnotationEvent[]) => Promise<SaveResult[]>, kept: KeyedStorage | null) {
  const heard: { saved: string[]; refused: string[]; status: SaveStatus[]; retries: (() => void)[] } = {
    saved: [],
    refused: [],
    status: [],
    retries: [],
  };
  const made = new SaveQueue({
    scope: "birds:annotation:ada",
    storage: kept,
    send,
    onAcknowledged: ({ event_id }) => heard.saved.push(event_id),
    onRefused: ({ event: { event_id } }) => heard.refused.push(event_id),
    onStatus: (status) => heard.status.push(status),
    schedule: (callback) => {
      heard.retries.push(callback);
      return () => {};
    },
  });
  return { made, heard };
}

const saved = async (events: AnnotationEvent[]): Promise<SaveResult[]> =>
  events.map(({ event_id }, i) => ({ event_id, seq: i + 1, error: "", is_final: true }));
const later = () => new Promise((done) => setTimeout(done));

describe("the queue of saves", () => {
  test("is saved only once every decision is acknowledged, and then keeps nothing", async () => {
    const kept = storage();
    const { made, heard } = queue(saved, kept);
    for (const id of ["a", "b", "c"]) made.add(event(id));
    expect(made.status).toMatchObject({ state: "saving", nWaiting: 3 });
    expect(kept.items.size).toBe(3);
    await later();
    expect(made.status).toMatchObject({ state: "saved", nWaiting: 0 });
    expect(heard.saved).toEqual(["a", "b", "c"]);
    expect(kept.items.size).toBe(0);
  });

  test("hands what a page left behind to the next one, in the order it was made", async () => {
    const kept = storage();
    const first = queue(() => Promise.reject(new Error("gone")), kept);
    for (let i = 0; i < 30; i++) first.made.add(event(`e${i}`));
    await later();
    first.made.close();
    expect(first.made.status).toMatchObject({ state: "offline", nWaiting: 30, reason: "gone" });
    kept.setItem("mlf:birds:annotation:ada:000:broken", "{");
    kept.setItem("mlf:birds:annotation:ben:000:other", JSON.stringify(event("ben's")));
    const sent: string[] = [];
    const second = queue(async (events) => {
      sent.push(...events.map(({ event_id }) => event_id));
      return saved(events);
    }, kept);
    expect(second.made.restore().map(({ event_id }) => event_id)).toEqual(
      Array.from({ length: 30 }, (_, i) => `e${i}`),
    );
    await later();
    expect(sent).toEqual(second.heard.saved);
    expect(sent).not.toContain("ben's");
    expect(second.made.status.state).toBe("saved");
  });

  test("tells a refusal for good from a store that is away for now", async () => {
    let answer: SaveResult = { event_id: "a", seq: null, error: "disk full", is_final: false };
    const { made, heard } = queue(async () => [answer], storage());
    made.add(event("a"));
    await later();
    expect(made.status).toMatchObject({ state: "offline", nWaiting: 1, reason: "disk full" });
    expect(heard.refused).toEqual([]);
    answer = { ...answer, error: "not your task", is_final: true };
    heard.retries.at(-1)?.();
    await later();
    expect(made.status).toMatchObject({ state: "failed", nWaiting: 0, reason: "not your task" });
    expect(heard.refused).toEqual(["a"]);
    made.dismissRefusal();
    expect(made.status.state).toBe("saved");
  });

  test("works without storage, and with one that is full, and knows what would be lost", async () => {
    const full = { ...storage(), setItem: () => Promise.reject() as never };
    full.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    for (const kept of [null, full]) {
      const { made } = queue(saved, kept);
      made.add(event("a"));
      expect(made.isKept).toBe(false);
      await later();
      expect(made.status.state).toBe("saved");
    }
  });
});

describe("the protocol", () => {
  function wire() {
    const sent: { id: string; kind: string }[] = [];
    let listener: ((content: unknown, buffers: DataView[]) => void) | null = null;
    const channel: Channel = {
      send: (content) => sent.push(content as { id: string; kind: string }),
      on: (_name, callback) => {
        listener = callback;
      },
      off: () => {
        listener = null;
      },
    };
    return {
      channel,
      sent,
      say: (content: unknown, buffers: DataView[] = []) => listener?.(content, buffers),
    };
  }

  test("pairs replies with requests by id, in any order, each once", async () => {
    const { channel, sent, say } = wire();
    const client = new Client(channel);
    const open = client.request("open", {});
    const classes = client.request("classes", {});
    const [first, second] = sent;
    say({ id: second?.id, ok: true, result: "classes" });
    say({ id: first?.id, ok: true, result: "open" });
    say({ id: first?.id, ok: true, result: "again" });
    say({ id: "another view's", ok: true, result: "" });
    say("nonsense");
    expect((await open).result).toBe("open");
    expect((await classes).result).toBe("classes");
  });

  test("tells a refusal from silence, and silence from a closed widget", async () => {
    vi.useFakeTimers();
    const { channel, sent, say } = wire();
    const client = new Client(channel);
    const refused = client.request("open", {});
    say({ id: sent[0]?.id, ok: false, code: "StoreError", message: "locked" });
    await expect(refused).rejects.toThrowError(new RefusedError("StoreError", "locked"));
    const silent = client.request("open", {}, 500);
    const wait = expect(silent).rejects.toBeInstanceOf(UnreachableError);
    await vi.advanceTimersByTimeAsync(600);
    await wait;
    const closing = client.request("open", {});
    const closed = expect(closing).rejects.toBeInstanceOf(UnreachableError);
    client.close();
    await closed;
    await expect(client.request("open", {})).rejects.toBeInstanceOf(UnreachableError);
    vi.useRealTimers();
  });
});
