/** What the grid does: it asks which tasks there are for a class, and turns ticks into votes on that class only. */

import { signal } from "@preact/signals";
import type { SessionInfo, TaskFilter, Vote } from "../shared/messages.ts";
import { examplesFor, Pictures } from "../shared/pictures.ts";
import type { Channel } from "../shared/protocol.ts";
import { type Action, nextTogether, SessionController } from "../shared/session_controller.ts";
import { Thumbnails } from "../shared/thumbnails.ts";
import { t } from "../shared/words.ts";
import {
  type Dialog,
  type GridState,
  type Happening,
  INITIAL_STATE,
  neighbour,
  pageCount,
  positionsOfPage,
  reduce,
  unanswered,
} from "./state.ts";

/** The most positions asked for at once; of a class with more tasks, the rest is counted but not listed. */
const MAX_LISTED = 20_000;
const MAX_TASKS_AT_ONCE = 100;
/** One class at a time: in no order of proposals. */
const IN_A_GRID = "grid";
const SMALL_PX = 224;

export class GridController extends SessionController<GridState, Happening> {
  thumbnails: Thumbnails | null = null;
  pictures: Pictures | null = null;
  /** Whether a tile has been on the screen; set by the view. */
  hasSeen: (position: number) => boolean = () => true;
  /** Count nothing that has been on the screen as seen any more; set by the view. */
  forgetSeen: () => void = () => {};
  /** Bring a tile into view; set by the view. */
  reveal: (position: number, isFirst?: boolean) => void = () => {};
  /** How many tiles stand in a row; set by the view. */
  readonly nColumns = signal(1);

  constructor(channel: Channel) {
    super(channel, INITIAL_STATE, reduce);
  }

  override close(): void {
    super.close();
    this.thumbnails?.close();
    this.pictures?.close();
  }

  // --- what is shown ---

  async choose(classIndex: number | null, which: TaskFilter = this.state.value.which): Promise<void> {
    this.dispatch({ type: "chose", classIndex: classIndex, which });
    await this.list();
  }

  async list(): Promise<void> {
    const { classIndex, which } = this.state.value;
    if (classIndex !== null) this.pictures?.want([], [examplesFor(undefined, classIndex)]);
    try {
      const params = { class_index: classIndex, start: 0, count: MAX_LISTED, which };
      const { result } = await this.client.request("grid", params);
      const now = this.state.value;
      if (now.classIndex !== classIndex || now.which !== which) return; // another choice came between
      this.dispatch({ type: "listed", page: result });
      await this.fetch();
    } catch (error) {
      this.fail(error);
    }
  }

  turnPage(page: number): void {
    if (page < 0) {
      this.say(t("This is the first page"));
      return;
    }
    if (page >= pageCount(this.state.value)) {
      this.say(t("This is the last page"));
      return;
    }
    this.dispatch({ type: "turnedToPage", page });
    this.say(t("Page {number} of {n}", { number: page + 1, n: pageCount(this.state.value) }));
    void this.fetch();
  }

  resizePage(pageSize: number): void {
    this.dispatch({ type: "resizedPage", pageSize: pageSize });
    void this.fetch();
  }

  /** Go to another tile, `step` further on. */
  move(step: number): void {
    const target = neighbour(this.state.value, step);
    if (target === undefined) return;
    this.goTo(target);
  }

  goTo(position: number): void {
    const { page } = this.state.value;
    this.dispatch({ type: "movedTo", position });
    if (this.state.value.page !== page) void this.fetch();
    this.reveal(position);
  }

  open(dialog: Dialog | null): void {
    if (dialog?.kind === "search") this.searchIndex();
    this.dispatch({ type: "dialog", dialog });
    if (dialog?.kind === "look") this.pictures?.want([dialog.position], []);
  }

  // --- deciding ---

  /** Vote on the class for one image, as a click or a key does: the same vote again takes it back. */
  toggle(position: number, vote: Vote): void {
    const { classIndex, entries } = this.state.value;
    const entry = entries.get(position);
    if (classIndex === null) {
      this.say(t("Choose a class first"));
      return;
    }
    if (entry === undefined || !this.canBeJudged(position)) return;
    const isOn = entry.state.votes[String(classIndex)] === vote;
    this.record([this.voteOn(position, classIndex, isOn ? "clear" : vote)]);
    this.say(
      t("Image {number}: {words}", { number: entry.task.position + 1, words: isOn ? t("cleared") : t(vote) }),
    );
  }

  /**
   * Say `no` to this class, and to it alone, for each image of the page without a vote that has been on the screen.
   *
   * Images not seen yet are brought into view instead; confirming again includes them.
   */
  confirmPage(): void {
    const state = this.state.value;
    const { classIndex } = state;
    if (classIndex === null) {
      this.say(t("Choose a class first"));
      return;
    }
    const open = unanswered(state);
    const isMissing = positionsOfPage(state).some((position) => !state.entries.has(position));
    const judged = open.filter((position) => this.canBeJudged(position) && this.hasSeen(position));
    const unseen = open.filter((position) => this.canBeJudged(position) && !this.hasSeen(position));
    const n = judged.length;
    this.record(judged.map((position) => this.voteOn(position, classIndex, "no")));
    if (unseen[0] !== undefined) {
      this.goTo(unseen[0]);
      this.reveal(unseen[0], true);
      this.say(
        t("{n} confirmed; {n_unseen} were not on screen yet: look, then confirm again", {
          n,
          n_unseen: unseen.length,
        }),
      );
    } else if (isMissing || open.length > judged.length) {
      this.say(t("{n} confirmed; {n_open} cannot be shown and stay open", { n, n_open: open.length - n }));
    } else if (state.page + 1 < pageCount(state)) {
      this.turnPage(state.page + 1);
      this.say(
        t("{n} confirmed; page {number} of {n_pages}", {
          n,
          number: state.page + 2,
          n_pages: pageCount(state),
        }),
      );
    } else {
      this.say(t("{n} confirmed; this was the last page", { n }));
    }
  }

  /** Take back every vote on this class on this page. */
  clearPage(): void {
    const { classIndex, entries } = this.state.value;
    if (classIndex === null) return;
    const voted = positionsOfPage(this.state.value).filter(
      (position) => entries.get(position)?.state.votes[String(classIndex)] !== undefined,
    );
    this.record(voted.map((position) => this.voteOn(position, classIndex, "clear")));
    this.say(voted.length === 0 ? t("Nothing to clear on this page") : t("{n} cleared", { n: voted.length }));
  }

  /** Undo or redo the last action; a page that was confirmed counts as one action. */
  async undo(kind: "undo" | "redo"): Promise<void> {
    const stack = this.state.value.stacks[kind];
    const last = stack.at(-1);
    if (last === undefined) {
      this.say(kind === "undo" ? t("Nothing to undo") : t("Nothing to redo"));
      return;
    }
    const together = nextTogether(stack);
    const missing = together
      .map(([, position]) => position)
      .filter((p) => p >= 0 && !this.state.value.entries.has(p));
    await this.loadMissing(missing);
    const { entries } = this.state.value;
    const actions = together.flatMap(([target, position]): Action[] => {
      const entry = entries.get(position);
      if (entry === undefined) return [];
      return [
        { imageNumber: entry.task.image_number, order: IN_A_GRID, kind, payload: { target }, shown: [] },
      ];
    });
    if (actions.length < together.length) {
      this.say(t("The images are not there yet; try again"));
      return;
    }
    this.record(actions);
    if (this.state.value.positions.includes(last[1])) this.goTo(last[1]);
    const n = actions.length;
    if (n === 1) return this.say(kind === "undo" ? t("Undone") : t("Redone"));
    this.say(kind === "undo" ? t("Undone on {n} images", { n }) : t("Redone on {n} images", { n }));
  }

  private voteOn(position: number, classIndex: number, vote: Vote | "clear"): Action {
    const imageNumber = this.state.value.entries.get(position)?.task.image_number ?? -1;
    // Only the class that is asked about was shown, so this says nothing about any other class.
    return {
      imageNumber,
      order: IN_A_GRID,
      kind: "vote",
      payload: { class_index: classIndex, vote },
      shown: [classIndex],
    };
  }

  /** Whether its picture has arrived; an image that cannot be seen is not judged here. */
  private canBeJudged(position: number): boolean {
    return this.thumbnails?.get(position) !== undefined;
  }

  // --- fetching ---

  protected override opened(info: SessionInfo): void {
    const ready = () => {
      this.picturesVersion.value++;
    };
    this.thumbnails = new Thumbnails(
      (positions) => this.client.request("images", { positions, max_side_px: SMALL_PX }),
      ready,
    );
    this.pictures = new Pictures(this.client, info.annotation.display_px, 96, ready);
    void this.choose(info.class_index ?? null);
  }

  async fetch(): Promise<void> {
    const state = this.state.value;
    const shown = positionsOfPage(state);
    const ahead = positionsOfPage(state, state.page + 1);
    this.thumbnails?.want([...shown, ...ahead]);
    if (state.classIndex !== null) this.pictures?.want([], [examplesFor(undefined, state.classIndex)]);
    await this.loadMissing([...shown, ...ahead]);
  }

  private async loadMissing(positions: readonly number[]): Promise<void> {
    const { entries } = this.state.value;
    const missing = [...new Set(positions)].filter((p) => !entries.has(p) && !this.asked.has(p));
    for (let first = 0; first < missing.length; first += MAX_TASKS_AT_ONCE) {
      await this.loadTasks(missing.slice(first, first + MAX_TASKS_AT_ONCE));
    }
  }

  protected override kernelAnswered(): void {
    const isLate = [this.thumbnails?.forgetLate(), this.pictures?.forgetLate()].includes(true);
    if (!isLate) return;
    this.picturesVersion.value++; // removes the note of what failed
    void this.fetch();
  }

  protected override listChanged(): void {
    this.thumbnails?.forget();
    this.pictures?.forgetImages();
    this.forgetSeen();
    void this.choose(this.state.value.classIndex);
  }

  protected override forgetFailures(): void {
    this.thumbnails?.forgetFailures();
    this.pictures?.forgetFailures();
    if (!this.state.value.isListed) void this.list();
  }
}
