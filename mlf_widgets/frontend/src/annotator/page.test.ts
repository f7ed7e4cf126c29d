// @vitest-environment happy-dom
/** What a person sees of an image, and what is left when the widget goes. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { open } from "../testing/annotator_page.ts";
import { closeWidgets, leavePage, openNewPage } from "../testing/page.ts";
import { until } from "../testing/until.ts";

beforeEach(openNewPage);
afterEach(leavePage);

describe("what is on the page", () => {
  test("is the first image with the first page of its proposals, once painted", async () => {
    const { root, shows, classes, kernel } = await open();
    await shows("image-0");
    expect(classes()).toEqual(kernel.proposals(0).slice(0, 5));
    expect(root.dataset.saved).toBe("saved");
    expect(root.querySelectorAll(".mlf-card canvas")).toHaveLength(5);
    for (const name of ["next", "previous", "undo", "redo", "none", "unsure", "search"]) {
      expect(root.querySelector(`button[data-mlf-action='${name}']`), name).not.toBeNull();
    }
  });

  test("is reused for the next image: words change, elements stay", async () => {
    const { shows, press, boxes, classes, kernel } = await open();
    await shows("image-0");
    const before = boxes();
    press("ArrowRight", "ArrowRight");
    await shows("image-1");
    expect(classes()).toEqual(kernel.proposals(1).slice(0, 5));
    expect(boxes()).toEqual(before);
  });

  test("never names an image as painted while another's labels stand there", async () => {
    const { root, shows, press, classes, kernel } = await open();
    await shows("image-0");
    const seen: [string | undefined, number[]][] = [];
    const observer = new MutationObserver(() => {
      if (root.dataset.ready === "true") seen.push([root.dataset.imageId, classes()]);
    });
    observer.observe(root, { attributes: true });
    for (let i = 0; i < 6; i++) {
      press("ArrowRight", "ArrowRight");
      if (i % 2) await new Promise((done) => setTimeout(done, 30));
    }
    await shows("image-6");
    observer.disconnect();
    expect(seen.length).toBeGreaterThan(0);
    for (const [imageId, shown] of seen) {
      expect(shown).toEqual(kernel.proposals(Number(imageId?.split("-")[1])).slice(0, 5));
    }
  });

  test("is words, whatever a class is called", async () => {
    const evil = "<img src=x onerror=alert(1)><b>bold</b>";
    const { root, ready } = await open({
      names: [evil, ...Array.from({ length: 30 }, (_, i) => `class ${i}`)],
    });
    await ready();
    expect(root.querySelector("img, b")).toBeNull();
    expect(root.querySelector(".mlf-card-name")?.textContent).toBe(evil);
  });

  test("says so where there is nothing to do, no file, or no store", async () => {
    const empty = await open({ nTasks: 0 });
    await until(() => expect(empty.root.textContent).toContain("No images for you yet"));
    closeWidgets();
    const filed = await open({ hasImage: () => false });
    await filed.shows("image-0");
    expect(filed.root.textContent).toContain("no file for this image");
    closeWidgets();
    const away = await open();
    away.kernel.fault = "storeAway";
    await until(() =>
      expect(away.root.querySelector("[role=alert]")?.textContent).toContain("store is away"),
    );
  });

  test("says why an image cannot be shown, and lets it be judged all the same", async () => {
    vi.stubGlobal("createImageBitmap", () => Promise.reject(new Error("broken file")));
    const { root, shows, press, ticked } = await open();
    await shows("image-0");
    expect(root.querySelector(".mlf-stage-note")?.textContent).toContain("broken file");
    press("Digit2", "2");
    await until(() => expect(ticked()).toEqual([1]));
  });

  test("names a simulated annotator so, and shows scores only where they are sent", async () => {
    const plain = await open();
    await plain.ready();
    expect(plain.root.querySelector(".mlf-card-score")).toBeNull();
    expect(plain.root.textContent).not.toContain("simulated");
    closeWidgets();
    const scored = await open({ annotation: { show_scores: true }, info: { is_simulated: true } });
    await scored.ready();
    expect(scored.root.querySelector(".mlf-card-score")?.textContent).toBe("1.00");
    expect(scored.root.textContent).toContain("simulated");
  });
});

describe("closing", () => {
  test("leaves nothing behind in the page", async () => {
    const { ready, root, kernel } = await open();
    await ready();
    closeWidgets();
    expect(root.isConnected).toBe(false);
    const before = { ...kernel.nRequests };
    window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
    document.dispatchEvent(new Event("visibilitychange"));
    expect(kernel.nRequests).toEqual(before);
  });
});

describe("the ways out", () => {
  const links = () =>
    [...document.querySelectorAll<HTMLAnchorElement>(".mlf-head a")].map((a) => [
      a.textContent,
      a.getAttribute("href"),
    ]);

  test("lead out of a session in a hub, and to other projects where it has some", async () => {
    await (await open({ info: { hub: { log_out: "/birds/hub/logout", projects: "" } } })).ready();
    expect(links()).toEqual([["Log out", "/birds/hub/logout"]]);
    closeWidgets();
    const hub = { log_out: "/birds/hub/logout", projects: "/birds/hub/home" };
    await (await open({ info: { hub } })).ready();
    expect(links()).toEqual([
      ["Projects", hub.projects],
      ["Log out", hub.log_out],
    ]);
  });

  test("are not there on one's own machine", async () => {
    await (await open()).ready();
    expect(links()).toEqual([]);
  });
});
