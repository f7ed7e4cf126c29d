/** Keeping the keyboard inside an open dialog, and giving it back. */

const FOCUSABLE =
  "button:not([disabled]), input:not([disabled]), select:not([disabled]), textarea:not([disabled]), [tabindex]:not([tabindex='-1'])";

/** Cycle the focus inside `container` on Tab; returns whether the key was handled. */
export function keepTabInside(container: HTMLElement, event: KeyboardEvent): boolean {
  if (event.key !== "Tab") return false;
  const stops = [...container.querySelectorAll<HTMLElement>(FOCUSABLE)];
  const first = stops[0];
  const last = stops.at(-1);
  if (first === undefined || last === undefined) return false;
  const active = container.ownerDocument.activeElement;
  const wraps = event.shiftKey ? active === first || active === container : active === last;
  if (!wraps) return false;
  event.preventDefault();
  (event.shiftKey ? last : first).focus();
  return true;
}
