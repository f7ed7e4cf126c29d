/** How the examples of a class are laid out in the room a card has: as large as they can be. */

export interface StripLayout {
  side_px: number;
  n_columns: number;
  gap_px: number;
}

const GAP_PX = 3;
const LARGEST_PX = 128;
const SMALLEST_PX = 24;

/** Tiles for `n_examples` in a box of this size; `height` may be infinite, where the card grows with its tiles. */
export function stripLayout(
  width: number,
  height: number,
  n_examples: number,
  smallest_px = SMALLEST_PX,
): StripLayout {
  let best: StripLayout = { side_px: 0, n_columns: Math.max(1, n_examples), gap_px: GAP_PX };
  for (let n_rows = 1; n_rows <= Math.max(1, n_examples); n_rows++) {
    const n_columns = Math.max(1, Math.ceil(n_examples / n_rows));
    const side = Math.floor(
      Math.min(
        sideOf(width, n_columns),
        height === Number.POSITIVE_INFINITY ? LARGEST_PX : sideOf(height, n_rows),
        LARGEST_PX,
      ),
    );
    if (side > best.side_px) best = { side_px: side, n_columns, gap_px: GAP_PX };
    // Where the height is free, more rows than needed would only push the next card away.
    if (height === Number.POSITIVE_INFINITY && best.side_px >= Math.max(40, smallest_px)) break;
  }
  return { ...best, side_px: Math.max(best.side_px, smallest_px) };
}

export function stripSize(layout: StripLayout, n_examples: number): { width: number; height: number } {
  const n_columns = Math.min(layout.n_columns, Math.max(1, n_examples));
  const n_rows = Math.ceil(n_examples / layout.n_columns);
  const long = (n: number) => Math.max(0, n * layout.side_px + (n - 1) * layout.gap_px);
  return { width: long(n_columns), height: long(n_rows) };
}

/** Which example lies at a point of the strip; null between them and past the last. */
export function exampleAt(layout: StripLayout, n_examples: number, x: number, y: number): number | null {
  const pitch = layout.side_px + layout.gap_px;
  const column = Math.floor(x / pitch);
  const row = Math.floor(y / pitch);
  const isInTile = x - column * pitch < layout.side_px && y - row * pitch < layout.side_px;
  const number = row * layout.n_columns + column;
  const isThere = column >= 0 && row >= 0 && column < layout.n_columns && number < n_examples;
  return isInTile && isThere ? number : null;
}

function sideOf(length: number, n: number): number {
  return (length - (n - 1) * GAP_PX) / n;
}
