/** The head of a widget that walks from image to image: whose work, which image, progress, and the state of saving. */

import { useComputed } from "@preact/signals";
import type { TaskFilter } from "../messages.ts";
import { Choice } from "./choice.tsx";
import { HelpButton } from "./frame.tsx";
import { SavedState } from "./saved_state.tsx";
import type { WalkingScreen } from "./walking_screen.ts";

interface Part {
  screen: WalkingScreen;
}

export interface HeadProps extends Part {
  /** What to call an image that needs no more work, such as "done". */
  done: string;
  /** Shown after the annotator's name. */
  note?: string;
  /** A decision was refused, and the person has read why. */
  onDismiss?(): void;
}

export function Head({ screen, done, note = "", onDismiss }: HeadProps) {
  const { controller } = screen;
  const { state } = controller;
  const info = useComputed(() => state.value.info).value;
  const save = useComputed(() => state.value.save).value;
  const isEmpty = useComputed(() => state.value.progress.n_tasks === 0).value;
  if (info === null) return null;
  return (
    <div class="mlf-head">
      <span class="mlf-who" title={`${info.project_name}: ${info.round} by ${info.annotator}`}>
        <strong>{info.project_name}</strong> {info.annotator}
        {note}
        {info.is_simulated && <span class="mlf-badge">simulated</span>}
      </span>
      {!isEmpty && (
        <>
          <Place screen={screen} />
          <Progress screen={screen} done={done} />
          <Filter screen={screen} />
        </>
      )}
      <span class="mlf-space" />
      <SavedState status={save} onDismiss={onDismiss} />
      {info.annotation.guidelines.trim() !== "" && (
        <button
          type="button"
          data-mlf-action="guidelines"
          title={`Guidelines (${screen.keyOf("guidelines")})`}
          onClick={() => controller.open({ kind: "guidelines" })}
        >
          Guidelines
        </button>
      )}
      <HelpButton onClick={() => controller.open({ kind: "help" })} />
    </div>
  );
}

function Place({ screen }: Part) {
  const { controller, root } = screen;
  const position = screen.position.value;
  const nTasks = useComputed(() => controller.state.value.progress.n_tasks).value;
  return (
    <label class="mlf-place">
      Image{" "}
      <input
        class="mlf-jump"
        type="text"
        inputMode="numeric"
        aria-label="Number of the image"
        title={`Jump to a number (${screen.keyOf("jump")})`}
        value={String(position + 1)}
        style={{ width: `calc(${Math.max(3, String(nTasks).length) + 1}ch + 1em)` }}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          const number = Number.parseInt(event.currentTarget.value.replace(/\D/g, ""), 10);
          root.focus({ preventScroll: true });
          if (number > 0) controller.goTo(number - 1);
        }}
        onBlur={(event) => {
          event.currentTarget.value = String(screen.position.peek() + 1);
        }}
      />{" "}
      of {nTasks.toLocaleString("en")}
    </label>
  );
}

function Progress({ screen, done }: Part & { done: string }) {
  const { n_done, n_tasks } = useComputed(() => screen.controller.state.value.progress).value;
  const percent = n_tasks === 0 ? 0 : Math.floor((100 * n_done) / n_tasks);
  return (
    <span class="mlf-progress">
      <progress max={Math.max(1, n_tasks)} value={n_done} aria-label={`Images ${done}`} />
      <span title={`${percent}%`}>
        {n_done === n_tasks ? `All ${done}` : `${n_done.toLocaleString("en")} ${done}`}
      </span>
    </span>
  );
}

function Filter({ screen }: Part) {
  const { controller } = screen;
  const filter = useComputed(() => controller.state.value.filter).value;
  const progress = useComputed(() => controller.state.value.progress).value;
  const { n_tasks, n_done, n_unsure, n_commented } = progress;
  const counted = (words: string, n: number) => `${words} (${n.toLocaleString("en")})`;
  const options: Record<TaskFilter, string> = {
    all: counted("All images", n_tasks),
    not_done: counted("Not done", n_tasks - n_done),
    done: counted("Done", n_done),
    unsure: counted("Unsure", n_unsure),
    commented: counted("Commented", n_commented),
  };
  return (
    <Choice
      class={filter === "all" ? "mlf-filter" : "mlf-filter mlf-filter-on"}
      label="Which images to walk through"
      title={`Which images to walk through (${screen.keyOf("filter")})`}
      value={filter}
      options={options}
      onChoose={(chosen) => void controller.chooseFilter(chosen)}
    />
  );
}
