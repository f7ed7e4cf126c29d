/** The head of a widget that walks from image to image: whose work, which image, progress, and the state of saving. */

import { useComputed } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { TaskFilter } from "../messages.ts";
import { count, t } from "../words.ts";
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
      <span
        class="mlf-who"
        title={t("{project}: {round} by {name}", {
          project: info.project_name,
          round: t(info.round),
          name: info.annotator,
        })}
      >
        <strong dir="auto">{info.project_name}</strong>{" "}
        <span>
          <bdi>{info.annotator}</bdi>
          {note}
        </span>
        {info.is_simulated && <span class="mlf-badge">{t("simulated")}</span>}
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
          title={t("Guidelines ({key})", { key: screen.keyOf("guidelines") })}
          onClick={() => controller.open({ kind: "guidelines" })}
        >
          {t("Guidelines")}
        </button>
      )}
      <NotebookLink />
      {info.hub?.projects && (
        <a class="mlf-head-link" href={info.hub.projects}>
          {t("Projects")}
        </a>
      )}
      {info.hub && (
        <a class="mlf-head-link" href={info.hub.log_out}>
          {t("Log out")}
        </a>
      )}
      <HelpButton onClick={() => controller.open({ kind: "help" })} />
    </div>
  );
}

/** The notebook behind the page, where the page says that there is one. */
function NotebookLink() {
  const address = document.documentElement.dataset.mlfNotebook;
  if (address === undefined) return null;
  return (
    <a class="mlf-head-link mlf-notebook-link" href={address} target="_blank" rel="noopener">
      {t("Notebook")}
    </a>
  );
}

function Place({ screen }: Part) {
  const { controller, root } = screen;
  const position = screen.position.value;
  const nTasks = useComputed(() => controller.state.value.progress.n_tasks).value;
  const field = useRef<HTMLInputElement>(null);
  const isWritten = useRef(false);
  // Set here, not as `value`: any drawing, as for a key that a press made known, would take away what is being typed.
  useLayoutEffect(() => {
    const { current: element } = field;
    if (element === null || isWritten.current) return;
    element.value = String(position + 1);
    if (element === element.ownerDocument.activeElement) element.select();
  }, [position]);
  return (
    <label class="mlf-place">
      {t("Image")}{" "}
      <input
        ref={field}
        class="mlf-jump"
        type="text"
        inputMode="numeric"
        aria-label={t("Number of the image")}
        title={t("Jump to a number ({key})", { key: screen.keyOf("jump") })}
        style={{ width: `calc(${Math.max(3, String(nTasks).length) + 1}ch + 1em)` }}
        onInput={() => {
          isWritten.current = true;
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          const number = Number.parseInt(event.currentTarget.value.replace(/\D/g, ""), 10);
          root.focus({ preventScroll: true });
          if (number > 0) controller.goTo(number - 1);
        }}
        onBlur={({ currentTarget: element }) => {
          if (element === element.ownerDocument.activeElement) return; // the whole window has lost the focus
          isWritten.current = false;
          element.value = String(screen.position.peek() + 1);
        }}
      />{" "}
      {t("of {n}", { n: count(nTasks) })}
    </label>
  );
}

function Progress({ screen, done }: Part & { done: string }) {
  const { n_done, n_tasks } = useComputed(() => screen.controller.state.value.progress).value;
  const percent = n_tasks === 0 ? 0 : Math.floor((100 * n_done) / n_tasks);
  const settings = useComputed(() => screen.controller.state.value.info?.annotation).value;
  const isShown = (settings?.own_progress ?? "off") !== "off";
  const words = n_done === n_tasks ? t("All {done}", { done }) : `${count(n_done)} ${done}`;
  return (
    <span class="mlf-progress">
      <progress max={Math.max(1, n_tasks)} value={n_done} aria-label={t("Images {done}", { done })} />
      {isShown ? (
        <button
          type="button"
          class="mlf-plain mlf-own-progress"
          data-mlf-action="own_progress"
          title={`${t("My progress")}: ${percent}%`}
          onClick={() => screen.controller.open({ kind: "own_progress" })}
        >
          {words}
        </button>
      ) : (
        <span title={`${percent}%`}>{words}</span>
      )}
    </span>
  );
}

function Filter({ screen }: Part) {
  const { controller } = screen;
  const filter = useComputed(() => controller.state.value.filter).value;
  const progress = useComputed(() => controller.state.value.progress).value;
  const { n_tasks, n_done, n_unsure, n_commented } = progress;
  const withCount = (words: string, n: number) => `${words} (${count(n)})`;
  const options: Record<TaskFilter, string> = {
    all: withCount(t("All images"), n_tasks),
    not_done: withCount(t("Not done"), n_tasks - n_done),
    done: withCount(t("Done"), n_done),
    unsure: withCount(t("Unsure"), n_unsure),
    commented: withCount(t("Commented"), n_commented),
  };
  return (
    <Choice
      class={filter === "all" ? "mlf-filter" : "mlf-filter mlf-filter-on"}
      label={t("Which images to walk through")}
      title={t("Which images to walk through ({key})", { key: screen.keyOf("filter") })}
      value={filter}
      options={options}
      onChoose={(chosen) => void controller.chooseFilter(chosen)}
    />
  );
}
