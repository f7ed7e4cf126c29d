/** The messages between browser and kernel; `mlf_widgets/messages.py` has the same shape. */

export type Round = "annotation" | "refinement";
export type TaskFilter = "all" | "not_done" | "done" | "unsure" | "commented";
export type Vote = "yes" | "no" | "unsure";
export type EventKind = "vote" | "none" | "unsure" | "comment" | "region" | "view" | "undo" | "redo";

export interface Region {
  kind: "box" | "point";
  x: number;
  y: number;
  width?: number;
  height?: number;
}

export interface Payload {
  class_index?: number;
  vote?: Vote | "clear";
  value?: boolean;
  text?: string;
  regions?: Region[];
  target?: string;
}

export interface AnnotationEvent {
  event_id: string;
  round: Round;
  annotator: string;
  image_index: number;
  kind: EventKind;
  payload: Payload;
  shown: number[];
  active_ms: number;
  order: string;
  client_time: string;
}

export interface ImageState {
  votes: Record<string, Vote>;
  none: boolean;
  unsure: boolean;
  comment: string;
  regions: Record<string, Region[]>;
  shown: number[];
  active_ms: number;
  last_seq: number;
}

export interface Proposal {
  class_index: number;
  rank: number;
  score: number | null;
  model: string;
}

export interface Evidence {
  votes: Record<string, Record<string, Vote>>;
  comments: Record<string, string>;
  regions: Record<string, Record<string, Region[]>>;
  /** Everyone who decided the image, in the order of their letters. */
  voices: string[];
  /** The voices that are programs. */
  simulated: string[];
}

export interface Task {
  position: number;
  image_index: number;
  image_id: string;
  has_image: boolean;
  proposals: Proposal[];
  state: ImageState;
  evidence: Evidence | null;
  /** In refinement: the classes to settle. */
  open_labels: number[];
}

export interface Progress {
  n_tasks: number;
  n_done: number;
  n_unsure: number;
  n_commented: number;
}

/** (event_id, position) */
export type UndoEntry = [string, number];

export interface AnnotationSettings {
  annotators_per_image: number;
  order: "score" | "shuffled";
  order_seed: number;
  show_scores: boolean;
  page_size: number;
  regions: "off" | "box" | "point";
  guidelines: string;
  display_px: number;
  idle_after_s: number;
  keys: Record<string, string>;
}

export interface RefinementSettings {
  blind_first: boolean;
  allow_own_images: boolean;
  audit_share: number;
}

export interface SessionInfo {
  project_id: string;
  project_name: string;
  annotator: string;
  round: Round;
  n_classes: number;
  progress: Progress;
  start_position: number;
  order: string;
  last_seq: number;
  undo: UndoEntry[];
  redo: UndoEntry[];
  annotation: AnnotationSettings;
  refinement: RefinementSettings;
  is_simulated: boolean;
  is_driven?: boolean;
  /** The class that the grid opens with, where one was given. */
  class_index?: number | null;
}

export interface PictureHead {
  media_type: string;
  width_px: number;
  height_px: number;
}

export interface SpriteHead {
  class_index: number;
  media_type: string;
  n_examples: number;
  n_columns: number;
  tile_px: number;
  /** One digit per tile: examples of an image's own group are not shown beside it; "-" or nothing: shown beside all. */
  groups: string;
}

export interface SaveResult {
  event_id: string;
  seq: number | null;
  error: string;
  is_final: boolean;
}

export interface Changes {
  last_seq: number;
  states: Record<string, ImageState>;
  progress: Progress;
  undo: UndoEntry[];
  redo: UndoEntry[];
}

/** One of several pictures; `reason` says why it has no bytes, "" where it has. */
export interface SmallPictureHead extends PictureHead {
  position: number;
  reason: string;
}

export interface GridPage {
  class_index: number | null;
  positions: number[];
  n_total: number;
}

export interface ClassColumns {
  keys: string[];
  names: string[];
  synonyms: string[][];
  definitions: string[];
}

/** What each request takes and what its reply holds. */
export interface Requests {
  open: { params: Record<string, never>; result: SessionInfo };
  classes: { params: Record<string, never>; result: Record<string, never> };
  tasks: { params: { positions: number[] }; result: Task[] };
  find: { params: { which: TaskFilter; start: number; step: number }; result: number | null };
  image: { params: { position: number; max_side_px: number | null }; result: PictureHead };
  sprite: { params: { class_indices: number[] }; result: SpriteHead[] };
  example: { params: { class_index: number; number: number }; result: PictureHead };
  images: { params: { positions: number[]; max_side_px: number }; result: SmallPictureHead[] };
  grid: {
    params: { class_index: number | null; start: number; count: number; which: TaskFilter };
    result: GridPage;
  };
  save: { params: { events: AnnotationEvent[] }; result: SaveResult[] };
  changes: { params: { since_seq: number }; result: Changes };
  submit: { params: { position: number }; result: null };
  skip: { params: { position: number }; result: null };
  mark_region: { params: { position: number; class_index: number }; result: null };
}

export type RequestKind = keyof Requests;

export interface Request<K extends RequestKind = RequestKind> {
  id: string;
  kind: K;
  params: Requests[K]["params"];
}

export type Reply =
  | { id: string; ok: true; result: unknown }
  | { id: string; ok: false; code: string; message: string };

/** What the kernel sends unasked. */
export type Notice =
  | { id: ""; notice: "goto"; position: number }
  | { id: ""; notice: "undo" }
  | { id: ""; notice: "changed" };

export function isReply(content: unknown): content is Reply {
  if (typeof content !== "object" || content === null) return false;
  const reply = content as Record<string, unknown>;
  if (typeof reply.id !== "string" || reply.id === "") return false;
  return reply.ok === true || (reply.ok === false && typeof reply.message === "string");
}

export function isNotice(content: unknown): content is Notice {
  if (typeof content !== "object" || content === null) return false;
  const notice = content as Record<string, unknown>;
  return notice.id === "" && ["goto", "undo", "changed"].includes(String(notice.notice));
}
