/** The examples of one class: one canvas, drawn from the sprite in which they arrived. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { type DecodedSprite, drawExamples } from "../pictures.ts";
import { exampleAt, type StripLayout, stripSize } from "./strip_layout.ts";

export interface ExampleStripProps {
  sprite: DecodedSprite | undefined;
  layout: StripLayout;
  /** Whether it is worth drawing now. */
  isOn?: boolean;
  /** Which example stands out. */
  chosen?: number;
  label: string;
  onPick(number: number): void;
  /** Called with what is on the canvas: this sprite, or nothing. */
  onDrawn?(sprite: DecodedSprite | null): void;
}

export function ExampleStrip(props: ExampleStripProps) {
  const { sprite, layout, isOn = true, chosen, label, onPick, onDrawn } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const nExamples = sprite?.head.n_examples ?? 0;
  const size = stripSize(layout, nExamples);
  // Draw before the browser paints the words of this class: no picture may stand beside another class's name.
  useLayoutEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    if (!isOn || sprite === undefined) {
      element.getContext("2d")?.clearRect(0, 0, element.width, element.height);
      onDrawn?.(null);
      return;
    }
    const ratio = devicePixelRatio;
    const width = Math.max(1, Math.round(size.width * ratio));
    const height = Math.max(1, Math.round(size.height * ratio));
    if (element.width !== width || element.height !== height) {
      element.width = width;
      element.height = height;
    }
    const context = element.getContext("2d");
    if (context !== null) {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, size.width, size.height);
      drawExamples(context, sprite, layout.sidePx, layout.gapPx, layout.nColumns);
      if (chosen !== undefined) frame(context, layout, chosen);
    }
    onDrawn?.(sprite);
  }, [sprite, layout, isOn, chosen, devicePixelRatio]);
  return (
    <button
      type="button"
      class="mlf-strip"
      aria-label={label}
      disabled={nExamples === 0}
      onClick={(event) => {
        if (event.detail === 0 || canvas.current === null) return onPick(chosen ?? 0); // by keyboard
        const box = canvas.current.getBoundingClientRect();
        const number = exampleAt(layout, nExamples, event.clientX - box.left, event.clientY - box.top);
        if (number !== null) onPick(number);
      }}
    >
      <canvas
        ref={canvas}
        aria-hidden="true"
        style={{ width: `${size.width}px`, height: `${size.height}px` }}
      />
    </button>
  );
}

function frame(context: CanvasRenderingContext2D, layout: StripLayout, number: number): void {
  const pitch = layout.sidePx + layout.gapPx;
  const x = (number % layout.nColumns) * pitch;
  const y = Math.floor(number / layout.nColumns) * pitch;
  context.lineWidth = 3;
  context.strokeStyle = "#1976d2";
  context.strokeRect(x + 1.5, y + 1.5, layout.sidePx - 3, layout.sidePx - 3);
}
