/** Pages of tiles: how many columns one has, and going from page to page. */

import type { Signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import { count, t } from "../shared/words.ts";

/** Keep `nColumns` true to the list of tiles, which is in the page unless `isEmpty`. */
export function useColumnCount(
  list: RefObject<HTMLElement | null>,
  nColumns: Signal<number>,
  isEmpty: boolean,
): void {
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    const count = () => {
      const columns = getComputedStyle(element).gridTemplateColumns.split(" ");
      nColumns.value = Math.max(1, columns.filter((part) => part !== "").length);
    };
    count();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(count);
    observer.observe(element);
    return () => observer.disconnect();
  }, [isEmpty]);
}

export interface PageButtonsProps {
  /** From 0. */
  page: number;
  nPages: number;
  onTurn(page: number): void;
}

export function PageButtons({ page, nPages, onTurn }: PageButtonsProps) {
  return (
    <>
      <button
        type="button"
        data-mlf-action="previous"
        disabled={page === 0}
        title={t("Previous page (Page ↑)")}
        onClick={() => onTurn(page - 1)}
      >
        {t("Previous")}
      </button>
      <span>{t("Page {number} of {n}", { number: page + 1, n: count(nPages) })}</span>
      <button
        type="button"
        data-mlf-action="next"
        disabled={page + 1 >= nPages}
        title={t("Next page (Page ↓)")}
        onClick={() => onTurn(page + 1)}
      >
        {t("Next")}
      </button>
    </>
  );
}
