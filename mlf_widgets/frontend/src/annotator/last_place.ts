/**
 * Where this tab stood, so that a reload or a new kernel shows the same image again.
 *
 * The store knows the image of the last decision alone; who has only looked back or ahead since stands elsewhere. Work
 * that was done in another tab or on another machine meanwhile counts for more than what this tab remembers.
 */

import type { KeyedStorage } from "../shared/save_queue.ts";

export class LastPlace {
  private readonly key: string;

  constructor(
    scope: string,
    private readonly storage: Pick<KeyedStorage, "getItem" | "setItem"> | null,
  ) {
    this.key = `mlf-place:${scope}`;
  }

  /** Remember a position, and the last event in the log as far as this tab knows. */
  keep(position: number, last_seq: number): void {
    try {
      this.storage?.setItem(this.key, JSON.stringify([position, last_seq]));
    } catch {
      // Storage is full or forbidden: the store's own word will do.
    }
  }

  /** The position kept, or null where there is none or the log has gone on without this tab. */
  find(last_seq: number): number | null {
    try {
      const kept: unknown = JSON.parse(this.storage?.getItem(this.key) ?? "null");
      if (!Array.isArray(kept)) return null;
      const [position, known_seq] = kept as unknown[];
      return Number.isInteger(position) && typeof known_seq === "number" && last_seq <= known_seq
        ? (position as number)
        : null;
    } catch {
      return null;
    }
  }
}

/** The storage of this tab, or null where a frame has none. */
export function tabStorage(): KeyedStorage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
