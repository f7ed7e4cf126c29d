import { describe, expect, test } from "vitest";
import { LastPlace } from "./last_place.ts";

function storage(): Pick<Storage, "getItem" | "setItem"> {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

describe("where a tab stood", () => {
  test("is found again while the log has not gone on without it", () => {
    const shared = storage();
    new LastPlace("birds:ada", shared).keep(7, 12);
    const again = new LastPlace("birds:ada", shared);
    expect(again.find(12)).toBe(7);
    expect(again.find(3)).toBe(7);
    expect(again.find(13)).toBeNull();
    expect(new LastPlace("birds:ben", shared).find(0)).toBeNull();
  });

  test("is nowhere where nothing was kept, something else was, or nothing can be", () => {
    const shared = storage();
    expect(new LastPlace("x", shared).find(0)).toBeNull();
    for (const other of ["7", "{", '["a",1]', "[1.5,1]", "[1]", "null"]) {
      shared.setItem("mlf-place:x", other);
      expect(new LastPlace("x", shared).find(0)).toBeNull();
    }
    const forbidden = {
      getItem: () => null,
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
    };
    expect(() => new LastPlace("x", forbidden).keep(1, 1)).not.toThrow();
    expect(new LastPlace("x", null).find(0)).toBeNull();
  });
});
