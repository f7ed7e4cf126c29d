/** One image of the grid: its picture, a checkbox, and what is known about it. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { asKnown, type English, t } from "../shared/words.ts";

export interface TilePictureProps {
  bitmap: ImageBitmap | undefined;
  /** Why there is no picture, in words. */
  failure: string | undefined;
  hasImage: boolean;
  /** Its task has arrived. */
  isKnown: boolean;
  onDrawn(isDrawn: boolean): void;
}

export function TilePicture({ bitmap, failure, hasImage, isKnown, onDrawn }: TilePictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    if (bitmap === undefined || bitmap.width === 0) {
      element.getContext("2d")?.clearRect(0, 0, element.width, element.height);
      onDrawn(isKnown && (!hasImage || failure !== undefined));
      return;
    }
    if (element.width !== bitmap.width) element.width = bitmap.width;
    if (element.height !== bitmap.height) element.height = bitmap.height;
    element.getContext("2d")?.drawImage(bitmap, 0, 0);
    onDrawn(isKnown);
  }, [bitmap, failure, hasImage, isKnown]);
  const words = hasImage ? failure : t("This image has no file");
  return (
    <span class="mlf-tile-picture">
      <canvas ref={canvas} />
      {words !== undefined && (
        <span class="mlf-tile-failure" title={words}>
          {t("Cannot be shown")}
        </span>
      )}
    </span>
  );
}

export type TileWord = "yes" | "no" | "unsure" | "unticked" | "open";

export const WORDS: Record<TileWord, English> = {
  yes: "yes",
  no: "no",
  unsure: "unsure",
  unticked: "no: left unticked",
  open: "not answered",
};

/** What stands on a tile, which is narrow; its checkbox and its tip say it in full. */
const SHORT_WORDS: Record<TileWord, English | ""> = {
  yes: "",
  no: "no",
  unsure: "unsure",
  unticked: "unticked",
  open: "",
};

export interface TileProps extends TilePictureProps {
  number: number;
  name: string;
  classIndex: number;
  word: TileWord;
  /** What else is known, such as "commented"; shown small. */
  notes: readonly string[];
  isCurrent: boolean;
  isOff: boolean;
  /** The word as it is at this moment, even between two drawings. */
  wordNow(): TileWord;
  onTick(): void;
  onFocus(): void;
  onLook(): void;
  onElement(element: HTMLElement | null): void;
}

export function Tile(props: TileProps) {
  const { number, name, word, notes, isCurrent, onElement } = props;
  const item = useRef<HTMLLIElement>(null);
  const box = useRef<HTMLInputElement>(null);
  const follow = () => {
    if (box.current === null) return;
    const now = props.wordNow();
    box.current.checked = now === "yes";
    box.current.indeterminate = now === "unsure";
  };
  useLayoutEffect(follow);
  useLayoutEffect(() => {
    onElement(item.current);
    return () => onElement(null);
  }, []);
  return (
    <li
      ref={item}
      class={`mlf-tile mlf-tile-${word}${isCurrent ? " mlf-tile-current" : ""}`}
      data-position={number}
    >
      <label class="mlf-tile-label" title={name} onDblClick={props.onLook}>
        <TilePicture {...props} />
        <span class="mlf-tile-foot">
          <input
            type="checkbox"
            data-class-id={props.classIndex}
            data-position={number}
            aria-label={`${name}: ${t(WORDS[word])}`}
            disabled={props.isOff}
            tabIndex={isCurrent ? 0 : -1}
            onFocus={props.onFocus}
            ref={box}
            onChange={() => {
              props.onTick();
              follow(); // the browser has ticked it already; what counts is what was decided
            }}
          />
          <span class="mlf-tile-word" title={t(WORDS[word])}>
            {asKnown(SHORT_WORDS[word])}
          </span>
          <span class="mlf-tile-notes" title={notes.join(" · ")}>
            {notes.join(" · ")}
          </span>
        </span>
      </label>
    </li>
  );
}
