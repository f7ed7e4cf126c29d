/** A dialog above the widget: it holds the keyboard until it is closed. */

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../words.ts";

export interface DialogProps {
  title: string;
  onClose(): void;
  /** Names the look, such as `search` or `compare`. */
  kind: string;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, kind, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    const root = element.closest<HTMLElement>("[data-mlf]");
    if (!element.open) element.showModal();
    // By default the focus would start at the first button, which closes the dialog.
    (element.querySelector<HTMLElement>("input[type='text'], textarea") ?? element).focus();
    return () => {
      if (element.open) element.close();
      root?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      tabIndex={-1}
      class={`mlf-dialog mlf-dialog-${kind}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose(); // the backdrop
      }}
    >
      <div class="mlf-dialog-body">
        <div class="mlf-dialog-head">
          <h2 id={heading} dir="auto">
            {title}
          </h2>
          <button
            type="button"
            class="mlf-plain"
            aria-label={t("Close")}
            title={t("Close (Esc)")}
            onClick={onClose}
          >
            ✕
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
