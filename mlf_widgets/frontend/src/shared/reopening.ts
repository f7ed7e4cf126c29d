/**
 * Reopening the page once its kernel is gone for good.
 *
 * Only where the widget has the page to itself, as Voilà shows it to annotators: there nobody has a button to restart a
 * kernel, and a reload starts a fresh one, which costs nothing. In a notebook the page is the person's own. A page of
 * the service has no kernel; it is reopened once its log-in has ended.
 */

import { pageAddress, pageKey } from "./own_page.ts";

/** `gone`: a reload helps. `working`: it still computes, or waits for the store. `unknown`: nothing answers now. */
export type KernelState = "gone" | "working" | "unknown";

const PATIENCE_MS = 5_000;

let isUnderWay = false;

/** Whether the page is about to be reopened, with every decision kept: then no warning is shown. */
export function isReopening(): boolean {
  return isUnderWay;
}

export class Reopening {
  private silentSince: number | null = null;
  private isAsking = false;

  constructor(
    /** Put everything unsaved into this machine's storage; returns whether it is there. */
    private readonly keep: () => boolean,
    private readonly reload: () => void = () => window.location.reload(),
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The kernel answered. */
  heard(): void {
    this.silentSince = null;
  }

  /**
   * A request to the kernel went unanswered.
   *
   * @param askedAt When it was sent, on the clock of `performance.now`.
   */
  async unheard(askedAt: number): Promise<void> {
    this.silentSince ??= askedAt;
    if (this.isAsking || isUnderWay || this.now() - this.silentSince < PATIENCE_MS) return;
    this.isAsking = true;
    try {
      if ((await kernelState()) !== "gone" || this.silentSince === null || !this.keep()) return;
      isUnderWay = true;
      this.reload();
    } finally {
      this.isAsking = false;
    }
  }
}

/** Ask whether a page of the service still has its log-in, and not a later one: if not, a reload leads to it. */
async function loginState(at: string): Promise<KernelState> {
  try {
    const answer = await fetch(`${at}/state`, { cache: "no-store", headers: { "X-MLF-Key": pageKey() } });
    return answer.status === 401 ? "gone" : answer.ok ? "working" : "unknown";
  } catch {
    return "unknown";
  }
}

/** Ask the person's own server about the kernel of this Voilà page; `unknown` in a notebook. */
export async function kernelState(): Promise<KernelState> {
  const page = pageAddress();
  if (page !== undefined) return loginState(page);
  const { baseUrl, kernelId } = pageConfig();
  if (!document.body.hasAttribute("data-voila") || baseUrl === undefined || kernelId === undefined)
    return "unknown";
  let answer: Response;
  try {
    answer = await fetch(`${baseUrl}api/kernels/${encodeURIComponent(kernelId)}`, { cache: "no-store" });
  } catch {
    return "unknown";
  }
  // 424: the Hub says that the server has ended; 403: the log-in has. A reload leads back through the Hub.
  if ([403, 424].includes(answer.status)) return "gone";
  const said = await jsonOf(answer);
  // The Hub answers 404 as well while it starts and does not know the server yet; a reload would show just that.
  if (answer.status === 404)
    return String(said?.message).startsWith("Kernel does not exist") ? "gone" : "unknown";
  if (!answer.ok) return "unknown";
  // A page of the Hub, which asks the person to log in, is not JSON. A kernel that was restarted does not know this
  // widget; it is idle, where ours would be answering.
  return said?.execution_state === "busy" ? "working" : "gone";
}

// biome-ignore lint/style/useNamingConvention: Jupyter's own name
async function jsonOf(answer: Response): Promise<{ execution_state?: string; message?: string } | null> {
  try {
    return await answer.json();
  } catch {
    return null;
  }
}

function pageConfig(): { baseUrl?: string; kernelId?: string } {
  try {
    return JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}");
  } catch {
    return {};
  }
}
