/** What those keys do that mean the same in every widget that walks from image to image. */

import type { WalkAction } from "../keys.ts";
import { letGoOfKeyboard } from "./keyboard.ts";
import type { WalkingScreen } from "./walking_screen.ts";

export function walk(action: WalkAction, screen: WalkingScreen): void {
  const { controller, stage, root } = screen;
  switch (action) {
    case "next":
      return void controller.step(1);
    case "previous":
      return void controller.step(-1);
    case "none":
      return controller.toggleNone();
    case "unsure":
      return controller.toggleUnsure();
    case "undo":
    case "redo":
      return void controller.undo(action);
    case "search":
    case "guidelines":
    case "help":
      return controller.open({ kind: action });
    case "comment":
    case "jump":
    case "filter":
      return focusField(root, `.mlf-${action}`);
    case "first_not_done":
      return void controller.goToFirstNotDone();
    case "zoom_in":
      return stage.zoom(1);
    case "zoom_out":
      return stage.zoom(-1);
    case "zoom_fit":
      return stage.fit();
    case "full_resolution":
      return void screen.showActualSize();
    case "pan_left":
      return stage.panStep(-1, 0);
    case "pan_right":
      return stage.panStep(1, 0);
    case "pan_up":
      return stage.panStep(0, -1);
    case "pan_down":
      return stage.panStep(0, 1);
    case "leave":
      return letGoOfKeyboard(root);
    default:
      return action satisfies never; // an action without a case does not compile
  }
}

function focusField(root: HTMLElement, selector: string): void {
  const field = root.querySelector<HTMLElement>(selector);
  field?.focus();
  if (field instanceof HTMLInputElement) field.select();
}
