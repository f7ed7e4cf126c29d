/** The refinement widget: it draws the state, and hands on what is clicked. */

import { useLayoutEffect } from "preact/hooks";
import type { TaskFilter } from "../shared/messages.ts";
import { CommentBox } from "../shared/views/comment_box.tsx";
import { ImageStage, ZoomButtons } from "../shared/views/image_stage.tsx";
import { SavedState } from "../shared/views/saved_state.tsx";
import { BeforeAfter, Cards } from "./cards.tsx";
import { Dialogs } from "./dialogs.tsx";
import type { RefinerScreen } from "./screen.ts";
import { allRows } from "./state.ts";

const FILTERS: Record<TaskFilter, string> = {
  all: "All images",
  not_done: "Not done",
  done: "Done",
  unsure: "Unsure",
  commented: "Commented",
};

interface Part {
  screen: RefinerScreen;
}

export function RefinerView({ screen }: Part) {
  const { controller } = screen;
  const state = controller.state.value;
  const version = controller.pictures_version.value;
  const classes = controller.classes.value;
  useLayoutEffect(() => screen.checkPainted(), [state, version, classes]);
  if (state.info === null) {
    return (
      <>
        <Trouble screen={screen} />
        <div class="mlf-empty" aria-busy={state.error === ""}>
          <p>{state.error === "" ? "Opening your images…" : "Your images could not be opened."}</p>
        </div>
      </>
    );
  }
  if (state.progress.n_tasks === 0) return <NothingToDo screen={screen} />;
  return (
    <>
      <Head screen={screen} />
      <Trouble screen={screen} />
      <main class="mlf-main">
        <Picture screen={screen} />
        <section class="mlf-side" aria-label="Labels">
          <Summary screen={screen} />
          <Cards screen={screen} />
          <BeforeAfter screen={screen} />
          <Comments screen={screen} />
        </section>
      </main>
      <Foot screen={screen} />
      <Dialogs screen={screen} />
      <div class="mlf-sr" role="status" aria-live="polite">
        {state.said}
      </div>
      <div class="mlf-sr" aria-live="polite">
        {`Image ${state.position + 1} of ${state.progress.n_tasks}`}
      </div>
    </>
  );
}

function NothingToDo({ screen }: Part) {
  const { controller } = screen;
  const info = controller.state.value.info;
  return (
    <div class="mlf-empty">
      <p class="mlf-empty-title">No images to settle yet</p>
      <p>
        {info?.annotator} has no images in the {info?.round} round of {info?.project_name}. Whoever runs the
        project assigns the disputed ones.
      </p>
      <button type="button" onClick={() => controller.retry()}>
        Look again
      </button>
    </div>
  );
}

/** What went wrong, in words, and the way on. */
function Trouble({ screen }: Part) {
  const { controller } = screen;
  const { error, save } = controller.state.value;
  return (
    <>
      {error !== "" && (
        <div class="mlf-trouble" role="alert">
          <span>{error}</span>
          <button type="button" onClick={() => controller.retry()}>
            Try again
          </button>
        </div>
      )}
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

function Head({ screen }: Part) {
  const { controller, root } = screen;
  const { info, position, progress, filter, save } = controller.state.value;
  if (info === null) return null;
  const { n_done, n_tasks } = progress;
  const counts: Record<TaskFilter, number> = {
    all: n_tasks,
    not_done: n_tasks - n_done,
    done: n_done,
    unsure: progress.n_unsure,
    commented: progress.n_commented,
  };
  return (
    <header class="mlf-head">
      <span class="mlf-who" title={`${info.project_name}: refinement by ${info.annotator}`}>
        <strong>{info.project_name}</strong> {info.annotator}, refinement
        {info.is_simulated && <span class="mlf-badge">simulated</span>}
      </span>
      <label class="mlf-place">
        Image{" "}
        <input
          class="mlf-jump"
          type="text"
          inputMode="numeric"
          aria-label="Number of the image"
          title="Jump to a number (j)"
          value={String(position + 1)}
          style={{ width: `${Math.max(3, String(n_tasks).length) + 1.5}ch` }}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            const number = Number.parseInt(event.currentTarget.value.replace(/\D/g, ""), 10);
            root.focus({ preventScroll: true });
            if (number > 0) controller.goTo(number - 1);
          }}
          onBlur={(event) => {
            event.currentTarget.value = String(controller.state.peek().position + 1);
          }}
        />{" "}
        of {n_tasks.toLocaleString("en")}
      </label>
      <span class="mlf-progress">
        <progress max={Math.max(1, n_tasks)} value={n_done} aria-label="Images settled" />
        <span>{n_done === n_tasks ? "All settled" : `${n_done.toLocaleString("en")} settled`}</span>
      </span>
      <select
        class={filter === "all" ? "mlf-filter" : "mlf-filter mlf-filter-on"}
        aria-label="Which images to walk through"
        title="Which images to walk through (l)"
        value={filter}
        onChange={(event) => void controller.chooseFilter(event.currentTarget.value as TaskFilter)}
      >
        {(Object.keys(FILTERS) as TaskFilter[]).map((value) => (
          <option key={value} value={value}>
            {`${FILTERS[value]} (${counts[value].toLocaleString("en")})`}
          </option>
        ))}
      </select>
      <span class="mlf-space" />
      <SavedState status={save} onDismiss={() => controller.dismissRefusal()} />
      {info.annotation.guidelines.trim() !== "" && (
        <button
          type="button"
          data-mlf-action="guidelines"
          title="Guidelines (g)"
          onClick={() => controller.open({ kind: "guidelines" })}
        >
          Guidelines
        </button>
      )}
      <button
        type="button"
        data-mlf-action="help"
        aria-label="Keys"
        title="Keys (?)"
        onClick={() => controller.open({ kind: "help" })}
      >
        ?
      </button>
    </header>
  );
}

function Picture({ screen }: Part) {
  const { controller, stage } = screen;
  const { position, cursor } = controller.state.value;
  const task = screen.entry.value?.task;
  controller.pictures_version.value;
  const failure = screen.imageFailure();
  const image = task?.has_image ? controller.pictures?.image(position) : undefined;
  const revealed = screen.is_revealed.value;
  // In the task that changes the words, so that no frame shows one image beside another's labels.
  useLayoutEffect(() => {
    stage.show(position, image, screen.marks());
    screen.checkPainted();
  }, [position, image, revealed, cursor, task?.evidence]);
  return (
    <section class="mlf-picture" aria-label="Image">
      <div class="mlf-stage">
        <ImageStage stage={stage} label={task === undefined ? "Image" : `Image ${task.image_id}`} />
        {task !== undefined && !task.has_image && (
          <div class="mlf-stage-note">
            <p>This project has no file for this image.</p>
            <p class="mlf-muted">{task.image_id}</p>
          </div>
        )}
        {failure !== undefined && (
          <div class="mlf-stage-note" role="alert">
            <p>This image cannot be shown: {failure}</p>
            <p class="mlf-muted">{task?.image_id}</p>
            <button type="button" onClick={() => controller.retry()}>
              Try again
            </button>
          </div>
        )}
        {image === undefined && failure === undefined && (task === undefined || task.has_image) && (
          <div class="mlf-stage-note mlf-stage-wait">Loading…</div>
        )}
        <ZoomButtons
          stage={stage}
          onFull={() => void screen.showActualSize()}
          keys={{ zoom_in: "+", zoom_out: "−", zoom_fit: "v", full_resolution: "b" }}
        />
      </div>
    </section>
  );
}

function Summary({ screen }: Part) {
  const { controller } = screen;
  const state = controller.state.value;
  const entry = screen.entry.value;
  if (entry === undefined) return <div class="mlf-pager" />;
  const rows = allRows(state);
  const asked = rows.filter(({ isQuestion }) => isQuestion);
  const n_settled = entry.state.none ? asked.length : asked.filter(({ own }) => own !== undefined).length;
  const n_folded = rows.filter(({ isQuestion, own }) => !isQuestion && own === undefined).length;
  const what = entry.task.disputed.length === 0 ? "Nothing disputed: check every label" : "Disputed labels";
  return (
    <div class="mlf-pager">
      <span class="mlf-pager-words" data-mlf-part="settled">
        {what}: {n_settled} of {asked.length} settled
      </span>
      {!screen.is_revealed.value && (
        <button type="button" data-mlf-action="evidence" onClick={() => controller.showEvidence()}>
          Show votes <kbd aria-hidden="true">k</kbd>
        </button>
      )}
      {n_folded > 0 && (
        <button
          type="button"
          data-mlf-action="fold"
          aria-expanded={state.isUnfolded}
          onClick={() => controller.fold()}
        >
          {state.isUnfolded ? "Fold" : `${n_folded} undisputed`} <kbd aria-hidden="true">h</kbd>
        </button>
      )}
    </div>
  );
}

function Comments({ screen }: Part) {
  const { controller } = screen;
  const entry = screen.entry.value;
  const evidence = screen.is_revealed.value ? entry?.task.evidence : null;
  const said = Object.entries(evidence?.comments ?? {});
  return (
    <>
      {said.length > 0 && (
        <ul class="mlf-comments" aria-label="Comments of the annotators">
          {said.map(([voice, text]) => (
            <li key={voice}>
              <strong>{voice}</strong> {text}
            </li>
          ))}
        </ul>
      )}
      <CommentBox
        subject={entry?.task.image_index ?? -1}
        text={entry?.state.comment ?? ""}
        isOff={entry === undefined}
        pending={screen.pendingComment}
        placeholder="Comment (c)"
        onChange={(text) => controller.comment(text.trim())}
      />
    </>
  );
}

function Foot({ screen }: Part) {
  const { controller } = screen;
  const { stacks, said } = controller.state.value;
  const state = screen.entry.value?.state;
  return (
    <footer class="mlf-foot" role="group" aria-label="Actions">
      <Action action="previous" name="‹ Previous" written="←" onClick={() => void controller.step(-1)} />
      <Action
        action="undo"
        name="Undo"
        written="z"
        isOff={stacks.undo.length === 0}
        onClick={() => void controller.undo("undo")}
      />
      <Action
        action="redo"
        name="Redo"
        written="⇧z"
        isOff={stacks.redo.length === 0}
        onClick={() => void controller.undo("redo")}
      />
      <span class="mlf-said">
        <span class="mlf-said-words" aria-hidden="true">
          {said}
        </span>
        <span class="mlf-keys-off">Click here to use the keys</span>
      </span>
      <Action
        action="search"
        name="Add label"
        written="s"
        onClick={() => controller.open({ kind: "search" })}
      />
      <Action
        action="unsure"
        name="Unsure"
        written="x"
        isOn={state?.unsure ?? false}
        onClick={() => controller.toggleUnsure()}
      />
      <Action
        action="none"
        name="None of these"
        written="n"
        isOn={state?.none ?? false}
        onClick={() => controller.toggleNone()}
      />
      <Action action="majority" name="As most said" written="a" onClick={() => controller.acceptMajority()} />
      <Action action="next" name="Next ›" written="→" onClick={() => void controller.step(1)} />
      <Action
        action="confirm"
        name="Confirm"
        written="Enter"
        isMain
        onClick={() => void controller.confirm()}
      />
    </footer>
  );
}

interface ActionProps {
  action: string;
  name: string;
  written: string;
  onClick(): void;
  isOff?: boolean;
  isOn?: boolean;
  isMain?: boolean;
}

function Action({ action, name, written, onClick, isOff = false, isOn, isMain = false }: ActionProps) {
  return (
    <button
      type="button"
      class={isMain ? "mlf-action mlf-action-main" : "mlf-action"}
      data-mlf-action={action}
      aria-disabled={isOff || undefined}
      aria-pressed={isOn}
      onClick={onClick}
    >
      {name} <kbd aria-hidden="true">{written}</kbd>
    </button>
  );
}
