/**
 * Decoded pictures, ready to be drawn in the frame they are asked for.
 *
 * Requests go out a few at a time, the most wanted first: what is on screen, then what lies ahead. Encoded sprites are
 * kept apart from decoded ones, so that a class's examples travel once even when their pixels had to make room.
 */

import { Lru } from "./lru.ts";
import type { SpriteHead, Task } from "./messages.ts";
import { type Client, isCrowded, UnreachableError } from "./protocol.ts";
import { t } from "./words.ts";

export interface DecodedImage {
  bitmap: ImageBitmap;
  widthPx: number;
  heightPx: number;
}

export interface DecodedSprite {
  head: SpriteHead;
  /** Null where the class has no examples. */
  bitmap: ImageBitmap | null;
  /** Side of one tile in the bitmap. */
  tilePx: number;
}

/** Which examples: those of a class that may come with the tasks of a group. */
export type ExamplesKey = `${number}:${string}`;

/** The examples of a class that may come with a task; without one, those that may come with any. */
export function examplesFor(task: Task | undefined, classIndex: number): ExamplesKey {
  return `${classIndex}:${task?.example_group ?? ""}`;
}

function partsOf(key: ExamplesKey): { classIndex: number; group: string } {
  const [classIndex = "", group = ""] = key.split(":");
  return { classIndex: Number(classIndex), group };
}

interface EncodedSprite {
  head: SpriteHead;
  blob: Blob;
}

export interface PictureBudgets {
  imageBytes: number;
  spriteBytes: number;
  encodedBytes: number;
}

export const DEFAULT_BUDGETS: PictureBudgets = {
  imageBytes: 96 << 20,
  spriteBytes: 96 << 20,
  encodedBytes: 64 << 20,
};

/** What is on screen is asked for at once, its image and its examples, beside whatever lies ahead. */
const MAX_IN_FLIGHT = 4;
/** The limit for what is not on screen: nobody who jumps away should wait until all of that is decoded. */
const MAX_AHEAD_IN_FLIGHT = 2;
/** One page of labels, so that what is on screen does not wait for the examples of what lies ahead. */
const MAX_SPRITES_AT_ONCE = 5;
/** Who has more examples than this mostly has those of a further image, too. */
const MAX_KNOWN = 500;

export class Pictures {
  private readonly images: Lru<number, DecodedImage>;
  private readonly sprites: Lru<ExamplesKey, DecodedSprite>;
  private readonly encoded: Lru<ExamplesKey, EncodedSprite>;
  private readonly failures = new Map<string, string>();
  /** Failures that only mean that the kernel did not answer, or was too crowded to make the picture. */
  private readonly late = new Set<string>();
  private readonly busy = new Set<string>();
  /** Everything that is wanted, whether it has arrived or not. */
  private orderOfImages: readonly number[] = [];
  private orderOfSprites: readonly ExamplesKey[] = [];
  /** The part of it that has not arrived yet. */
  private wantedImages: number[] = [];
  private wantedSprites: ExamplesKey[] = [];
  private nInFlight = 0;
  /** How many of them are for examples: a jump should not wait for more than one such answer, they are large. */
  private nBatches = 0;
  private isClosed = false;
  private generation = 0;

  constructor(
    private readonly client: Client,
    private readonly displayPx: number,
    /** Side of an example as it is drawn, in pixels of the screen: sprites are decoded to fit. */
    public thumbnailPx: number,
    private readonly onReady: () => void,
    budgets: PictureBudgets = DEFAULT_BUDGETS,
  ) {
    this.images = new Lru(budgets.imageBytes, ({ bitmap }) => bitmap.close());
    this.sprites = new Lru(budgets.spriteBytes, ({ bitmap }) => bitmap?.close());
    this.encoded = new Lru(budgets.encodedBytes);
  }

  image(position: number): DecodedImage | undefined {
    return this.images.get(position);
  }

  sprite(examples: ExamplesKey): DecodedSprite | undefined {
    return this.sprites.get(examples);
  }

  /** How many they are, as far as they have arrived. */
  exampleCount(examples: ExamplesKey): number {
    return (this.encoded.peek(examples) ?? this.sprites.peek(examples))?.head.n_examples ?? 0;
  }

  /** Why a picture cannot be shown, in words; undefined while it can, or may. */
  failure(kind: "image" | "sprite", which: number | ExamplesKey): string | undefined {
    return this.failures.get(`${kind}:${which}`);
  }

  /** Whether an image has failed to arrive, but may well exist: nobody can judge it yet. */
  isLate(position: number): boolean {
    return this.late.has(`image:${position}`);
  }

  /** The kernel answers again: returns whether something may be asked for once more. */
  forgetLate(): boolean {
    if (this.late.size === 0) return false;
    for (const key of this.late) this.failures.delete(key);
    this.late.clear();
    return true;
  }

  /** Bytes of decoded pixels held. */
  get decodedBytes(): number {
    return this.images.cost + this.sprites.cost;
  }

  /** Replace the list of what is wanted, the most wanted first; what is under way goes on. */
  want(positions: readonly number[], examples: readonly ExamplesKey[]): void {
    // Touch those that are already there, the most wanted last, so that making room spares them.
    for (const position of [...positions].reverse()) this.images.get(position);
    for (const key of [...examples].reverse()) this.sprites.get(key);
    this.orderOfImages = positions;
    this.orderOfSprites = examples;
    // Do not ask for what would find no room.
    this.wantedImages = positions
      .slice(0, this.images.nFitting())
      .filter((p) => !this.images.has(p) && !this.hasFailed(`image:${p}`));
    this.wantedSprites = examples
      .slice(0, this.sprites.nFitting())
      .filter((key) => !this.isDecoded(key) && !this.hasFailed(`sprite:${key}`));
    this.pump();
  }

  /**
   * Ask for the examples of an image's first labels before its task has come: they are there a round trip earlier.
   *
   * One such request at a time: who holds a key down passes many images, and each would count as several requests of
   * those that their saves need, too. The examples of an image that is passed over are asked for once its task is there.
   *
   * @param count How many labels, at most as many as are asked for at once.
   */
  wantFirstExamples(position: number, count: number): void {
    const known = this.encoded.keys();
    if (count < 1 || known.length > MAX_KNOWN || this.nInFlight >= MAX_IN_FLIGHT) return;
    if ([...this.busy].some((key) => key.startsWith("first:"))) return;
    this.start(
      [firstOf(position)],
      this.loadFirstExamples(position, Math.min(count, MAX_SPRITES_AT_ONCE), known),
    );
  }

  /** The positions now hold other images; what is on its way is asked for again. */
  forgetImages(): void {
    this.generation++;
    this.images.clear();
    for (const key of [...this.failures.keys(), ...this.late]) {
      if (!key.startsWith("image:")) continue;
      this.failures.delete(key);
      this.late.delete(key);
    }
  }

  /** Failed pictures may be asked for again. */
  forgetFailures(): void {
    this.failures.clear();
    this.late.clear();
  }

  close(): void {
    this.isClosed = true;
    this.images.clear();
    this.sprites.clear();
    this.encoded.clear();
  }

  private hasFailed(key: string): boolean {
    return this.failures.has(key) || this.late.has(key);
  }

  private isDecoded(examples: ExamplesKey): boolean {
    const sprite = this.sprites.peek(examples);
    if (sprite === undefined) return false;
    return sprite.bitmap === null || sprite.tilePx === Math.min(sprite.head.tile_px, this.thumbnailPx);
  }

  private pump(): void {
    while (this.nInFlight < MAX_IN_FLIGHT && !this.isClosed) {
      const position = this.wantedImages.find((p) => !this.busy.has(`image:${p}`));
      const sprites = this.wantedSprites.filter(
        (key) => !this.busy.has(`sprite:${key}`) && !this.isComing(key),
      );
      const isImageShown = position !== undefined && position === this.orderOfImages[0];
      const areExamplesShown = this.isOnFirstPage(sprites[0]);
      if (!isImageShown && !areExamplesShown && this.nInFlight >= MAX_AHEAD_IN_FLIGHT) return;
      const mayAskExamples = sprites.length > 0 && (areExamplesShown || this.nBatches === 0);
      // What is shown goes first, its image before its examples; of the rest, the first image, the examples, the others.
      const isFirst = position === this.wantedImages[0] || !mayAskExamples;
      if (position !== undefined && (isImageShown || (isFirst && !areExamplesShown))) {
        this.start([`image:${position}`], this.loadImage(position));
      } else if (mayAskExamples) {
        const batch = sameGroup(sprites).slice(0, MAX_SPRITES_AT_ONCE);
        this.nBatches++;
        this.start(
          batch.map((key) => `sprite:${key}`),
          this.loadSprites(batch).finally(() => this.nBatches--),
        );
      } else {
        return;
      }
    }
  }

  /** Whether examples are among those that were asked for before it was known which they are. */
  private isComing(examples: ExamplesKey): boolean {
    const [position] = this.orderOfImages;
    if (position === undefined || !this.busy.has(firstOf(position))) return false;
    return this.isOnFirstPage(examples) && !this.encoded.has(examples);
  }

  private isOnFirstPage(examples: ExamplesKey | undefined): boolean {
    return examples !== undefined && this.orderOfSprites.slice(0, MAX_SPRITES_AT_ONCE).includes(examples);
  }

  private start(keys: string[], loading: Promise<void>): void {
    this.nInFlight++;
    for (const key of keys) this.busy.add(key);
    loading
      .catch((error: unknown) => {
        for (const key of keys) {
          // A crowd is not reported: the picture is still expected.
          if (!isCrowded(error))
            this.failures.set(key, error instanceof Error ? error.message : String(error));
          if (isCrowded(error) || error instanceof UnreachableError) this.late.add(key);
        }
      })
      .finally(() => {
        this.nInFlight--;
        for (const key of keys) this.busy.delete(key);
        this.wantedImages = this.wantedImages.filter((p) => !keys.includes(`image:${p}`));
        this.wantedSprites = this.wantedSprites.filter((key) => !keys.includes(`sprite:${key}`));
        if (this.isClosed) return;
        this.onReady();
        this.pump();
      });
  }

  private async loadImage(position: number): Promise<void> {
    const { generation } = this;
    const { result, buffers } = await this.client.request("image", {
      position,
      max_side_px: this.displayPx,
    });
    const bitmap = await createImageBitmap(asBlob(buffers[0], result.media_type));
    if (this.isClosed) return bitmap.close();
    if (generation !== this.generation) {
      bitmap.close();
      return this.loadImage(position);
    }
    const { width_px, height_px } = result;
    const cost = bitmap.width * bitmap.height * 4;
    this.images.setIfRoom(
      position,
      { bitmap, widthPx: width_px, heightPx: height_px },
      cost,
      this.orderOfImages,
    );
  }

  /** A class's examples at their full size, for a closer look; the caller closes the bitmap. */
  async largeSprite(examples: ExamplesKey): Promise<DecodedSprite> {
    if (!this.encoded.has(examples)) await this.loadEncoded([examples]);
    const encoded = this.encoded.get(examples);
    if (encoded === undefined) throw new Error(t("the examples did not arrive"));
    const { head, blob } = encoded;
    const bitmap = head.n_examples === 0 ? null : await createImageBitmap(blob);
    return { head, bitmap, tilePx: head.tile_px };
  }

  /** Load examples of one group. */
  private async loadSprites(examples: ExamplesKey[]): Promise<void> {
    await this.loadEncoded(examples.filter((key) => !this.encoded.has(key)));
    await Promise.all(examples.map((key) => this.decodeSprite(key)));
  }

  private async loadFirstExamples(position: number, count: number, known: ExamplesKey[]): Promise<void> {
    const { result, buffers } = await this.client.request("first_examples", { position, count, known });
    const examples = this.keep(result, buffers);
    await Promise.all(examples.map((key) => this.decodeSprite(key)));
    this.wantedSprites = this.wantedSprites.filter((key) => !this.isDecoded(key));
  }

  private async loadEncoded(examples: ExamplesKey[]): Promise<void> {
    const [first] = examples;
    if (first === undefined) return;
    const { group } = partsOf(first);
    const classIndices = examples.map((key) => partsOf(key).classIndex);
    const { result, buffers } = await this.client.request("sprite", { class_indices: classIndices, group });
    this.keep(result, buffers);
  }

  private keep(heads: readonly SpriteHead[], buffers: DataView[]): ExamplesKey[] {
    return heads.map((head, i) => {
      const key: ExamplesKey = `${head.class_index}:${head.group}`;
      const blob = asBlob(buffers[i], head.media_type);
      this.encoded.set(key, { head, blob }, blob.size + 256);
      return key;
    });
  }

  private async decodeSprite(examples: ExamplesKey): Promise<void> {
    const encoded = this.encoded.get(examples);
    if (encoded === undefined) return;
    const { head, blob } = encoded;
    if (head.n_examples === 0) {
      this.sprites.set(examples, { head, bitmap: null, tilePx: head.tile_px }, 256);
      return;
    }
    const tilePx = Math.min(head.tile_px, this.thumbnailPx);
    const nRows = Math.ceil(head.n_examples / head.n_columns);
    const bitmap = await createImageBitmap(blob, {
      resizeWidth: tilePx * head.n_columns,
      resizeHeight: tilePx * nRows,
      resizeQuality: "medium",
    });
    if (this.isClosed) return bitmap.close();
    const cost = bitmap.width * bitmap.height * 4;
    this.sprites.setIfRoom(examples, { head, bitmap, tilePx: tilePx }, cost, this.orderOfSprites);
  }
}

/** What the examples of an image's first labels are called while they are on their way. */
function firstOf(position: number): string {
  return `first:${position}`;
}

/** Those of the same group as the first. */
function sameGroup(examples: readonly ExamplesKey[]): ExamplesKey[] {
  const [first] = examples;
  return first === undefined ? [] : examples.filter((key) => partsOf(key).group === partsOf(first).group);
}

export function asBlob(buffer: DataView | undefined, mediaType: string): Blob {
  if (buffer === undefined) throw new Error(t("the reply came without its picture"));
  // Only the view's bytes, not its whole buffer: the message that carried it is larger.
  return new Blob([new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength)], {
    type: mediaType,
  });
}

/** Draw a class's examples side by side in one row (or as many as `nColumns` says), scaled to `sidePx` each. */
export function drawExamples(
  context: CanvasRenderingContext2D,
  sprite: DecodedSprite,
  sidePx: number,
  gapPx: number,
  nColumns: number,
): void {
  const { bitmap, head, tilePx } = sprite;
  if (bitmap === null) return;
  for (let number = 0; number < head.n_examples; number++) {
    const fromX = (number % head.n_columns) * tilePx;
    const fromY = Math.floor(number / head.n_columns) * tilePx;
    const toX = (number % nColumns) * (sidePx + gapPx);
    const toY = Math.floor(number / nColumns) * (sidePx + gapPx);
    context.drawImage(bitmap, fromX, fromY, tilePx, tilePx, toX, toY, sidePx, sidePx);
  }
}
