/** How the examples of a class are laid out in the space a card has: as large as possible. */

export interface StripLayout {
  sidePx: number;
  nColumns: number;
  gapPx: number;
}

const GAP_PX = 3;
const LARGEST_PX = 128;
const SMALLEST_PX = 24;

/** Tiles for `nExamples` in a box of this size; `height` may be infinite, where the card grows with its tiles. */
export function stripLayout(
  width: number,
  height: number,
  nExamples: number,
  smallestPx = SMALLEST_PX,
  largestPx = LARGEST_PX,
): StripLayout {
  let best: StripLayout = { sidePx: 0, nColumns: Math.max(1, nExamples), gapPx: GAP_PX };
  for (let nRows = 1; nRows <= Math.max(1, nExamples); nRows++) {
    const nColumns = Math.max(1, Math.ceil(nExamples / nRows));
    const side = Math.floor(
      Math.min(
        sideOf(width, nColumns),
        height === Number.POSITIVE_INFINITY ? largestPx : sideOf(height, nRows),
        largestPx,
      ),
    );
    if (side > best.sidePx) best = { sidePx: side, nColumns: nColumns, gapPx: GAP_PX };
    // Where the height is free, more rows than needed would only push the next card away.
    if (height === Number.POSITIVE_INFINITY && best.sidePx >= smallestPx) break;
  }
  return { ...best, sidePx: Math.max(best.sidePx, smallestPx) };
}

export function stripSize(layout: StripLayout, nExamples: number): { width: number; height: number } {
  const nColumns = Math.min(layout.nColumns, Math.max(1, nExamples));
  const nRows = Math.ceil(nExamples / layout.nColumns);
  const long = (n: number) => Math.max(0, n * layout.sidePx + (n - 1) * layout.gapPx);
  return { width: long(nColumns), height: long(nRows) };
}

/** Which example lies at a point of the strip; null between them and past the last. */
export function exampleAt(layout: StripLayout, nExamples: number, x: number, y: number): number | null {
  const pitch = layout.sidePx + layout.gapPx;
  const column = Math.floor(x / pitch);
  const row = Math.floor(y / pitch);
  const isInTile = x - column * pitch < layout.sidePx && y - row * pitch < layout.sidePx;
  const number = row * layout.nColumns + column;
  const isThere = column >= 0 && row >= 0 && column < layout.nColumns && number < nExamples;
  return isInTile && isThere ? number : null;
}

function sideOf(length: number, n: number): number {
  return (length - (n - 1) * GAP_PX) / n;
}
