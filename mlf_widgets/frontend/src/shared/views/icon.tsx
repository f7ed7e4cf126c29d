/** A small drawing on a button, in the button's colour; the button's own label says what it means. */

export interface IconProps {
  /** What is drawn, as an SVG path in a field of 16 × 16. */
  path: string;
  /** Lengths of dashes and gaps, for a line that is not drawn through. */
  dashes?: string;
}

export function Icon({ path, dashes }: IconProps) {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d={path} fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray={dashes} />
    </svg>
  );
}
