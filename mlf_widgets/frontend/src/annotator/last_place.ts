/**
 * Where this tab stood, so that a reload or a new kernel shows the same image again.
 *
 * The store knows only the image of the last decision; someone who has looked back or ahead since is elsewhere. Work
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
  keep(position: number, lastSeq: number): void {
    try {
      this.storage?.setItem(this.key, JSON.stringify([position, lastSeq]));
    } catch {
      // Storage is full or forbidden: the store's own word will do.
    }
  }

  /** The position kept, or null where there is none or the log has gone on without this tab. */
  find(lastSeq: number): number | null {
    try {
      const kept: unknown = JSON.parse(this.storage?.getItem(this.key) ?? "null");
      if (!Array.isArray(kept)) return null;
      const [position, knownSeq]: unknown[] = kept;
      if (typeof position !== "number" || typeof knownSeq !== "number") return null;
      return Number.isInteger(position) && lastSeq <= knownSeq ? position : null;
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
