/** What each key press does to the annotation widget. */

import { keepTabInside } from "../shared/accessibility.ts";
import { keyName } from "../shared/key_names.ts";
import { isForTheControl, isTyping, type KeyAction, meaningOf, REPEATING_ACTIONS } from "../shared/keys.ts";
import { walk } from "../shared/views/walking_keys.ts";
import { t } from "../shared/words.ts";
import { turnClass, turnExample } from "./compare.ts";
import type { Controller } from "./controller.ts";
import type { Screen } from "./screen.ts";

/** Keys that go on doing what they do while they are held; only here do images fly past, at the pace they are painted. */
const REPEATING: ReadonlySet<KeyAction> = new Set([...REPEATING_ACTIONS, "next", "previous"]);

/** Do what a key press means; returns whether it meant anything here. */
export function press(event: KeyboardEvent, screen: Screen): boolean {
  const { controller, root } = screen;
  controller.touch();
  screen.learnFrom(event);
  const { dialog } = controller.state.peek();
  if (dialog !== null) return pressInDialog(event, screen);
  if (isTyping(event.target)) return pressInField(event, root);
  if (isSaveShortcut(event)) {
    controller.say(t("Decisions are saved as they are made"));
    return true;
  }
  const nLabels = screen.task.peek()?.proposals.length;
  const meaning = meaningOf(event, screen.ownKeys, screen.keyLayout.peek(), nLabels);
  if (meaning === null || isForTheControl(event)) return false;
  if (meaning.kind === "label") {
    const proposal = screen.task.peek()?.proposals[meaning.number];
    if (event.repeat || proposal === undefined) return true;
    screen.lastClass = proposal.class_index;
    controller.toggleLabel(meaning.number, meaning.isUnsure ? "unsure" : "yes");
    return true;
  }
  if (event.repeat && !REPEATING.has(meaning.action)) return true;
  // A key held down waits for each image to be on the screen: nobody flies past what was never shown.
  if (event.repeat && !screen.isPainted) return true;
  // Nor does it fly on from the last image.
  if (event.repeat && meaning.action === "next" && isAtTheEnd(controller)) return true;
  act(meaning.action, screen);
  return true;
}

function isAtTheEnd({ state }: Controller): boolean {
  const { position, progress } = state.peek();
  return position + 1 >= progress.n_tasks;
}

function act(action: KeyAction, screen: Screen): void {
  switch (action) {
    case "next_page":
      return screen.turnPage(1);
    case "previous_page":
      return screen.turnPage(-1);
    case "show_all":
      return screen.controller.toggleAll();
    case "compare":
      return screen.compare();
    case "definitions":
      screen.showsDefinitions.value = !screen.showsDefinitions.peek();
      return;
    case "frames":
      return screen.toggleFrames();
    case "searched":
      return screen.controller.toggleSearched();
    case "mark":
      return screen.markLast();
    case "unsure_label":
      return screen.unsureAboutLast();
    default:
      return walk(action, screen);
  }
}

function pressInField(event: KeyboardEvent, root: HTMLElement): boolean {
  const isDone =
    event.key === "Escape" || (event.key === "Enter" && !event.shiftKey && isComment(event.target));
  if (isDone || isSaveShortcut(event)) root.focus({ preventScroll: true }); // leaving the field keeps what is in it
  return isDone || isSaveShortcut(event);
}

function pressInDialog(event: KeyboardEvent, screen: Screen): boolean {
  const { controller, root } = screen;
  const { dialog } = controller.state.peek();
  if (event.key === "Escape") {
    controller.open(null);
    return true;
  }
  const element = root.querySelector<HTMLElement>("dialog");
  if (event.key === "Tab") return element !== null && keepTabInside(element, event);
  if (isSaveShortcut(event)) return true;
  if (isTyping(event.target)) return false;
  const meaning = meaningOf(event, screen.ownKeys, screen.keyLayout.peek());
  if (meaning === null) return false;
  if (dialog?.kind === "compare" && meaning.kind === "label" && !event.repeat) {
    controller.toggleLabel(meaning.number, meaning.isUnsure ? "unsure" : "yes");
    return true;
  }
  if (meaning.kind !== "action") return true;
  const closes: Record<string, KeyAction> = { help: "help", guidelines: "guidelines", compare: "compare" };
  if (dialog !== null && closes[dialog.kind] === meaning.action) controller.open(null);
  if (dialog?.kind === "compare") {
    if (meaning.action === "next") turnExample(screen, 1);
    if (meaning.action === "previous") turnExample(screen, -1);
    if (meaning.action === "next_page") turnClass(screen, 1);
    if (meaning.action === "previous_page") turnClass(screen, -1);
    return true;
  }
  // Page actions are left to the browser: their arrows scroll a long dialog.
  return !meaning.action.endsWith("_page");
}

function isComment(target: EventTarget | null): boolean {
  return target instanceof HTMLTextAreaElement;
}

function isSaveShortcut(event: KeyboardEvent): boolean {
  return (event.ctrlKey || event.metaKey) && !event.altKey && keyName(event) === "s";
}
