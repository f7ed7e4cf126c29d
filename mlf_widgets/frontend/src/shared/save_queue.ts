/**
 * Decisions on their way to the store.
 *
 * Each is kept on this machine, under its own storage key, from the moment it is made until the store acknowledges it; a
 * kernel that died or a page that was closed loses none. Sending one twice is harmless: the store knows its id.
 */

import type { AnnotationEvent, SaveResult } from "./messages.ts";
import { t } from "./words.ts";

export type SavedState = "saved" | "saving" | "offline" | "failed";

export interface SaveStatus {
  state: SavedState;
  nWaiting: number;
  /** Whether everything that waits is in this machine's storage, so that closing the page loses none of it. */
  isKept: boolean;
  /** Why it is offline or failed, in words. */
  reason: string;
}

/** What this needs from `localStorage`. */
export type KeyedStorage = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

export interface Refusal {
  event: AnnotationEvent;
  reason: string;
}

interface Waiting {
  event: AnnotationEvent;
  storageKey: string;
  isKept: boolean;
}

export interface SaveQueueOptions {
  /** Names the annotator's work: project, round, annotator. */
  scope: string;
  storage: KeyedStorage | null;
  send(events: AnnotationEvent[]): Promise<SaveResult[]>;
  onAcknowledged(event: AnnotationEvent, seq: number): void;
  onRefused(refusal: Refusal): void;
  onStatus(status: SaveStatus): void;
  schedule?(callback: () => void, delayMs: number): () => void;
}

const MAX_BATCH = 100;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8_000;

let lastStamp = 0;

export class SaveQueue {
  private waiting: Waiting[] = [];
  private isSending = false;
  private isClosed = false;
  private offlineReason = "";
  private refused = "";
  private retryMs = FIRST_RETRY_MS;
  private cancelRetry: () => void = () => {};
  private readonly prefix: string;
  private readonly schedule: NonNullable<SaveQueueOptions["schedule"]>;

  constructor(private readonly options: SaveQueueOptions) {
    this.prefix = `mlf:${options.scope}:`;
    this.schedule = options.schedule ?? scheduleTimeout;
  }

  get nWaiting(): number {
    return this.waiting.length;
  }

  /** Whether everything that waits is in this machine's storage, and so outlives the page. */
  get isKept(): boolean {
    return this.waiting.every(({ isKept }) => isKept);
  }

  get status(): SaveStatus {
    const counts = { nWaiting: this.waiting.length, isKept: this.isKept };
    if (this.refused !== "") return { state: "failed", ...counts, reason: this.refused };
    if (this.waiting.length === 0) return { state: "saved", ...counts, reason: "" };
    if (this.offlineReason !== "") return { state: "offline", ...counts, reason: this.offlineReason };
    return { state: "saving", ...counts, reason: "" };
  }

  /** Take over what an earlier page or kernel left behind; returns those events, oldest first. */
  restore(): AnnotationEvent[] {
    const known = new Set(this.waiting.map(({ storageKey }) => storageKey));
    const left = this.storedKeys()
      .filter((key) => !known.has(key))
      .sort()
      .flatMap((storageKey) => {
        const event = this.read(storageKey);
        return event === null ? [] : [{ event, storageKey: storageKey, isKept: true }];
      });
    this.waiting = [...left, ...this.waiting];
    this.tell();
    this.flush();
    return left.map(({ event }) => event);
  }

  add(event: AnnotationEvent): void {
    // Later than every earlier stamp, even within one millisecond: storage keys then sort in the order of decisions.
    lastStamp = Math.max(lastStamp + 1, Date.now() * 1000);
    const storageKey = `${this.prefix}${String(lastStamp).padStart(18, "0")}:${event.event_id}`;
    let isKept = this.options.storage !== null;
    try {
      this.options.storage?.setItem(storageKey, JSON.stringify(event));
    } catch {
      isKept = false; // Storage is full or forbidden: it still waits in memory, and closing the tab warns.
    }
    this.waiting.push({ event, storageKey: storageKey, isKept: isKept });
    this.tell();
    this.flush();
  }

  /** The store may be back: try now. */
  wake(): void {
    this.retryMs = FIRST_RETRY_MS;
    this.cancelRetry();
    this.flush();
  }

  /** The person has read why a decision was refused. */
  dismissRefusal(): void {
    this.refused = "";
    this.tell();
  }

  close(): void {
    this.isClosed = true;
    this.cancelRetry();
  }

  private flush(): void {
    if (this.isSending || this.isClosed || this.waiting.length === 0) return;
    this.isSending = true;
    this.cancelRetry();
    const batch = this.waiting.slice(0, MAX_BATCH);
    this.options.send(batch.map(({ event }) => event)).then(
      (results) => this.settle(batch, results),
      (error: unknown) => this.putOff(error instanceof Error ? error.message : String(error)),
    );
  }

  private settle(batch: Waiting[], results: SaveResult[]): void {
    this.isSending = false;
    const byId = new Map(results.map((result) => [result.event_id, result]));
    let reason = "";
    for (const waiting of batch) {
      const result = byId.get(waiting.event.event_id);
      if (result === undefined) {
        reason ||= t("the store did not confirm every decision");
      } else if (result.seq !== null) {
        this.forget(waiting);
        this.options.onAcknowledged(waiting.event, result.seq);
      } else if (result.is_final) {
        this.forget(waiting);
        this.refused = result.error;
        this.options.onRefused({ event: waiting.event, reason: result.error });
      } else {
        reason ||= result.error || t("the store is away");
      }
    }
    if (reason !== "") {
      this.putOff(reason);
      return;
    }
    this.offlineReason = "";
    this.retryMs = FIRST_RETRY_MS;
    this.tell();
    this.flush();
  }

  private putOff(reason: string): void {
    this.isSending = false;
    this.offlineReason = reason;
    this.tell();
    if (this.isClosed) return;
    this.cancelRetry = this.schedule(() => this.flush(), this.retryMs);
    this.retryMs = Math.min(2 * this.retryMs, LONGEST_RETRY_MS);
  }

  private forget(waiting: Waiting): void {
    this.waiting = this.waiting.filter((other) => other !== waiting);
    try {
      this.options.storage?.removeItem(waiting.storageKey);
    } catch {
      // It will be sent once more at the next start, which changes nothing.
    }
  }

  private storedKeys(): string[] {
    const { storage } = this.options;
    if (storage === null) return [];
    const keys = Array.from({ length: storage.length }, (_, i) => storage.key(i));
    return keys.filter((key): key is string => key?.startsWith(this.prefix) ?? false);
  }

  private read(storageKey: string): AnnotationEvent | null {
    try {
      return JSON.parse(this.options.storage?.getItem(storageKey) ?? "null") as AnnotationEvent | null;
    } catch {
      return null;
    }
  }

  private tell(): void {
    this.options.onStatus(this.status);
  }
}

/** The browser's storage, or null where a frame has none. */
export function browserStorage(): KeyedStorage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

function scheduleTimeout(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}
