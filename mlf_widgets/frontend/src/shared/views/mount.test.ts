// @vitest-environment happy-dom
/** A widget's coming and going: what it hears from the page while it is there, and nothing afterwards. */

import { h } from "preact";
import { afterEach, expect, test, vi } from "vitest";
import { mountScreen } from "./mount.ts";

afterEach(() => document.body.replaceChildren());

function mount(hasUnsaved = false) {
  const controller = {
    start: vi.fn(async () => {}),
    close: vi.fn(),
    touch: vi.fn(),
    setHidden: vi.fn(),
  };
  const screen = { hasUnsaved: hasUnsaved, close: vi.fn() };
  const press = vi.fn((event: KeyboardEvent) => event.key === "a");
  const el = document.createElement("div");
  document.body.append(el);
  const close = mountScreen(
    { model: { send: () => {}, on: () => {}, off: () => {} }, el },
    {
      name: "grid",
      label: "Annotation",
      makeController: () => controller,
      makeScreen: () => screen,
      press,
      View: () => h("p", {}, "drawn"),
    },
  );
  const root = el.querySelector<HTMLElement>("[data-mlf='grid']");
  if (root === null) throw new Error("no root");
  return { controller, screen, press, el, root, close };
}

function typed(key: string, target: EventTarget): boolean {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
  return event.defaultPrevented;
}

function isAskedBeforeClosing(): boolean {
  const event = new Event("beforeunload", { cancelable: true });
  window.dispatchEvent(event);
  return event.defaultPrevented;
}

test("it is named, drawn and started, and takes the keys that mean something to it", () => {
  const { controller, press, root } = mount();
  expect(root.getAttribute("aria-label")).toBe("Annotation");
  expect(root.dataset.ready).toBe("false");
  expect(root.textContent).toBe("drawn");
  expect(controller.start).toHaveBeenCalledOnce();
  expect([typed("a", root), typed("b", root)]).toEqual([true, false]);
  expect(press).toHaveBeenCalledTimes(2);
});

test("it hears of activity and of being turned away from", () => {
  const { controller, root } = mount();
  root.dispatchEvent(new Event("pointermove"));
  expect(controller.touch).toHaveBeenCalledOnce();
  document.dispatchEvent(new Event("visibilitychange"));
  expect(controller.setHidden).toHaveBeenCalledWith(document.hidden);
});

test("the page asks before closing where something would be lost, and only there", () => {
  const { close } = mount();
  expect(isAskedBeforeClosing()).toBe(false);
  close();
  mount(true).close();
  expect(isAskedBeforeClosing()).toBe(false);
  const left = mount(true);
  expect(isAskedBeforeClosing()).toBe(true);
  left.close();
});

test("closed, it is gone from the page and hears nothing more", () => {
  const { controller, screen, press, el, root, close } = mount(true);
  close();
  expect(el.childElementCount).toBe(0);
  expect([controller.close, screen.close].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  typed("a", root);
  root.dispatchEvent(new Event("pointermove"));
  document.dispatchEvent(new Event("visibilitychange"));
  expect(press).not.toHaveBeenCalled();
  expect(controller.touch).not.toHaveBeenCalled();
  expect(controller.setHidden).not.toHaveBeenCalled();
  expect(isAskedBeforeClosing()).toBe(false);
});
