/** Tables of a report that sort, filter and download; without scripts they are plain tables. */

/** Words by letter, and numbers in them by size; `localeCompare` would make one of these for each comparison. */
export const byLetter = new Intl.Collator("en", { numeric: true });

/** The number that a cell begins with, such as 12.5 of "12.5% (11.0% to 14.0%)"; NaN where it begins with none. */
export function numberOf(text: string): number {
  const found = /^[^\d+−-]{0,2}([+−-]?[\d,]*\.?\d+(?:e[+-]?\d+)?)/i.exec(text.trim());
  return found === null ? Number.NaN : Number((found[1] ?? "").replaceAll(",", "").replace("−", "-"));
}

/** Order two cells: numbers by size, words and what begins with the same number by letter. */
export function compareCells(a: string, b: string): number {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x < y || x > y) return x - y;
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return byLetter.compare(a, b);
}

/** A row of a CSV file; a cell that a spreadsheet would run as a formula is guarded by an apostrophe. */
export function csvRow(cells: readonly string[]): string {
  const quoted = cells.map((cell) => {
    const text = /^[=@+\t\r-]/.test(cell) && Number.isNaN(Number(cell)) ? `'${cell}` : cell;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${quoted.join(",")}\r\n`;
}

const textOf = (cell: Element) => (cell.textContent ?? "").trim();

export function enhanceTable(table: HTMLTableElement, number: number): void {
  const body = table.tBodies[0];
  if (body === undefined || table.dataset.tools !== undefined) return;
  table.dataset.tools = "on";
  const rows = [...body.querySelectorAll<HTMLTableRowElement>("tr")];
  const nColumns = Math.max(0, ...rows.map((row) => row.children.length));
  if (table.tHead === null) addHead(table, nColumns);
  const heads = [...table.querySelectorAll<HTMLTableCellElement>("thead tr:last-child th")];
  heads.forEach((head, column) => {
    addSorter(head, heads, () => sortRows(body, rows, column, head));
  });
  const title = table.caption === null ? `table ${number}` : textOf(table.caption);
  wrap(table, title, rows, heads);
}

function addHead(table: HTMLTableElement, nColumns: number): void {
  const row = table.createTHead().insertRow();
  for (let column = 0; column < nColumns; column++) {
    const head = document.createElement("th");
    head.scope = "col";
    head.textContent = column === 0 ? "what" : nColumns > 2 ? `value ${column}` : "value";
    row.append(head);
  }
}

function addSorter(head: HTMLTableCellElement, heads: HTMLTableCellElement[], sort: () => void): void {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "mlf-sort";
  button.append(...head.childNodes);
  button.title = "Sort by this column";
  button.addEventListener("click", () => {
    const next = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", next);
    sort();
  });
  head.append(button);
}

function sortRows(
  body: HTMLTableSectionElement,
  rows: HTMLTableRowElement[],
  column: number,
  head: Element,
): void {
  const sign = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
  const key = (row: HTMLTableRowElement) => textOf(row.children[column] ?? row);
  const isUndefined = (text: string) => text === "" || text === "undefined";
  const sorted = [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (isUndefined(x) || isUndefined(y)) return Number(isUndefined(x)) - Number(isUndefined(y));
    return sign * compareCells(x, y);
  });
  body.append(...sorted);
}

function wrap(table: HTMLTableElement, title: string, rows: HTMLTableRowElement[], heads: Element[]): void {
  const tools = document.createElement("div");
  tools.className = "mlf-tools";
  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "Filter rows";
  filter.setAttribute("aria-label", `Filter rows: ${title}`);
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    let nShown = 0;
    for (const row of rows) {
      row.hidden = !(row.textContent ?? "").toLowerCase().includes(wanted);
      if (!row.hidden) nShown++;
    }
    count.textContent = wanted === "" ? "" : `${nShown} of ${rows.length} rows`;
  });
  const download = document.createElement("button");
  download.type = "button";
  download.textContent = "Download CSV";
  download.setAttribute("aria-label", `Download CSV: ${title}`);
  download.addEventListener("click", () => save(title, heads, table));
  tools.append(filter, count, download);
  const frame = document.createElement("div");
  frame.className = "mlf-table";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", title);
  table.before(tools, frame);
  frame.append(table);
}

function save(title: string, heads: Element[], table: HTMLTableElement): void {
  const lines = [csvRow(heads.map(textOf))];
  for (const row of table.querySelectorAll<HTMLTableRowElement>("tbody tr")) {
    if (!row.hidden) lines.push(csvRow([...row.children].map(textOf)));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`﻿${lines.join("")}`], { type: "text/csv" }));
  link.download = `${title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 60)}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
