/** No word of the interface stands outside `german.ts`, and none stands there that nobody says. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { parseAst } from "vite";
import { expect, test } from "vitest";
import { BOTH } from "./words.ts";

/** What people see in a notebook; `site`, the report, is in English. */
const ROOMS = ["annotator", "refiner", "grid", "explorer", "page", "shared"];
const SRC = join(import.meta.dirname, "..");
/** Attributes that hold no words for people. */
const WORDLESS =
  /^(class|style|id|key|type|role|kind|action|what|vote|leaveOut|fill|stroke|written|data-.*|aria-(?!label$).*|dir|rel|target|scope|list|autocomplete|inputMode)$/;

interface Node {
  type: string;
  [field: string]: unknown;
}

const files = ROOMS.flatMap((room) =>
  (readdirSync(join(SRC, room), { recursive: true }) as string[])
    .filter((name) => /\.tsx?$/.test(name) && !name.includes(".test.") && name !== "german.ts")
    .map((name) => join(room, name)),
);

function children(node: Node): unknown[] {
  return Object.entries(node).flatMap(([name, value]) => (name === "type" ? [] : [value].flat()));
}

function textOf(node: Node): string | null {
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : null;
  return node.type === "TemplateElement" ? (node.value as { cooked: string }).cooked : null;
}

/** `text.includes("…")` reads what others wrote. */
function isComparing(call: Node): boolean {
  const { property } = call.callee as { property: { name?: string } };
  return ["includes", "startsWith"].includes(property.name ?? "");
}

function calledName(node: Node): string {
  return node.type === "CallExpression" ? ((node.callee as { name?: string }).name ?? "") : "";
}

/** Texts that people would read and that no `t` translates; anywhere else, texts of several words that it cannot. */
function wordsOutside(node: unknown, isShown = false): string[] {
  if (typeof node !== "object" || node === null || !("type" in node)) return [];
  const one = node as Node;
  const text = textOf(one);
  if (text !== null) {
    const isForPeople = isShown
      ? /\p{L}{2,}/u.test(text)
      : /\p{L}{2,} \p{L}/u.test(text) && !/^(mlf-|\d+px)/.test(text) && !(text in BOTH);
    return isForPeople ? [text] : [];
  }
  const called = calledName(one);
  if (["t", "asKnown"].includes(called)) return wordsOutside((one.arguments as unknown[])[1], isShown);
  if (/^jsxs?$/.test(called)) {
    const [tag, props] = one.arguments as [Node, Node];
    return (props.properties as Node[]).flatMap((property) => {
      const { name, value } = (property.key ?? {}) as { name?: string; value?: string };
      const attribute = name ?? value ?? "";
      const isKey = textOf(tag) === "kbd" && attribute === "children";
      return WORDLESS.test(attribute) || isKey ? [] : wordsOutside(property.value ?? property.argument, true);
    });
  }
  if (["ImportDeclaration", "BinaryExpression"].includes(one.type) || one.source) return [];
  if ((one.callee as Node | undefined)?.type === "MemberExpression" && isComparing(one)) return [];
  const goesOn = isShown && called === "" && one.type !== "CallExpression" && !one.type.includes("Function");
  return children(one).flatMap((part) => wordsOutside(part, goesOn));
}

test.each(files)("%s", (file) => {
  const { code } = transformSync(readFileSync(join(SRC, file), "utf8"), {
    loader: "tsx",
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  expect(wordsOutside(parseAst(code))).toEqual([]);
});

test("every word is said somewhere", () => {
  const all = files.map((file) => readFileSync(join(SRC, file), "utf8")).join("\n");
  const isSaid = (words: string) =>
    all.includes(words.replace(/^(\{name\}: )(yes|no|unsure)$/, "$1$" + "{vote}"));
  expect(Object.keys(BOTH).filter((words) => !isSaid(words))).toEqual([]);
});
