// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AnnotationEvent, SessionInfo, Task } from "../shared/messages.ts";
import { Client, RefusedError, UnreachableError } from "../shared/protocol.ts";
import { kernelState } from "../shared/reopening.ts";
import { type Opening, PageChannel, unpacked } from "./channel.ts";

const ADDRESSES = { at: "/work/annotation", key: "the key", classes: "/work/annotation/classes/1" };
type Answer = () => Response | Promise<Response>;
let answers: Answer[];
let asked: { url: string; init: RequestInit }[];

beforeEach(() => {
  answers = [];
  asked = [];
  vi.useFakeTimers();
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    asked.push({ url, init });
    const answer = answers.shift();
    if (answer === undefined) throw new TypeError("no network");
    return answer();
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  document.body.removeAttribute("data-mlf-page");
});

function packed(result: unknown, ...buffers: number[][]): Answer {
  const head = new TextEncoder().encode(
    JSON.stringify({ result, sizes: buffers.map(({ length }) => length) }),
  );
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, head.length);
  return () => new Response(new Uint8Array([...length, ...head, ...buffers.flat()]));
}

const refusal =
  (status: number, code: string): Answer =>
  () =>
    new Response(JSON.stringify({ code, message: `said ${code}` }), { status });

function client(opening: Opening | null = null): Client {
  return new Client(new PageChannel(ADDRESSES, opening));
}

/** What becomes of a request, once all pauses between tries are over. */
async function outcome<T>(request: Promise<T>): Promise<T | Error> {
  const settled = request.catch((error: Error) => error);
  await vi.advanceTimersByTimeAsync(10_000);
  return settled;
}

test("a request is a POST that shows the page's key, and its answer brings buffers along", async () => {
  answers = [packed([{ class_index: 3 }], [1, 2, 3], [9])];
  const { result, buffers } = await client().request("sprite", { class_indices: [3], group: "" });
  expect(result).toEqual([{ class_index: 3 }]);
  expect(buffers.map((view) => [...new Uint8Array(view.buffer, view.byteOffset, view.byteLength)])).toEqual([
    [1, 2, 3],
    [9],
  ]);
  expect(asked[0]?.url).toBe("/work/annotation/sprite");
  expect(asked[0]?.init.method).toBe("POST");
  expect(asked[0]?.init.headers).toMatchObject({ "X-MLF-Key": "the key" });
});

test("an answer is read to its last byte", () => {
  expect(() => unpacked(new Uint8Array([0, 0, 0, 99, 1]).buffer)).toThrow();
});

test("what came with the page is used once, and only for what is asked", async () => {
  const tasks = [{ position: 0 }, { position: 1 }] as Task[];
  const opened = client({ open: { project_name: "birds" } as SessionInfo, tasks });
  expect((await opened.request("open", {})).result.project_name).toBe("birds");
  expect((await opened.request("tasks", { positions: [0, 1] })).result).toEqual(tasks);
  expect(asked).toEqual([]);
  answers = [packed([])];
  await opened.request("tasks", { positions: [0, 1] });
  expect(asked).toHaveLength(1);
  const another = client({ open: {} as SessionInfo, tasks });
  answers = [packed([])];
  await another.request("tasks", { positions: [0, 30] });
  expect(asked).toHaveLength(2);
});

test("an image is asked for by its position", async () => {
  const headers = { "content-type": "image/jpeg", "x-mlf-width-px": "640", "x-mlf-height-px": "480" };
  answers = [() => new Response(new Uint8Array([7]), { headers }), () => new Response("", { headers })];
  const { result } = await client().request("image", { position: 4, max_side_px: 1024 });
  expect(result).toEqual({ media_type: "image/jpeg", width_px: 640, height_px: 480 });
  await client().request("image", { position: 4, max_side_px: null });
  expect(asked.map(({ url }) => url)).toEqual([
    "/work/annotation/image?position=4&max_side_px=1024",
    "/work/annotation/image?position=4",
  ]);
});

test("the first image comes from where the page shows it, once, and is then taken off the page", async () => {
  const remove = vi.fn();
  const first = { position: 4, address: "/work/annotation/image?position=4&image_id=ab", remove };
  const opened = new Client(new PageChannel(ADDRESSES, null, first));
  answers = [() => new Response(""), () => new Response("")];
  await opened.request("image", { position: 4, max_side_px: 1024 });
  expect(remove).toHaveBeenCalledOnce();
  await opened.request("image", { position: 4, max_side_px: 1024 });
  expect(asked.map(({ url }) => url)).toEqual([
    first.address,
    "/work/annotation/image?position=4&max_side_px=1024",
  ]);
});

test.each([
  ["a lost connection", () => Promise.reject(new TypeError("failed"))],
  ["a proxy without its service", () => new Response("<html>", { status: 503 })],
  ["a service that is busy", refusal(429, "RateLimited")],
])("after %s it asks again", async (_what, first) => {
  answers = [first, packed(5)];
  const answered = await outcome(client().request("find", { which: "all", start: 0, step: 1 }));
  expect(answered).toMatchObject({ result: 5 });
  expect(asked).toHaveLength(2);
});

test("a service that stays away is not reached, one that refuses is not asked again", async () => {
  const changes = () => outcome(client().request("changes", { since_seq: 0 }));
  expect(await changes()).toBeInstanceOf(UnreachableError);
  expect(asked).toHaveLength(4);
  answers = [refusal(401, "Unauthorized")];
  expect(await changes()).toBeInstanceOf(UnreachableError);
  answers = [refusal(403, "Forbidden")];
  const refused = await changes();
  expect(refused).toBeInstanceOf(RefusedError);
  expect(refused).toMatchObject({ code: "Forbidden", message: "said Forbidden" });
  answers = [refusal(503, "Crowded")];
  expect(await changes()).toMatchObject({ code: "CrowdedError" }); // as a kernel says it
  expect(asked).toHaveLength(7);
});

const comment = (id: string, length: number) =>
  ({ event_id: id, payload: { text: "x".repeat(length) } }) as AnnotationEvent;

test("more events than one request takes are split, in their order; one that no request takes is refused", async () => {
  const saved = (id: string) => ({ event_id: id, seq: 1, error: "", is_final: true });
  answers = [packed([saved("a")]), refusal(413, "TooLarge")];
  const events = [comment("a", 600_000), comment("b", 1_200_000)];
  const answered = await outcome(client().request("save", { events }));
  expect(answered).toMatchObject({
    result: [saved("a"), { event_id: "b", seq: null, error: "said TooLarge", is_final: true }],
  });
});

test("a page whose log-in has ended is opened again, and no other", async () => {
  document.body.dataset.mlfPage = "/work/annotation";
  document.body.dataset.mlfKey = "the key";
  answers = [refusal(401, "Unauthorized"), () => new Response(null, { status: 204 })];
  expect(await kernelState()).toBe("gone");
  expect(await kernelState()).toBe("working");
  expect(await kernelState()).toBe("unknown"); // no network
  expect(asked[0]?.url).toBe("/work/annotation/state");
  expect(asked[0]?.init.headers).toMatchObject({ "X-MLF-Key": "the key" });
});
