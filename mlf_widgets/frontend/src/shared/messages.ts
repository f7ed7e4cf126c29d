/** The messages between browser and kernel; `pipeline/sessions/messages.py` has the same shape. */

export type Round = "annotation" | "refinement";
export type TaskFilter = "all" | "not_done" | "done" | "unsure" | "commented";
export type Language = "en" | "de";
export type Vote = "yes" | "no" | "unsure";
export type EventKind =
  | "vote"
  | "none"
  | "unsure"
  | "comment"
  | "searched"
  | "region"
  | "frames"
  | "view"
  | "classes"
  | "undo"
  | "redo";

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
  /** What a change of the list of classes made of the image; never sent from here. */
  change?: number;
  votes?: Record<string, Vote>;
  offered?: number[];
}

export interface AnnotationEvent {
  event_id: string;
  round: Round;
  annotator: string;
  image_number: number;
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
  /** All classes have been searched, where a probe asked for it. */
  searched: boolean;
  active_ms: number;
  last_seq: number;
  /** Classes that changes of the list offer beside the proposals. */
  offered?: number[];
  /** Those of them that have not been shown since: the image is open again. */
  open_again?: number[];
  /** The parts of the image have been shown in which models saw the labels best. */
  saw_frames?: boolean;
}

/** A part of an image: left, top, width and height as shares of the image's. */
export type View = [number, number, number, number];

export interface Proposal {
  class_index: number;
  score: number | null;
  model: string;
  /** Where the models saw it best; null where they looked at whole images alone. */
  view: View | null;
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
  image_number: number;
  image_id: string;
  has_image: boolean;
  proposals: Proposal[];
  state: ImageState;
  evidence: Evidence | null;
  /** In refinement: the classes to settle. */
  open_labels: number[];
  /** How it is shown, to be logged with what is said about it. */
  order: string;
  /** The annotator is asked to search all classes. */
  is_probe: boolean;
  /** Which examples may come with it: with none of this group is an image its own example. */
  example_group: string;
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
  must_see_all: boolean;
  pairs_together: boolean;
  language: Language;
  break_after_min: number;
  own_progress: "off" | "pace" | "pace and gold";
}

export interface RefinementSettings {
  blind_first: boolean;
  allow_own_images: boolean;
  audit_share: number;
}

export interface ClassLine {
  class_indices: number[];
  text: string;
}

/** A part of the guidelines; never HTML. */
export interface GuidelineNode {
  kind: string;
  children?: GuidelineNode[];
  text?: string;
  level?: number;
  url?: string;
  is_ordered?: boolean;
  is_head?: boolean;
  /** Which of the guidelines' own pictures; null for one that is elsewhere, and not shown. */
  picture?: number | null;
}

export interface SessionInfo {
  project_id: string;
  project_name: string;
  annotator: string;
  round: Round;
  n_classes: number;
  progress: Progress;
  start_position: number;
  last_seq: number;
  undo: UndoEntry[];
  redo: UndoEntry[];
  annotation: AnnotationSettings;
  refinement: RefinementSettings;
  is_simulated: boolean;
  /** What the guidelines say of single classes and of pairs. */
  class_lines: ClassLine[];
  /** The ways out of a session in a hub; null elsewhere. */
  hub: HubLinks | null;
  is_driven?: boolean;
  /** The class that the grid opens with, where one was given. */
  class_index?: number | null;
}

export interface HubLinks {
  log_out: string;
  /** Where one goes on with another project; empty where the hub has none. */
  projects: string;
}

export interface PictureHead {
  media_type: string;
  width_px: number;
  height_px: number;
}

export interface SpriteHead {
  class_index: number;
  /** The tasks' `example_group` that they may come with. */
  group: string;
  media_type: string;
  n_examples: number;
  n_columns: number;
  tile_px: number;
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
  /** Indices of classes that are no longer in the list. */
  gone?: number[];
}

export interface OwnProgress {
  progress: Progress;
  /** The latest hours of work, each by its beginning in UTC. */
  hours: { hour: string; n_images: number; active_ms: number }[];
  median_ms: number;
  n_timed: number;
  n_gold: number;
  n_gold_votes: number;
  n_gold_same: number;
}

/** What each request takes and what its reply holds. */
export interface Requests {
  open: { params: Record<string, never>; result: SessionInfo };
  classes: { params: Record<string, never>; result: Record<string, never> };
  tasks: { params: { positions: number[] }; result: Task[] };
  find: { params: { which: TaskFilter; start: number; step: number }; result: number | null };
  image: { params: { position: number; max_side_px: number | null }; result: PictureHead };
  sprite: { params: { class_indices: number[]; group: string }; result: SpriteHead[] };
  /** `known` are the `class_index:group` of examples that are here already. */
  first_examples: { params: { position: number; count: number; known: string[] }; result: SpriteHead[] };
  example: { params: { class_index: number; number: number; group: string }; result: PictureHead };
  images: { params: { positions: number[]; max_side_px: number }; result: SmallPictureHead[] };
  grid: {
    params: { class_index: number | null; start: number; count: number; which: TaskFilter };
    result: GridPage;
  };
  save: { params: { events: AnnotationEvent[] }; result: SaveResult[] };
  changes: { params: { since_seq: number }; result: Changes };
  guidelines: { params: Record<string, never>; result: GuidelineNode[] };
  guideline_picture: { params: { number: number }; result: PictureHead };
  own_progress: { params: Record<string, never>; result: OwnProgress };
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
