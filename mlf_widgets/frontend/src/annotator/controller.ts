/** What the annotation widget does: it turns what a person did into events, and fetches what they will want to see. */

import { computed, effect } from "@preact/signals";
import { isDecided } from "../shared/fold.ts";
import type { EventKind, Notice, Payload, SessionInfo, TaskFilter, Vote } from "../shared/messages.ts";
import { Pictures } from "../shared/pictures.ts";
import type { Channel } from "../shared/protocol.ts";
import { SessionController } from "../shared/session_controller.ts";
import { LastPlace, tabStorage } from "./last_place.ts";
import { missingTasks, wanted } from "./navigation.ts";
import {
  type AnnotatorState,
  currentEntry,
  type Dialog,
  type Happening,
  INITIAL_STATE,
  numbersOnPage,
  pageSize,
  reduce,
} from "./state.ts";

const THUMBNAIL_PX = 128;
/** Less time than this on an image that is decided already is passing by, not looking again. */
const LOOKED_AGAIN_MS = 1_000;

export class Controller extends SessionController<AnnotatorState, Happening> {
  pictures: Pictures | null = null;
  /** Class indices whose cards can be seen at this moment; the view tells. */
  visibleClasses: () => number[] = () => [];
  /** Called while the image is still the current one: what is being written is kept. */
  beforeLeaving: () => void = () => {};

  private direction: 1 | -1 = 1;
  private also_wanted: readonly number[] = [];
  private shownNow = new Set<number>();
  private found: { key: string; position: number | null } | null = null;
  private stopKeepingPlace: () => void = () => {};

  constructor(channel: Channel) {
    super(channel, INITIAL_STATE, reduce);
  }

  override close(): void {
    super.close();
    this.stopKeepingPlace();
    this.pictures?.close();
  }

  /** What is on screen has been seen: it belongs to the exposure of the image. */
  noteVisible(): void {
    for (const classIndex of this.visibleClasses()) this.shownNow.add(classIndex);
  }

  // --- going from image to image ---

  goTo(position: number): void {
    const { n_tasks } = this.state.value.progress;
    const target = Math.min(Math.max(Math.trunc(position), 0), n_tasks - 1);
    if (n_tasks === 0 || target === this.state.value.position) return;
    this.leave();
    this.direction = target < this.state.value.position ? -1 : 1;
    this.also_wanted = [];
    this.dispatch({ type: "went_to", position: target });
    this.clock.take();
    this.fetch();
  }

  async step(direction: 1 | -1): Promise<void> {
    const { filter, position, info } = this.state.value;
    if (direction === 1 && info?.is_driven) return this.handOver();
    if (filter === "all") return this.goTo(position + direction);
    const target = await this.find(filter, position + direction, direction);
    if (target === null)
      this.say(direction === 1 ? "No such image further on" : "No such image before this one");
    else this.goTo(target);
  }

  async goToFirstNotDone(): Promise<void> {
    const target = await this.find("not_done", 0, 1);
    if (target === null) this.say("Every image is done");
    else if (target === this.state.value.position) this.say("This is the first image not done");
    else this.goTo(target);
  }

  async chooseFilter(filter: TaskFilter): Promise<void> {
    this.dispatch({ type: "filter_chosen", filter });
    this.found = null;
    if (filter === "all") return;
    const { position } = this.state.value;
    const target = (await this.find(filter, position, 1)) ?? (await this.find(filter, position, -1));
    if (target === null) this.say("No image passes this filter");
    else this.goTo(target);
  }

  turnPage(step: 1 | -1): void {
    this.turnToPage(this.state.value.page + step);
  }

  turnToPage(page: number): void {
    this.noteVisible();
    this.dispatch({ type: "turned_to_page", page });
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
    this.dispatch({ type: "toggled_all" });
    this.fetch();
  }

  open(dialog: Dialog | null): void {
    if (dialog?.kind === "search") this.searchIndex();
    this.dispatch({ type: "dialog", dialog });
  }

  // --- deciding ---

  /** Vote on a class as a click or a key does: the same vote again takes it back. */
  toggleVote(classIndex: number, vote: Vote): void {
    const entry = currentEntry(this.state.value);
    if (entry === undefined || !this.isSeen()) return;
    const isOn = entry.state.votes[String(classIndex)] === vote;
    this.act("vote", { class_index: classIndex, vote: isOn ? "clear" : vote }, [classIndex]);
    const name = this.classes.value?.names[classIndex] ?? "";
    this.say(isOn ? `${name}: cleared` : `${name}: ${vote}`);
  }

  /** Vote on the n-th proposal; turns to its page, so that one sees what one does. */
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

  toggleNone(): void {
    const entry = currentEntry(this.state.value);
    if (entry === undefined || !this.isSeen()) return;
    this.act("none", { value: !entry.state.none });
    this.say(entry.state.none ? "None of these: taken back" : "None of these");
  }

  toggleUnsure(): void {
    const entry = currentEntry(this.state.value);
    if (entry === undefined || !this.isSeen()) return;
    this.act("unsure", { value: !entry.state.unsure });
    this.say(entry.state.unsure ? "Image: sure again" : "Image: unsure");
  }

  comment(text: string): void {
    const entry = currentEntry(this.state.value);
    if (entry === undefined || entry.state.comment === text) return;
    this.act("comment", { text });
  }

  /** Take the last action back, or bring it again, wherever it was. */
  async undo(kind: "undo" | "redo"): Promise<void> {
    const last = this.state.value.stacks[kind].at(-1);
    if (last === undefined) return this.say(kind === "undo" ? "Nothing to undo" : "Nothing to redo");
    const [target, position] = last;
    if (position >= 0 && position !== this.state.value.position) {
      this.goTo(position);
      await this.fetch();
    }
    if (currentEntry(this.state.value) === undefined)
      return this.say("The image is not there yet; try again");
    this.act(kind, { target });
    this.say(kind === "undo" ? "Undone" : "Done again");
  }

  private act(kind: EventKind, payload: Payload, alsoShown: readonly number[] = []): void {
    const entry = currentEntry(this.state.value);
    if (entry === undefined) return;
    this.noteVisible();
    this.found = null;
    const shown = [...this.shownNow, ...alsoShown];
    this.record([{ image_index: entry.task.image_index, kind, payload, shown }]);
  }

  /** Leaving an image: more exposure or time on a decided one is worth a record; passing by leaves none. */
  override leave(): void {
    this.beforeLeaving();
    const entry = currentEntry(this.state.value);
    if (entry !== undefined && isDecided(entry.state) && this.isSeen()) {
      this.noteVisible();
      const known = new Set(entry.state.shown);
      const hasGrown = [...this.shownNow].some((classIndex) => !known.has(classIndex));
      if (hasGrown || this.clock.peek() >= LOOKED_AGAIN_MS) this.act("view", {});
    }
    this.shownNow = new Set();
    this.clock.take();
  }

  /** Whether the image on screen is there to be judged. */
  private isSeen(): boolean {
    const { position } = this.state.value;
    const entry = currentEntry(this.state.value);
    if (entry === undefined) return false;
    if (!entry.task.has_image || this.pictures?.failure("image", position) !== undefined) return true;
    return this.pictures?.image(position) !== undefined;
  }

  // --- fetching ---

  protected override opened(info: SessionInfo): void {
    this.pictures = new Pictures(this.client, info.annotation.display_px, THUMBNAIL_PX, () => {
      this.pictures_version.value++;
    });
    this.standWhereItWas(info);
    void this.fetch();
  }

  private standWhereItWas(info: SessionInfo): void {
    const place = new LastPlace(`${info.project_id}:${info.round}:${info.annotator}`, tabStorage());
    const position = info.is_driven ? null : place.find(info.last_seq);
    if (position !== null && position < info.progress.n_tasks) this.dispatch({ type: "went_to", position });
    const last_seq = computed(() =>
      this.state.value.log.reduce((last, { seq }) => Math.max(last, seq ?? 0), this.state.value.last_seq),
    );
    this.stopKeepingPlace();
    const now = computed(() => this.state.value.position);
    this.stopKeepingPlace = effect(() => place.keep(now.value, last_seq.value));
  }

  protected override tasksArrived(): void {
    this.want();
  }

  protected override storeChanged(): void {
    this.found = null;
  }

  protected override forgetFailures(): void {
    this.pictures?.forgetFailures();
  }

  /** Ask for what is missing now and soon; settles when the shown image's task has arrived. */
  async fetch(): Promise<void> {
    const blocks = missingTasks(this.state.value, (position) => this.asked.has(position));
    const loading = blocks.map((positions) => this.loadTasks(positions));
    this.want();
    await loading[0];
  }

  /** Examples that are looked at beside those of the proposals: of a class found, or added. */
  wantAlso(class_indices: readonly number[]): void {
    this.also_wanted = class_indices;
    this.want();
  }

  private want(): void {
    const { positions, class_indices } = wanted(this.state.value, this.direction, this.foundPositions());
    this.pictures?.want(positions, [...new Set([...this.also_wanted, ...class_indices])]);
    const { filter, position } = this.state.value;
    if (filter !== "all" && currentEntry(this.state.value) !== undefined) {
      void this.find(filter, position + this.direction, this.direction);
    }
  }

  private foundPositions(): number[] {
    return this.found?.position === null || this.found === null ? [] : [this.found.position];
  }

  private async find(which: TaskFilter, start: number, step: 1 | -1): Promise<number | null> {
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
      return null;
    }
  }

  // --- the protocol of other labelling loops ---

  protected override obey(notice: Notice): void {
    if (notice.notice === "undo") void this.undo("undo");
    else if (notice.notice === "changed") void this.poll();
    else this.goTo(notice.position);
  }

  private async handOver(): Promise<void> {
    const { position } = this.state.value;
    const entry = currentEntry(this.state.value);
    const kind = entry !== undefined && isDecided(entry.state) ? "submit" : "skip";
    try {
      await this.client.request(kind, { position });
    } catch (error) {
      this.fail(error);
    }
  }
}
