/** Which keys do what, as they are written on this keyboard. */

import {
  KEY_BINDINGS,
  type KeyAction,
  type KeyLayout,
  writtenActionKey,
  writtenLabelKey,
  writtenUnsureKey,
} from "../keys.ts";
import { asKnown, t } from "../words.ts";

export interface KeyRowsProps {
  rows: readonly { written: readonly string[]; does: string }[];
}

/** Keys that a widget writes itself; "…" stands between the first and the last of a row of keys. */
export function KeyRows({ rows }: KeyRowsProps) {
  return (
    <table class="mlf-keys">
      <caption>{t("Keys work while the widget has the focus: click anywhere in it.")}</caption>
      <tbody>
        {rows.map(({ written, does }) => (
          <tr key={does}>
            <th scope="row">
              {written.map((name) => (name === "…" ? " … " : <kbd key={name}>{name}</kbd>))}
            </th>
            <td>{asKnown(does)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export interface KeyTableProps {
  layout: KeyLayout | null;
  overrides: Record<string, string>;
  /** Actions that this project has no use for. */
  leaveOut?: readonly KeyAction[];
  nLabels?: number;
}

export function KeyTable({ layout, overrides, leaveOut = [], nLabels = 20 }: KeyTableProps) {
  const bindings = KEY_BINDINGS.filter(
    ({ action, does }) =>
      does !== "" && !leaveOut.includes(action) && writtenActionKey(action, layout, overrides) !== "",
  );
  const label = (number: number) => writtenLabelKey(number, layout, overrides);
  return (
    <table class="mlf-keys">
      <caption>{t("Keys work while the widget has the focus: click anywhere in it.")}</caption>
      <tbody>
        <tr>
          <th scope="row">
            <kbd>{label(0)}</kbd> … <kbd>{label(Math.min(9, nLabels - 1))}</kbd>
            {nLabels > 10 && (
              <>
                {" "}
                <kbd>{label(10)}</kbd> … <kbd>{label(Math.min(19, nLabels - 1))}</kbd>
              </>
            )}
          </th>
          <td>{t("tick or clear the label with this key, on whichever page it is")}</td>
        </tr>
        <tr>
          <th scope="row">
            <kbd>{writtenUnsureKey(0, layout, overrides)}</kbd> …{" "}
            <kbd>{writtenUnsureKey(Math.min(19, nLabels - 1), layout, overrides)}</kbd>
          </th>
          <td>{t("unsure about this label")}</td>
        </tr>
        {bindings.map(({ action, does }) => (
          <tr key={action}>
            <th scope="row">
              <kbd>{writtenActionKey(action, layout, overrides)}</kbd>
            </th>
            <td>{asKnown(does)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
