/** Requests to the kernel over the widget's own channel, with promises for their replies. */

import { isNotice, isReply, type Notice, type Requests } from "./messages.ts";
import { t, told } from "./words.ts";

/** What this needs from anywidget's model. */
export interface Channel {
  send(content: unknown): void;
  on(name: "msg:custom", callback: (content: unknown, buffers: DataView[]) => void): void;
  off(name: "msg:custom", callback: (content: unknown, buffers: DataView[]) => void): void;
}

/** The code of a reply that a channel makes up when nobody answers: it may be asked for again. */
export const UNREACHABLE = "Unreachable";

/** The kernel did not answer in time, or cannot be reached: nothing is known, the same request may be sent again. */
export class UnreachableError extends Error {
  override name = "UnreachableError";
}

/** The kernel answered that it will not, or cannot. */
export class RefusedError extends Error {
  override name = "RefusedError";
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Whether too many large pictures are being made: this one must then be asked for again, after a moment. */
export function isCrowded(error: unknown): boolean {
  return error instanceof RefusedError && error.code === "CrowdedError";
}

/** What each kind of request takes and what its reply holds. */
export type RequestMap<Kind extends string> = Record<Kind, { params: unknown; result: unknown }>;

export interface Answered<R extends RequestMap<K>, K extends string> {
  result: R[K]["result"];
  buffers: DataView[];
}

interface Pending {
  resolve(answer: { result: unknown; buffers: DataView[] }): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

const TIMEOUT_MS = 20_000;

export class Client<R extends RequestMap<keyof R & string> = Requests> {
  private readonly pending = new Map<string, Pending>();
  private isClosed = false;
  /** Bytes of pictures and other buffers received. */
  receivedBytes = 0;

  constructor(
    private readonly channel: Channel,
    private readonly onNotice: (notice: Notice) => void = () => {},
  ) {
    channel.on("msg:custom", this.receive);
  }

  request<K extends keyof R & string>(
    kind: K,
    params: R[K]["params"],
    timeoutMs: number = TIMEOUT_MS,
  ): Promise<Answered<R, K>> {
    if (this.isClosed) return Promise.reject(new UnreachableError(t("the widget was closed")));
    const id = crypto.randomUUID();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new UnreachableError(t("the kernel did not answer within {n} s", { n: timeoutMs / 1000 })));
      }, timeoutMs);
      this.pending.set(id, { resolve: resolve as Pending["resolve"], reject, timer });
      try {
        this.channel.send({ id, kind, params });
      } catch (error) {
        this.settle(id)?.reject(
          new UnreachableError(t("the kernel cannot be reached: {reason}", { reason: String(error) })),
        );
      }
    });
  }

  close(): void {
    this.isClosed = true;
    this.channel.off("msg:custom", this.receive);
    for (const id of [...this.pending.keys()]) {
      this.settle(id)?.reject(new UnreachableError(t("the widget was closed")));
    }
  }

  private readonly receive = (content: unknown, buffers: DataView[] = []): void => {
    for (const buffer of buffers) this.receivedBytes += buffer.byteLength;
    if (isNotice(content)) {
      this.onNotice(content);
      return;
    }
    if (!isReply(content)) return;
    const pending = this.settle(content.id); // none: another view's request, or one that timed out
    if (pending === undefined) return;
    if (content.ok) pending.resolve({ result: content.result, buffers });
    else if (content.code === UNREACHABLE) pending.reject(new UnreachableError(content.message));
    else pending.reject(new RefusedError(content.code, told(content.code, content.message)));
  };

  private settle(id: string): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    if (pending !== undefined) clearTimeout(pending.timer);
    return pending;
  }
}
