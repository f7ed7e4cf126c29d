/** Waiting in tests: briefly on an idle machine, patiently on a busy one. */

import { vi } from "vitest";

export function until<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 60_000, interval: 10 });
}
