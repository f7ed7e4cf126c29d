// @vitest-environment happy-dom
/** What the widget tells: whether everything is saved, and one's own progress. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { open } from "../testing/annotator_page.ts";
import { leavePage, openNewPage } from "../testing/page.ts";
import { until } from "../testing/until.ts";

beforeEach(openNewPage);
afterEach(leavePage);

describe("the saved state", () => {
  test("follows the store's word, and closing the page warns while something is unsaved", async () => {
    const { ready, root, press, kernel } = await open();
    await ready();
    const leave = () => {
      const event = new Event("beforeunload", { cancelable: true });
      window.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(leave()).toBe(false);
    kernel.fault = "storeAway";
    press("Digit1", "1");
    await until(() => expect(root.dataset.saved).toBe("offline"));
    expect(root.querySelector(".mlf-saved")?.textContent).toContain(
      "Offline: 1 decision kept on this machine",
    );
    expect(leave()).toBe(true);
    kernel.fault = "none";
    await until(() => expect(root.dataset.saved).toBe("saved"));
    expect(kernel.log).toHaveLength(1);
    expect(leave()).toBe(false);
  });

  test("does not claim to keep what this machine has no room for", async () => {
    const setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    const full = { length: 0, key: () => null, getItem: () => null, setItem, removeItem: () => {} };
    const storage = vi.spyOn(window, "localStorage", "get").mockReturnValue(full as unknown as Storage);
    const { ready, root, press, kernel } = await open();
    await ready();
    kernel.fault = "storeAway";
    press("Digit1", "1");
    await until(() => expect(root.dataset.saved).toBe("offline"));
    expect(root.querySelector(".mlf-saved")?.textContent).toContain(
      "1 decision not saved, keep this page open",
    );
    expect(root.textContent).not.toContain("kept on this machine");
    storage.mockRestore();
  });

  test("says why a decision was refused until that was read", async () => {
    const { ready, root, press, kernel, ticked } = await open();
    await ready();
    kernel.fault = "refuseSaves";
    press("Digit1", "1");
    await until(() => expect(root.dataset.saved).toBe("failed"));
    expect(root.querySelector("[role=alert]")?.textContent).toContain("not your task");
    expect(ticked()).toEqual([]);
    kernel.fault = "none";
    root.querySelector<HTMLButtonElement>("[role=alert] button")?.click();
    await until(() => expect(root.dataset.saved).toBe("saved"));
  });
});

describe("one's own progress", () => {
  const own = {
    progress: { n_tasks: 12, n_done: 5, n_unsure: 0, n_commented: 0 },
    hours: [
      { hour: "2026-03-02T10:00:00Z", n_images: 2, active_ms: 60_000 },
      { hour: "2026-03-02T11:00:00Z", n_images: 1, active_ms: 40_000 },
      { hour: "2026-03-04T11:00:00Z", n_images: 2, active_ms: 5_400_000 },
    ],
    median_ms: 8_400,
    n_timed: 5,
    n_gold: 5,
    n_gold_votes: 20,
    n_gold_same: 18,
  };

  test("is shown to nobody where the project does not allow it", async () => {
    const { ready, action } = await open();
    await ready();
    expect(action("own_progress")).toBeNull();
  });

  test("says pace, what is left at it, and agreement with known answers, each with what it is of", async () => {
    const { root, ready, action } = await open({ annotation: { own_progress: "pace and gold" }, own });
    await ready();
    action("own_progress")?.click();
    await until(() => expect(root.querySelector("dialog dl")).not.toBeNull());
    const words = root.querySelector("dialog")?.textContent ?? "";
    for (const said of ["5 of 12", "8.4 s an image", "last 5 images", "59 s", "18 of 20", "on 5 images"])
      expect(words).toContain(said);
    const rows = [...root.querySelectorAll("dialog tbody tr")].map((row) =>
      [...row.querySelectorAll("td")].map(({ textContent }) => textContent),
    );
    expect(rows).toEqual([
      ["3", "2 min"],
      ["2", "1 h 30 min"],
    ]);
  });

  test("says nothing of gold that is not told", async () => {
    const { root, ready, action } = await open({
      annotation: { own_progress: "pace" },
      own: { ...own, n_gold: 0, n_gold_votes: 0, n_gold_same: 0, n_timed: 0, median_ms: 0, hours: [] },
    });
    await ready();
    action("own_progress")?.click();
    await until(() => expect(root.querySelector("dialog dl")?.textContent).toContain("Not known yet"));
    expect(root.querySelector("dialog")?.textContent).not.toContain("Known answers");
  });
});
