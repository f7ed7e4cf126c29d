/** What every widget on a session does: it opens, makes events, saves them, and hears of what was saved elsewhere. */

import { type Signal, signal } from "@preact/signals";
import { ActivityClock } from "./clock.ts";
import { decidesTheSame } from "./fold.ts";
import type {
  AnnotationEvent,
  ClassColumns,
  EventKind,
  Notice,
  Payload,
  SessionInfo,
  Task,
  UndoEntry,
} from "./messages.ts";
import { pageAddress } from "./own_page.ts";
import { asBlob, type DecodedImage } from "./pictures.ts";
import { type Channel, Client, RefusedError } from "./protocol.ts";
import { Reopening } from "./reopening.ts";
import { browserStorage, SaveQueue } from "./save_queue.ts";
import { ClassSearch } from "./search.ts";
import { Siblings } from "./siblings.ts";
import { speak, t } from "./words.ts";
import { isMiscounted, refreshable, type WorkHappening, type WorkState } from "./work.ts";

const POLL_MS = 2_000;
/** Hundreds of pages may ask one service; windows of the same browser tell each other at once. */
const POLL_ON_PAGE_MS = 5_000;
const SAVE_TIMEOUT_MS = 6_000;
const OPEN_RETRY_MS = 2_000;
/** Refusals that pass on their own: the store or the service is away for now. */
const PASSING: ReadonlySet<string> = new Set(["StoreError", "ServiceError"]);

/** Length of what the ids of events that are undone together start with: one `crypto.randomUUID()`. */
const BATCH_LENGTH = 36;

/** The actions on a stack that the next undo or redo takes together, in the order to take them. */
export function nextTogether(stack: readonly UndoEntry[]): UndoEntry[] {
  const batch = stack.at(-1)?.[0].slice(0, BATCH_LENGTH);
  return stack.filter(([eventId]) => eventId.slice(0, BATCH_LENGTH) === batch).reverse();
}

/** One thing a person did to one image, before it has a name and a time. */
export interface Action {
  imageNumber: number;
  /** How the image was shown. */
  order: string;
  kind: EventKind;
  payload: Payload;
  shown: readonly number[];
}

export abstract class SessionController<S extends WorkState, H> {
  readonly state: Signal<S>;
  /** Grows whenever a picture has become ready to be drawn. */
  readonly picturesVersion = signal(0);
  readonly classes = signal<ClassColumns | null>(null);
  readonly client: Client;
  search: ClassSearch | null = null;

  protected clock = new ActivityClock(30_000);
  protected queue: SaveQueue | null = null;
  protected isClosed = false;
  /** Whether decisions were still on their way when this page, or one before, was left. */
  protected hadUnsaved = false;
  protected readonly timers: ReturnType<typeof setTimeout>[] = [];
  protected readonly asked = new Set<number>();
  private siblings: Siblings | null = null;
  private isPolling = false;
  private isOpening = false;
  private readonly reopening = new Reopening(() => this.keepAll());

  constructor(
    channel: Channel,
    initial: S,
    private readonly reduce: (state: S, happening: H | WorkHappening) => S,
  ) {
    this.state = signal(initial);
    this.client = new Client(channel, (notice) => this.obey(notice));
  }

  /** The session is open: make ready what the widget needs, and fetch what it shows. */
  protected abstract opened(info: SessionInfo): void;
  /** Ask for what is missing now and soon; settles when the shown tasks have arrived. */
  abstract fetch(): Promise<void>;
  /** Pictures that failed may be asked for again. */
  protected abstract forgetFailures(): void;
  /** New tasks or changed ones have arrived. */
  protected tasksArrived(): void {}
  /** The store holds something new of this annotator's, from here or from elsewhere. */
  protected storeChanged(): void {}
  /** Tasks went to others: another image may stand at each position now. */
  protected abstract listChanged(): void;
  /** The kernel answers: what was asked for while it did not may be asked for again. */
  protected kernelAnswered(): void {}
  /** The kernel sends something unasked. */
  protected obey(_notice: Notice): void {}
  /** The person leaves what is on screen. */
  leave(): void {}

  async start(): Promise<void> {
    // A person may ask again during an automatic retry: opened twice, the session would save and poll twice.
    if (this.isOpening || this.isClosed || this.state.value.info !== null) return;
    this.isOpening = true;
    const askedAt = performance.now();
    try {
      const [opened, classes] = await Promise.all([
        this.client.request("open", {}),
        this.client.request("classes", {}),
      ]);
      if (this.isClosed) return;
      const columns = JSON.parse(await asBlob(classes.buffers[0], "application/json").text()) as ClassColumns;
      const info = opened.result;
      speak(info.annotation.language);
      this.classes.value = columns;
      this.clock = new ActivityClock(info.annotation.idle_after_s * 1000);
      this.clock.setHidden(document.hidden);
      this.dispatch({ type: "opened", info });
      // Escaped, so that a name with a colon cannot read as the beginning of another.
      this.startSaving([info.project_id, info.round, info.annotator].map(encodeURIComponent).join(":"));
      const everyMs = pageAddress() === undefined ? POLL_MS : POLL_ON_PAGE_MS;
      this.timers.push(setInterval(() => this.poll(), everyMs));
      this.opened(info);
      this.timers.push(setTimeout(() => this.searchIndex(), 1_000));
    } catch (error) {
      this.fail(error);
      if (error instanceof RefusedError && !PASSING.has(error.code)) return;
      if (!(error instanceof RefusedError)) void this.reopening.unheard(askedAt);
      this.timers.push(setTimeout(() => this.start(), OPEN_RETRY_MS));
    } finally {
      this.isOpening = false;
    }
  }

  close(): void {
    this.leave();
    this.isClosed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.queue?.close();
    this.siblings?.close();
    this.client.close();
  }

  get hasUnsaved(): boolean {
    return (this.queue?.nWaiting ?? 0) > 0;
  }

  /** The person did something: the clock of the image runs on. */
  touch(): void {
    this.clock.touch();
  }

  setHidden(isHidden: boolean): void {
    this.clock.setHidden(isHidden);
    if (!isHidden) void this.poll();
  }

  dispatch(happening: H | WorkHappening): void {
    this.state.value = this.reduce(this.state.value, happening);
  }

  say(text: string): void {
    this.dispatch({ type: "said", text });
  }

  searchIndex(): ClassSearch | null {
    if (this.search === null && this.classes.value !== null) {
      this.search = new ClassSearch(this.classes.value);
    }
    return this.search;
  }

  dismissRefusal(): void {
    this.queue?.dismissRefusal();
  }

  /** One of the examples that may come with a task, enlarged; the caller closes the bitmap. */
  async example(task: Task, classIndex: number, number: number): Promise<DecodedImage> {
    const params = { class_index: classIndex, number, group: task.example_group };
    const { result, buffers } = await this.client.request("example", params);
    const bitmap = await createImageBitmap(asBlob(buffers[0], result.media_type));
    return { bitmap, widthPx: result.width_px, heightPx: result.height_px };
  }

  /** The image in full resolution; the caller closes the bitmap. */
  async fullResolution(position: number): Promise<DecodedImage> {
    const { result, buffers } = await this.client.request("image", { position, max_side_px: null });
    const bitmap = await createImageBitmap(asBlob(buffers[0], result.media_type));
    return { bitmap, widthPx: result.width_px, heightPx: result.height_px };
  }

  /**
   * Turn what the person did into events, show what they imply, and send them.
   *
   * @param batchId Names actions that are undone together; each event's id starts with it.
   */
  protected record(actions: readonly Action[], batchId: string = crypto.randomUUID()): void {
    const { info } = this.state.value;
    if (info === null || actions.length === 0) return;
    const activeMs = this.clock.take();
    const shareMs = Math.floor(activeMs / actions.length);
    const clientTime = new Date().toISOString();
    const events: AnnotationEvent[] = actions.map((action, i) => ({
      event_id: actions.length === 1 ? batchId : `${batchId}-${i}`,
      round: info.round,
      annotator: info.annotator,
      image_number: action.imageNumber,
      kind: action.kind,
      payload: action.payload,
      shown: [...new Set(action.shown)].sort((a, b) => a - b),
      active_ms: i === 0 ? activeMs - shareMs * (actions.length - 1) : shareMs,
      order: action.order,
      client_time: clientTime,
    }));
    this.dispatch({ type: "eventsMade", events });
    for (const event of events) this.queue?.add(event);
  }

  protected async loadTasks(positions: number[]): Promise<void> {
    for (const position of positions) this.asked.add(position);
    try {
      const { result } = await this.client.request("tasks", { positions });
      this.dispatch({ type: "tasksLoaded", tasks: result });
      this.tasksArrived();
    } catch (error) {
      this.fail(error);
    } finally {
      for (const position of positions) this.asked.delete(position);
    }
  }

  protected async poll(): Promise<void> {
    const { info, lastSeq } = this.state.value;
    if (this.isPolling || this.isClosed || info === null || document.hidden) return;
    this.isPolling = true;
    const askedAt = performance.now();
    try {
      const { result } = await this.client.request("changes", { since_seq: lastSeq }, SAVE_TIMEOUT_MS);
      this.reopening.heard();
      const known = this.state.value;
      const hasMoreTasks = result.progress.n_tasks !== known.progress.n_tasks;
      const hasNews =
        hasMoreTasks || result.last_seq !== known.lastSeq || Object.keys(result.states).length > 0;
      if (hasNews || isMiscounted(known, result.progress)) {
        const isRelisted = hasMoreTasks && (await this.isRelisted(known, result.progress.n_tasks));
        if (isRelisted) this.leave(); // while it is known which image that is
        const before = known.entries.get(known.position)?.state;
        this.dispatch({ type: "changed", changes: result, isRelisted });
        const after = this.state.value.entries.get(known.position)?.state;
        if (isRelisted) {
          this.listChanged();
          this.say(t("Your list of images has changed"));
        } else if (before !== undefined && after !== undefined && !decidesTheSame(before, after)) {
          this.say(t("Changed in another window"));
        }
        this.storeChanged();
      }
      if (this.state.value.save.state === "offline") this.queue?.wake();
      if (known.error !== "") this.recover();
      this.kernelAnswered();
      await this.refresh();
    } catch (error) {
      if (error instanceof RefusedError) {
        this.reopening.heard();
        this.fail(error);
      } else {
        void this.reopening.unheard(askedAt);
      }
    } finally {
      this.isPolling = false;
    }
  }

  /** Settles once nothing is still on its way to the store: it is there, or known not to arrive for now. */
  protected whenSaved(): Promise<void> {
    if (this.state.value.save.state !== "saving") return Promise.resolve();
    return new Promise((done) => {
      const stop = this.state.subscribe(({ save }) => {
        if (save.state === "saving") return;
        stop();
        done();
      });
    });
  }

  /** Whether images stand at other positions than before: tasks were taken away, though others may have come since. */
  private async isRelisted({ entries, progress }: S, nTasks: number): Promise<boolean> {
    if (nTasks < progress.n_tasks) return true;
    if (entries.size === 0) return false;
    // Any task taken away before the last known one has moved it.
    const last = Math.max(...entries.keys());
    const { result } = await this.client.request("tasks", { positions: [last] });
    return result[0]?.image_number !== entries.get(last)?.task.image_number;
  }

  protected fail(error: unknown): void {
    if (this.isClosed) return;
    this.dispatch({ type: "failed", error: error instanceof Error ? error.message : String(error) });
  }

  /** Put everything into this machine's storage; returns whether it is there. */
  private keepAll(): boolean {
    this.leave();
    return this.queue?.isKept ?? true;
  }

  private startSaving(scope: string): void {
    this.queue = new SaveQueue({
      scope,
      storage: browserStorage(),
      send: async (events) => (await this.client.request("save", { events }, SAVE_TIMEOUT_MS)).result,
      onAcknowledged: (event, seq) => {
        this.dispatch({ type: "acknowledged", eventId: event.event_id, seq });
        this.siblings?.tell();
      },
      onRefused: ({ event }) => {
        this.dispatch({ type: "refused", eventId: event.event_id });
        void this.poll();
      },
      onStatus: (status) => {
        const before = this.state.value.save;
        this.dispatch({ type: "saveStatus", status });
        if (status.state === "offline" && before.state !== "offline")
          this.say(status.isKept ? t("Offline: kept on this machine") : t("Offline: keep this page open"));
        const isSettled = status.state === "saved" && before.state !== "saved";
        if (isSettled && refreshable(this.state.value).length > 0) void this.refresh();
      },
    });
    this.siblings = new Siblings(scope, () => this.poll());
    const left = this.queue.restore();
    this.hadUnsaved = left.length > 0;
    if (this.hadUnsaved) this.dispatch({ type: "eventsRestored", events: left });
  }

  private async refresh(): Promise<void> {
    const positions = refreshable(this.state.value);
    if (positions.length > 0) await this.loadTasks(positions.slice(0, 100));
  }

  /** The person asks to retry what failed. */
  retry(): void {
    if (this.state.value.info === null) {
      this.dispatch({ type: "failed", error: "" });
      void this.start();
    } else {
      this.recover();
      void this.poll();
    }
  }

  private recover(): void {
    this.dispatch({ type: "failed", error: "" });
    this.forgetFailures();
    void this.fetch();
  }
}
