/** The image: fitted, zoomed by wheel, keys and buttons, moved by dragging; drawn on one canvas. */

import { type Signal, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Region } from "../messages.ts";
import type { DecodedImage } from "../pictures.ts";
import { t } from "../words.ts";
import { beginGesture } from "./gestures.ts";
import { FITTED, fitScale, movedBy, placement, type Size, type Viewport, zoomedAt } from "./viewport.ts";

const ZOOM_STEP = 1.25;
const PAN_STEP_PX = 80;

export interface MarkedRegions {
  name: string;
  regions: readonly Region[];
  /** Drawn thin and broken, so that the image stays what is looked at. */
  isFaint?: boolean;
}

/** What is drawn, and where; lives as long as the widget, while the component only gives it its canvas. */
export class Stage {
  /** CSS pixels per pixel of the original, in percent; 0 while nothing is shown. */
  readonly percent: Signal<number> = signal(0);
  readonly hasFullResolution: Signal<boolean> = signal(false);
  /** Called when the person looks closer than the picture at hand is sharp. */
  onWantsMore: () => void = () => {};
  /** Called when a finger swipes over the fitted image: 1 towards what comes next. */
  onSwipe: (direction: 1 | -1) => void = () => {};

  private canvas: HTMLCanvasElement | null = null;
  private stage: Size = { width: 0, height: 0 };
  private view: Viewport = FITTED;
  private key: string | number | null = null;
  private image: DecodedImage | undefined;
  private full: DecodedImage | undefined;
  private marks: readonly MarkedRegions[] = [];
  private frame = 0;

  /** What is on the canvas now; null while it is empty. */
  get drawnKey(): string | number | null {
    return this.image === undefined ? null : this.key;
  }

  /** Draw an image in this task; a different key means a different image, which starts fitted. */
  show(key: string | number, image: DecodedImage | undefined, marks: readonly MarkedRegions[] = []): void {
    if (key !== this.key) {
      this.view = FITTED;
      this.dropFull();
    }
    this.key = key;
    this.image = image;
    this.marks = marks;
    this.draw();
  }

  /** The same image in full resolution; the stage closes the bitmap. */
  showFull(key: string | number, full: DecodedImage): void {
    if (key !== this.key) {
      full.bitmap.close();
      return;
    }
    this.dropFull();
    this.full = full;
    this.hasFullResolution.value = true;
    this.draw();
  }

  zoom(direction: 1 | -1, at?: { x: number; y: number }): void {
    this.zoomBy(direction === 1 ? ZOOM_STEP : 1 / ZOOM_STEP, at);
  }

  zoomBy(factor: number, at?: { x: number; y: number }): void {
    const size = this.imageSize();
    if (size === null) return;
    const point = at ?? { x: this.stage.width / 2, y: this.stage.height / 2 };
    this.view = zoomedAt(this.view, factor, point, size, this.stage);
    this.drawSoon();
    if (!this.isSharp()) this.onWantsMore();
  }

  /** Show a pixel of the original as a pixel of the screen. */
  actualSize(): void {
    const size = this.imageSize();
    if (size === null) return;
    this.zoomBy(1 / devicePixelRatio / (fitScale(size, this.stage) * this.view.scale));
  }

  fit(): void {
    this.view = FITTED;
    this.drawSoon();
  }

  pan(dx: number, dy: number): void {
    const size = this.imageSize();
    if (size === null) return;
    this.view = movedBy(this.view, dx, dy, size, this.stage);
    this.drawSoon();
  }

  panStep(x: -1 | 0 | 1, y: -1 | 0 | 1): void {
    this.pan(-x * PAN_STEP_PX, -y * PAN_STEP_PX);
  }

  get isZoomed(): boolean {
    return this.view.scale > 1;
  }

  attach(canvas: HTMLCanvasElement): void {
    this.canvas = canvas;
    this.resize();
  }

  detach(): void {
    this.canvas = null;
    cancelAnimationFrame(this.frame);
  }

  close(): void {
    this.detach();
    this.dropFull();
    this.image = undefined;
  }

  /** The space for the image has changed. */
  resize(): void {
    const { canvas } = this;
    if (canvas === null) return;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (width !== this.stage.width || height !== this.stage.height) this.stage = { width, height };
    const wide = Math.round(width * devicePixelRatio);
    const high = Math.round(height * devicePixelRatio);
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    this.draw();
  }

  private drawSoon(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const context = this.canvas?.getContext("2d");
    if (!this.canvas || !context) return;
    const ratio = devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const size = this.imageSize();
    const bitmap = (this.full ?? this.image)?.bitmap;
    if (size === null || bitmap === undefined || bitmap.width === 0) {
      this.percent.value = 0;
      return;
    }
    this.canvas.toggleAttribute("data-zoomed", this.isZoomed);
    const { left, top, width, height } = placement(this.view, size, this.stage);
    const magnified = width / bitmap.width;
    context.imageSmoothingEnabled = magnified < 4;
    context.imageSmoothingQuality = magnified < 0.6 ? "medium" : "low";
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.drawImage(bitmap, left, top, width, height);
    this.drawMarks(context, left, top, width, height);
    this.percent.value = Math.round((100 * width) / size.width);
  }

  private drawMarks(
    context: CanvasRenderingContext2D,
    left: number,
    top: number,
    width: number,
    height: number,
  ): void {
    if (this.marks.length === 0) return;
    context.font = "12px sans-serif";
    context.textBaseline = "bottom";
    for (const { name, regions, isFaint = false } of this.marks) {
      context.globalAlpha = isFaint ? 0.65 : 1;
      context.setLineDash(isFaint ? [6, 4] : []);
      for (const region of regions) {
        const x = left + region.x * width;
        const y = top + region.y * height;
        const isBox = region.kind === "box";
        for (const [colour, line] of [
          ["rgba(0, 0, 0, 0.7)", isFaint ? 2.5 : 4],
          ["#ffd54f", isFaint ? 1.25 : 2],
        ] as const) {
          context.strokeStyle = colour;
          context.lineWidth = line;
          context.beginPath();
          if (isBox) context.rect(x, y, (region.width ?? 0) * width, (region.height ?? 0) * height);
          else context.arc(x, y, 6, 0, 2 * Math.PI);
          context.stroke();
        }
        const textWidth = context.measureText(name).width;
        const textX = isBox ? x : x + 10;
        // A frame's words lie inside it: those of its neighbours would otherwise hide them.
        const textY = isFaint ? y + 16 : Math.max(isBox ? y - 2 : y + 6, 14);
        context.fillStyle = "rgba(0, 0, 0, 0.7)";
        context.fillRect(textX, textY - 14, textWidth + 6, 15);
        context.fillStyle = "#ffd54f";
        context.fillText(name, textX + 3, textY);
      }
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  /** The original's size: what is drawn keeps its place when a sharper picture arrives. */
  private imageSize(): Size | null {
    if (this.image === undefined) return null;
    return { width: this.image.widthPx, height: this.image.heightPx };
  }

  private isSharp(): boolean {
    const size = this.imageSize();
    const bitmap = (this.full ?? this.image)?.bitmap;
    if (size === null || bitmap === undefined || bitmap.width >= size.width) return true;
    const { width } = placement(this.view, size, this.stage);
    return width * devicePixelRatio <= bitmap.width;
  }

  private dropFull(): void {
    this.full?.bitmap.close();
    this.full = undefined;
    this.hasFullResolution.value = false;
  }
}

export interface ImageStageProps {
  stage: Stage;
  /** Names the image for people who cannot see it. */
  label: string;
}

export function ImageStage({ stage, label }: ImageStageProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (canvas.current === null) return;
    stage.attach(canvas.current);
    return () => stage.detach();
  }, [stage]);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const observer = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(() => stage.resize());
    observer?.observe(element);
    // Preact's own wheel handlers are passive: they could not keep the page from scrolling.
    const wheel = (event: WheelEvent) => {
      // The notebook scrolls if there is nothing to zoom out of, or if the person is working elsewhere.
      const isInUse = element.closest("[data-mlf]")?.contains(document.activeElement) ?? true;
      if (!isInUse || (event.deltaY > 0 && !stage.isZoomed)) return;
      event.preventDefault();
      const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * 30;
      stage.zoomBy(Math.exp(-pixels / 400), pointIn(element, event));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      observer?.disconnect();
      element.removeEventListener("wheel", wheel);
    };
  }, [stage]);
  return (
    <canvas
      ref={canvas}
      class="mlf-stage-canvas"
      role="img"
      aria-label={label}
      onPointerDown={(event) => beginGesture(event, stage)}
      onDblClick={(event) =>
        stage.isZoomed ? stage.fit() : stage.zoomBy(2.5, pointIn(event.currentTarget, event))
      }
    />
  );
}

function pointIn(element: HTMLElement, event: MouseEvent): { x: number; y: number } {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

export interface ZoomButtonsProps {
  stage: Stage;
  onFull: () => void;
  /** How the keys are written: zoom in, zoom out, fit, full resolution. */
  keys: Record<"zoom_in" | "zoom_out" | "zoom_fit" | "full_resolution", string>;
  children?: ComponentChildren;
}

export function ZoomButtons({ stage, onFull, keys, children }: ZoomButtonsProps) {
  const percent = stage.percent.value;
  const isOff = percent === 0;
  return (
    <div class="mlf-zoom" role="group" aria-label={t("Zoom")}>
      <button
        type="button"
        disabled={isOff}
        aria-label={t("Zoom out")}
        title={t("Zoom out ({key})", { key: keys.zoom_out })}
        onClick={() => stage.zoom(-1)}
      >
        −
      </button>
      <span class="mlf-zoom-percent" aria-hidden="true">
        {isOff ? "–" : `${percent}%`}
      </span>
      <button
        type="button"
        disabled={isOff}
        aria-label={t("Zoom in")}
        title={t("Zoom in ({key})", { key: keys.zoom_in })}
        onClick={() => stage.zoom(1)}
      >
        +
      </button>
      <button
        type="button"
        disabled={isOff}
        title={t("Fit the image ({key})", { key: keys.zoom_fit })}
        onClick={() => stage.fit()}
      >
        {t("Fit")}
      </button>
      <button
        type="button"
        disabled={isOff}
        aria-pressed={stage.hasFullResolution.value}
        title={t("Full resolution, pixel by pixel ({key})", { key: keys.full_resolution })}
        onClick={onFull}
      >
        1:1
      </button>
      {children}
    </div>
  );
}
