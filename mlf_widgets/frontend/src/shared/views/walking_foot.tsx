/** The foot of a widget that walks from image to image: what can be done with the image, each with its key. */

import { useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { KeyAction } from "../keys.ts";
import { t } from "../words.ts";
import type { WalkingScreen } from "./walking_screen.ts";

interface Part {
  screen: WalkingScreen;
}

export interface FootProps extends Part {
  /** More ways to move about, after those that every widget has. */
  moreWays?: ComponentChildren;
  /** The last buttons, the main one among them. */
  children: ComponentChildren;
}

export function Foot({ screen, moreWays, children }: FootProps) {
  const { controller } = screen;
  const { state } = controller;
  const nUndo = useComputed(() => state.value.stacks.undo.length).value;
  const nRedo = useComputed(() => state.value.stacks.redo.length).value;
  const none = useComputed(() => screen.entry.value?.state.none ?? false).value;
  const unsure = useComputed(() => screen.entry.value?.state.unsure ?? false).value;
  return (
    <div class="mlf-foot" role="group" aria-label={t("Actions")}>
      <Action
        screen={screen}
        action="previous"
        words={t("‹ Previous")}
        onClick={() => void controller.step(-1)}
      />
      <Action
        screen={screen}
        action="undo"
        words={t("Undo")}
        isOff={nUndo === 0}
        onClick={() => void controller.undo("undo")}
      />
      <Action
        screen={screen}
        action="redo"
        words={t("Redo")}
        isOff={nRedo === 0}
        onClick={() => void controller.undo("redo")}
      />
      {moreWays}
      <Said screen={screen} />
      <Action
        screen={screen}
        action="search"
        words={t("Add label")}
        onClick={() => controller.open({ kind: "search" })}
      />
      <Action
        screen={screen}
        action="unsure"
        words={t("Unsure")}
        isOn={unsure}
        onClick={() => controller.toggleUnsure()}
      />
      <Action
        screen={screen}
        action="none"
        words={t("None of these")}
        isOn={none}
        onClick={() => controller.toggleNone()}
      />
      {children}
    </div>
  );
}

interface ButtonLook {
  words: string;
  onClick(): void;
  isOff?: boolean;
  isOn?: boolean;
  isMain?: boolean;
}

/** An action that all such widgets have: its key is the project's own where it has one. */
export function Action({ screen, action, ...look }: Part & ButtonLook & { action: KeyAction }) {
  return <OwnAction action={action} written={screen.keyOf(action)} {...look} />;
}

export interface OwnActionProps extends ButtonLook {
  action: string;
  /** Its key. */
  written: string;
}

/** An action of one widget alone. */
export function OwnAction(props: OwnActionProps) {
  const { action, words, written, onClick, isOff = false, isOn, isMain = false } = props;
  return (
    <button
      type="button"
      class={isMain ? "mlf-action mlf-action-main" : "mlf-action"}
      data-mlf-action={action}
      aria-disabled={isOff || undefined}
      aria-pressed={isOn}
      onClick={onClick}
    >
      {words} <kbd aria-hidden="true">{written}</kbd>
    </button>
  );
}

function Said({ screen }: Part) {
  const said = useComputed(() => screen.controller.state.value.said).value;
  return (
    <span class="mlf-said">
      <span class="mlf-said-words" aria-hidden="true">
        {said}
      </span>
      <span class="mlf-keys-off">{t("Click here to use the keys")}</span>
    </span>
  );
}
