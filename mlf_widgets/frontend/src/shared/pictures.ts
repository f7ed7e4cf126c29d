/**
 * Decoded pictures, ready to be drawn in the frame they are asked for.
 *
 * Requests go out a few at a time, the most wanted first: what is on screen, then what lies ahead. Encoded sprites are
 * kept apart from decoded ones, so that a class's examples travel once even when their pixels had to make room.
 */

import { Lru } from "./lru.ts";
import type { SpriteHead } from "./messages.ts";
import { type Client, isCrowded, UnreachableError } from "./protocol.ts";

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
  /** Which tiles of the bitmap are the examples, in order; all of them where left out. */
  tiles?: number[];
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

const MAX_IN_FLIGHT = 3;
/** The limit for what is not on screen: nobody who jumps away should wait until all of that is decoded. */
const MAX_AHEAD_IN_FLIGHT = 2;
/** One page of labels, so that what is on screen does not wait for the examples of what lies ahead. */
const MAX_SPRITES_AT_ONCE = 5;

export class Pictures {
  private readonly images: Lru<number, DecodedImage>;
  private readonly sprites: Lru<number, DecodedSprite>;
  private readonly encoded: Lru<number, EncodedSprite>;
  private readonly failures = new Map<string, string>();
  /** Failures that only mean that the kernel did not answer, or was too crowded to make the picture. */
  private readonly late = new Set<string>();
  private readonly busy = new Set<string>();
  /** Everything that is wanted, whether it has arrived or not. */
  private orderOfImages: readonly number[] = [];
  private orderOfSprites: readonly number[] = [];
  /** The part of it that has not arrived yet. */
  private wantedImages: number[] = [];
  private wantedSprites: number[] = [];
  private nInFlight = 0;
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

  sprite(classIndex: number): DecodedSprite | undefined {
    return this.sprites.get(classIndex);
  }

  /** How many examples of a class are shown beside an image, as far as they have arrived. */
  exampleCount(classIndex: number, imageId: string | undefined): number {
    const head = (this.encoded.peek(classIndex) ?? this.sprites.peek(classIndex))?.head;
    return head === undefined ? 0 : tilesBeside(head, imageId).length;
  }

  /** Why a picture cannot be shown, in words; undefined while it can, or may. */
  failure(kind: "image" | "sprite", index: number): string | undefined {
    return this.failures.get(`${kind}:${index}`);
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
  want(positions: readonly number[], classIndices: readonly number[]): void {
    // Touch those that are already there, the most wanted last, so that making room spares them.
    for (const position of [...positions].reverse()) this.images.get(position);
    for (const classIndex of [...classIndices].reverse()) this.sprites.get(classIndex);
    this.orderOfImages = positions;
    this.orderOfSprites = classIndices;
    // Do not ask for what would find no room.
    this.wantedImages = positions
      .slice(0, this.images.nFitting())
      .filter((p) => !this.images.has(p) && !this.hasFailed(`image:${p}`));
    this.wantedSprites = classIndices
      .slice(0, this.sprites.nFitting())
      .filter((c) => !this.isDecoded(c) && !this.hasFailed(`sprite:${c}`));
    this.pump();
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

  private isDecoded(classIndex: number): boolean {
    const sprite = this.sprites.peek(classIndex);
    if (sprite === undefined) return false;
    return sprite.bitmap === null || sprite.tilePx === Math.min(sprite.head.tile_px, this.thumbnailPx);
  }

  private pump(): void {
    while (this.nInFlight < MAX_IN_FLIGHT && !this.isClosed) {
      const position = this.wantedImages.find((p) => !this.busy.has(`image:${p}`));
      const sprites = this.wantedSprites.filter((c) => !this.busy.has(`sprite:${c}`));
      const isOnScreen =
        (position !== undefined && position === this.orderOfImages[0]) || this.isOnFirstPage(sprites[0]);
      if (!isOnScreen && this.nInFlight >= MAX_AHEAD_IN_FLIGHT) return;
      // The first image wanted goes before the sprites, the others after them.
      if (position !== undefined && (position === this.wantedImages[0] || sprites.length === 0)) {
        this.start([`image:${position}`], this.loadImage(position));
      } else if (sprites.length > 0) {
        const batch = sprites.slice(0, MAX_SPRITES_AT_ONCE);
        this.start(
          batch.map((c) => `sprite:${c}`),
          this.loadSprites(batch),
        );
      } else {
        return;
      }
    }
  }

  private isOnFirstPage(classIndex: number | undefined): boolean {
    return classIndex !== undefined && this.orderOfSprites.slice(0, MAX_SPRITES_AT_ONCE).includes(classIndex);
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
        this.wantedSprites = this.wantedSprites.filter((c) => !keys.includes(`sprite:${c}`));
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
  async largeSprite(classIndex: number): Promise<DecodedSprite> {
    if (!this.encoded.has(classIndex)) await this.loadEncoded([classIndex]);
    const encoded = this.encoded.get(classIndex);
    if (encoded === undefined) throw new Error("the examples did not arrive");
    const { head, blob } = encoded;
    const bitmap = head.n_examples === 0 ? null : await createImageBitmap(blob);
    return { head, bitmap, tilePx: head.tile_px };
  }

  private async loadSprites(classIndices: number[]): Promise<void> {
    await this.loadEncoded(classIndices.filter((c) => !this.encoded.has(c)));
    await Promise.all(classIndices.map((c) => this.decodeSprite(c)));
  }

  private async loadEncoded(classIndices: number[]): Promise<void> {
    if (classIndices.length === 0) return;
    const { result, buffers } = await this.client.request("sprite", { class_indices: classIndices });
    result.forEach((head, i) => {
      const blob = asBlob(buffers[i], head.media_type);
      this.encoded.set(head.class_index, { head, blob }, blob.size + 256);
    });
  }

  private async decodeSprite(classIndex: number): Promise<void> {
    const encoded = this.encoded.get(classIndex);
    if (encoded === undefined) return;
    const { head, blob } = encoded;
    if (head.n_examples === 0) {
      this.sprites.set(classIndex, { head, bitmap: null, tilePx: head.tile_px }, 256);
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
    this.sprites.setIfRoom(classIndex, { head, bitmap, tilePx: tilePx }, cost, this.orderOfSprites);
  }
}

export function asBlob(buffer: DataView | undefined, mediaType: string): Blob {
  if (buffer === undefined) throw new Error("the reply came without its picture");
  // Only the view's bytes, not its whole buffer: the message that carried it is larger.
  return new Blob([new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength)], {
    type: mediaType,
  });
}

/**
 * Which tiles are shown beside an image: none of its own group (the last character of its opaque id), and the
 * same number beside every image, so that the number tells nothing either.
 */
function tilesBeside(head: SpriteHead, imageId: string | undefined): number[] {
  const groups = head.groups ?? "";
  const tiles = Array.from({ length: head.n_examples }, (_, tile) => tile);
  if (groups === "") return tiles;
  const largest = Math.max(...["0", "1", "2", "3"].map((group) => groups.split(group).length - 1));
  const own = imageId?.slice(-1);
  return tiles.filter((tile) => groups[tile] !== own).slice(0, head.n_examples - largest);
}

const beside = new WeakMap<DecodedSprite, Map<string, DecodedSprite>>();

/**
 * The examples of a class that may be shown beside an image, so that none is shown beside itself: that would tell the
 * image's original label from its other proposals. The same two give the same object.
 */
export function spriteBeside(
  sprite: DecodedSprite | undefined,
  imageId: string | undefined,
): DecodedSprite | undefined {
  if (sprite === undefined || (sprite.head.groups ?? "") === "") return sprite;
  const known = beside.get(sprite) ?? new Map<string, DecodedSprite>();
  beside.set(sprite, known);
  const group = imageId?.slice(-1) ?? "";
  const found = known.get(group);
  if (found !== undefined) return found;
  const tiles = tilesBeside(sprite.head, imageId);
  const made = { ...sprite, head: { ...sprite.head, n_examples: tiles.length }, tiles };
  known.set(group, made);
  return made;
}

/** Draw a class's examples side by side in one row (or as many as `nColumns` says), scaled to `sidePx` each. */
export function drawExamples(
  context: CanvasRenderingContext2D,
  sprite: DecodedSprite,
  sidePx: number,
  gapPx: number,
  nColumns: number,
): void {
  const { bitmap, head, tilePx, tiles } = sprite;
  if (bitmap === null) return;
  for (let number = 0; number < head.n_examples; number++) {
    const tile = tiles?.[number] ?? number;
    const fromX = (tile % head.n_columns) * tilePx;
    const fromY = Math.floor(tile / head.n_columns) * tilePx;
    const toX = (number % nColumns) * (sidePx + gapPx);
    const toY = Math.floor(number / nColumns) * (sidePx + gapPx);
    context.drawImage(bitmap, fromX, fromY, tilePx, tilePx, toX, toY, sidePx, sidePx);
  }
}
