// @vitest-environment happy-dom
/** What the refiner's keys lead to in the log, and when the kernel is asked for the evidence. */

import { expect, test, vi } from "vitest";
import type { Evidence, Task } from "../shared/messages.ts";
import { FakeKernel } from "../testing/fake_kernel.ts";
import { eachTestOnANewPage } from "../testing/page.ts";
import { RefinerController } from "./controller.ts";
import { isCurrentRevealed, shownRows } from "./state.ts";

const AGREED = 2;
const OPEN = [0, 1, 30];

/** Every image has 0, 1 and the added 30 open; 2 is agreed on. Blind refiners get the evidence after deciding all. */
class DisputeKernel extends FakeKernel {
  constructor(readonly isBlind: boolean) {
    const refinement = { blind_first: isBlind, allow_own_images: false, audit_share: 0 };
    super({ nTasks: 3, info: { round: "refinement", refinement } });
  }

  override proposals(): number[] {
    return [3, 1, 0, 2, 4];
  }

  asked(): readonly number[] {
    return OPEN;
  }

  override task(position: number): Task {
    const task = super.task(position);
    const { votes } = task.state;
    const isDecided = this.asked().every((classIndex) => votes[String(classIndex)] !== undefined);
    const evidence: Evidence = {
      votes: {
        0: { A: "yes", B: "no", C: "yes" },
        1: { A: "no", B: "yes" },
        2: { A: "yes", B: "yes", C: "yes" },
        30: { C: "yes" },
      },
      comments: {},
      regions: {},
      voices: ["A", "B", "C"],
      simulated: [],
    };
    return { ...task, open_labels: OPEN, evidence: this.isBlind && !isDecided ? null : evidence };
  }
}

eachTestOnANewPage();

async function open(kernel: FakeKernel, seen: readonly number[] = OPEN): Promise<RefinerController> {
  const controller = new RefinerController(kernel.channel());
  controller.visibleClasses = () => [...seen];
  void controller.start();
  await settled();
  return controller;
}

const settled = () => vi.advanceTimersByTimeAsync(200);

test("digits and letters go by the order of the proposals, what was added last", async () => {
  const kernel = new DisputeKernel(false);
  const controller = await open(kernel);
  controller.decide(0, "yes"); // proposals have 1 before 0
  controller.decide(1, "no");
  controller.decide(2, "unsure");
  await settled();
  expect(kernel.state(0).votes).toEqual({ 1: "yes", 0: "no", 30: "unsure" });
  controller.close();
});

test("confirming makes an explicit no of what is not ticked, leaves what was agreed alone, and goes on", async () => {
  const kernel = new DisputeKernel(false);
  const controller = await open(kernel);
  controller.decide(0, "yes");
  await controller.confirm();
  await settled();
  expect(kernel.state(0).votes).toEqual({ 1: "yes", 0: "no", 30: "no" });
  expect(kernel.state(0).shown).toEqual(OPEN);
  expect(kernel.state(0).shown).not.toContain(AGREED);
  expect(controller.state.value.position).toBe(1);
  await controller.undo("undo"); // the confirmation is one action
  await settled();
  expect(kernel.state(0).votes).toEqual({ 1: "yes" });
  expect(controller.state.value.position).toBe(0);
  controller.close();
});

test("nobody goes on from a half decided image whose labels have not all been on the screen", async () => {
  const kernel = new DisputeKernel(false);
  const controller = await open(kernel, [1]);
  const revealed: number[] = [];
  controller.reveal = (classIndex) => revealed.push(classIndex);
  await controller.step(1);
  expect(controller.state.value.position).toBe(1); // nothing was decided: passing by
  await controller.step(-1);
  controller.decide(0, "yes");
  await controller.step(1);
  await controller.confirm();
  await settled();
  expect(controller.state.value.position).toBe(0);
  expect(revealed).toContain(0);
  expect(kernel.state(0).votes).toEqual({ 1: "yes" });
  controller.close();
});

test("what most said is accepted, and what is tied stays open", async () => {
  const kernel = new DisputeKernel(false);
  const controller = await open(kernel);
  controller.acceptMajority();
  await settled();
  expect(kernel.state(0).votes).toEqual({ 0: "yes", 30: "yes" });
  expect(controller.state.value.said).toContain("1 tied");
  controller.close();
});

test("none of these denies what was agreed, too", async () => {
  const kernel = new DisputeKernel(false);
  const controller = await open(kernel);
  controller.toggleNone();
  await settled();
  expect(kernel.state(0).none).toBe(true);
  expect(kernel.state(0).shown).toEqual([0, 1, AGREED, 30]);
  controller.close();
});

test("a blind refiner gets the evidence after the last decision, not for one of several", async () => {
  const kernel = new DisputeKernel(true);
  const controller = await open(kernel);
  const evidence = () => controller.state.value.entries.get(0)?.task.evidence;
  expect(evidence()).toBeNull();
  controller.showEvidence();
  await settled();
  expect(evidence()).toBeNull();
  controller.acceptMajority(); // of votes that the refiner may not know
  await settled();
  expect(kernel.log).toEqual([]);
  controller.decide(0, "no");
  controller.decide(1, "no");
  await settled();
  expect(evidence()).toBeNull();
  controller.decide(2, "no");
  await settled();
  expect(evidence()).not.toBeNull();
  controller.close();
});

test("a blind refiner who confirms stays to see what was said, and goes on with the next key", async () => {
  const kernel = new DisputeKernel(true);
  const controller = await open(kernel);
  await controller.confirm();
  await settled();
  expect(kernel.state(0).votes).toEqual({ 0: "no", 1: "no", 30: "no" });
  expect(controller.state.value.position).toBe(0);
  expect(isCurrentRevealed(controller.state.value)).toBe(true);
  await controller.confirm();
  expect(controller.state.value.position).toBe(1);
  expect(isCurrentRevealed(controller.state.value)).toBe(false);
  controller.close();
});

/** An audit: nothing is open, and both annotators added a class that was not proposed. */
class AuditKernel extends DisputeKernel {
  override asked(): readonly number[] {
    return this.proposals();
  }

  override task(position: number): Task {
    const task = super.task(position);
    const evidence = task.evidence && { ...task.evidence, votes: { 40: { A: "yes", B: "yes" } } as const };
    return { ...task, open_labels: [], evidence };
  }
}

test("a blind refiner is not asked about what others added until everything offered is settled", async () => {
  const kernel = new AuditKernel(true);
  const controller = await open(kernel, [0, 1, 2, 3, 4]);
  const rows = () => shownRows(controller.state.value).map(({ classIndex }) => classIndex);
  controller.decide(0, "yes");
  await settled();
  expect(controller.state.value.entries.get(0)?.task.evidence).toBeNull();
  expect(isCurrentRevealed(controller.state.value)).toBe(false);
  expect(rows()).toEqual([3, 1, 0, 2, 4]);
  await controller.confirm();
  await settled();
  expect(kernel.state(0).votes).toEqual({ 3: "yes", 1: "no", 0: "no", 2: "no", 4: "no" });
  expect(isCurrentRevealed(controller.state.value)).toBe(true);
  expect(rows()).toContain(40);
  controller.close();
});

test("evidence that did not arrive is asked for again, and Enter goes on", async () => {
  const kernel = new DisputeKernel(true);
  const channel = kernel.channel();
  let isBroken = false;
  kernel.channel = () => ({
    ...channel,
    send: (content) => {
      if (!isBroken || (content as { kind: string }).kind !== "tasks") channel.send(content);
    },
  });
  const controller = await open(kernel);
  isBroken = true;
  await controller.confirm();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(controller.state.value.entries.get(0)?.task.evidence).toBeNull();
  isBroken = false;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(isCurrentRevealed(controller.state.value)).toBe(true);
  await controller.confirm();
  expect(controller.state.value.position).toBe(1);
  controller.close();
});
