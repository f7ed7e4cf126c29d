/** A comment on an image: kept as it is written, a moment after the last key or on leaving the field. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../words.ts";

const PAUSE_MS = 1_500;
const MAX_CHARACTERS = 10_000;

export interface CommentBoxProps {
  /** Which image it belongs to; another one shows another comment. */
  subject: number | string;
  /** The comment as it is known. */
  text: string;
  onChange(text: string): void;
  /** Set to a function that keeps at once what has been written, or null when there is nothing to keep. */
  pending?: { current: (() => void) | null };
  /** There is nothing to comment on yet: the field can have the focus, but takes no letter. */
  isOff?: boolean;
  placeholder?: string;
}

export function CommentBox(props: CommentBoxProps) {
  const { subject, text, onChange, pending, isOff = false, placeholder = t("Comment") } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const written = useRef<string | null>(null);
  const keep = () => {
    clearTimeout(timer.current);
    const value = written.current;
    written.current = null;
    if (pending) pending.current = null;
    if (value !== null) onChange(value);
  };
  // At once: who goes on and writes may do so before the next frame, and later that would be taken for the text before.
  useLayoutEffect(() => {
    return () => {
      written.current = null;
      clearTimeout(timer.current);
      // The image goes away under somebody who writes, as when its task is taken back: the rest belongs to no other.
      if (!isOff) field.current?.blur();
    };
  }, [subject]);
  useLayoutEffect(() => {
    const { current: element } = field;
    // What is kept is trimmed; a space or line just written stays for what comes after it.
    const isSame = element === element?.ownerDocument.activeElement && element?.value.trim() === text;
    if (element !== null && written.current === null && !isSame) element.value = text;
  }, [text, subject]);
  return (
    <textarea
      dir="auto"
      ref={field}
      class="mlf-comment"
      rows={1}
      aria-label={t("Comment on this image")}
      placeholder={placeholder}
      maxLength={MAX_CHARACTERS}
      readOnly={isOff}
      onInput={(event) => {
        written.current = event.currentTarget.value;
        if (pending) pending.current = keep;
        clearTimeout(timer.current);
        timer.current = setTimeout(keep, PAUSE_MS);
      }}
      onBlur={keep}
    />
  );
}
