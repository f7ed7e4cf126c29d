/** Finding one of all classes by typing: name, synonym, key or definition. */

import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ClassColumns } from "../messages.ts";
import type { ClassSearch } from "../search.ts";
import { count, t } from "../words.ts";

export interface ClassSearchBoxProps {
  classes: ClassColumns;
  search: ClassSearch;
  /** What is already known about a class, such as "ticked" or "proposed"; "" for nothing. */
  noteOf?(classIndex: number): string;
  /** Chosen by Enter or a click; with Shift, `isUnsure`. */
  onChoose(classIndex: number, isUnsure: boolean): void;
  /** Nothing in the list has the name that was typed, and the person asks for a new class. */
  onSuggest?(name: string): void;
  /** The class under the cursor has changed. */
  onCursor?(classIndex: number | null): void;
  /** Offered before anything is typed: what was chosen lately, say. */
  suggested?: readonly number[];
  placeholder?: string;
}

export function ClassSearchBox(props: ClassSearchBoxProps) {
  const {
    classes,
    search,
    noteOf,
    onChoose,
    onSuggest,
    onCursor,
    suggested = [],
    placeholder = t("Name, synonym or definition"),
  } = props;
  const [query, setQuery] = useState("");
  const [cursor, setCursor] = useState(0);
  const id = useId();
  const list = useRef<HTMLUListElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const found = query.trim() === "" ? suggested : search.find(query);
  const name = query.trim().replace(/\s+/g, " ");
  const at = Math.min(cursor, found.length - 1);
  useLayoutEffect(() => field.current?.focus(), []);
  useLayoutEffect(() => {
    list.current?.children[at]?.scrollIntoView?.({ block: "nearest" });
    onCursor?.(found[at] ?? null);
  }, [query, at]);
  return (
    <div class="mlf-search">
      <input
        ref={field}
        type="text"
        class="mlf-search-field"
        role="combobox"
        aria-label={t("Find a class")}
        aria-expanded={found.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        aria-autocomplete="list"
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={query}
        onInput={(event) => {
          setQuery(event.currentTarget.value);
          setCursor(0);
        }}
        onKeyDown={(event) => {
          if (event.isComposing) return;
          if (event.key === "ArrowDown") setCursor(Math.min(at + 1, found.length - 1));
          else if (event.key === "ArrowUp") setCursor(Math.max(at - 1, 0));
          else if (event.key === "Enter" && found[at] !== undefined) onChoose(found[at], event.shiftKey);
          else return;
          event.preventDefault();
        }}
      />
      <ul id={`${id}-list`} ref={list} class="mlf-search-list" role="listbox" aria-label={t("Classes found")}>
        {found.map((classIndex, i) => (
          <li
            key={classIndex}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at}
            class="mlf-search-hit"
            onPointerEnter={() => setCursor(i)}
            onClick={(event) => onChoose(classIndex, event.shiftKey)}
          >
            <span class="mlf-search-name" dir="auto">
              {classes.names[classIndex]}
            </span>
            <span class="mlf-search-synonyms" dir="auto">
              {classes.synonyms[classIndex]?.join(", ")}
            </span>
            <span class="mlf-search-note">{noteOf?.(classIndex) ?? ""}</span>
            <span class="mlf-search-definition" dir="auto">
              {classes.definitions[classIndex]}
            </span>
          </li>
        ))}
      </ul>
      <p class="mlf-search-count" role="status">
        {query.trim() === ""
          ? t("{n} classes", { n: count(classes.names.length) })
          : found.length === 0
            ? t("No class found")
            : ""}
      </p>
      {onSuggest !== undefined && name !== "" && !isInList(classes, found, name) && (
        <button type="button" class="mlf-suggest" data-mlf-action="suggest" onClick={() => onSuggest(name)}>
          {t("Suggest “{name}” as a new class", { name })}
        </button>
      )}
    </div>
  );
}

function isInList(classes: ClassColumns, found: readonly number[], name: string): boolean {
  const same = (text: string | undefined) => text?.toLowerCase() === name.toLowerCase();
  return found.some(
    (index) => same(classes.names[index]) || same(classes.keys[index]) || classes.synonyms[index]?.some(same),
  );
}
