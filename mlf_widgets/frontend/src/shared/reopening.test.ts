// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { kernelState, Reopening } from "./reopening.ts";

let answer: () => Promise<Response>;
let asked: string[];

beforeEach(() => {
  asked = [];
  document.body.innerHTML =
    '<script id="jupyter-config-data" type="application/json">{"baseUrl": "/user/ada/", "kernelId": "a b"}</script>';
  document.body.setAttribute("data-voila", "voila");
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(url);
    return answer();
  });
});

afterEach(() => vi.unstubAllGlobals());

const says =
  (body: string, status = 200) =>
  () =>
    Promise.resolve(new Response(body, { status }));

test.each([
  ["a server that has ended", says("{}", 424), "gone"],
  ["a kernel that was ended", says('{"message": "Kernel does not exist: a b"}', 404), "gone"],
  ["a hub that is only starting", says("<!doctype html>", 404), "unknown"],
  ["a log-in that has ended", says("<!doctype html>"), "gone"],
  ["a kernel that was restarted", says('{"execution_state": "idle"}'), "gone"],
  ["a kernel that waits for the store", says('{"execution_state": "busy"}'), "working"],
  ["a proxy without its hub", says("", 503), "unknown"],
  ["no network", () => Promise.reject(new TypeError("failed")), "unknown"],
])("%s", async (_what, answered, expected) => {
  answer = answered;
  expect(await kernelState()).toBe(expected);
  expect(asked).toEqual(["/user/ada/api/kernels/a%20b"]);
});

test("a notebook's page is never asked about", async () => {
  document.body.removeAttribute("data-voila");
  expect(await kernelState()).toBe("unknown");
  expect(asked).toEqual([]);
});

test("the page is reopened once, when the kernel is gone and everything is kept", async () => {
  answer = says("{}", 424);
  let isKept = false;
  const reload = vi.fn();
  const reopening = new Reopening(
    () => isKept,
    reload,
    () => 6_000,
  );
  await reopening.unheard(2_000);
  expect(asked).toEqual([]); // four seconds may be a long computation
  reopening.heard();
  await reopening.unheard(0);
  expect(reload).not.toHaveBeenCalled(); // something could not be kept
  isKept = true;
  await reopening.unheard(0);
  await reopening.unheard(0);
  expect(reload).toHaveBeenCalledTimes(1);
});
