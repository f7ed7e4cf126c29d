/** What the annotation widget does: it turns what a person did into events, and fetches what they will want to see. */

import { signal } from "@preact/signals";
import { ActivityClock } from "../shared/clock.ts";
import { isDecided } from "../shared/fold.ts";
import type {
  AnnotationEvent,
  ClassColumns,
  EventKind,
  Notice,
  Payload,
  TaskFilter,
  Vote,
} from "../shared/messages.ts";
import { asBlob, type DecodedImage, Pictures } from "../shared/pictures.ts";
import { type Channel, Client, RefusedError } from "../shared/protocol.ts";
import { browserStorage, SaveQueue } from "../shared/save_queue.ts";
import { ClassSearch } from "../shared/search.ts";
import { Siblings } from "../shared/siblings.ts";
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
  refreshable,
} from "./state.ts";

const POLL_MS = 2_000;
const SAVE_TIMEOUT_MS = 6_000;
const OPEN_RETRY_MS = 2_000;
const THUMBNAIL_PX = 128;
/** Less time than this on an image that is decided already is passing by, not looking again. */
const LOOKED_AGAIN_MS = 1_000;

export class Controller {
  readonly state = signal<AnnotatorState>(INITIAL_STATE);
  /** Grows whenever a picture has become ready to be drawn. */
  readonly pictures_version = signal(0);
  readonly classes = signal<ClassColumns | null>(null);
  readonly client: Client;
  pictures: Pictures | null = null;
  search: ClassSearch | null = null;
  /** Class indices whose cards can be seen at this moment; the view tells. */
  visibleClasses: () => number[] = () => [];

  private clock = new ActivityClock(30_000);
  private queue: SaveQueue | null = null;
  private siblings: Siblings | null = null;
  private readonly asked = new Set<number>();
  private direction: 1 | -1 = 1;
  private shownNow = new Set<number>();
  private found: { key: string; position: number | null } | null = null;
  private timers: ReturnType<typeof setTimeout>[] = [];
  private isPolling = false;
  private isClosed = false;

  constructor(channel: Channel) {
    this.client = new Client(channel, (notice) => this.obey(notice));
  }

  async start(): Promise<void> {
    try {
      const [opened, classes] = await Promise.all([
        this.client.request("open", {}),
        this.client.request("classes", {}),
      ]);
      if (this.isClosed) return;
      const columns = JSON.parse(await asBlob(classes.buffers[0], "application/json").text()) as ClassColumns;
      const info = opened.result;
      this.classes.value = columns;
      this.clock = new ActivityClock(info.annotation.idle_after_s * 1000);
      this.pictures = new Pictures(this.client, info.annotation.display_px, THUMBNAIL_PX, () => {
        this.pictures_version.value++;
      });
      this.dispatch({ type: "opened", info });
      this.startSaving(`${info.project_id}:${info.round}:${info.annotator}`);
      this.timers.push(setInterval(() => this.poll(), POLL_MS));
      this.fetch();
      this.timers.push(setTimeout(() => this.searchIndex(), 1_000));
    } catch (error) {
      this.fail(error);
      if (!(error instanceof RefusedError)) this.timers.push(setTimeout(() => this.start(), OPEN_RETRY_MS));
    }
  }

  close(): void {
    this.leave();
    this.isClosed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.queue?.close();
    this.siblings?.close();
    this.pictures?.close();
    this.client.close();
  }

  get has_unsaved(): boolean {
    return (this.queue?.n_waiting ?? 0) > 0;
  }

  /** The person did something: the clock of the image runs on. */
  touch(): void {
    this.clock.touch();
  }

  setHidden(isHidden: boolean): void {
    this.clock.setHidden(isHidden);
    if (!isHidden) this.poll();
  }

  /** What is on screen has been seen: it belongs to the exposure of the image. */
  noteVisible(): void {
    for (const classIndex of this.visibleClasses()) this.shownNow.add(classIndex);
  }

  dispatch(happening: Happening): void {
    this.state.value = reduce(this.state.value, happening);
  }

  // --- going from image to image ---

  goTo(position: number): void {
    const { n_tasks } = this.state.value.progress;
    const target = Math.min(Math.max(Math.trunc(position), 0), n_tasks - 1);
    if (n_tasks === 0 || target === this.state.value.position) return;
    this.leave();
    this.direction = target < this.state.value.position ? -1 : 1;
    this.dispatch({ type: "went_to", position: target });
    this.clock.take();
    this.fetch();
  }

  async step(direction: 1 | -1): Promise<void> {
    const { filter, position, info } = this.state.value;
    if (direction === 1 && info?.is_driven) return this.handOver();
    if (filter === "all") return this.goTo(position + direction);
    const target = await this.find(filter, position + direction, direction);
    if (target === null) this.say(direction === 1 ? "No such image further on" : "No such image before this one");
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
    this.noteVisible();
    this.dispatch({ type: "turned_to_page", page: this.state.value.page + step });
    this.fetch();
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
    if (!numbersOnPage(state).includes(number)) {
      this.dispatch({ type: "turned_to_page", page: Math.floor(number / pageSize(state)) });
      this.fetch();
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
    if (currentEntry(this.state.value) === undefined) return this.say("The image is not there yet; try again");
    this.act(kind, { target });
    this.say(kind === "undo" ? "Undone" : "Done again");
  }

  private act(kind: EventKind, payload: Payload, alsoShown: readonly number[] = []): void {
    const { info } = this.state.value;
    const entry = currentEntry(this.state.value);
    if (info === null || entry === undefined) return;
    this.noteVisible();
    const event: AnnotationEvent = {
      event_id: crypto.randomUUID(),
      round: info.round,
      annotator: info.annotator,
      image_index: entry.task.image_index,
      kind,
      payload,
      shown: [...new Set([...this.shownNow, ...alsoShown])].sort((a, b) => a - b),
      active_ms: this.clock.take(),
      order: info.order,
      client_time: new Date().toISOString(),
    };
    this.found = null;
    this.dispatch({ type: "event_made", event });
    this.queue?.add(event);
  }

  /** Leaving an image: more exposure or time on a decided one is worth a record; passing by leaves none. */
  leave(): void {
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

  /** One example, enlarged; the caller closes the bitmap. */
  async example(class_index: number, number: number): Promise<DecodedImage> {
    const { result, buffers } = await this.client.request("example", { class_index, number });
    const bitmap = await createImageBitmap(asBlob(buffers[0], result.media_type));
    return { bitmap, width_px: result.width_px, height_px: result.height_px };
  }

  /** The image in full resolution; the caller closes the bitmap. */
  async fullResolution(position: number): Promise<DecodedImage> {
    const { result, buffers } = await this.client.request("image", { position, max_side_px: null });
    const bitmap = await createImageBitmap(asBlob(buffers[0], result.media_type));
    return { bitmap, width_px: result.width_px, height_px: result.height_px };
  }

  searchIndex(): ClassSearch | null {
    if (this.search === null && this.classes.value !== null) this.search = new ClassSearch(this.classes.value);
    return this.search;
  }

  dismissRefusal(): void {
    this.queue?.dismissRefusal();
  }

  /** Ask for what is missing now and soon; settles when the shown image's task has arrived. */
  async fetch(): Promise<void> {
    const blocks = missingTasks(this.state.value, (position) => this.asked.has(position));
    const loading = blocks.map((positions) => this.loadTasks(positions));
    this.want();
    await loading[0];
  }

  private async loadTasks(positions: number[]): Promise<void> {
    for (const position of positions) this.asked.add(position);
    try {
      const { result } = await this.client.request("tasks", { positions });
      this.dispatch({ type: "tasks_loaded", tasks: result });
      this.want();
    } catch (error) {
      this.fail(error);
    } finally {
      for (const position of positions) this.asked.delete(position);
    }
  }

  private want(): void {
    const { positions, class_indices } = wanted(this.state.value, this.direction, this.foundPositions());
    this.pictures?.want(positions, class_indices);
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

  // --- saving, and hearing of what was saved elsewhere ---

  private startSaving(scope: string): void {
    this.queue = new SaveQueue({
      scope,
      storage: browserStorage(),
      send: async (events) => (await this.client.request("save", { events }, SAVE_TIMEOUT_MS)).result,
      onAcknowledged: (event, seq) => {
        this.dispatch({ type: "acknowledged", event_id: event.event_id, seq });
        this.siblings?.tell();
      },
      onRefused: ({ event }) => {
        this.dispatch({ type: "refused", event_id: event.event_id });
        this.poll();
      },
      onStatus: (status) => {
        const before = this.state.value.save;
        this.dispatch({ type: "save_status", status });
        if (status.state === "offline" && before.state !== "offline") this.say("Offline: kept on this machine");
        if (status.state === "saved" && before.state !== "saved" && refreshable(this.state.value).length > 0) {
          void this.refresh();
        }
      },
    });
    this.siblings = new Siblings(scope, () => this.poll());
    const left = this.queue.restore();
    if (left.length > 0) this.dispatch({ type: "events_restored", events: left });
  }

  private async poll(): Promise<void> {
    const { info, last_seq } = this.state.value;
    if (this.isPolling || this.isClosed || info === null || document.hidden) return;
    this.isPolling = true;
    try {
      const { result } = await this.client.request("changes", { since_seq: last_seq }, SAVE_TIMEOUT_MS);
      const known = this.state.value;
      if (result.last_seq !== known.last_seq || Object.keys(result.states).length > 0) {
        this.found = null;
        this.dispatch({ type: "changed", changes: result });
      }
      if (this.state.value.save.state === "offline") this.queue?.wake();
      if (known.error !== "") this.recover();
      await this.refresh();
    } catch (error) {
      if (error instanceof RefusedError) this.fail(error);
    } finally {
      this.isPolling = false;
    }
  }

  private async refresh(): Promise<void> {
    const positions = refreshable(this.state.value);
    if (positions.length > 0) await this.loadTasks(positions.slice(0, 100));
  }

  private recover(): void {
    this.dispatch({ type: "failed", error: "" });
    this.pictures?.forgetFailures();
    void this.fetch();
  }

  // --- the protocol of other labelling loops ---

  private obey(notice: Notice): void {
    if (notice.notice === "undo") void this.undo("undo");
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

  private say(text: string): void {
    this.dispatch({ type: "said", text });
  }

  private fail(error: unknown): void {
    if (this.isClosed) return;
    this.dispatch({ type: "failed", error: error instanceof Error ? error.message : String(error) });
  }
}
