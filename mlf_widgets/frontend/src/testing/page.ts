/** A page that was never open before, in its browser's only tab. */

import { afterEach, beforeEach, vi } from "vitest";
import { pretendToDecode } from "./fake_kernel.ts";

/** Start over: pictures decode, no other tab answers, nothing is kept from before; `vi.unstubAllGlobals` ends it. */
export function openNewPage(): void {
  pretendToDecode();
  vi.stubGlobal("BroadcastChannel", undefined);
  window.localStorage.clear();
  window.sessionStorage.clear();
}

/** Give each test of the file a new page, and a clock that moves only when the test says so. */
export function eachTestOnANewPage(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    openNewPage();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}
