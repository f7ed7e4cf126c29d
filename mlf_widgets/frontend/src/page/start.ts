/** A light session's page: it shows the widget whose bundle it loads. */

import { pageAddress, pageKey } from "../shared/own_page.ts";
import type { RenderProps } from "../shared/views/mount.ts";
import { type FirstImage, type Opening, PageChannel } from "./channel.ts";

/** Show a widget if the bundle was loaded by a page of the service; in a notebook, anywidget does that. */
export function startOnPage(render: (props: RenderProps) => void): void {
  const at = typeof document === "undefined" ? undefined : pageAddress();
  if (at === undefined) return;
  const key = pageKey();
  const { mlfClasses: classes = "" } = document.body.dataset;
  const brought = JSON.parse(document.getElementById("mlf-opening")?.textContent ?? "null") as Opening | null;
  render({ model: new PageChannel({ at, key, classes }, brought, firstImage()), el: document.body });
}

function firstImage(): FirstImage | null {
  const shown = document.querySelector<HTMLImageElement>("img[data-mlf-position]");
  if (shown === null) return null;
  return { position: Number(shown.dataset.mlfPosition), address: shown.src, remove: () => shown.remove() };
}
