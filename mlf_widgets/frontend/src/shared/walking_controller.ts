/** A widget that walks from image to image: moving, deciding on the image shown, exposure, what is wanted next. */

import { signal } from "@preact/signals";
import { isDecided } from "./fold.ts";
import type { EventKind, Payload, SessionInfo, TaskFilter, Vote } from "./messages.ts";
import { examplesFor, Pictures } from "./pictures.ts";
import { type Action, nextTogether, SessionController } from "./session_controller.ts";
import { missingTasks, type Wanted } from "./walking.ts";
import { t } from "./words.ts";
import type { ImageEntry, WorkHappening, WorkState } from "./work.ts";

const THUMBNAIL_PX = 128;
/** Less time than this on a decided image counts as passing by, not as looking again. */
const LOOKED_AGAIN_MS = 1_000;
/** A wish that the store has not answered for so long may be asked again: the answer may be lost. */
const ASK_AGAIN_MS = 2_000;

export type WalkDialog =
  | { kind: "help" }
  | { kind: "guidelines" }
  | { kind: "own_progress" }
  | { kind: "search" }
  | { kind: "compare"; classIndex: number; number: number };

export interface WalkState extends WorkState {
  filter: TaskFilter;
  dialog: WalkDialog | null;
}

export type WalkHappening =
  | WorkHappening
  | { type: "wentTo"; position: number }
  | { type: "filterChosen"; filter: TaskFilter }
  | { type: "dialog"; dialog: WalkDialog | null };

export abstract class WalkingController<S extends WalkState, H> extends SessionController<
  S,
  H | WalkHappening
> {
  pictures: Pictures | null = null;
  /** Class indices whose cards can be seen at this moment; set by the view. */
  visibleClasses: () => number[] = () => [];
  /** Whether the image shown has been painted; set by the view. */
  isOnScreen: () => boolean = () => true;
  /** Grows whenever more of the labels of the image shown has been seen. */
  readonly seenVersion = signal(0);
  /** Called while the image is still the current one, so that what is being written is kept. */
  beforeLeaving: () => void = () => {};
  /** Whether the person is in the field for a comment; set by the view. */
  isWriting: () => boolean = () => false;

  private direction: 1 | -1 = 1;
  private alsoWanted: readonly number[] = [];
  protected shownNow = new Set<number>();
  /** Settles when the task of the image last gone to has arrived. */
  private arriving: Promise<void> = Promise.resolve();
  /** Where the person asked to go last, while the store looks for it; "" once they are there, or elsewhere. */
  private sought = "";
  private soughtAt = 0;
  private found: { key: string; position: number | null } | null = null;

  /** What the person will want to see, the most wanted first; `also` are positions that a filter leads to. */
  protected abstract wanted(direction: 1 | -1, also: readonly number[]): Wanted;

  /** Of how many of a task's first proposals an image shows the examples when it appears. */
  protected get nFirstLabels(): number {
    return 0;
  }

  /** The image now shown; undefined until its task has arrived. */
  get entry(): ImageEntry | undefined {
    return this.state.value.entries.get(this.state.value.position);
  }

  override close(): void {
    super.close();
    this.pictures?.close();
  }

  /** What is on screen has been seen: it belongs to the exposure of the image, once that is there to be judged. */
  noteVisible(): void {
    if (!this.isSeen()) return;
    const nBefore = this.shownNow.size;
    for (const classIndex of this.visibleClasses()) this.shownNow.add(classIndex);
    if (this.shownNow.size > nBefore) this.seenVersion.value++;
  }

  /** Whether a label of the image shown has been looked at, or voted on without. */
  hasSeen(classIndex: number): boolean {
    const state = this.entry?.state;
    if (state === undefined || this.shownNow.has(classIndex)) return true;
    return state.shown.includes(classIndex) || state.votes[String(classIndex)] !== undefined;
  }

  // --- going from image to image ---

  goTo(position: number): void {
    this.sought = "";
    const { n_tasks } = this.state.value.progress;
    const target = Math.min(Math.max(Math.trunc(position), 0), n_tasks - 1);
    if (n_tasks === 0 || target === this.state.value.position) return;
    this.leave();
    this.direction = target < this.state.value.position ? -1 : 1;
    this.alsoWanted = [];
    this.dispatch({ type: "wentTo", position: target });
    this.clock.take();
    const minutes = this.state.value.info?.annotation.break_after_min ?? 0;
    if (minutes > 0 && this.clock.needsBreak(minutes * 60_000))
      this.say(t("{n} minutes of work: a short break does you good", { n: minutes }));
    this.arriving = this.fetch();
  }

  async step(direction: 1 | -1): Promise<void> {
    const { filter, position, progress } = this.state.value;
    if (filter === "all") {
      if (direction === 1 && position + 1 >= progress.n_tasks) return this.goOnFromLast();
      return this.goTo(position + direction);
    }
    const wish = `${filter}:${position}:${direction}`;
    const target = await this.seek(wish, () => this.find(filter, position + direction, direction));
    if (target === null)
      this.say(direction === 1 ? t("No such image after this one") : t("No such image before this one"));
    else if (target !== undefined) this.goTo(target);
  }

  async goToFirstNotDone(): Promise<void> {
    const target = await this.seek("first_not_done", () => this.find("not_done", 0, 1));
    if (target === null) this.say(t("Every image is done"));
    else if (target === this.state.value.position) this.say(t("This is the first image not done"));
    else if (target !== undefined) this.goTo(target);
  }

  /**
   * Let the store look for an image to go to; undefined where the person is not to be moved.
   *
   * By the time a slow kernel answers, they may have gone elsewhere, or be writing about the image shown.
   */
  private async seek(
    wish: string,
    look: () => Promise<number | null | undefined>,
  ): Promise<number | null | undefined> {
    const now = performance.now();
    if (this.sought === wish && now < this.soughtAt + ASK_AGAIN_MS) return undefined; // a key that is held asks once
    this.sought = wish;
    this.soughtAt = now;
    const isBusy = () => this.state.value.dialog !== null || this.isWriting();
    const wasBusy = isBusy();
    const target = await look();
    if (this.sought !== wish) return undefined;
    this.sought = "";
    if (target === null || target === undefined || wasBusy || !isBusy()) return target;
    this.say(t("Still at the image that you have begun something on"));
    return undefined;
  }

  /** From the last image: to the first that is not done, with a word on what is left. */
  private async goOnFromLast(): Promise<void> {
    const { position, progress } = this.state.value;
    const nLeft = progress.n_tasks - progress.n_done;
    const target = nLeft === 0 ? null : await this.seek("left", () => this.find("not_done", 0, 1));
    if (target === undefined) return;
    if (target === null)
      return this.say(t("This is the last image, and all {n} are done", { n: progress.n_tasks }));
    if (target === position) return this.say(t("This is the last image, and the only one not done"));
    this.goTo(target);
    this.say(
      nLeft === 1
        ? t("That was the last image; this one is not done")
        : t("That was the last image; {n} are not done, this is the first", { n: nLeft }),
    );
  }

  /** Whether the image can be decided on: it has been on the screen. */
  protected mayDecide(): boolean {
    if (this.entry !== undefined && this.isSeen() && this.isOnScreen()) return true;
    if (this.state.value.progress.n_tasks > 0) this.say(t("The image is not on the screen yet"));
    return false;
  }

  async chooseFilter(filter: TaskFilter): Promise<void> {
    this.dispatch({ type: "filterChosen", filter });
    this.found = null;
    this.sought = "";
    if (filter === "all") return;
    const { position } = this.state.value;
    const either = async () =>
      (await this.find(filter, position, 1)) ?? (await this.find(filter, position, -1));
    const target = await this.seek(filter, either);
    if (target === null) this.say(t("No image matches this filter"));
    else if (target !== undefined) this.goTo(target);
  }

  open(dialog: WalkDialog | null): void {
    if (dialog?.kind === "search") this.searchIndex();
    this.dispatch({ type: "dialog", dialog });
  }

  // --- deciding ---

  /** Vote on a class as a click or a key does: the same vote again takes it back. */
  toggleVote(classIndex: number, vote: Vote): void {
    const { entry } = this;
    if (!this.mayDecide() || entry === undefined) return;
    const isOn = entry.state.votes[String(classIndex)] === vote;
    this.act("vote", { class_index: classIndex, vote: isOn ? "clear" : vote }, [classIndex]);
    const name = this.classes.value?.names[classIndex] ?? "";
    this.say(t(isOn ? "{name}: cleared" : `{name}: ${vote}`, { name }));
  }

  toggleNone(): void {
    const { entry } = this;
    if (!this.mayDecide() || entry === undefined) return;
    this.act("none", { value: !entry.state.none });
    this.say(entry.state.none ? t("None of these: taken back") : t("None of these"));
  }

  toggleUnsure(): void {
    const { entry } = this;
    if (!this.mayDecide() || entry === undefined) return;
    this.act("unsure", { value: !entry.state.unsure });
    this.say(entry.state.unsure ? t("Image: no longer unsure") : t("Image: unsure"));
  }

  /** A probe asks for a search of all classes: say that it is done, or take that back. */
  toggleSearched(): void {
    const entry = this.entry;
    if (entry === undefined || !this.isSeen()) return;
    if (!entry.task.is_probe) return this.say(t("You are not asked to search all classes for this image"));
    this.act("searched", { value: !entry.state.searched });
    this.say(entry.state.searched ? t("All classes searched: taken back") : t("All classes searched"));
  }

  /** Ask for a class that the list lacks: a line in the comment, which whoever runs the project takes up or not. */
  suggestClass(name: string): void {
    const entry = this.entry;
    if (entry === undefined) return this.say(t("The image has not arrived yet; try again"));
    const line = `class: ${name}`;
    const { comment } = entry.state;
    if (!comment.split("\n").includes(line)) this.comment(comment === "" ? line : `${comment}\n${line}`);
    this.say(t("“{name}” is suggested, in the comment", { name }));
  }

  comment(written: string): void {
    const entry = this.entry;
    const text = written.replace(/\p{Surrogate}/gu, "\ufffd"); // half a character, as from a cut emoji, cannot be kept
    if (entry === undefined || entry.state.comment === text) return;
    this.act("comment", { text });
  }

  /** Undo the last action, or redo it, wherever it was. */
  async undo(kind: "undo" | "redo"): Promise<void> {
    const together = nextTogether(this.state.value.stacks[kind]);
    const position = together[0]?.[1];
    if (position === undefined)
      return this.say(kind === "undo" ? t("Nothing to undo") : t("Nothing to redo"));
    if (position >= 0 && position !== this.state.value.position) {
      this.goTo(position);
      await this.arriving;
    }
    // Its position may not be known yet, or the person has moved on: never undo on another image.
    if (this.entry === undefined || position !== this.state.value.position)
      return this.say(t("The image has not arrived yet; try again"));
    // What a grid did to other images in the same batch is undone there, or when the person comes to them.
    const here = together.filter(([, other]) => other === position);
    this.actTogether(
      here.map(([target]) => ({ kind, payload: { target } })),
      [],
    );
    this.say(kind === "undo" ? t("Undone") : t("Redone"));
  }

  protected act(kind: EventKind, payload: Payload, alsoShown: readonly number[] = []): void {
    this.actTogether([{ kind, payload }], alsoShown);
  }

  /** Several actions on the image shown, undone together. */
  protected actTogether(
    actions: readonly { kind: EventKind; payload: Payload }[],
    alsoShown: readonly number[],
  ): void {
    const entry = this.entry;
    if (entry === undefined) return;
    this.noteVisible();
    this.found = null;
    const shown = [...this.shownNow, ...alsoShown];
    const { image_number: imageNumber, order } = entry.task;
    this.record(actions.map(({ kind, payload }): Action => ({ imageNumber, order, kind, payload, shown })));
  }

  /** Leaving an image: more exposure or time on a decided one is worth a record; passing by leaves none. */
  override leave(): void {
    this.beforeLeaving();
    this.recordLook();
    this.shownNow = new Set();
    this.clock.take();
  }

  /** A tab that loses the focus may be closed next, without warning. */
  override setHidden(isHidden: boolean): void {
    super.setHidden(isHidden);
    if (isHidden) this.recordLook();
  }

  private recordLook(): void {
    const entry = this.entry;
    if (entry !== undefined && isDecided(entry.state) && this.isSeen()) {
      this.noteVisible();
      const known = new Set(entry.state.shown);
      const hasGrown = [...this.shownNow].some((classIndex) => !known.has(classIndex));
      if (hasGrown || this.clock.peek() >= LOOKED_AGAIN_MS) this.act("view", {});
    }
  }

  /** Whether the image on screen is there to be judged. */
  protected isSeen(): boolean {
    const { position } = this.state.value;
    const entry = this.entry;
    if (entry === undefined) return false;
    const hasFailed = this.pictures?.failure("image", position) !== undefined;
    if (!entry.task.has_image || hasFailed) return this.pictures?.isLate(position) !== true;
    return this.pictures?.image(position) !== undefined;
  }

  // --- fetching ---

  protected override opened(info: SessionInfo): void {
    this.pictures = new Pictures(this.client, info.annotation.display_px, THUMBNAIL_PX, () => {
      this.picturesVersion.value++;
    });
    void this.fetch();
  }

  protected override tasksArrived(): void {
    this.want();
  }

  protected override kernelAnswered(): void {
    if (!this.pictures?.forgetLate()) return;
    this.picturesVersion.value++; // removes the note of what failed
    this.want();
  }

  protected override storeChanged(): void {
    this.found = null;
    if (!this.state.value.entries.has(this.state.value.position)) void this.fetch(); // the first tasks were assigned
  }

  protected override listChanged(): void {
    this.pictures?.forgetImages();
    this.found = null;
    this.sought = ""; // what is looked for in the old list stands elsewhere, or nowhere, in the new one
    this.alsoWanted = [];
    this.dispatch({ type: "wentTo", position: this.state.value.position });
    void this.fetch();
  }

  protected override forgetFailures(): void {
    this.pictures?.forgetFailures();
  }

  /** Ask for what is missing now and soon; settles when the shown image's task has arrived. */
  async fetch(): Promise<void> {
    const { position, entries, progress } = this.state.value;
    if (progress.n_tasks > 0 && !entries.has(position) && !this.asked.has(position)) {
      // Alone: a kernel answers one request after the other, and what lies around would come before its examples.
      const own = this.loadTasks([position]);
      this.want();
      this.pictures?.wantFirstExamples(position, this.nFirstLabels);
      await own;
    }
    for (const block of missingTasks(this.state.value, (other) => this.asked.has(other)))
      void this.loadTasks(block);
    this.want();
  }

  /** Also fetch examples beyond those of the proposals: of a class that was found or added. */
  wantAlso(classIndices: readonly number[]): void {
    this.alsoWanted = classIndices;
    this.want();
  }

  protected want(): void {
    if (this.entry === undefined && this.state.value.progress.n_tasks > 0) {
      // Nearly every task has an image: it is asked for along with the task.
      this.pictures?.want([this.state.value.position], []);
      return;
    }
    const { positions, examples } = this.wanted(this.direction, this.foundPositions());
    const also = this.alsoWanted.map((classIndex) => examplesFor(this.entry?.task, classIndex));
    this.pictures?.want(positions, [...new Set([...also, ...examples])]);
    const { filter, position } = this.state.value;
    if (filter !== "all" && this.entry !== undefined) {
      void this.find(filter, position + this.direction, this.direction);
    }
  }

  private foundPositions(): number[] {
    return this.found?.position === null || this.found === null ? [] : [this.found.position];
  }

  private async find(which: TaskFilter, start: number, step: 1 | -1): Promise<number | null | undefined> {
    const key = `${which}:${start}:${step}`;
    if (this.found?.key === key) return this.found.position;
    if (start < 0 || start >= this.state.value.progress.n_tasks) return null;
    try {
      const { result } = await this.client.request("find", { which, start, step });
      this.found = { key, position: result };
      if (result !== null && !this.state.value.entries.has(result)) await this.loadTasks([result]);
      return result;
    } catch (error) {
      this.fail(error);
      return undefined; // nothing is known: that is not the same as that there is none
    }
  }
}
