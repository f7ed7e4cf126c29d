/** The script of every page of a project's report: tables get their tools, and the explorer is drawn where there is one. */

import { h, render } from "preact";
import { SiteExplorer } from "./explorer.tsx";
import type { SiteData } from "./images.ts";
import { enhanceTable } from "./tables.ts";

declare global {
  interface Window {
    mlfSite?: SiteData;
  }
}

/** Sprites lie beside the data file, which in a hub does not lie beside the page. */
function withFilesBeside(data: SiteData): SiteData {
  const script = document.querySelector<HTMLScriptElement>("script[src$='explorer_data.js']");
  const files = data.sprites.files.map((file) => new URL(file, script?.src ?? location.href).href);
  return { ...data, sprites: { ...data.sprites, files } };
}

[...document.querySelectorAll<HTMLTableElement>("main table")].forEach(enhanceTable);
window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
const place = document.querySelector<HTMLElement>("[data-mlf='site']");
if (place !== null && window.mlfSite !== undefined) {
  const data = withFilesBeside(window.mlfSite);
  const draw = () => render(h(SiteExplorer, { data, key: location.hash }), place);
  place.textContent = "";
  draw();
  window.addEventListener("hashchange", draw);
  place.dataset.ready = "true";
}
