/**
 * The keyboard within a widget: its keys do not reach the notebook, and the notebook's do not reach it.
 *
 * JupyterLab listens on the document, before any element hears of a key; it leaves alone what happens inside
 * `data-lm-suppress-shortcuts`. What bubbles up to the notebook is stopped at the root.
 */

import { isOwnPage } from "../own_page.ts";

const EVENTS = ["keydown", "keyup", "keypress"] as const;

/**
 * Give a root element the keyboard.
 *
 * @param onKey Called with every key pressed inside; returns whether it was handled, so that nothing else happens.
 * @returns A function that gives the keyboard back for good.
 */
export function takeKeyboard(root: HTMLElement, onKey: (event: KeyboardEvent) => boolean): () => void {
  root.tabIndex = 0;
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  const capture = (event: KeyboardEvent) => {
    if (event.isComposing || !onKey(event)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const stop = (event: Event) => event.stopPropagation();
  const click = (event: MouseEvent) => {
    // A notebook moves the focus to the cell that was clicked in; the keys belong to what was clicked.
    const { activeElement } = root.ownerDocument;
    if (activeElement === null || !root.contains(activeElement)) root.focus({ preventScroll: true });
    else if (activeElement instanceof HTMLButtonElement && event.detail > 0)
      root.focus({ preventScroll: true });
  };
  root.addEventListener("keydown", capture, true);
  for (const name of EVENTS) root.addEventListener(name, stop);
  root.addEventListener("click", click);
  const stopKeeping = keepFocus(root);
  return () => {
    stopKeeping();
    root.removeEventListener("keydown", capture, true);
    for (const name of EVENTS) root.removeEventListener(name, stop);
    root.removeEventListener("click", click);
  };
}

/**
 * Where what has the focus goes away or is switched off, a browser gives the keys to nobody: keep them here.
 *
 * @returns A function that stops it.
 */
function keepFocus(root: HTMLElement): () => void {
  const { ownerDocument: page } = root;
  let last: Element | null = null;
  const enter = ({ target }: FocusEvent) => {
    last = target as Element;
  };
  const check = () => {
    const { activeElement } = page;
    const isNobodys = activeElement === null || activeElement === page.body || activeElement === last;
    const isGone = last !== null && (!last.isConnected || last.matches(":disabled"));
    if (isGone && isNobodys) (root.querySelector("dialog") ?? root).focus({ preventScroll: true });
    else if (activeElement !== last) last = null;
  };
  const leave = () => queueMicrotask(check);
  const observer = new MutationObserver(check);
  observer.observe(root, { subtree: true, childList: true, attributeFilter: ["disabled"] });
  root.addEventListener("focusin", enter);
  root.addEventListener("focusout", leave);
  return () => {
    observer.disconnect();
    root.removeEventListener("focusin", enter);
    root.removeEventListener("focusout", leave);
  };
}

/** Focus the root as it appears, unless somebody is writing elsewhere at this moment. */
export function focusOnAppearing(root: HTMLElement): void {
  const { activeElement } = root.ownerDocument;
  const isWriting =
    activeElement instanceof HTMLElement &&
    (activeElement.isContentEditable || activeElement.matches("input, textarea")) &&
    (activeElement.textContent !== "" || (activeElement as HTMLInputElement).value !== undefined);
  if (!isWriting) root.focus({ preventScroll: true });
}

/**
 * Let go of the keyboard: nobody has it, so that the next letter cuts no cell, as `x` does in a notebook's command mode.
 *
 * If Escape is the very next key, the notebook gets it after all: the cell that the widget stands in.
 */
export function letGoOfKeyboard(root: HTMLElement): void {
  const { ownerDocument: page } = root;
  if (page.activeElement instanceof HTMLElement) page.activeElement.blur();
  const next = (event: KeyboardEvent) => {
    page.removeEventListener("keydown", next, true);
    const isNobodys = page.activeElement === null || page.activeElement === page.body;
    if (event.key !== "Escape" || !isNobodys || isOwnPage()) return;
    event.preventDefault();
    event.stopPropagation();
    // Start outside the root: the root itself can have the focus.
    const cell = ".jp-Cell[tabindex], .jp-Notebook [tabindex], .jp-Notebook";
    root.parentElement?.closest<HTMLElement>(cell)?.focus({ preventScroll: true });
  };
  page.addEventListener("keydown", next, true);
}
