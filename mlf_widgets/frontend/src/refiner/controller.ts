/** What the refinement widget does: one decision per key on what is disputed, and the evidence when it may be seen. */

import { effect, untracked } from "@preact/signals";
import { isDecided } from "../shared/fold.ts";
import type { SessionInfo, Vote } from "../shared/messages.ts";
import { examplesFor } from "../shared/pictures.ts";
import type { Channel } from "../shared/protocol.ts";
import { positionsAhead, type Wanted } from "../shared/walking.ts";
import { type WalkDialog, WalkingController } from "../shared/walking_controller.ts";
import { type English, t } from "../shared/words.ts";
import { agreedClasses, majority, openQuestions, questions, type Row } from "./labels.ts";
import {
  allRows,
  currentEntry,
  type Happening,
  INITIAL_STATE,
  isCurrentRevealed,
  type RefinerState,
  reduce,
  shownRows,
} from "./state.ts";

export class RefinerController extends WalkingController<RefinerState, Happening> {
  /** Bring a label into view; set by the view. */
  reveal: (classIndex: number) => void = () => {};

  private readonly askedAgain = new Set<string>();
  private stopWaiting: () => void = () => {};

  constructor(channel: Channel) {
    super(channel, INITIAL_STATE, reduce);
  }

  override close(): void {
    this.stopWaiting();
    super.close();
  }

  // --- going from label to label ---

  /** Move on; on a half-decided image, first show what has not been looked at. */
  override async step(direction: 1 | -1): Promise<void> {
    const isHalfDone = direction === 1 && this.entry !== undefined && isDecided(this.entry.state);
    if (isHalfDone && this.turnToUnseen("{name} has not been on screen: look at it before going on")) return;
    await super.step(direction);
  }

  moveCursor(step: number): void {
    this.setCursor(this.state.value.cursor + step);
  }

  setCursor(cursor: number): void {
    if (cursor === this.state.value.cursor) return;
    this.dispatch({ type: "cursorMoved", cursor });
    const row = shownRows(this.state.value)[this.state.value.cursor];
    if (row !== undefined) this.reveal(row.classIndex);
  }

  fold(): void {
    this.dispatch({ type: "folded" });
    this.want();
  }

  override open(dialog: WalkDialog | null): void {
    if (dialog?.kind === "compare") this.wantAlso([dialog.classIndex]);
    super.open(dialog);
  }

  /** Show what the annotators said, as soon as the project allows it. */
  showEvidence(): void {
    const entry = this.entry;
    if (entry === undefined) return;
    if (entry.task.evidence === null) {
      const isOpen = entry.state.none || openQuestions(entry, false).length > 0;
      this.say(
        isOpen
          ? t("First decide each label that is asked about")
          : t("The annotators' votes are on their way"),
      );
    }
    this.dispatch({ type: "evidenceOpened" });
  }

  // --- deciding ---

  /** Vote on the n-th label shown. */
  decide(number: number, vote: Vote): void {
    const row = shownRows(this.state.value)[number];
    if (row === undefined) return;
    this.dispatch({ type: "cursorMoved", cursor: number });
    this.decideRow(row, vote);
  }

  /** Vote on a label: the same vote again takes it back; unticking what all agreed on is a `no`. */
  decideRow(row: Row, vote: Vote): void {
    const isUnticking = vote === "yes" && row.own === undefined && row.isAgreed;
    this.toggleVote(row.classIndex, isUnticking ? "no" : vote);
  }

  override toggleNone(): void {
    const { entry } = this;
    if (!this.mayDecide() || entry === undefined) return;
    const revealed = isCurrentRevealed(this.state.value);
    const agreed = revealed ? agreedClasses(entry.task.evidence) : [];
    this.act("none", { value: !entry.state.none }, [...questions(entry, revealed), ...agreed]);
    this.say(
      entry.state.none ? t("None of these: taken back") : t("None of these, whatever was said before"),
    );
  }

  /** Settle every disputed label as most annotators saw it; a tied label stays open. */
  acceptMajority(): void {
    const { entry } = this;
    if (!this.mayDecide() || entry === undefined) return;
    if (!isCurrentRevealed(this.state.value)) {
      this.say(t("What the annotators said is not shown yet"));
      return;
    }
    const open = openQuestions(entry);
    const settled = open.flatMap((classIndex) => {
      const vote = majority(entry.task.evidence, classIndex);
      return vote === null ? [] : [{ class_index: classIndex, vote }];
    });
    this.actTogether(
      settled.map((payload) => ({ kind: "vote" as const, payload })),
      settled.map(({ class_index }) => class_index),
    );
    const nEven = open.length - settled.length;
    if (open.length === 0) return this.say(t("Every disputed label is decided"));
    const n = settled.length;
    this.say(
      nEven === 0
        ? t("{n} as most said", { n })
        : t("{n} as most said; {n_even} tied: yours to decide", { n, n_even: nEven }),
    );
  }

  /**
   * Confirm the image as it is shown: what is not ticked is a `no`. Then go on.
   *
   * A refiner who decided blind stays, to see what the annotators said.
   */
  async confirm(): Promise<void> {
    const { entry } = this;
    if (!this.mayDecide() || entry === undefined) return;
    if (this.turnToUnseen("{name} has not been on screen: look at it, then confirm again")) return;
    const wasRevealed = isCurrentRevealed(this.state.value);
    const agreed = new Set(wasRevealed ? agreedClasses(entry.task.evidence) : []);
    const open = openQuestions(entry, wasRevealed);
    this.actTogether(
      open.map((classIndex) => ({
        kind: "vote" as const,
        payload: {
          class_index: classIndex,
          vote: agreed.has(classIndex) ? ("yes" as const) : ("no" as const),
        },
      })),
      open,
    );
    if (!wasRevealed && !entry.state.none && this.state.value.info?.refinement.blind_first) {
      this.dispatch({ type: "evidenceOpened" });
      this.say(t("Decided. See what the annotators said; Enter goes on"));
      return;
    }
    await super.step(1);
  }

  /** Turn to a label that is neither voted on nor seen, if there is one. */
  private turnToUnseen(request: English): boolean {
    const entry = this.entry;
    if (entry === undefined) return false;
    this.noteVisible();
    const seen = new Set([...this.shownNow, ...entry.state.shown]);
    const open = openQuestions(entry, isCurrentRevealed(this.state.value));
    const unseen = open.filter((classIndex) => !seen.has(classIndex));
    if (unseen[0] === undefined) return false;
    this.reveal(unseen[0]);
    this.say(t(request, { name: this.classes.value?.names[unseen[0]] ?? String(unseen[0]) }));
    return true;
  }

  // --- fetching ---

  protected override opened(info: SessionInfo): void {
    super.opened(info);
    this.stopWaiting();
    this.stopWaiting = effect(() => this.fetchEvidence(this.state.value));
  }

  /** Evidence is withheld until every label asked about is decided; after each decision it is asked for. */
  private fetchEvidence(state: RefinerState): void {
    const entry = currentEntry(state);
    if (!state.info?.refinement.blind_first || entry === undefined || entry.task.evidence !== null) return;
    if (!isDecided(entry.state) || entry.events.some(({ seq }) => seq === null)) return;
    const key = `${state.position}:${entry.state.last_seq}`;
    if (this.askedAgain.has(key)) return;
    this.askedAgain.add(key);
    untracked(() => void this.loadTasks([state.position]));
  }

  /** Evidence that did not arrive is asked for again, like everything else. */
  protected override forgetFailures(): void {
    super.forgetFailures();
    this.askedAgain.clear();
    this.fetchEvidence(this.state.value);
  }

  protected override wanted(direction: 1 | -1, also: readonly number[]): Wanted {
    const state = this.state.value;
    const ahead = positionsAhead(state, direction);
    const positions = [...new Set([...ahead.slice(0, 2), ...also, ...ahead.slice(2)])];
    const own = shownRows(state).map(({ classIndex }) => examplesFor(this.entry?.task, classIndex));
    const next = positions.flatMap((position) => {
      const entry = state.entries.get(position);
      return entry === undefined ? [] : questions(entry).map((index) => examplesFor(entry.task, index));
    });
    const withImage = positions.filter((position) => state.entries.get(position)?.task.has_image);
    return { positions: withImage, examples: [...new Set([...own, ...next])] };
  }

  /** The labels that stand on the image now shown: only those ticked or half-ticked. */
  labelsAfter(): Row[] {
    return allRows(this.state.value).filter(({ stands }) => stands === "yes" || stands === "unsure");
  }
}
