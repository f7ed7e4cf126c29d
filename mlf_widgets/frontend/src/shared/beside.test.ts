import { expect, test } from "vitest";
import { type DecodedSprite, drawExamples, spriteBeside } from "./pictures.ts";

const bitmap = {} as ImageBitmap;
const head = { class_index: 3, media_type: "image/jpeg", n_examples: 6, n_columns: 3, tile_px: 10 };
const own: DecodedSprite = { head: { ...head, groups: "01-123" }, bitmap, tilePx: 10 };

test("examples of an image's own group are not shown beside it, for whichever class, and as many beside all", () => {
  expect(spriteBeside(own, "5f3a1")?.tiles).toEqual([0, 2, 4, 5]);
  expect(spriteBeside(own, "5f3a1")?.head.n_examples).toBe(4);
  expect(spriteBeside(own, "5f3a3")?.tiles).toEqual([0, 1, 2, 3]);
  expect(spriteBeside(own, "00001")).toBe(spriteBeside(own, "5f3a1"));
});

test("examples from elsewhere are shown beside every image", () => {
  const elsewhere: DecodedSprite = { ...own, head: { ...head, groups: "" } };
  expect(spriteBeside(elsewhere, "5f3a1")).toBe(elsewhere);
  expect(spriteBeside(undefined, "5f3a1")).toBeUndefined();
});

test("what is drawn are the tiles that are left, one beside the other", () => {
  const drawn: number[][] = [];
  const context = {
    drawImage: (_: unknown, ...at: number[]) => drawn.push(at),
  } as unknown as CanvasRenderingContext2D;
  const left = spriteBeside(own, "5f3a1");
  if (left === undefined) throw new Error("there are examples");
  drawExamples(context, left, 20, 2, 10);
  expect(drawn.map(([x = 0, y = 0]) => (y / 10) * 3 + x / 10)).toEqual([0, 2, 4, 5]);
  expect(drawn.map((at) => at[4])).toEqual([0, 22, 44, 66]);
});
