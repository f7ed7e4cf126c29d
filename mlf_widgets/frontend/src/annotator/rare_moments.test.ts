// @vitest-environment happy-dom
/** Moments that a person seldom meets: two machines, a lost reply, a key between two answers of a slow kernel. */

import { expect, test, vi } from "vitest";
import type { AnnotationEvent } from "../shared/messages.ts";
import type { Channel } from "../shared/protocol.ts";
import { FakeKernel } from "../testing/fake_kernel.ts";
import { eachTestOnANewPage } from "../testing/page.ts";
import { Controller } from "./controller.ts";

eachTestOnANewPage();

/** A channel on which requests of some kinds are slow. */
function slow(channel: Channel, kinds: readonly string[], delayMs: number): Channel {
  const send = (content: unknown) => {
    const { kind } = content as { kind: string };
    if (kinds.includes(kind)) setTimeout(() => channel.send(content), delayMs);
    else channel.send(content);
  };
  return { ...channel, send };
}

async function open(kernel: FakeKernel, channel: Channel = kernel.channel()): Promise<Controller> {
  const controller = new Controller(channel);
  void controller.start();
  await vi.advanceTimersByTimeAsync(100);
  return controller;
}

function vote(eventId: string, word: "yes" | "clear"): AnnotationEvent {
  return {
    event_id: eventId,
    round: "annotation",
    annotator: "ada",
    image_number: 100,
    kind: "vote",
    payload: { class_index: 3, vote: word },
    shown: [3],
    active_ms: 1_000,
    order: "score",
    client_time: "",
  };
}

test("a decision whose acknowledgement was lost does not hide what another machine decided since", async () => {
  const kernel = new FakeKernel();
  const first = vote("decided-here-01", "yes");
  kernel.log.push({ event: first, seq: 1 }, { event: vote("cleared-there-1", "clear"), seq: 2 });
  window.localStorage.setItem(`mlf:project:annotation:ada:001:${first.event_id}`, JSON.stringify(first));
  const controller = await open(kernel);
  await vi.advanceTimersByTimeAsync(10_000);
  const { entries, save, progress, stacks, log } = controller.state.value;
  expect(save.state).toBe("saved");
  expect(kernel.state(0).votes).toEqual({});
  expect(entries.get(0)?.state).toMatchObject({ votes: {}, active_ms: 2_000 });
  expect(progress).toEqual(kernel.progress());
  expect(stacks).toEqual(kernel.stacks());
  expect(log).toEqual([]);
  controller.close();
});

test("undo names the image of what it undoes, also when one goes on before that image has arrived", async () => {
  const kernel = new FakeKernel({ nTasks: 200 });
  const far = { ...vote("decided-far-away", "yes"), image_number: 250 };
  kernel.log.push({ event: far, seq: 1 });
  const controller = await open(kernel, slow(kernel.channel(), ["tasks"], 50));
  await vi.advanceTimersByTimeAsync(100);
  void controller.undo("undo");
  await vi.advanceTimersByTimeAsync(10);
  controller.goTo(1);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(kernel.log).toHaveLength(1);
  controller.close();
});

test("undo waits for the image that it leads to", async () => {
  const kernel = new FakeKernel({ nTasks: 200 });
  kernel.log.push({ event: { ...vote("decided-far-away", "yes"), image_number: 250 }, seq: 1 });
  const controller = await open(kernel, slow(kernel.channel(), ["tasks"], 50));
  await vi.advanceTimersByTimeAsync(100);
  void controller.undo("undo");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kernel.log.at(-1)?.event).toMatchObject({ kind: "undo", image_number: 250 });
  controller.close();
});

test("undo of what was decided on an image that is not loaded says nothing of the image shown", async () => {
  const kernel = new FakeKernel({ nTasks: 200 });
  const far = { ...vote("decided-far-away", "yes"), image_number: 250 };
  window.localStorage.setItem(`mlf:project:annotation:ada:001:${far.event_id}`, JSON.stringify(far));
  const channel = slow(kernel.channel(), ["save"], 4_000);
  const controller = await open(kernel, channel);
  void controller.undo("undo");
  await vi.advanceTimersByTimeAsync(20_000);
  for (const { event } of kernel.log) expect(event.image_number).toBe(250);
  controller.close();
});

test("a session opens once, however often one asks while it does", async () => {
  const kernel = new FakeKernel();
  kernel.fault = "storeAway";
  const controller = await open(kernel);
  kernel.fault = "none";
  controller.retry();
  controller.retry();
  await vi.advanceTimersByTimeAsync(10_000);
  const before = kernel.nRequests.changes ?? 0;
  await vi.advanceTimersByTimeAsync(10_000);
  expect((kernel.nRequests.changes ?? 0) - before).toBeLessThanOrEqual(5);
  controller.close();
});

test("a labelling loop is handed what was decided to the last key", async () => {
  const kernel = new FakeKernel({ info: { is_driven: true } });
  const controller = await open(kernel, slow(kernel.channel(), ["save"], 50));
  const votes: unknown[] = [];
  const request = controller.client.request.bind(controller.client);
  controller.client.request = ((kind: "submit", params: { position: number }) => {
    if (kind === "submit") votes.push(kernel.state(0).votes);
    return request(kind, params);
  }) as typeof controller.client.request;
  controller.toggleLabel(0, "yes");
  await vi.advanceTimersByTimeAsync(10);
  controller.toggleLabel(1, "yes");
  void controller.step(1);
  void controller.step(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(votes).toEqual([{ 0: "yes", 1: "yes" }]);
  controller.close();
});

test("who goes on while the loop's next image is there but not its answer is not ignored", async () => {
  const kernel = new FakeKernel({ info: { is_driven: true } });
  const controller = await open(kernel, slow(kernel.channel(), ["skip"], 5_000));
  const handed: number[] = [];
  const request = controller.client.request.bind(controller.client);
  controller.client.request = ((kind: "skip", params: { position: number }) => {
    if (kind === "skip") handed.push(params.position);
    return request(kind, params);
  }) as typeof controller.client.request;
  void controller.step(1);
  void controller.step(1);
  await vi.advanceTimersByTimeAsync(10);
  controller.goTo(1); // the loop is still busy with the first: it asked for no other
  void controller.step(1);
  kernel.tell({ notice: "goto", position: 3 });
  void controller.step(1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(handed).toEqual([0, 3]);
  controller.close();
});

test("a page that is left while a look is on its way opens where it was", async () => {
  const kernel = new FakeKernel();
  const left = await open(kernel);
  left.goTo(3);
  await vi.advanceTimersByTimeAsync(100);
  left.toggleLabel(0, "yes");
  await vi.advanceTimersByTimeAsync(1_500);
  kernel.fault = "loseReply";
  left.setHidden(true); // as a reload does: what was looked at is recorded, and nobody hears of it any more
  await vi.advanceTimersByTimeAsync(100);
  expect(kernel.log.map(({ event }) => event.kind)).toEqual(["vote", "view"]);
  kernel.fault = "none";
  const controller = await open(kernel);
  expect(controller.state.value.position).toBe(3);
  left.close();
  controller.close();
});

test("a name that begins like another's takes up none of its decisions", async () => {
  const others = new FakeKernel({ info: { annotator: "ada:b" } });
  const other = await open(others);
  others.fault = "loseRequest";
  other.toggleLabel(0, "yes");
  other.close();
  const left = window.localStorage.length;
  expect(left).toBe(1);
  const kernel = new FakeKernel();
  const controller = await open(kernel);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(kernel.log).toEqual([]);
  expect(window.localStorage.length).toBe(left);
  controller.close();
});

test("a page that opens unseen counts no time until it is seen", async () => {
  let isHidden = true;
  const hidden = vi.spyOn(document, "hidden", "get").mockImplementation(() => isHidden);
  const kernel = new FakeKernel();
  const controller = await open(kernel);
  await vi.advanceTimersByTimeAsync(60_000);
  isHidden = false;
  controller.setHidden(false);
  await vi.advanceTimersByTimeAsync(1_000);
  controller.toggleLabel(0, "yes");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kernel.log[0]?.event.active_ms).toBeLessThan(3_000);
  hidden.mockRestore();
  controller.close();
});

test("labels that were looked through before the image was there have not been shown beside it", async () => {
  const kernel = new FakeKernel();
  const controller = await open(kernel, slow(kernel.channel(), ["image"], 3_000));
  controller.visibleClasses = () => [7];
  controller.noteVisible();
  controller.visibleClasses = () => [0];
  await vi.advanceTimersByTimeAsync(5_000);
  controller.toggleLabel(0, "yes");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kernel.log[0]?.event.shown).toEqual([0]);
  controller.close();
});

test("what was looked through on the last image is kept when the page is closed on it", async () => {
  const kernel = new FakeKernel();
  const controller = await open(kernel);
  controller.toggleLabel(0, "yes");
  controller.visibleClasses = () => [5, 6];
  controller.noteVisible();
  await vi.advanceTimersByTimeAsync(500);
  controller.setHidden(true);
  await vi.advanceTimersByTimeAsync(500);
  expect(kernel.state(0).shown).toEqual([0, 5, 6]);
  controller.close();
});

test("when work is given to others, no image keeps the labels of the one that had its place", async () => {
  const kernel = new FakeKernel();
  const controller = await open(kernel);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(controller.pictures?.image(2)).toBeDefined();
  const task = kernel.task.bind(kernel);
  // The second image went to somebody else: those after it move up.
  kernel.task = (position) => ({ ...task(position < 1 ? position : position + 1), position });
  Object.assign(kernel, { nTasks: 11 });
  const nBefore = kernel.nRequests.image ?? 0;
  await vi.advanceTimersByTimeAsync(3_000);
  expect(kernel.nRequests.image).toBeGreaterThan(nBefore);
  expect(controller.state.value.said).toContain("list of images has changed");
  controller.goTo(1);
  await vi.advanceTimersByTimeAsync(100);
  controller.toggleLabel(0, "yes");
  await vi.advanceTimersByTimeAsync(100);
  expect(kernel.log.at(-1)?.event).toMatchObject({ image_number: 102, payload: { class_index: 14 } });
  controller.close();
});

test("that holds where more work than that has come since", async () => {
  const kernel = new FakeKernel();
  const controller = await open(kernel);
  const task = kernel.task.bind(kernel);
  kernel.task = (position) => ({ ...task(position < 1 ? position : position + 1), position });
  Object.assign(kernel, { nTasks: 14 });
  await vi.advanceTimersByTimeAsync(3_000);
  expect(controller.state.value.entries.get(1)?.task.image_number).toBe(102);
  expect(controller.state.value.said).toContain("list of images has changed");
  Object.assign(kernel, { nTasks: 20 });
  controller.say("");
  await vi.advanceTimersByTimeAsync(3_000);
  expect(controller.state.value.progress.n_tasks).toBe(20);
  expect(controller.state.value.said).toBe("");
  controller.close();
});

test("one who stands at an end that is given away is led to the new end", async () => {
  const kernel = new FakeKernel();
  const controller = await open(kernel);
  controller.goTo(11);
  await vi.advanceTimersByTimeAsync(100);
  Object.assign(kernel, { nTasks: 8 });
  await vi.advanceTimersByTimeAsync(3_000);
  expect(controller.state.value.position).toBe(7);
  expect(controller.state.value.entries.get(7)?.task.image_number).toBe(107);
  controller.close();
});

test("half a character in a comment does not keep the rest from the store", async () => {
  const kernel = new FakeKernel();
  const controller = await open(kernel);
  controller.comment("cut \ud83d, whole \u{1f600}");
  await vi.advanceTimersByTimeAsync(100);
  expect(kernel.state(0).comment).toBe("cut \ufffd, whole \u{1f600}");
  controller.close();
});

test("pictures that a kernel away for a while did not send come by themselves once it is back", async () => {
  const kernel = new FakeKernel({ nTasks: 60 });
  const controller = await open(kernel);
  await vi.advanceTimersByTimeAsync(1_000);
  kernel.fault = "loseRequest";
  controller.goTo(12); // its task is there, its picture is not
  await vi.advanceTimersByTimeAsync(25_000);
  expect(controller.pictures?.failure("image", 12)).toContain("did not answer");
  kernel.fault = "none";
  await vi.advanceTimersByTimeAsync(30_000);
  expect(controller.pictures?.failure("image", 12)).toBeUndefined();
  expect(controller.pictures?.image(12)).toBeDefined();
  controller.close();
});

test("nobody judges an image whose picture is only late", async () => {
  const kernel = new FakeKernel({ nTasks: 60 });
  const controller = await open(kernel);
  await vi.advanceTimersByTimeAsync(1_000);
  kernel.fault = "loseRequest";
  controller.goTo(12);
  await vi.advanceTimersByTimeAsync(25_000);
  controller.toggleLabel(0, "yes");
  expect(controller.state.value.entries.get(12)?.state.votes).toEqual({});
  controller.close();
});

test("a picture that too many wait for comes by itself; meanwhile it loads, and nobody judges it", async () => {
  const kernel = new FakeKernel({ nTasks: 60 });
  const controller = await open(kernel);
  await vi.advanceTimersByTimeAsync(1_000);
  kernel.fault = "crowdedPictures";
  controller.goTo(12);
  await vi.advanceTimersByTimeAsync(5_000);
  const nAsked = kernel.nRequests.image ?? 0;
  await vi.advanceTimersByTimeAsync(10_000);
  // What is on screen and what lies ahead, once every two seconds: not without a pause.
  expect((kernel.nRequests.image ?? 0) - nAsked).toBeLessThan(100);
  expect(controller.pictures?.failure("image", 12)).toBeUndefined();
  controller.toggleLabel(0, "yes");
  expect(controller.state.value.entries.get(12)?.state.votes).toEqual({});
  kernel.fault = "none";
  await vi.advanceTimersByTimeAsync(5_000);
  expect(controller.pictures?.image(12)).toBeDefined();
  controller.toggleLabel(0, "yes");
  expect(Object.keys(controller.state.value.entries.get(12)?.state.votes ?? {})).toHaveLength(1);
  controller.close();
});

test.each([
  ["has gone elsewhere", (c: Controller) => c.goTo(7), 7],
  ["writes a comment", (c: Controller) => Object.assign(c, { isWriting: () => true }), 0],
  ["looks for a label", (c: Controller) => c.open({ kind: "search" }), 0],
])("an answer that comes late moves nobody who by then %s", async (_, begin, position) => {
  const kernel = new FakeKernel();
  const controller = await open(kernel, slow(kernel.channel(), ["find"], 2_000));
  controller.dispatch({ type: "filterChosen", filter: "not_done" });
  for (const go of [
    () => controller.step(1),
    () => controller.goToFirstNotDone(),
    () => controller.chooseFilter("not_done"),
  ]) {
    void go();
    await vi.advanceTimersByTimeAsync(100);
    begin(controller);
    const { dialog } = controller.state.value;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(controller.state.value).toMatchObject({ position, dialog });
    Object.assign(controller, { isWriting: () => false });
    controller.open(null);
  }
  controller.close();
});

test("a key that is held asks a slow store once where to go", async () => {
  const kernel = new FakeKernel();
  const controller = await open(kernel, slow(kernel.channel(), ["find"], 2_000));
  controller.dispatch({ type: "filterChosen", filter: "not_done" });
  for (let i = 0; i < 50; i++) {
    void controller.step(1);
    await vi.advanceTimersByTimeAsync(30);
  }
  await vi.advanceTimersByTimeAsync(5_000);
  expect(kernel.nRequests.find).toBeLessThanOrEqual(2); // the other one is for the image after that
  expect(controller.state.value.position).toBe(1);
  controller.close();
});

test("a question to the store that got lost is asked again at the next press", async () => {
  const lost = ["find"];
  const kernel = new FakeKernel();
  const controller = await open(kernel, slow(kernel.channel(), lost, 1e8));
  controller.dispatch({ type: "filterChosen", filter: "not_done" });
  void controller.step(1);
  await vi.advanceTimersByTimeAsync(3_000);
  lost.length = 0;
  void controller.step(1);
  await vi.advanceTimersByTimeAsync(100);
  expect(controller.state.value.position).toBe(1);
  controller.close();
});

test("nobody is told that all is done where the store did not say so", async () => {
  const kernel = new FakeKernel({ nTasks: 5 });
  const controller = await open(kernel, slow(kernel.channel(), ["find"], 1e8));
  controller.goTo(4);
  await vi.advanceTimersByTimeAsync(100);
  void controller.step(1);
  await vi.advanceTimersByTimeAsync(25_000);
  expect(controller.state.value.said).not.toMatch(/all 5 are done/);
  expect(controller.state.value.position).toBe(4);
  controller.close();
});
