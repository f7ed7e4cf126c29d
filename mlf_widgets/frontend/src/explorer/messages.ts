/** The messages of the data set's explorer; `mlf_widgets/explorer.py` and `pipeline/annotation/explorer.py` have the same shape. */

import type { Language, Round, SmallPictureHead, TaskFilter, Vote } from "../shared/messages.ts";

export type Disagreement = "any" | "disputed" | "agreed" | "open";

export interface ExplorerFilter {
  round: Round;
  class_index: number | null;
  annotator: string;
  which: TaskFilter;
  disagreement: Disagreement;
}

export interface ExplorerInfo {
  project_name: string;
  language: Language;
  n_images: number;
  n_classes: number;
  people: { name: string; kind: string }[];
  filter: ExplorerFilter;
}

export interface PersonsWord {
  annotator: string;
  labels: number[];
  vote: Vote | "";
  none: boolean;
  unsure: boolean;
  unsure_labels: number[];
  comment: string;
}

export interface ExplorerImage {
  image_index: number;
  image_id: string;
  has_image: boolean;
  original_label: number | null;
  is_disputed: boolean;
  open_labels: number[];
  words: PersonsWord[];
}

export interface ExplorerPage {
  n_total: number;
  images: ExplorerImage[];
}

export type ExplorerRequests = {
  explorer_open: { params: Record<string, never>; result: ExplorerInfo };
  classes: { params: Record<string, never>; result: Record<string, never> };
  explorer_page: { params: { filter: ExplorerFilter; start: number; count: number }; result: ExplorerPage };
  images: { params: { positions: number[]; max_side_px: number }; result: SmallPictureHead[] };
};
