/** Small pictures of many images: asked for several at once, decoded, and kept up to a budget. */

import { Lru } from "./lru.ts";
import type { SmallPictureHead } from "./messages.ts";
import { asBlob } from "./pictures.ts";
import { isCrowded, UnreachableError } from "./protocol.ts";

const MAX_AT_ONCE = 12;
const MAX_IN_FLIGHT = 2;
const BUDGET_BYTES = 96 << 20;

export type FetchThumbnails = (
  keys: number[],
) => Promise<{ result: SmallPictureHead[]; buffers: DataView[] }>;

export class Thumbnails {
  private readonly bitmaps: Lru<number, ImageBitmap>;
  private readonly failures = new Map<number, string>();
  /** Failures that only mean that the kernel did not answer, or was too crowded to make the picture. */
  private readonly late = new Set<number>();
  private readonly busy = new Set<number>();
  private wanted: number[] = [];
  private nInFlight = 0;
  private isClosed = false;
  private generation = 0;

  constructor(
    private readonly fetch: FetchThumbnails,
    private readonly onReady: () => void,
    budgetBytes = BUDGET_BYTES,
  ) {
    this.bitmaps = new Lru(budgetBytes, (bitmap) => bitmap.close());
  }

  get(key: number): ImageBitmap | undefined {
    return this.bitmaps.get(key);
  }

  /** Why an image has no picture, in words; undefined while it has, or may get one. */
  failure(key: number): string | undefined {
    return this.failures.get(key);
  }

  /** Replace the list of what is wanted, the most wanted first. */
  want(keys: readonly number[]): void {
    // Touch those that are already there, the most wanted last, so that making room spares them.
    for (const key of [...keys].reverse()) this.bitmaps.get(key);
    this.wanted = keys.filter(
      (key) => !this.bitmaps.has(key) && !this.failures.has(key) && !this.late.has(key),
    );
    this.pump();
  }

  /** The keys now stand for other images; what is on its way is asked for again. */
  forget(): void {
    this.generation++;
    this.bitmaps.clear();
    this.forgetFailures();
  }

  /** The kernel answers again: returns whether something may be asked for once more. */
  forgetLate(): boolean {
    if (this.late.size === 0) return false;
    for (const key of this.late) this.failures.delete(key);
    this.late.clear();
    return true;
  }

  forgetFailures(): void {
    this.failures.clear();
    this.late.clear();
  }

  close(): void {
    this.isClosed = true;
    this.bitmaps.clear();
  }

  private pump(): void {
    while (this.nInFlight < MAX_IN_FLIGHT && !this.isClosed) {
      const batch = this.wanted.filter((key) => !this.busy.has(key)).slice(0, MAX_AT_ONCE);
      if (batch.length === 0) return;
      this.nInFlight++;
      for (const key of batch) this.busy.add(key);
      this.load(batch)
        .catch((error: unknown) => {
          for (const key of batch) {
            if (!isCrowded(error)) this.failures.set(key, words(error));
            if (isCrowded(error) || error instanceof UnreachableError) this.late.add(key);
          }
        })
        .finally(() => {
          this.nInFlight--;
          for (const key of batch) this.busy.delete(key);
          this.wanted = this.wanted.filter((key) => !batch.includes(key));
          if (this.isClosed) return;
          this.onReady();
          this.pump();
        });
    }
  }

  private async load(batch: number[]): Promise<void> {
    const { generation } = this;
    const { result, buffers } = await this.fetch(batch);
    if (generation !== this.generation) return this.load(batch);
    await Promise.all(
      result.map(async (head, i) => {
        const key = batch[i];
        if (key === undefined) return;
        if (head.reason !== "") {
          this.failures.set(key, head.reason);
          return;
        }
        try {
          const bitmap = await createImageBitmap(asBlob(buffers[i], head.media_type));
          if (this.isClosed || generation !== this.generation) bitmap.close();
          else this.bitmaps.set(key, bitmap, bitmap.width * bitmap.height * 4);
        } catch (error) {
          this.failures.set(key, words(error));
        }
      }),
    );
  }
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
