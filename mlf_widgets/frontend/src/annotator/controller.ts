/** What the annotation widget does: it turns what a person did into events, and fetches what they will want to see. */

import { computed, effect } from "@preact/signals";
import { isDecided } from "../shared/fold.ts";
import type { Notice, SessionInfo, Vote } from "../shared/messages.ts";
import type { Channel } from "../shared/protocol.ts";
import type { Wanted } from "../shared/walking.ts";
import { WalkingController } from "../shared/walking_controller.ts";
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

export class Controller extends WalkingController<AnnotatorState, Happening> {
  private stopKeepingPlace: () => void = () => {};
  private isHandingOver = false;

  constructor(channel: Channel) {
    super(channel, INITIAL_STATE, reduce);
  }

  override close(): void {
    super.close();
    this.stopKeepingPlace();
  }

  // --- going from image to image ---

  override async step(direction: 1 | -1): Promise<void> {
    if (direction === 1 && this.state.value.info?.is_driven) return this.handOver();
    return super.step(direction);
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

  /** Mark where a label is: the kernel shows the tool for it below the widget. */
  async markRegion(classIndex: number): Promise<void> {
    const { position, info } = this.state.value;
    if (info === null || info.annotation.regions === "off" || !this.isSeen()) return;
    try {
      await this.client.request("mark_region", { position, class_index: classIndex });
      this.say(`Mark where ${this.classes.value?.names[classIndex] ?? "the label"} is, below`);
    } catch (error) {
      this.fail(error);
    }
  }

  // --- fetching ---

  protected override wanted(direction: 1 | -1, also: readonly number[]): Wanted {
    return wanted(this.state.value, direction, also);
  }

  protected override opened(info: SessionInfo): void {
    this.standWhereItWas(info);
    super.opened(info);
  }

  private standWhereItWas(info: SessionInfo): void {
    const place = new LastPlace(`${info.project_id}:${info.round}:${info.annotator}`, tabStorage());
    const position = info.is_driven ? null : place.find(info.last_seq);
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
    else this.goTo(notice.position);
  }

  private async handOver(): Promise<void> {
    if (this.isHandingOver) return;
    this.isHandingOver = true;
    const { position } = this.state.value;
    this.leave();
    const entry = currentEntry(this.state.value);
    const kind = entry !== undefined && isDecided(entry.state) ? "submit" : "skip";
    try {
      await this.whenSaved(); // the loop reads what the store holds
      await this.client.request(kind, { position });
    } catch (error) {
      this.fail(error);
    } finally {
      this.isHandingOver = false;
    }
  }
}
