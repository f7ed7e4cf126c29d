/** What the explorer of the data set does: it asks for pages of images that pass a filter; it changes nothing. */

import { computed, type Signal, signal } from "@preact/signals";
import type { ClassColumns } from "../shared/messages.ts";
import { asBlob } from "../shared/pictures.ts";
import { type Channel, Client, isCrowded, RefusedError } from "../shared/protocol.ts";
import { ClassSearch } from "../shared/search.ts";
import { Thumbnails } from "../shared/thumbnails.ts";
import { speak } from "../shared/words.ts";
import type { ExplorerFilter, ExplorerImage, ExplorerInfo, ExplorerRequests } from "./messages.ts";

export const PAGE_SIZE = 48;
const SMALL_PX = 224;
const LARGE_PX = 512;
const RETRY_MS = 2_000;

export type Dialog = { kind: "help" } | { kind: "search" } | { kind: "look"; imageIndex: number };

export class ExplorerController {
  readonly info: Signal<ExplorerInfo | null> = signal(null);
  readonly classes: Signal<ClassColumns | null> = signal(null);
  readonly filter: Signal<ExplorerFilter>;
  readonly page = signal(0);
  readonly nTotal = signal(0);
  readonly images: Signal<readonly ExplorerImage[] | null> = signal(null);
  /** Which image of the page the person is at. */
  readonly cursor = signal(0);
  readonly dialog: Signal<Dialog | null> = signal(null);
  readonly error = signal("");
  readonly picturesVersion = signal(0);
  readonly nColumns = signal(1);
  readonly nPages = computed(() => Math.max(1, Math.ceil(this.nTotal.value / PAGE_SIZE)));
  readonly thumbnails: Thumbnails;
  readonly large: Thumbnails;

  private readonly client: Client<ExplorerRequests>;
  private index: ClassSearch | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  constructor(channel: Channel) {
    this.client = new Client<ExplorerRequests>(channel);
    const none = {
      round: "annotation",
      class_index: null,
      annotator: "",
      which: "all",
      disagreement: "any",
    } as const;
    this.filter = signal(none);
    const ready = () => {
      this.picturesVersion.value++;
    };
    const pictures = (maxSidePx: number) =>
      new Thumbnails((positions) => this.fetchPictures(positions, maxSidePx), ready);
    this.thumbnails = pictures(SMALL_PX);
    this.large = pictures(LARGE_PX);
  }

  async start(): Promise<void> {
    try {
      const [opened, classes] = await Promise.all([
        this.client.request("explorer_open", {}),
        this.client.request("classes", {}),
      ]);
      this.classes.value = JSON.parse(
        await asBlob(classes.buffers[0], "application/json").text(),
      ) as ClassColumns;
      speak(opened.result.language);
      this.filter.value = opened.result.filter;
      this.info.value = opened.result;
      this.error.value = "";
      await this.turnTo(0);
    } catch (error) {
      this.fail(error);
      if (!(error instanceof RefusedError)) this.timer = setTimeout(() => this.start(), RETRY_MS);
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.client.close();
    this.thumbnails.close();
    this.large.close();
  }

  search(): ClassSearch | null {
    if (this.index === null && this.classes.value !== null) this.index = new ClassSearch(this.classes.value);
    return this.index;
  }

  async choose(changes: Partial<ExplorerFilter>): Promise<void> {
    this.filter.value = { ...this.filter.value, ...changes };
    this.dialog.value = null;
    this.images.value = null;
    await this.turnTo(0);
  }

  /** Show a page; reading it again shows what has come in since. */
  async turnTo(page: number, cursor = 0): Promise<void> {
    if (page < 0 || (page > 0 && page >= this.nPages.value)) return;
    const number = ++this.asked;
    try {
      const params = { filter: this.filter.value, start: page * PAGE_SIZE, count: PAGE_SIZE };
      const { result } = await this.client.request("explorer_page", params);
      if (number !== this.asked) return; // another page was asked for meanwhile
      this.error.value = "";
      this.page.value = page;
      this.nTotal.value = result.n_total;
      this.images.value = result.images;
      this.cursor.value = Math.min(Math.max(cursor, 0), Math.max(0, result.images.length - 1));
      const shown = result.images.filter(({ has_image }) => has_image);
      this.thumbnails.want(shown.map(({ image_index }) => image_index));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Go to another image, on the next or previous page where this one ends. */
  async move(step: number): Promise<void> {
    const images = this.images.value;
    if (images === null) return;
    const target = this.cursor.value + step;
    if (target < 0) await this.turnTo(this.page.value - 1, PAGE_SIZE + target);
    else if (target >= images.length) await this.turnTo(this.page.value + 1, target - images.length);
    else this.cursor.value = target;
  }

  open(dialog: Dialog | null): void {
    this.dialog.value = dialog;
  }

  look(imageIndex: number): void {
    this.large.want([imageIndex]);
    this.dialog.value = { kind: "look", imageIndex: imageIndex };
  }

  retry(): void {
    this.error.value = "";
    this.thumbnails.forgetFailures();
    void (this.info.value === null ? this.start() : this.turnTo(this.page.value, this.cursor.value));
  }

  /** Ask until the crowd has gone, or this is closed. */
  private async fetchPictures(positions: number[], maxSidePx: number) {
    for (;;) {
      try {
        return await this.client.request("images", { positions, max_side_px: maxSidePx });
      } catch (error) {
        if (!isCrowded(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  private fail(error: unknown): void {
    this.error.value = error instanceof Error ? error.message : String(error);
  }
}
