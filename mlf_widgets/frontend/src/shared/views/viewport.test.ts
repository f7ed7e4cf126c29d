import { describe, expect, test } from "vitest";
import { fc } from "../../testing/drawn.ts";
import { exampleAt, stripLayout, stripSize } from "./strip_layout.ts";
import { FITTED, fitScale, movedBy, placement, type Size, type Viewport, zoomedAt } from "./viewport.ts";

const size = fc.record({
  width: fc.integer({ min: 1, max: 8000 }),
  height: fc.integer({ min: 1, max: 8000 }),
});
const stageSize = fc.record({
  width: fc.integer({ min: 50, max: 3000 }),
  height: fc.integer({ min: 50, max: 3000 }),
});
const move = fc.oneof(
  fc.record({ zoom: fc.double({ min: 0.2, max: 5, noNaN: true }), x: fc.nat(3000), y: fc.nat(3000) }),
  fc.record({ dx: fc.integer({ min: -4000, max: 4000 }), dy: fc.integer({ min: -4000, max: 4000 }) }),
);

function after(moves: readonly object[], image: Size, stage: Size): Viewport {
  return moves.reduce<Viewport>((view, one) => {
    const { zoom, x = 0, y = 0, dx = 0, dy = 0 } = one as Record<string, number>;
    if (zoom === undefined) return movedBy(view, dx, dy, image, stage);
    return zoomedAt(view, zoom, { x: x % stage.width, y: y % stage.height }, image, stage);
  }, FITTED);
}

describe("an image on its stage", () => {
  test("fits without being stretched, and touches two sides", () => {
    fc.assert(
      fc.property(size, stageSize, (image, stage) => {
        const { left, top, width, height } = placement(FITTED, image, stage);
        expect(width / height).toBeCloseTo(image.width / image.height, 6);
        expect(Math.min(left, top)).toBeCloseTo(0, 6);
        expect(left + width / 2).toBeCloseTo(stage.width / 2, 6);
        expect(top + height / 2).toBeCloseTo(stage.height / 2, 6);
      }),
    );
  });

  test("fills what it can of the stage, however it is zoomed and moved", () => {
    fc.assert(
      fc.property(size, stageSize, fc.array(move, { maxLength: 12 }), (image, stage, moves) => {
        const view = after(moves, image, stage);
        const { left, top, width, height } = placement(view, image, stage);
        expect(view.scale).toBeGreaterThanOrEqual(1);
        for (const [start, length, room] of [
          [left, width, stage.width],
          [top, height, stage.height],
        ] as const) {
          if (length >= room) {
            expect(start).toBeLessThanOrEqual(1e-6);
            expect(start + length).toBeGreaterThanOrEqual(room - 1e-6);
          } else {
            expect(start).toBeCloseTo((room - length) / 2, 6);
          }
        }
      }),
    );
  });

  test("keeps the point under the pointer where both directions are larger than the stage", () => {
    const image = { width: 4000, height: 3000 };
    const stage = { width: 400, height: 300 };
    const before = zoomedAt(FITTED, 3, { x: 200, y: 150 }, image, stage);
    const at = { x: 130, y: 220 };
    const pointOf = (view: Viewport) => {
      const { left, top, width, height } = placement(view, image, stage);
      return [(at.x - left) / width, (at.y - top) / height];
    };
    const [x, y] = pointOf(before);
    const [zoomedX, zoomedY] = pointOf(zoomedAt(before, 1.7, at, image, stage));
    expect(zoomedX).toBeCloseTo(x as number, 9);
    expect(zoomedY).toBeCloseTo(y as number, 9);
  });

  test("grows no pixel beyond eight", () => {
    const image = { width: 100, height: 100 };
    const stage = { width: 400, height: 300 };
    const view = zoomedAt(FITTED, 1000, { x: 0, y: 0 }, image, stage);
    expect(fitScale(image, stage) * view.scale).toBeCloseTo(8, 9);
  });
});

describe("examples in a card", () => {
  const room = fc.record({
    width: fc.integer({ min: 260, max: 1200 }),
    height: fc.integer({ min: 40, max: 400 }),
  });

  test("stay in their room where there is room, and none could be larger in as many rows", () => {
    fc.assert(
      fc.property(room, fc.integer({ min: 1, max: 12 }), ({ width, height }, nExamples) => {
        const layout = stripLayout(width, height, nExamples, 1);
        const strip = stripSize(layout, nExamples);
        expect(strip.width).toBeLessThanOrEqual(width);
        expect(strip.height).toBeLessThanOrEqual(height);
        for (let nRows = 1; nRows <= nExamples; nRows++) {
          const nColumns = Math.ceil(nExamples / nRows);
          const larger = { ...layout, nColumns, sidePx: layout.sidePx + 1 };
          const { width: wide, height: high } = stripSize(larger, nExamples);
          expect(wide > width || high > height || layout.sidePx === 128).toBe(true);
        }
      }),
    );
  });

  test("are found where they are drawn, and not between them", () => {
    fc.assert(
      fc.property(room, fc.integer({ min: 1, max: 12 }), ({ width, height }, nExamples) => {
        const layout = stripLayout(width, height, nExamples);
        const pitch = layout.sidePx + layout.gapPx;
        for (let number = 0; number < nExamples; number++) {
          const left = (number % layout.nColumns) * pitch;
          const top = Math.floor(number / layout.nColumns) * pitch;
          expect(exampleAt(layout, nExamples, left + layout.sidePx / 2, top + layout.sidePx / 2)).toBe(
            number,
          );
          expect(exampleAt(layout, nExamples, left + layout.sidePx + 1, top + 1)).toBeNull();
        }
        expect(exampleAt(layout, nExamples, -1, 3)).toBeNull();
      }),
    );
  });
});
