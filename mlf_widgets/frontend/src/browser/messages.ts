/** The messages of the data set's browser; `mlf_widgets/browser.py` and `pipeline/annotation/explorer.py` have the same shape. */

import type { Round, SmallPictureHead, TaskFilter, Vote } from "../shared/messages.ts";

export type Disagreement = "any" | "disputed" | "agreed" | "open";

export interface BrowseFilter {
  round: Round;
  class_index: number | null;
  annotator: string;
  which: TaskFilter;
  disagreement: Disagreement;
}

export interface BrowseInfo {
  project_name: string;
  n_images: number;
  n_classes: number;
  people: { name: string; kind: string }[];
  filter: BrowseFilter;
}

export interface PersonsWord {
  annotator: string;
  labels: number[];
  vote: Vote | "";
  none: boolean;
  unsure: boolean;
  comment: string;
}

export interface BrowsedImage {
  image_index: number;
  image_id: string;
  has_image: boolean;
  original_label: number | null;
  is_disputed: boolean;
  open_labels: number[];
  words: PersonsWord[];
}

export interface BrowsePage {
  n_total: number;
  images: BrowsedImage[];
}

export type BrowseRequests = {
  browse_open: { params: Record<string, never>; result: BrowseInfo };
  classes: { params: Record<string, never>; result: Record<string, never> };
  browse: { params: { filter: BrowseFilter; start: number; count: number }; result: BrowsePage };
  images: { params: { positions: number[]; max_side_px: number }; result: SmallPictureHead[] };
};
