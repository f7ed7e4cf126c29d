/** What fingers and the mouse do on an image: one drags it, or swipes to another image; two zoom it. */

/** What can be done with an image. */
export interface Movable {
  readonly isZoomed: boolean;
  pan(dx: number, dy: number): void;
  zoomBy(factor: number, at: { x: number; y: number }): void;
  onSwipe(direction: 1 | -1): void;
}

interface Point {
  x: number;
  y: number;
}

/** A swipe goes this far, and mostly sideways. */
const SWIPE_PX = 60;
const SIDEWAYS = 1.5;

/** The fingers on each image, by the id of their pointer. */
const fingersOn = new WeakMap<HTMLElement, Map<number, Point>>();

/** A pointer has touched an image: follow it, and any other, until it is lifted. */
export function beginGesture(event: PointerEvent, stage: Movable): void {
  const canvas = event.currentTarget;
  if (event.button !== 0 || !(canvas instanceof HTMLElement)) return;
  const fingers = fingersOn.get(canvas) ?? new Map<number, Point>();
  fingersOn.set(canvas, fingers);
  const { pointerId } = event;
  const start = { x: event.clientX, y: event.clientY };
  const maySwipe = event.pointerType === "touch" && fingers.size === 0 && !stage.isZoomed;
  let wasPinch = false;
  fingers.set(pointerId, start);
  canvas.setPointerCapture?.(pointerId);

  const move = (moved: PointerEvent) => {
    const before = fingers.get(moved.pointerId);
    if (moved.pointerId !== pointerId || before === undefined) return;
    const now = { x: moved.clientX, y: moved.clientY };
    const other = [...fingers].find(([id]) => id !== pointerId)?.[1];
    fingers.set(pointerId, now);
    if (other === undefined) return stage.pan(now.x - before.x, now.y - before.y);
    wasPinch = true;
    const box = canvas.getBoundingClientRect();
    const middle = { x: (now.x + other.x) / 2 - box.left, y: (now.y + other.y) / 2 - box.top };
    const apart = distance(before, other);
    if (apart > 0) stage.zoomBy(distance(now, other) / apart, middle);
    stage.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
  };
  const stop = (ended: PointerEvent) => {
    if (ended.pointerId !== pointerId) return;
    if (fingers.size > 1) wasPinch = true;
    fingers.delete(pointerId);
    canvas.removeEventListener("pointermove", move);
    canvas.removeEventListener("pointerup", stop);
    canvas.removeEventListener("pointercancel", stop);
    const [dx, dy] = [ended.clientX - start.x, ended.clientY - start.y];
    const isSwipe = Math.abs(dx) > SWIPE_PX && Math.abs(dx) > SIDEWAYS * Math.abs(dy);
    if (maySwipe && !wasPinch && isSwipe && ended.type === "pointerup" && !stage.isZoomed)
      stage.onSwipe(dx < 0 ? 1 : -1);
  };
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", stop);
  canvas.addEventListener("pointercancel", stop);
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
