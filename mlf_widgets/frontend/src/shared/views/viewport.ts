/** Where an image lies on its stage: fitted, zoomed about a point, moved; all in CSS pixels, and pure. */

export interface Size {
  width: number;
  height: number;
}

/** `scale` is relative to the fitted size; `x` and `y` move the image's centre from the middle of the stage. */
export interface Viewport {
  scale: number;
  x: number;
  y: number;
}

export interface Placement extends Size {
  left: number;
  top: number;
}

export const FITTED: Viewport = { scale: 1, x: 0, y: 0 };
/** How many CSS pixels a pixel of the original may grow to. */
const LARGEST_PIXEL = 8;

/** CSS pixels per pixel of the image when it fits the stage. */
export function fitScale(image: Size, stage: Size): number {
  if (image.width <= 0 || image.height <= 0) return 1;
  return Math.min(stage.width / image.width, stage.height / image.height);
}

export function placement(view: Viewport, image: Size, stage: Size): Placement {
  const scale = fitScale(image, stage) * view.scale;
  const width = image.width * scale;
  const height = image.height * scale;
  return {
    left: (stage.width - width) / 2 + view.x,
    top: (stage.height - height) / 2 + view.y,
    width,
    height,
  };
}

/** Zoom so that what lies under the point (from the stage's top left corner) stays there. */
export function zoomedAt(
  view: Viewport,
  factor: number,
  at: { x: number; y: number },
  image: Size,
  stage: Size,
): Viewport {
  const scale = Math.min(Math.max(view.scale * factor, 1), largestScale(image, stage));
  const ratio = scale / view.scale;
  const fromMiddle = { x: at.x - stage.width / 2, y: at.y - stage.height / 2 };
  const x = fromMiddle.x - (fromMiddle.x - view.x) * ratio;
  const y = fromMiddle.y - (fromMiddle.y - view.y) * ratio;
  return kept({ scale, x, y }, image, stage);
}

export function movedBy(view: Viewport, dx: number, dy: number, image: Size, stage: Size): Viewport {
  return kept({ ...view, x: view.x + dx, y: view.y + dy }, image, stage);
}

function largestScale(image: Size, stage: Size): number {
  return Math.max(1, LARGEST_PIXEL / fitScale(image, stage));
}

/** Leave no part of the stage empty that the image could fill. */
function kept(view: Viewport, image: Size, stage: Size): Viewport {
  const { width, height } = placement({ ...view, x: 0, y: 0 }, image, stage);
  const reachX = Math.max(0, (width - stage.width) / 2);
  const reachY = Math.max(0, (height - stage.height) / 2);
  return { scale: view.scale, x: clamp(view.x, reachX), y: clamp(view.y, reachY) };
}

function clamp(value: number, reach: number): number {
  return Math.min(Math.max(value, -reach), reach) + 0; // + 0: never -0
}
