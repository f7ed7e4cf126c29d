/** What surrounds the work in every widget: what is opening, what went wrong, nothing to do, the keys. */

import { useComputed } from "@preact/signals";
import { t } from "../words.ts";
import type { WalkingScreen } from "./walking_screen.ts";

export interface OpeningProps {
  error: string;
  /** What is being opened. */
  what: keyof typeof OPENING;
}

const OPENING = {
  images: { now: "Opening your images…", failed: "Your images could not be opened." },
  data_set: { now: "Opening the data set…", failed: "The data set could not be opened." },
} as const;

export function Opening({ error, what }: OpeningProps) {
  return (
    <div class="mlf-empty" aria-busy={error === ""}>
      <p>{t(error === "" ? OPENING[what].now : OPENING[what].failed)}</p>
    </div>
  );
}

export interface FailedNoteProps {
  /** What went wrong, in words; "" when nothing did. */
  error: string;
  onRetry(): void;
}

/** What went wrong, and how to go on. */
export function FailedNote({ error, onRetry }: FailedNoteProps) {
  if (error === "") return null;
  return (
    <div class="mlf-trouble" role="alert">
      <span>{error}</span>
      <button type="button" onClick={onRetry}>
        {t("Try again")}
      </button>
    </div>
  );
}

export interface HelpButtonProps {
  onClick(): void;
  isPlain?: boolean;
}

export function HelpButton({ onClick, isPlain = false }: HelpButtonProps) {
  return (
    <button
      type="button"
      class={isPlain ? "mlf-plain" : undefined}
      data-mlf-action="help"
      aria-label={t("Keys")}
      title={t("Keys (?)")}
      onClick={onClick}
    >
      ?
    </button>
  );
}

interface Part {
  screen: WalkingScreen;
}

/** What went wrong, and which decision was refused. */
export function Trouble({ screen }: Part) {
  const { controller } = screen;
  const error = useComputed(() => controller.state.value.error).value;
  const save = useComputed(() => controller.state.value.save).value;
  return (
    <>
      <FailedNote error={error} onRetry={() => controller.retry()} />
      {save.state === "failed" && (
        <div class="mlf-trouble" role="alert">
          <span>{t("A decision was refused and is taken back: {reason}", { reason: save.reason })}</span>
          <button type="button" onClick={() => controller.dismissRefusal()}>
            {t("OK")}
          </button>
        </div>
      )}
    </>
  );
}

export interface NothingToDoProps extends Part {
  isRefinement?: boolean;
}

export function NothingToDo({ screen, isRefinement = false }: NothingToDoProps) {
  const { controller } = screen;
  const info = useComputed(() => controller.state.value.info).value;
  return (
    <div class="mlf-empty">
      <p class="mlf-empty-title">
        {isRefinement ? t("No images to settle yet") : t("No images for you yet")}
      </p>
      <p>
        {t(
          isRefinement
            ? "{name} has no disputed images in {project}. Whoever runs the project assigns them."
            : "{name} has no images in {project}. Whoever runs the project assigns them.",
          { name: info?.annotator ?? "", project: info?.project_name ?? "" },
        )}
      </p>
      <button type="button" onClick={() => controller.retry()}>
        {t("Look again")}
      </button>
    </div>
  );
}

/** What a screen reader says: what was done, and which image it is about. */
export function Announcer({ screen }: Part) {
  const said = useComputed(() => screen.controller.state.value.said).value;
  const nTasks = useComputed(() => screen.controller.state.value.progress.n_tasks).value;
  const position = screen.position.value;
  return (
    <>
      <div class="mlf-sr" role="status" aria-live="polite">
        {said}
      </div>
      <div class="mlf-sr" aria-live="polite">
        {nTasks > 0 ? t("Image {number} of {n}", { number: position + 1, n: nTasks }) : ""}
      </div>
    </>
  );
}
