/**
 * A widget's channel without a kernel: each request is one HTTP request to the service that the page came from.
 *
 * The page brings the answers to the first requests along, so that the first image needs no further round trip.
 */

import type { AnnotationEvent, SaveResult, SessionInfo, Task } from "../shared/messages.ts";
import type { Channel } from "../shared/protocol.ts";
import { UNREACHABLE } from "../shared/protocol.ts";
import { t } from "../shared/words.ts";

/** Pauses before each further try, as in the service's client for kernels. */
const RETRY_DELAYS_MS = [100, 300, 900];
const RETRIED: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** The service's words for some refusals, and those that kernels use. */
const CODES: Readonly<Record<string, string>> = { Crowded: "CrowdedError", RateLimited: "ServiceError" };

/** Kept below what the service takes in one request. */
const MAX_BODY_BYTES = 900_000;

type Receiver = (content: unknown, buffers: DataView[]) => void;

interface Request {
  id: string;
  kind: string;
  params: Record<string, unknown>;
}

interface Answer {
  result: unknown;
  buffers: DataView[];
}

/** What came with the page. */
export interface Opening {
  open: SessionInfo;
  tasks: Task[];
}

/** The first image, which the page shows itself until its script is there; its address is good for that image alone. */
export interface FirstImage {
  position: number;
  address: string;
  /** Takes it off the page: from now on the widget shows it. */
  remove(): void;
}

export interface PageAddresses {
  /** Where requests go, without a slash at its end. */
  at: string;
  /** Shows the service that this page asks, and no other. */
  key: string;
  classes: string;
}

/** The service refuses, in its own words. */
class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export class PageChannel implements Channel {
  private readonly receivers = new Set<Receiver>();

  constructor(
    private readonly addresses: PageAddresses,
    private opening: Opening | null = null,
    private first: FirstImage | null = null,
  ) {}

  on(_name: "msg:custom", receiver: Receiver): void {
    this.receivers.add(receiver);
  }

  off(_name: "msg:custom", receiver: Receiver): void {
    this.receivers.delete(receiver);
  }

  send(content: unknown): void {
    const request = content as Request;
    this.answer(request).then(
      ({ result, buffers }) => this.deliver({ id: request.id, ok: true, result }, buffers),
      (error: unknown) => {
        const code = error instanceof Refused ? error.code : UNREACHABLE;
        this.deliver({ id: request.id, ok: false, code, message: (error as Error).message }, []);
      },
    );
  }

  private deliver(content: unknown, buffers: DataView[]): void {
    for (const receive of this.receivers) receive(content, buffers);
  }

  private async answer({ kind, params }: Request): Promise<Answer> {
    const brought = this.brought(kind, params);
    if (brought !== undefined) return { result: brought, buffers: [] };
    if (kind === "classes") {
      const answer = await this.fetched(this.addresses.classes, {});
      return { result: {}, buffers: [new DataView(await answer.arrayBuffer())] };
    }
    if (kind === "image") return this.image(params);
    if (kind === "save") return { result: await this.save(params.events as AnnotationEvent[]), buffers: [] };
    return this.posted(kind, JSON.stringify(params));
  }

  /** A large number of events is split into several requests; one that is too large alone will never be taken. */
  private async save(events: AnnotationEvent[]): Promise<SaveResult[]> {
    const body = JSON.stringify({ events });
    const [first] = events;
    if (first === undefined || events.length === 1 || new Blob([body]).size <= MAX_BODY_BYTES) {
      try {
        return (await this.posted("save", body)).result as SaveResult[];
      } catch (error) {
        const isTooLarge = error instanceof Refused && error.code === "TooLarge";
        if (!isTooLarge || first === undefined || events.length > 1) throw error;
        return [{ event_id: first.event_id, seq: null, error: error.message, is_final: true }];
      }
    }
    const half = Math.ceil(events.length / 2);
    return [...(await this.save(events.slice(0, half))), ...(await this.save(events.slice(half)))];
  }

  private async posted(kind: string, body: string): Promise<Answer> {
    const answer = await this.fetched(`${this.addresses.at}/${kind}`, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json", "X-MLF-Key": this.addresses.key },
    });
    return unpacked(await answer.arrayBuffer());
  }

  /** What came with the page, once: later it may have changed. */
  private brought(kind: string, params: Record<string, unknown>): unknown {
    if (this.opening === null) return undefined;
    if (kind === "open") return this.opening.open;
    if (kind !== "tasks") return undefined;
    const { tasks } = this.opening;
    this.opening = null;
    const there = new Set(tasks.map(({ position }) => position));
    return (params.positions as number[]).every((position) => there.has(position)) ? tasks : undefined;
  }

  /** By GET; the first one is in the browser's cache. */
  private async image({ position, max_side_px }: Record<string, unknown>): Promise<Answer> {
    const { first } = this;
    this.first = null;
    const isFirst = first !== null && first.position === position && max_side_px !== null;
    const query =
      max_side_px === null ? `position=${position}` : `position=${position}&max_side_px=${max_side_px}`;
    const address = isFirst ? first.address : `${this.addresses.at}/image?${query}`;
    const answer = await this.fetched(address, {}).finally(() => first?.remove());
    const { headers } = answer;
    const result = {
      media_type: headers.get("content-type") ?? "",
      width_px: Number(headers.get("x-mlf-width-px")),
      height_px: Number(headers.get("x-mlf-height-px")),
    };
    return { result, buffers: [new DataView(await answer.arrayBuffer())] };
  }

  private async fetched(url: string, init: RequestInit): Promise<Response> {
    for (const delayMs of [...RETRY_DELAYS_MS, null]) {
      const answer = await fetch(url, init).catch(() => null);
      if (answer?.ok) return answer;
      const refusal = answer === null ? null : await refusalIn(answer);
      const mayPass = answer === null || (RETRIED.has(answer.status) && refusal?.code !== "CrowdedError");
      if (mayPass && delayMs !== null) {
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        continue;
      }
      // Who is not logged in any more is unanswered, too: a page that opens again leads through the log-in.
      if (refusal === null || answer?.status === 401) break;
      throw refusal;
    }
    throw new Error(t("the service does not answer"));
  }
}

/** What the service says in its one shape; null where somebody else answered, such as a proxy. */
async function refusalIn(answer: Response): Promise<Refused | null> {
  try {
    const { code, message } = (await answer.json()) as { code?: unknown; message?: unknown };
    if (typeof code !== "string" || typeof message !== "string") return null;
    return new Refused(CODES[code] ?? code, message);
  } catch {
    return null;
  }
}

/** The length of the head (4 bytes), the head as JSON, the buffers. */
export function unpacked(body: ArrayBuffer): Answer {
  const end = 4 + new DataView(body).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, end - 4))) as {
    result: unknown;
    sizes: number[];
  };
  let at = end;
  const buffers = head.sizes.map((size) => {
    at += size;
    return new DataView(body, at - size, size);
  });
  return { result: head.result, buffers };
}
