/** The messages between browser and kernel: `tests/contract/*.json`, which the kernel's own tests read too. */

import { describe, expect, test } from "vitest";
import folds from "../../../../tests/contract/folds.json";
import samples from "../../../../tests/contract/messages.json";
import { advanceStacks, fold, type LoggedEvent, type UndoStacks } from "./fold.ts";
import {
  type AnnotationEvent,
  type ClassColumns,
  type Evidence,
  isNotice,
  isReply,
  type Notice,
  type RequestKind,
  type Requests,
} from "./messages.ts";
import { type Channel, Client, RefusedError } from "./protocol.ts";

/** A type as a JSON file can hold it: any string instead of the strings allowed, lists instead of pairs. */
type InJson<T> = T extends string
  ? string
  : T extends number | boolean | null | undefined
    ? T
    : T extends [infer A, infer B]
      ? (InJson<A> | InJson<B>)[]
      : T extends (infer Item)[]
        ? InJson<Item>[]
        : { [Key in keyof T]: InJson<T[Key]> };

/** Accepts a sample only if it has every field of `T` and no other: the compiler's half of the contract. */
function has<T>() {
  return <S extends InJson<T>>(sample: S & { [Key in Exclude<keyof S, keyof T>]: never }) => sample;
}

const results = samples.results;
has<Requests["open"]["result"]>()(results.open);
has<Requests["tasks"]["result"][number]>()(first(results.tasks));
has<Requests["tasks"]["result"][number]["state"]>()(first(results.tasks).state);
has<Requests["tasks"]["result"][number]["proposals"][number]>()(first(first(results.tasks).proposals));
has<Requests["image"]["result"]>()(results.image);
has<Requests["sprite"]["result"][number]>()(first(results.sprite));
has<Requests["first_examples"]["result"][number]>()(first(results.first_examples));
has<Requests["example"]["result"]>()(results.example);
has<Requests["images"]["result"][number]>()(first(results.images));
has<Requests["grid"]["result"]>()(results.grid);
has<Requests["save"]["result"][number]>()(first(results.save));
has<Requests["changes"]["result"]>()(results.changes);
has<Requests["own_progress"]["result"]>()(results.own_progress);
has<ClassColumns>()(samples.classes);
has<Evidence>()(samples.evidence);
has<AnnotationEvent>()(first(samples.events));
has<Requests["find"]["params"]>()(samples.requests.find);
has<Requests["grid"]["params"]>()(samples.requests.grid);
has<Requests["image"]["params"]>()(samples.requests.image);
has<Requests["images"]["params"]>()(samples.requests.images);
has<Requests["first_examples"]["params"]>()(samples.requests.first_examples);
has<Requests["mark_region"]["params"]>()(samples.requests.mark_region);
samples.requests satisfies Record<RequestKind, unknown>;
samples.results satisfies Record<RequestKind, unknown>;
"open" as keyof typeof samples.requests satisfies RequestKind;
"open" as keyof typeof samples.results satisfies RequestKind;

function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error("the sample is empty");
  return item;
}

/** A kernel that answers as the samples say, and keeps what it was asked. */
class SampledKernel implements Channel {
  readonly asked: { id: string; kind: RequestKind; params: unknown }[] = [];
  private listener: (content: unknown, buffers: DataView[]) => void = () => {};

  send(content: unknown): void {
    this.asked.push(content as (typeof this.asked)[number]);
  }

  on(_name: "msg:custom", callback: (content: unknown, buffers: DataView[]) => void): void {
    this.listener = callback;
  }

  off(): void {
    this.listener = () => {};
  }

  say(content: unknown, buffers: DataView[] = []): void {
    this.listener(content, buffers);
  }
}

describe("requests and replies", () => {
  const kinds = Object.keys(samples.requests) as RequestKind[];

  test.each(kinds)("%s is asked for as sampled, and the sampled reply settles it", async (kind) => {
    const kernel = new SampledKernel();
    const client = new Client(kernel);
    const params = samples.requests[kind] as Requests[typeof kind]["params"];
    const answer = client.request(kind, params);
    const asked = first(kernel.asked);
    expect(Object.keys(asked).sort()).toEqual(["id", "kind", "params"]);
    expect(asked).toMatchObject({ kind, params });
    const buffer = new DataView(new ArrayBuffer(3));
    kernel.say({ id: "another request", ok: true, result: null });
    kernel.say({ id: asked.id, ok: true, result: results[kind] }, [buffer]);
    await expect(answer).resolves.toEqual({ result: results[kind], buffers: [buffer] });
    expect(client.receivedBytes).toBe(3);
  });

  test("a refusal rejects with its code and words", async () => {
    const kernel = new SampledKernel();
    const answer = new Client(kernel).request("open", {});
    kernel.say({ ...samples.failed, id: first(kernel.asked).id });
    const error = await answer.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(RefusedError);
    expect(error).toMatchObject({ code: samples.failed.code, message: samples.failed.message });
  });

  test("notices are told from replies, whatever else is said is neither", () => {
    const heard: Notice[] = [];
    const kernel = new SampledKernel();
    new Client(kernel, (notice) => heard.push(notice));
    for (const notice of samples.notices) kernel.say(notice);
    for (const other of [null, 7, "undo", {}, { id: "", notice: "dance" }, { id: "", ok: true }])
      kernel.say(other);
    expect(heard).toEqual(samples.notices);
    expect(samples.notices.every((notice) => isNotice(notice) && !isReply(notice))).toBe(true);
    expect(isReply(samples.failed) && !isNotice(samples.failed)).toBe(true);
  });
});

describe("what a log implies", () => {
  test.each(folds)("$name", ({ events, state, undo, redo }) => {
    const logged: LoggedEvent[] = events.map((content, i) => ({
      event: {
        round: "annotation",
        annotator: "ada",
        image_number: 0,
        order: "score",
        client_time: "",
        ...content,
      } as AnnotationEvent,
      seq: i + 1,
    }));
    expect(fold(logged)).toEqual({ ...state, last_seq: events.length });
    const stacks = logged.reduce<UndoStacks>((before, { event }) => advanceStacks(before, event, 0), {
      undo: [],
      redo: [],
    });
    expect(stacks.undo.map(([id]) => id)).toEqual(undo);
    expect(stacks.redo.map(([id]) => id)).toEqual(redo);
  });

  // An undo of something that the store's state already holds must be applied by the store: see `hasForeignTarget`.
  test.each(folds.filter(isWholeInHalves))(
    "$name, the first half as a state from the store",
    ({ events, state }) => {
      const logged = events.map((content, i) => ({
        event: content as unknown as AnnotationEvent,
        seq: i + 1,
      }));
      const half = Math.floor(logged.length / 2);
      expect(fold(logged.slice(half), fold(logged.slice(0, half)))).toEqual({
        ...state,
        last_seq: events.length,
      });
    },
  );
});

function isWholeInHalves({ events }: (typeof folds)[number]): boolean {
  const later = events.slice(Math.floor(events.length / 2));
  const known = new Set(later.map(({ event_id }) => event_id));
  return later.every(({ payload }) => !("target" in payload) || known.has(payload.target ?? ""));
}
