/** A page that was never open before, in its browser's only tab. */

import { afterEach, beforeEach, vi } from "vitest";
import type { RenderProps } from "../shared/views/mount.ts";
import { type FakeKernel, pretendToDecode } from "./fake_kernel.ts";

const closing: (() => void)[] = [];

/** Start over: pictures decode, no other tab answers, nothing is kept from before; `leavePage` ends it. */
export function openNewPage(): void {
  pretendToDecode();
  vi.stubGlobal("BroadcastChannel", undefined);
  window.localStorage.clear();
  window.sessionStorage.clear();
}

/** Give each test of the file a new page, and a clock that moves only when the test says so. */
export function eachTestOnANewPage(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    openNewPage();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}

/** Show a widget on the page as anywidget does; returns its root element. */
export function openWidget(
  widget: { render(props: RenderProps): () => void },
  kernel: FakeKernel,
): HTMLElement {
  const el = document.createElement("div");
  document.body.append(el);
  closing.push(widget.render({ model: kernel.channel(), el }));
  const root = el.querySelector<HTMLElement>("[data-mlf]");
  if (root === null) throw new Error("no root");
  return root;
}

export function closeWidgets(): void {
  for (const close of closing.splice(0)) close();
}

export function leavePage(): void {
  closeWidgets();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
}
