/** The state of saving, in words that claim no more than the store has acknowledged. */

import type { SaveStatus } from "../save_queue.ts";
import { t } from "../words.ts";

export function savedWords({ state, nWaiting, isKept, reason }: SaveStatus): string {
  const decisions = nWaiting === 1 ? t("1 decision") : t("{n} decisions", { n: nWaiting });
  switch (state) {
    case "saved":
      return t("Saved");
    case "saving":
      return t("Saving…");
    case "offline":
      return isKept
        ? t("Offline: {decisions} kept on this machine", { decisions })
        : t("Offline: {decisions} not saved, keep this page open", { decisions });
    case "failed":
      return t("Not saved: {reason}", { reason });
  }
}

export interface SavedStateProps {
  status: SaveStatus;
  /** A decision was refused, and the person has read why; left out where something else says so at length. */
  onDismiss?: (() => void) | undefined;
}

export function SavedState({ status, onDismiss }: SavedStateProps) {
  const words = savedWords(status);
  return (
    <span class={`mlf-saved mlf-saved-${status.state}`}>
      <span class="mlf-saved-dot" aria-hidden="true" />
      <span role="status" class="mlf-saved-words" title={status.reason || words}>
        {words}
      </span>
      {status.state === "failed" && onDismiss !== undefined && (
        <button type="button" class="mlf-plain" onClick={onDismiss}>
          {t("OK")}
        </button>
      )}
    </span>
  );
}
