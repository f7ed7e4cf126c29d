/** The dialogs of a widget that walks from image to image: which one is open, and those that all such widgets share. */

import { useComputed } from "@preact/signals";
import type { ComponentChildren, ComponentType } from "preact";
import { Dialog } from "./dialog.tsx";
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

function Guidelines({ screen, onClose }: DialogPartProps) {
  const text = screen.controller.state.peek().info?.annotation.guidelines.trim() ?? "";
  return (
    <Dialog kind="guidelines" title="Guidelines" onClose={onClose}>
      <div
        class="mlf-dialog-scroll mlf-guidelines"
        tabIndex={0}
        role="group"
        aria-label="Text of the guidelines"
      >
        {text || "This project has no guidelines."}
      </div>
    </Dialog>
  );
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
    <Dialog kind="help" title="Keys" onClose={onClose}>
      <div class="mlf-dialog-scroll" tabIndex={0} role="group" aria-label="List of keys">
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
      <kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Enter</kbd> adds the label, <kbd>⇧ Enter</kbd> adds it as unsure
    </p>
  );
}
