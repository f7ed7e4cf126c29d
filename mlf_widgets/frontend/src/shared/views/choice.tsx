/** A list to choose one value from. Only the values offered can come out of it, and the compiler knows it. */

export interface ChoiceProps<T extends string> {
  value: T;
  /** The words shown for each value, in the order shown. */
  options: Readonly<Record<T, string>>;
  onChoose: (value: T) => void;
  /** What a screen reader calls it, where no `<label>` stands around it. */
  label?: string;
  /** Its tip; left out, the label. */
  title?: string;
  class?: string;
  action?: string;
}

export function Choice<T extends string>(props: ChoiceProps<T>) {
  const { value, options, onChoose, label, title = label, action } = props;
  return (
    <select
      class={props.class}
      aria-label={label}
      data-mlf-action={action}
      title={title}
      value={value}
      onChange={(event) => {
        const chosen = event.currentTarget.value;
        if (isOffered(options, chosen)) onChoose(chosen);
      }}
    >
      {Object.entries(options).map(([option, words]) => (
        <option key={option} value={option}>
          {String(words)}
        </option>
      ))}
    </select>
  );
}

function isOffered<T extends string>(options: Readonly<Record<T, string>>, value: string): value is T {
  return Object.hasOwn(options, value);
}
