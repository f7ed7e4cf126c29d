// @vitest-environment happy-dom
/** Whatever a person ticks, confirms and undoes in the grid, and whatever the channel does: the log is what is shown. */

import { expect, test, vi } from "vitest";
import { saysTheSame } from "../shared/fold.ts";
import { fc } from "../testing/drawn.ts";
import { FakeKernel, type Fault } from "../testing/fake_kernel.ts";
import { eachTestOnANewPage } from "../testing/page.ts";
import { GridController } from "./controller.ts";
import { positionsOfPage, unanswered } from "./state.ts";

const CLASS = 20;

type Step =
  | { do: "yes" | "no" | "unsure"; number: number }
  | { do: "confirm" | "clear" | "undo" | "redo" | "next" | "previous" | "reload" }
  | { do: "fault"; fault: Fault }
  | { do: "wait"; ms: number };

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("yes", "no", "unsure"), number: fc.nat(11) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("confirm", "clear", "undo", "undo", "redo") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("next", "previous", "reload") }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fault"),
      fault: fc.constantFrom<Fault>("none", "none", "loseRequest", "loseReply", "repeatReply", "storeAway"),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(1, 700, 9_000) }) },
) as fc.Arbitrary<Step>;

eachTestOnANewPage();

async function open(kernel: FakeKernel): Promise<GridController> {
  const controller = new GridController(kernel.channel());
  void controller.start();
  await vi.advanceTimersByTimeAsync(50);
  controller.resizePage(12);
  await vi.advanceTimersByTimeAsync(50);
  return controller;
}

function newKernel(): FakeKernel {
  return new FakeKernel({ nTasks: 24, info: { class_index: CLASS } });
}

async function take(controller: GridController, step: Step): Promise<void> {
  const { page } = controller.state.value;
  if (step.do === "yes" || step.do === "no" || step.do === "unsure") {
    const position = positionsOfPage(controller.state.value)[step.number];
    if (position !== undefined) controller.toggle(position, step.do);
  }
  if (step.do === "confirm") controller.confirmPage();
  if (step.do === "clear") controller.clearPage();
  if (step.do === "undo" || step.do === "redo") void controller.undo(step.do);
  if (step.do === "next") controller.turnPage(page + 1);
  if (step.do === "previous") controller.turnPage(page - 1);
  await vi.advanceTimersByTimeAsync(step.do === "wait" ? step.ms : 0);
}

test("any sequence ends in what the log implies, and no class but the one asked about has a word", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      window.localStorage.clear();
      const kernel = newKernel();
      let controller = await open(kernel);
      for (const taken of steps) {
        if (taken.do === "fault") kernel.fault = taken.fault;
        if (taken.do === "reload") {
          controller.close();
          kernel.fault = "none";
          controller = await open(kernel);
        }
        await take(controller, taken);
      }
      kernel.fault = "none";
      await vi.advanceTimersByTimeAsync(60_000);
      const { entries, save } = controller.state.value;
      expect(save.state).toBe("saved");
      expect(controller.hasUnsaved).toBe(false);
      for (const [position, entry] of entries) {
        const truth = kernel.state(position);
        expect(saysTheSame(entry.state, truth)).toBe(true);
        expect(Object.keys(truth.votes).filter((key) => key !== String(CLASS))).toEqual([]);
        expect(truth.shown.filter((classIndex) => classIndex !== CLASS)).toEqual([]);
      }
      expect(new Set(kernel.log.map(({ event }) => event.event_id)).size).toBe(kernel.log.length);
      controller.close();
    }),
    { numRuns: 40 },
  );
});

test("a confirmed page is undone and done again as one, a tick before it by itself", async () => {
  const kernel = newKernel();
  const controller = await open(kernel);
  const page = [...positionsOfPage(controller.state.value)];
  controller.toggle(page[0] ?? -1, "yes");
  await vi.advanceTimersByTimeAsync(100);
  controller.confirmPage();
  await vi.advanceTimersByTimeAsync(100);
  const words = () => page.map((position) => kernel.state(position).votes[String(CLASS)]);
  expect(words()).toEqual(page.map((_, i) => (i === 0 ? "yes" : "no")));
  await controller.undo("undo");
  await vi.advanceTimersByTimeAsync(100);
  expect(words()).toEqual(page.map((_, i) => (i === 0 ? "yes" : undefined)));
  await controller.undo("undo");
  await controller.undo("redo");
  await controller.undo("redo");
  await vi.advanceTimersByTimeAsync(100);
  expect(words()).toEqual(page.map((_, i) => (i === 0 ? "yes" : "no")));
  controller.close();
});

test("what has not been on the screen is shown before it is confirmed", async () => {
  const kernel = newKernel();
  const controller = await open(kernel);
  const page = [...positionsOfPage(controller.state.value)];
  const seen = new Set(page.slice(0, 4));
  const revealed: number[] = [];
  controller.hasSeen = (position) => seen.has(position);
  controller.reveal = (position) => revealed.push(position);
  controller.confirmPage();
  expect(unanswered(controller.state.value)).toEqual(page.slice(4));
  expect(revealed).toContain(page[4]);
  expect(controller.state.value.said).toContain(`${page.length - 4} were not on screen yet`);
  controller.close();
});
