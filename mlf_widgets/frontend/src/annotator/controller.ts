/** What the annotation widget does: it turns what a person did into events, and fetches what they will want to see. */

import { computed, effect } from "@preact/signals";
import { isDecided } from "../shared/fold.ts";
import type { Notice, SessionInfo, Vote } from "../shared/messages.ts";
import type { Channel } from "../shared/protocol.ts";
import { browserStorage } from "../shared/save_queue.ts";
import type { Wanted } from "../shared/walking.ts";
import { WalkingController } from "../shared/walking_controller.ts";
import { t } from "../shared/words.ts";
import { LastPlace, tabStorage } from "./last_place.ts";
import { wanted } from "./navigation.ts";
import {
  type AnnotatorState,
  currentEntry,
  type Happening,
  INITIAL_STATE,
  numbersOnPage,
  pageSize,
  reduce,
} from "./state.ts";

/** Whether this person looks at all labels at once, in whichever project. */
const ALL_KEY = "mlf-all";

export class Controller extends WalkingController<AnnotatorState, Happening> {
  private stopKeepingPlace: () => void = () => {};
  /** The position whose decisions were handed to the loop, until it has answered. */
  private handingOver: number | null = null;
  /** Positions of images about whose unseen labels something was said. */
  private readonly told = new Set<number>();

  constructor(channel: Channel) {
    super(channel, INITIAL_STATE, reduce);
  }

  override close(): void {
    super.close();
    this.stopKeepingPlace();
  }

  // --- going from image to image ---

  override async step(direction: 1 | -1): Promise<void> {
    const state = this.state.value;
    const unseen = direction === 1 ? this.unseenLabels() : [];
    const [first] = unseen;
    const words =
      unseen.length === 1 ? t("1 label not looked at") : t("{n} labels not looked at", { n: unseen.length });
    if (first !== undefined && state.info?.annotation.must_see_all) {
      this.showLabel(first);
      return this.say(t("{words}: this project asks for a look at every page first", { words }));
    }
    if (direction === 1 && state.info?.is_driven) return this.handOver();
    await super.step(direction);
    if (
      first !== undefined &&
      this.state.value.position !== state.position &&
      !this.told.has(state.position)
    ) {
      this.told.add(state.position);
      this.say(t("Image {number}: {words}", { number: state.position + 1, words }));
    }
  }

  /** Numbers of the proposals of a decided image that were never on the screen. */
  unseenLabels(): number[] {
    const entry = currentEntry(this.state.value);
    if (entry === undefined || !isDecided(entry.state)) return [];
    this.noteVisible();
    return entry.task.proposals.flatMap(({ class_index }, number) =>
      this.hasSeen(class_index) ? [] : [number],
    );
  }

  turnPage(step: 1 | -1): void {
    this.turnToPage(this.state.value.page + step);
  }

  turnToPage(page: number): void {
    this.noteVisible();
    this.dispatch({ type: "turnedToPage", page });
    this.fetch();
  }

  /** Turn to the page of the n-th proposal. */
  showLabel(number: number): void {
    if (!numbersOnPage(this.state.value).includes(number)) {
      this.turnToPage(Math.floor(number / pageSize(this.state.value)));
    }
  }

  toggleAll(): void {
    this.noteVisible();
    this.dispatch({ type: "toggledAll" });
    this.fetch();
    try {
      browserStorage()?.setItem(ALL_KEY, String(this.state.value.showsAll));
    } catch {
      // No room, or forbidden: it is asked for again next time.
    }
  }

  // --- deciding ---

  /** Vote on the n-th proposal and turn to its page, so that people see what they do. */
  toggleLabel(number: number, vote: Vote): void {
    const state = this.state.value;
    const proposal = currentEntry(state)?.task.proposals[number];
    if (proposal === undefined) return;
    this.toggleVote(proposal.class_index, vote);
    this.showLabel(number);
  }

  /**
   * The parts of the image are asked for in which models saw the labels best: that leads people, so it is kept. Returns
   * whether they may be shown.
   */
  noteFrames(): boolean {
    if (!this.mayDecide()) return false;
    if (!currentEntry(this.state.value)?.state.saw_frames) this.act("frames", {});
    return true;
  }

  /** Mark where a label is: the kernel shows the tool for it below the widget. */
  async markRegion(classIndex: number): Promise<void> {
    const { position, info } = this.state.value;
    if (info === null || info.annotation.regions === "off" || !this.isSeen()) return;
    try {
      await this.client.request("mark_region", { position, class_index: classIndex });
      this.say(
        t("Mark where {name} is, below", {
          name: this.classes.value?.names[classIndex] ?? String(classIndex),
        }),
      );
    } catch (error) {
      this.fail(error);
    }
  }

  // --- fetching ---

  protected override get nFirstLabels(): number {
    return pageSize(this.state.value);
  }

  protected override wanted(direction: 1 | -1, also: readonly number[]): Wanted {
    return wanted(this.state.value, direction, also);
  }

  protected override opened(info: SessionInfo): void {
    this.standWhereItWas(info);
    if (browserStorage()?.getItem(ALL_KEY) === "true") this.dispatch({ type: "toggledAll" });
    super.opened(info);
  }

  private standWhereItWas(info: SessionInfo): void {
    const place = new LastPlace(`${info.project_id}:${info.round}:${info.annotator}`, tabStorage());
    // The store may hold what was on its way when the page was left: that is no work of another tab.
    const position = info.is_driven ? null : place.find(this.hadUnsaved ? 0 : info.last_seq);
    if (position !== null && position < info.progress.n_tasks) this.dispatch({ type: "wentTo", position });
    const lastSeq = computed(() =>
      this.state.value.log.reduce((last, { seq }) => Math.max(last, seq ?? 0), this.state.value.lastSeq),
    );
    this.stopKeepingPlace();
    const now = computed(() => this.state.value.position);
    this.stopKeepingPlace = effect(() => place.keep(now.value, lastSeq.value));
  }

  // --- the protocol of other labelling loops ---

  protected override obey(notice: Notice): void {
    if (notice.notice === "undo") void this.undo("undo");
    else if (notice.notice === "changed") void this.poll();
    else {
      this.handingOver = null; // the loop's next image may come before its answer
      this.goTo(notice.position);
    }
  }

  private async handOver(): Promise<void> {
    const { position } = this.state.value;
    if (this.handingOver !== null) return;
    this.handingOver = position;
    this.leave();
    const entry = currentEntry(this.state.value);
    const kind = entry !== undefined && isDecided(entry.state) ? "submit" : "skip";
    try {
      await this.whenSaved(); // the loop reads what the store holds
      await this.client.request(kind, { position });
    } catch (error) {
      this.fail(error);
    } finally {
      if (this.handingOver === position) this.handingOver = null;
    }
  }
}
