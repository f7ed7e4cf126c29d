/** What surrounds the work in every widget: what is opening, what went wrong, nothing to do, the keys. */

import { useComputed } from "@preact/signals";
import type { WalkingScreen } from "./walking_screen.ts";

export interface OpeningProps {
  error: string;
  /** What is being opened, such as "your images". */
  what: string;
}

export function Opening({ error, what }: OpeningProps) {
  return (
    <div class="mlf-empty" aria-busy={error === ""}>
      <p>
        {error === "" ? `Opening ${what}…` : `${what[0]?.toUpperCase()}${what.slice(1)} could not be opened.`}
      </p>
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
        Try again
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
      aria-label="Keys"
      title="Keys (?)"
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
          <span>A decision was refused and is taken back: {save.reason}</span>
          <button type="button" onClick={() => controller.dismissRefusal()}>
            OK
          </button>
        </div>
      )}
    </>
  );
}

export interface NothingToDoProps extends Part {
  title: string;
  /** What the person who runs the project assigns, such as "them". */
  assigned: string;
}

export function NothingToDo({ screen, title, assigned }: NothingToDoProps) {
  const { controller } = screen;
  const info = useComputed(() => controller.state.value.info).value;
  return (
    <div class="mlf-empty">
      <p class="mlf-empty-title">{title}</p>
      <p>
        {info?.annotator} has no images in the {info?.round} round of {info?.project_name}. Whoever runs the
        project assigns {assigned}.
      </p>
      <button type="button" onClick={() => controller.retry()}>
        Look again
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
        {nTasks > 0 ? `Image ${position + 1} of ${nTasks}` : ""}
      </div>
    </>
  );
}
