/**
 * A kernel with a store, for tests: it keeps the log of events and derives every answer from it, with other code than
 * the browser's. Its channel can lose requests, lose replies and repeat them.
 */

import type {
  AnnotationEvent,
  AnnotationSettings,
  ImageState,
  OwnProgress,
  Region,
  Requests,
  SaveResult,
  SessionInfo,
  Task,
  UndoEntry,
  View,
  Vote,
} from "../shared/messages.ts";
import type { Channel } from "../shared/protocol.ts";

export type Fault =
  | "none"
  | "loseRequest"
  | "loseReply"
  | "repeatReply"
  | "storeAway"
  | "refuseSaves"
  | "crowdedPictures";

interface Logged {
  event: AnnotationEvent;
  seq: number;
}

interface Message {
  id: string;
  kind: string;
  params: Record<string, unknown>;
}

type Listener = (content: unknown, buffers: DataView[]) => void;

export interface FakeKernelOptions {
  nTasks?: number;
  nProposals?: number;
  nClasses?: number;
  names?: string[];
  nExamples?: number;
  view?: (rank: number) => View | null;
  isProbe?: (position: number) => boolean;
  exampleGroup?: (position: number) => string;
  hasImage?: (position: number) => boolean;
  annotation?: Partial<AnnotationSettings>;
  info?: Partial<SessionInfo>;
  own?: OwnProgress;
}

const ANNOTATION: AnnotationSettings = {
  annotators_per_image: 2,
  order: "score",
  order_seed: 0,
  show_scores: false,
  page_size: 5,
  regions: "off",
  guidelines: "",
  display_px: 1024,
  idle_after_s: 30,
  keys: {},
  must_see_all: false,
  pairs_together: true,
  language: "en",
  break_after_min: 0,
  own_progress: "off",
};

const PICTURE = { media_type: "image/jpeg", width_px: 640, height_px: 480 };
const UNDOABLE = ["vote", "none", "unsure", "comment", "searched", "region"];

export class FakeKernel {
  readonly log: Logged[] = [];
  /** What goes wrong with every message from now on. */
  fault: Fault = "none";
  /** Requests received, by kind. */
  readonly nRequests: Record<string, number> = {};
  readonly nTasks: number;
  readonly nProposals: number;
  readonly names: string[];
  private readonly tabs = new Set<Listener>();

  constructor(readonly options: FakeKernelOptions = {}) {
    this.nTasks = options.nTasks ?? 12;
    this.nProposals = options.nProposals ?? 20;
    this.names = options.names ?? Array.from({ length: options.nClasses ?? 60 }, (_, i) => `class ${i}`);
  }

  /** A tab's connection; replies come in a later microtask, as over a wire. */
  channel(): Channel {
    let listener: Listener | null = null;
    return {
      send: (content) => {
        const { fault } = this;
        void Promise.resolve().then(() => {
          if (fault === "loseRequest") return;
          const { reply, buffers } = this.answer(content as Message);
          if (fault === "loseReply") return;
          listener?.(reply, buffers);
          if (fault === "repeatReply") listener?.(reply, buffers);
        });
      },
      on: (_name, callback) => {
        listener = callback;
        this.tabs.add(callback);
      },
      off: (_name, callback) => {
        listener = null;
        this.tabs.delete(callback);
      },
    };
  }

  /** Send every tab something unasked. */
  tell(notice: object): void {
    for (const tab of this.tabs) tab({ id: "", ...notice }, []);
  }

  proposals(position: number): number[] {
    // Distinct, and different for each image.
    return Array.from({ length: this.nProposals }, (_, i) => (position * 7 + i) % this.names.length);
  }

  /** What the log says about an image, each fact looked up from the end of the log. */
  state(position: number): ImageState {
    const events = this.log.filter(({ event }) => event.image_number === imageNumber(position));
    const counted = events.map(({ event }) => event).filter((event) => !this.isUndone(event.event_id));
    const votes: Record<string, Vote> = {};
    const regions: Record<string, Region[]> = {};
    for (let classIndex = 0; classIndex < this.names.length; classIndex++) {
      const last = counted.findLast(
        ({ kind, payload }) =>
          (kind === "vote" && payload.class_index === classIndex) || (kind === "none" && payload.value),
      );
      const vote = last?.kind === "vote" ? last.payload.vote : undefined;
      if (vote !== undefined && vote !== "clear") votes[classIndex] = vote;
      const marked = counted.findLast(
        ({ kind, payload }) => kind === "region" && payload.class_index === classIndex,
      );
      if (marked?.payload.regions?.length) regions[classIndex] = marked.payload.regions;
    }
    const noneOrYes = counted.findLast(
      ({ kind, payload }) => kind === "none" || (kind === "vote" && payload.vote === "yes"),
    );
    return {
      votes,
      none: noneOrYes?.kind === "none" && noneOrYes.payload.value === true,
      unsure: counted.findLast(({ kind }) => kind === "unsure")?.payload.value === true,
      comment: counted.findLast(({ kind }) => kind === "comment")?.payload.text ?? "",
      saw_frames: counted.some(({ kind }) => kind === "frames"),
      searched: counted.findLast(({ kind }) => kind === "searched")?.payload.value === true,
      regions,
      shown: [...new Set(events.flatMap(({ event }) => event.shown))].sort((a, b) => a - b),
      active_ms: events.reduce((sum, { event }) => sum + event.active_ms, 0),
      last_seq: events.at(-1)?.seq ?? 0,
    };
  }

  /** What can be undone and redone, the next one last. */
  stacks(): { undo: UndoEntry[]; redo: UndoEntry[] } {
    let undo: UndoEntry[] = [];
    let redo: UndoEntry[] = [];
    for (const { event } of this.log) {
      const entry: UndoEntry = [event.event_id, event.image_number - 100];
      const target = event.payload.target ?? "";
      if (UNDOABLE.includes(event.kind)) {
        undo = [...undo, entry];
        redo = [];
      } else if (event.kind === "undo" && undo.some(([id]) => id === target)) {
        redo = [...redo, ...undo.filter(([id]) => id === target)];
        undo = undo.filter(([id]) => id !== target);
      } else if (event.kind === "redo" && redo.some(([id]) => id === target)) {
        undo = [...undo, ...redo.filter(([id]) => id === target)];
        redo = redo.filter(([id]) => id !== target);
      }
    }
    return { undo, redo };
  }

  progress() {
    const states = Array.from({ length: this.nTasks }, (_, position) => this.state(position));
    return {
      n_tasks: this.nTasks,
      n_done: states.filter(isDone).length,
      n_unsure: states.filter((state) => state.unsure || Object.values(state.votes).includes("unsure"))
        .length,
      n_commented: states.filter(({ comment }) => comment !== "").length,
    };
  }

  task(position: number): Task {
    return {
      position,
      image_number: imageNumber(position),
      image_id: `image-${position}`,
      has_image: this.options.hasImage?.(position) ?? true,
      proposals: this.proposals(position).map((classIndex, rank) => ({
        class_index: classIndex,
        score: this.options.annotation?.show_scores ? 1 / (rank + 1) : null,
        model: "model",
        view: this.options.view?.(rank) ?? null,
      })),
      state: this.state(position),
      evidence: null,
      open_labels: [],
      order: "score",
      is_probe: this.options.isProbe?.(position) ?? false,
      example_group: this.options.exampleGroup?.(position) ?? "",
    };
  }

  private answer({ id, kind, params }: Message): { reply: unknown; buffers: DataView[] } {
    this.nRequests[kind] = (this.nRequests[kind] ?? 0) + 1;
    const refusal = this.refusal(kind, Number(params.position));
    if (refusal !== null) return { reply: { id, ok: false, ...refusal }, buffers: [] };
    const { result, buffers = [] } = this.result(kind, params);
    // As over a wire: nothing is shared between the two sides.
    return { reply: structuredClone({ id, ok: true, result }), buffers };
  }

  private refusal(kind: string, position: number): { code: string; message: string } | null {
    if (this.fault === "storeAway") return { code: "StoreError", message: "the store is away" };
    if (this.fault === "crowdedPictures" && ["image", "images"].includes(kind))
      return { code: "CrowdedError", message: "ask again in a moment" };
    if (kind === "image" && this.options.hasImage?.(position) === false)
      return { code: "DatasetError", message: "the image has no file" };
    return null;
  }

  private result(kind: string, params: Record<string, unknown>): { result: unknown; buffers?: DataView[] } {
    switch (kind) {
      case "open":
        return { result: this.info() };
      case "classes":
        return { result: {}, buffers: [bytes(JSON.stringify(this.columns()))] };
      case "tasks": {
        const positions = (params.positions as number[]).filter((position) => position < this.nTasks);
        return { result: positions.map((position) => this.task(position)) };
      }
      case "find":
        return { result: this.find(params) };
      case "guidelines": {
        const text = this.options.annotation?.guidelines ?? "";
        return { result: [{ kind: "paragraph", children: [{ kind: "text", text }] }] };
      }
      case "own_progress":
        return { result: this.options.own ?? null };
      case "image":
      case "example":
      case "guideline_picture":
        return { result: PICTURE, buffers: [bytes("pixels")] };
      case "first_examples": {
        const { proposals, example_group: group } = this.task(Number(params.position));
        const first = proposals.slice(0, Number(params.count)).map(({ class_index }) => class_index);
        const isKnown = (index: number) => (params.known as string[]).includes(`${index}:${group}`);
        return this.result("sprite", { class_indices: first.filter((index) => !isKnown(index)), group });
      }
      case "sprite": {
        const nExamples = this.options.nExamples ?? 10;
        const head = { media_type: "image/jpeg", n_examples: nExamples, n_columns: 10, tile_px: 128 };
        return pictures("class_index", params.class_indices, { ...head, group: params.group });
      }
      case "images":
        return pictures("position", params.positions, { ...PICTURE, reason: "" });
      case "grid": {
        const { class_index: classIndex } = params as Requests["grid"]["params"];
        const all = Array.from({ length: this.nTasks }, (_, position) => position);
        const positions = all.filter(
          (position) =>
            (classIndex === null || this.proposals(position).includes(classIndex)) &&
            this.find({ which: params.which, start: position, step: 1 }) === position,
        );
        return { result: { class_index: classIndex, positions, n_total: positions.length } };
      }
      case "save":
        return { result: this.save(params.events as AnnotationEvent[]) };
      case "changes": {
        const since = params.since_seq as number;
        const positions = new Set(
          this.log.filter(({ seq }) => seq > since).map(({ event }) => event.image_number - 100),
        );
        const states = Object.fromEntries([...positions].map((position) => [position, this.state(position)]));
        return { result: { last_seq: this.lastSeq, states, progress: this.progress(), ...this.stacks() } };
      }
      default:
        return { result: null };
    }
  }

  private save(events: AnnotationEvent[]): SaveResult[] {
    return events.map((event) => {
      const { event_id } = event;
      if (this.fault === "refuseSaves")
        return { event_id, seq: null, error: "not your task", is_final: true };
      const known = this.log.find((logged) => logged.event.event_id === event_id);
      const seq = known?.seq ?? this.lastSeq + 1;
      if (known === undefined) this.log.push({ event: structuredClone(event), seq });
      return { event_id, seq, error: "", is_final: true };
    });
  }

  private find({ which, start, step }: Record<string, unknown>): number | null {
    const passes = (position: number) => {
      const state = this.state(position);
      if (which === "done") return isDone(state);
      if (which === "not_done") return !isDone(state);
      if (which === "commented") return state.comment !== "";
      if (which === "unsure") return state.unsure || Object.values(state.votes).includes("unsure");
      return true;
    };
    for (let at = start as number; at >= 0 && at < this.nTasks; at += step as number)
      if (passes(at)) return at;
    return null;
  }

  private info(): SessionInfo {
    return {
      project_id: "project",
      project_name: "Toys",
      annotator: "ada",
      round: "annotation",
      n_classes: this.names.length,
      progress: this.progress(),
      start_position: 0,
      last_seq: this.lastSeq,
      ...this.stacks(),
      annotation: { ...ANNOTATION, ...this.options.annotation },
      refinement: { blind_first: false, allow_own_images: false, audit_share: 0 },
      is_simulated: false,
      class_lines: [],
      hub: null,
      ...this.options.info,
    };
  }

  private columns() {
    return {
      keys: this.names.map((_, i) => `k${i}`),
      names: this.names,
      synonyms: this.names.map((_, i) => (i % 2 ? [`also ${i}`] : [])),
      definitions: this.names.map((name) => `what ${name} is`),
    };
  }

  private get lastSeq(): number {
    return this.log.at(-1)?.seq ?? 0;
  }

  private isUndone(eventId: string): boolean {
    const last = this.log.findLast(
      ({ event }) => ["undo", "redo"].includes(event.kind) && event.payload.target === eventId,
    );
    return last?.event.kind === "undo";
  }
}

/** Give the page what happy-dom lacks: pictures that decode. */
export function pretendToDecode(): void {
  Object.assign(globalThis, {
    createImageBitmap: async () => ({ width: 640, height: 480, close: () => {} }),
  });
}

/** Several pictures, each named by its number. */
function pictures(name: string, numbers: unknown, head: object) {
  const result = (numbers as number[]).map((number) => ({ [name]: number, ...head }));
  return { result, buffers: result.map(() => bytes("pixels")) };
}

function imageNumber(position: number): number {
  return position + 100;
}

function isDone(state: ImageState): boolean {
  return state.none || state.unsure || Object.keys(state.votes).length > 0;
}

function bytes(text: string): DataView {
  return new DataView(new TextEncoder().encode(text).buffer);
}
