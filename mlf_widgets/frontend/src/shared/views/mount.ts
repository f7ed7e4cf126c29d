/** The root element of a widget, and what it hears from the page around it. */

import { isReopening } from "../reopening.ts";
import { focusOnAppearing, takeKeyboard } from "./keyboard.ts";

export interface RootListeners {
  /** A key pressed within; returns whether it was taken. */
  onKey(event: KeyboardEvent): boolean;
  /** The person did something. */
  onActivity(): void;
  onHidden(isHidden: boolean): void;
  /** Whether closing the page now would leave something behind. */
  hasUnsaved(): boolean;
}

export interface Root {
  element: HTMLElement;
  listen(listeners: RootListeners): void;
  close(): void;
}

/**
 * Put a widget's root into the element that anywidget gives.
 *
 * @param name `annotator`, `refiner` or `grid`: the value of its `data-mlf`.
 * @param label What a screen reader calls it.
 */
export function mountRoot(el: HTMLElement, name: string, label: string): Root {
  const element = document.createElement("div");
  element.className = "mlf-root";
  element.dataset.mlf = name;
  element.dataset.ready = "false";
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label);
  if (document.body.hasAttribute("data-voila")) element.classList.add("mlf-fills-window");
  el.append(element);
  const stops: (() => void)[] = [];
  const on = (target: EventTarget, type: string, listener: (event: Event) => void, passive = true) => {
    target.addEventListener(type, listener, { passive });
    stops.push(() => target.removeEventListener(type, listener));
  };
  return {
    element,
    listen({ onKey, onActivity, onHidden, hasUnsaved }) {
      stops.push(takeKeyboard(element, onKey));
      for (const type of ["pointermove", "pointerdown", "wheel"]) on(element, type, onActivity);
      on(document, "visibilitychange", () => onHidden(document.hidden));
      on(window, "beforeunload", (event) => hasUnsaved() && !isReopening() && event.preventDefault(), false);
      // Once it is in the page: an element outside has no room and cannot have the focus.
      requestAnimationFrame(() => {
        stops.push(fitIntoNotebook(element));
        element.scrollIntoView({ block: "nearest" });
        focusOnAppearing(element);
      });
    },
    close() {
      for (const stop of stops) stop();
      element.remove();
    },
  };
}

const MARGIN_PX = 24;
const LARGEST_PX = 1000;
const SMALLEST_PX = 420;
const NARROW_PX = 640;

/** As high as the notebook's own window, so that nothing of the widget needs scrolling; marked where it is narrow. */
function fitIntoNotebook(element: HTMLElement): () => void {
  if (typeof ResizeObserver === "undefined") return () => {};
  const panel = element.closest(".jp-WindowedPanel-outer, .jp-Notebook");
  const observer = new ResizeObserver(() => {
    element.classList.toggle("mlf-narrow", element.clientWidth < NARROW_PX);
    if (panel === null || element.classList.contains("mlf-fills-window")) return;
    const height_px = Math.min(Math.max(panel.clientHeight - MARGIN_PX, SMALLEST_PX), LARGEST_PX);
    element.style.setProperty("--mlf-height", `${height_px}px`);
  });
  observer.observe(element);
  if (panel !== null) observer.observe(panel);
  return () => observer.disconnect();
}
