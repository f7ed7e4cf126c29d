// @vitest-environment happy-dom
/** Whatever a person does and whatever the channel does: what is shown is what the log implies, nothing lost or doubled. */

import { describe, expect, test, vi } from "vitest";
import type { AnnotationEvent } from "../shared/messages.ts";
import { fc } from "../testing/drawn.ts";
import { FakeKernel, type Fault } from "../testing/fake_kernel.ts";
import { eachTestOnANewPage } from "../testing/page.ts";
import { Controller } from "./controller.ts";

type Step =
  | { do: "tick" | "unsure_label"; number: number }
  | {
      do:
        | "none"
        | "unsure"
        | "searched"
        | "frames"
        | "undo"
        | "redo"
        | "next"
        | "previous"
        | "reload"
        | "otherTab";
    }
  | { do: "comment"; text: string }
  | { do: "jump"; position: number }
  | { do: "fault"; fault: Fault }
  | { do: "wait"; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("tick", "unsure_label"), number: fc.nat(19) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("none", "unsure", "searched", "frames", "undo", "redo", "undo"),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("next", "previous") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("reload", "otherTab") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("comment"), text: fc.string({ maxLength: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("jump"), position: fc.nat(11) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("fault"),
      fault: fc.constantFrom<Fault>("none", "none", "loseRequest", "loseReply", "repeatReply", "storeAway"),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(1, 30, 700, 9_000) }) },
) as fc.Arbitrary<Step>;

/** What the other tab decided, on the image on which this one's answer was lost. */
const COUNTED_LATE: Step[] = [
  { do: "otherTab" },
  { do: "fault", fault: "loseReply" },
  { do: "none" },
  { do: "otherTab" },
  { do: "unsure_label", number: 0 },
];

/** One tab: a controller, and every event that it made. */
class Tab {
  readonly controller: Controller;

  constructor(
    kernel: FakeKernel,
    readonly made: Map<string, AnnotationEvent>,
  ) {
    this.controller = new Controller(kernel.channel());
    const dispatch = this.controller.dispatch.bind(this.controller);
    this.controller.dispatch = (happening) => {
      if (happening.type === "eventsMade") {
        for (const event of happening.events) made.set(event.event_id, event);
      }
      dispatch(happening);
    };
    void this.controller.start();
  }

  async take(step: Step): Promise<void> {
    const { controller } = this;
    if (step.do === "tick") controller.toggleLabel(step.number, "yes");
    if (step.do === "unsure_label") controller.toggleLabel(step.number, "unsure");
    if (step.do === "none") controller.toggleNone();
    if (step.do === "unsure") controller.toggleUnsure();
    if (step.do === "searched") controller.toggleSearched();
    if (step.do === "frames") controller.noteFrames();
    if (step.do === "comment") controller.comment(step.text);
    if (step.do === "undo" || step.do === "redo") void controller.undo(step.do);
    if (step.do === "next") void controller.step(1);
    if (step.do === "previous") void controller.step(-1);
    if (step.do === "jump") controller.goTo(step.position);
    await vi.advanceTimersByTimeAsync(step.do === "wait" ? step.ms : 0);
  }
}

eachTestOnANewPage();

/** Wait until nothing is on its way, and for one more answer to what has changed. */
async function settle(tabs: readonly Tab[]): Promise<void> {
  let wasQuiet = false;
  for (let i = 0; i < 20; i++) {
    await vi.advanceTimersByTimeAsync(3_000);
    const isQuiet = tabs.every(({ controller }) => {
      const { save, stale, log, entries } = controller.state.value;
      return entries.size > 0 && save.state === "saved" && stale.size === 0 && log.length === 0;
    });
    if (isQuiet && wasQuiet) return;
    wasQuiet = isQuiet;
  }
}

function expectTruth({ controller }: Tab, kernel: FakeKernel): void {
  const { entries, stacks, progress, save } = controller.state.value;
  expect(save.state).toBe("saved");
  expect(entries.size).toBeGreaterThan(0);
  for (const [position, entry] of entries) {
    const { votes, none, unsure, comment, shown } = kernel.state(position);
    expect(entry.state, `image ${position}`).toMatchObject({ votes, none, unsure, comment, shown });
    expect(Object.keys(entry.state.votes)).toEqual(Object.keys(votes));
  }
  expect(stacks).toEqual(kernel.stacks());
  expect(progress).toEqual(kernel.progress());
}

describe("any sequence", () => {
  test("ends in what the log implies, each decision in it once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        window.localStorage.clear();
        window.sessionStorage.clear();
        const kernel = new FakeKernel({ isProbe: (position) => position % 2 === 0 });
        const made = new Map<string, AnnotationEvent>();
        let tabs = [new Tab(kernel, made)];
        await vi.advanceTimersByTimeAsync(100);
        for (const one of steps) {
          const tab = tabs[0] as Tab;
          if (one.do === "fault") kernel.fault = one.fault;
          else if (one.do === "reload") {
            // As in a crash: nobody says goodbye.
            tab.controller.close();
            tabs = [new Tab(kernel, made), ...tabs.slice(1)];
            await vi.advanceTimersByTimeAsync(10);
          } else if (one.do === "otherTab") {
            tabs = tabs.length > 1 ? [tabs[1] as Tab, tab] : [new Tab(kernel, made), tab];
            await vi.advanceTimersByTimeAsync(10);
          } else await tab.take(one);
        }
        kernel.fault = "none";
        await settle(tabs);
        const logged = kernel.log.map(({ event }) => event.event_id);
        expect(logged).toHaveLength(new Set(logged).size);
        expect(new Set(logged)).toEqual(new Set(made.keys()));
        for (const tab of tabs) expectTruth(tab, kernel);
        for (const { controller } of tabs) controller.close();
        const fresh = new Tab(kernel, made);
        await settle([fresh]);
        expectTruth(fresh, kernel);
        fresh.controller.close();
      }),
      { numRuns: 60, examples: [[COUNTED_LATE]] },
    );
  });

  test("a refused decision is taken back, and said", async () => {
    const kernel = new FakeKernel();
    const tab = new Tab(kernel, new Map());
    await vi.advanceTimersByTimeAsync(100);
    kernel.fault = "refuseSaves";
    await tab.take({ do: "tick", number: 3 });
    await vi.advanceTimersByTimeAsync(100);
    const { state } = tab.controller;
    expect(state.value.save).toMatchObject({ state: "failed", reason: "not your task" });
    expect(state.value.entries.get(0)?.state.votes).toEqual({});
    expect(state.value.stacks.undo).toEqual([]);
    expect(kernel.log).toEqual([]);
    kernel.fault = "none";
    tab.controller.dismissRefusal();
    expect(state.value.save.state).toBe("saved");
    tab.controller.close();
  });

  test("what was decided while the kernel was away arrives once from the next page", async () => {
    const kernel = new FakeKernel();
    const made = new Map<string, AnnotationEvent>();
    const before = new Tab(kernel, made);
    await vi.advanceTimersByTimeAsync(100);
    kernel.fault = "loseRequest";
    for (const number of [1, 4]) await before.take({ do: "tick", number });
    await vi.advanceTimersByTimeAsync(7_000);
    expect(before.controller.state.value.save).toMatchObject({ state: "offline", nWaiting: 2 });
    expect(before.controller.hasUnsaved).toBe(true);
    before.controller.close();
    kernel.fault = "none";
    const after = new Tab(kernel, made);
    await settle([after]);
    const votes = kernel.log.filter(({ event }) => event.kind === "vote");
    expect(votes.map(({ event }) => event.payload.class_index)).toEqual([1, 4]);
    expectTruth(after, kernel);
    after.controller.close();
  });

  test("two tabs converge, and the one that was changed says so", async () => {
    const kernel = new FakeKernel();
    const [here, there] = [new Tab(kernel, new Map()), new Tab(kernel, new Map())];
    await vi.advanceTimersByTimeAsync(100);
    await there.take({ do: "tick", number: 2 });
    await settle([here, there]);
    expect(here.controller.state.value.entries.get(0)?.state.votes).toEqual({ 2: "yes" });
    expect(here.controller.state.value.said).toBe("Changed in another window");
    expect(there.controller.state.value.said).not.toContain("another");
    for (const tab of [here, there]) expectTruth(tab, kernel);
    for (const { controller } of [here, there]) controller.close();
  });

  test("going past an image without a decision records nothing", async () => {
    const kernel = new FakeKernel();
    const tab = new Tab(kernel, new Map());
    tab.controller.visibleClasses = () => [1, 2, 3];
    await vi.advanceTimersByTimeAsync(100);
    for (const way of ["next", "next", "previous"] as const) {
      await tab.take({ do: way });
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(kernel.log).toEqual([]);
    tab.controller.close();
  });

  test("a vote carries what had been on screen, and the active time", async () => {
    const kernel = new FakeKernel();
    const tab = new Tab(kernel, new Map());
    await vi.advanceTimersByTimeAsync(100);
    tab.controller.visibleClasses = () => [3, 1];
    tab.controller.noteVisible();
    tab.controller.visibleClasses = () => [9];
    tab.controller.touch();
    await vi.advanceTimersByTimeAsync(4_000);
    await tab.take({ do: "tick", number: 6 });
    await vi.advanceTimersByTimeAsync(100);
    expect(kernel.log[0]?.event.shown).toEqual([1, 3, 6, 9]);
    expect(kernel.log[0]?.event.active_ms).toBeGreaterThanOrEqual(4_000);
    tab.controller.close();
  });
});
