/** A widget in the page, from its arrival to its removal: its root element, and what it hears from the page around it. */

import { effect } from "@preact/signals";
import { type ComponentType, render as draw, h } from "preact";
import { isOwnPage } from "../own_page.ts";
import type { Channel } from "../protocol.ts";
import { isReopening } from "../reopening.ts";
import { type English, t } from "../words.ts";
import { focusOnAppearing, takeKeyboard } from "./keyboard.ts";

/** What anywidget gives to a widget that it draws. */
export interface RenderProps {
  model: Channel;
  el: HTMLElement;
}

/** What a widget does. */
export interface MountedController {
  start(): Promise<void>;
  close(): void;
  /** The person did something. */
  touch?(): void;
  setHidden?(isHidden: boolean): void;
}

/** What a widget has on the screen. */
export interface MountedScreen {
  /** Closing the page now would leave something behind. */
  readonly hasUnsaved: boolean;
  close(): void;
}

export interface ScreenParts<C extends MountedController, S extends MountedScreen> {
  /** The value of the root's `data-mlf`. */
  name: "annotator" | "refiner" | "grid" | "explorer";
  /** What a screen reader calls it. */
  label: English;
  makeController(model: Channel): C;
  makeScreen(controller: C, root: HTMLElement): S;
  /** A key pressed inside; returns whether it was handled. */
  press(event: KeyboardEvent, screen: S): boolean;
  View: ComponentType<{ screen: S }>;
}

/** Put a widget into the element that anywidget gives; returns what takes it away again. */
export function mountScreen<C extends MountedController, S extends MountedScreen>(
  { model, el }: RenderProps,
  { name, label, makeController, makeScreen, press, View }: ScreenParts<C, S>,
): () => void {
  const controller = makeController(model);
  const root = makeRoot(el, name);
  const stopNaming = effect(() => root.setAttribute("aria-label", t(label)));
  const screen = makeScreen(controller, root);
  const stopListening = listen(root, controller, screen, (event) => press(event, screen));
  draw(h(View, { screen }), root);
  void controller.start();
  return () => {
    controller.close();
    screen.close();
    draw(null, root);
    stopListening();
    stopNaming();
    root.remove();
  };
}

function makeRoot(el: HTMLElement, name: string): HTMLElement {
  const root = document.createElement("div");
  root.className = "mlf-root";
  root.dataset.mlf = name;
  root.dataset.ready = "false";
  root.setAttribute("role", "region");
  if (isOwnPage()) root.classList.add("mlf-fills-window");
  el.append(root);
  return root;
}

function listen(
  root: HTMLElement,
  controller: MountedController,
  screen: MountedScreen,
  onKey: (event: KeyboardEvent) => boolean,
): () => void {
  const stops = [takeKeyboard(root, onKey)];
  const on = (target: EventTarget, type: string, listener: (event: Event) => void, passive = true) => {
    target.addEventListener(type, listener, { passive });
    stops.push(() => target.removeEventListener(type, listener));
  };
  for (const type of ["pointermove", "pointerdown", "wheel"]) on(root, type, () => controller.touch?.());
  on(document, "visibilitychange", () => controller.setHidden?.(document.hidden));
  on(window, "beforeunload", (event) => screen.hasUnsaved && !isReopening() && event.preventDefault(), false);
  // Once it is in the page: an element outside has no size and cannot take the focus.
  requestAnimationFrame(() => {
    stops.push(fitIntoNotebook(root));
    root.scrollIntoView({ block: "nearest" });
    focusOnAppearing(root);
  });
  return () => {
    for (const stop of stops) stop();
  };
}

const MARGIN_PX = 24;
const LARGEST_PX = 1000;
const SMALLEST_PX = 220;
/** Below this width the image stands above the labels, and in a window that is higher than wide, below the other one. */
const NARROW_PX = 640;
const NARROW_UPRIGHT_PX = 1000;

/** As high as the notebook's own window, so that its buttons are always in sight; marked where it is narrow. */
function fitIntoNotebook(element: HTMLElement): () => void {
  if (typeof ResizeObserver === "undefined") return () => {};
  const panel = element.closest(".jp-WindowedPanel-outer, .jp-Notebook");
  const observer = new ResizeObserver(() => {
    const { clientWidth: widthPx } = element;
    const isUpright = (panel?.clientHeight ?? element.clientHeight) > widthPx;
    element.classList.toggle("mlf-narrow", widthPx < (isUpright ? NARROW_UPRIGHT_PX : NARROW_PX));
    if (panel === null || element.classList.contains("mlf-fills-window")) return;
    const heightPx = Math.min(Math.max(panel.clientHeight - MARGIN_PX, SMALLEST_PX), LARGEST_PX);
    element.style.setProperty("--mlf-height", `${heightPx}px`);
  });
  observer.observe(element);
  if (panel !== null) observer.observe(panel);
  return () => observer.disconnect();
}
