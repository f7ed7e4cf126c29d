/** Whether the page around a widget is ours: Voilà shows it alone, or it is a light session's page of the service. */

/** A widget has this page to itself: it fills the window, and may load it again. */
export function isOwnPage(): boolean {
  return document.body.hasAttribute("data-voila") || document.body.hasAttribute("data-mlf-page");
}

/** Where a light session's page asks for things; undefined on every other page. */
export function pageAddress(): string | undefined {
  return document.body?.dataset.mlfPage;
}

/** What a light session's page shows with its requests; empty on every other page. */
export function pageKey(): string {
  return document.body.dataset.mlfKey ?? "";
}
