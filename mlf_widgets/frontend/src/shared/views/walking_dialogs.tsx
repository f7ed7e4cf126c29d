/** The dialogs of a widget that walks from image to image: which one is open, and those that all such widgets share. */

import { useComputed } from "@preact/signals";
import type { ComponentChildren, ComponentType } from "preact";
import { t } from "../words.ts";
import { Dialog } from "./dialog.tsx";
import { Guidelines } from "./guidelines.tsx";
import { OwnProgressDialog } from "./own_progress.tsx";
import type { WalkingScreen } from "./walking_screen.ts";

export interface DialogPartProps<S extends WalkingScreen = WalkingScreen> {
  screen: S;
  onClose(): void;
}

export interface CompareProps<S extends WalkingScreen = WalkingScreen> extends DialogPartProps<S> {
  classIndex: number;
  /** Which example, from 0. */
  number: number;
}

export interface WalkingDialogsProps<S extends WalkingScreen> {
  screen: S;
  Help: ComponentType<DialogPartProps<S>>;
  Search: ComponentType<DialogPartProps<S>>;
  Compare: ComponentType<CompareProps<S>>;
}

export function WalkingDialogs<S extends WalkingScreen>(props: WalkingDialogsProps<S>) {
  const { screen, Help, Search, Compare } = props;
  const dialog = useComputed(() => screen.controller.state.value.dialog).value;
  const close = () => screen.controller.open(null);
  switch (dialog?.kind) {
    case "help":
      return <Help screen={screen} onClose={close} />;
    case "guidelines":
      return <Guidelines screen={screen} onClose={close} />;
    case "own_progress":
      return <OwnProgressDialog screen={screen} onClose={close} />;
    case "search":
      return <Search screen={screen} onClose={close} />;
    case "compare":
      return (
        <Compare screen={screen} classIndex={dialog.classIndex} number={dialog.number} onClose={close} />
      );
    default:
      return null;
  }
}

export interface KeysDialogProps {
  onClose(): void;
  /** The table of keys. */
  keys: ComponentChildren;
  /** What else there is to know. */
  children: ComponentChildren;
}

export function KeysDialog({ onClose, keys, children }: KeysDialogProps) {
  return (
    <Dialog kind="help" title={t("Keys")} onClose={onClose}>
      <div class="mlf-dialog-scroll" tabIndex={0} role="group" aria-label={t("List of keys")}>
        {keys}
        <p class="mlf-muted">{children}</p>
      </div>
    </Dialog>
  );
}

/** How a class that was found is added. */
export function AddingKeys() {
  return (
    <p class="mlf-muted">
      <kbd>↑</kbd> <kbd>↓</kbd> {t("choose,")} <kbd>Enter</kbd> {t("adds the label,")} <kbd>⇧ Enter</kbd>{" "}
      {t("adds it as unsure")}
    </p>
  );
}
