/** The annotation widget: it draws the state, and hands on what is clicked. */

import { useComputed } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { type KeyAction, writtenActionKey } from "../shared/keys.ts";
import type { TaskFilter } from "../shared/messages.ts";
import { CommentBox } from "../shared/views/comment_box.tsx";
import { ImageStage, ZoomButtons } from "../shared/views/image_stage.tsx";
import { SavedState } from "../shared/views/saved_state.tsx";
import { Cards, Given, Pager } from "./cards.tsx";
import { Dialogs } from "./dialogs.tsx";
import type { Screen } from "./screen.ts";

interface Part {
  screen: Screen;
}

export function AnnotatorView({ screen }: Part) {
  const { state } = screen.controller;
  const isOpen = useComputed(() => state.value.info !== null).value;
  const isEmpty = useComputed(() => state.value.info !== null && state.value.progress.n_tasks === 0).value;
  return (
    <>
      {isOpen && <Head screen={screen} />}
      <Trouble screen={screen} />
      {!isOpen && <Opening screen={screen} />}
      {isEmpty && <NothingToDo screen={screen} />}
      {isOpen && !isEmpty && (
        <>
          <div class="mlf-main">
            <Picture screen={screen} />
            <section class="mlf-side" aria-label="Labels">
              <Pager screen={screen} />
              <Cards screen={screen} />
              <Given screen={screen} />
              <Comment screen={screen} />
            </section>
          </div>
          <Foot screen={screen} />
          <Dialogs screen={screen} />
        </>
      )}
      <Announcer screen={screen} />
    </>
  );
}

function keyOf(screen: Screen, action: KeyAction): string {
  return writtenActionKey(
    action,
    screen.key_layout.value,
    screen.controller.state.peek().info?.annotation.keys,
  );
}

function Opening({ screen }: Part) {
  const error = useComputed(() => screen.controller.state.value.error).value;
  return (
    <div class="mlf-empty" aria-busy={error === ""}>
      <p>{error === "" ? "Opening your images…" : "Your images could not be opened."}</p>
    </div>
  );
}

function NothingToDo({ screen }: Part) {
  const { controller } = screen;
  const info = controller.state.peek().info;
  return (
    <div class="mlf-empty">
      <p class="mlf-empty-title">No images for you yet</p>
      <p>
        {info?.annotator} has no images in the {info?.round} round of {info?.project_name}. Whoever runs the
        project assigns them.
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
  const error = useComputed(() => controller.state.value.error).value;
  const save = useComputed(() => controller.state.value.save).value;
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
        {info.is_simulated && <span class="mlf-badge">simulated</span>}
      </span>
      {!isEmpty && (
        <>
          <Place screen={screen} />
          <Progress screen={screen} />
          <Filter screen={screen} />
        </>
      )}
      <span class="mlf-space" />
      <SavedState status={save} />
      {info.annotation.guidelines.trim() !== "" && (
        <button
          type="button"
          data-mlf-action="guidelines"
          title={`Guidelines (${keyOf(screen, "guidelines")})`}
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
    </div>
  );
}

function Place({ screen }: Part) {
  const { controller, root } = screen;
  const position = screen.position.value;
  const n_tasks = useComputed(() => controller.state.value.progress.n_tasks).value;
  return (
    <label class="mlf-place">
      Image{" "}
      <input
        class="mlf-jump"
        type="text"
        inputMode="numeric"
        aria-label="Number of the image"
        title={`Jump to a number (${keyOf(screen, "jump")})`}
        value={String(position + 1)}
        style={{ width: `${Math.max(3, String(n_tasks).length) + 1.5}ch` }}
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
      of {n_tasks.toLocaleString("en")}
    </label>
  );
}

function Progress({ screen }: Part) {
  const { n_done, n_tasks } = useComputed(() => screen.controller.state.value.progress).value;
  const percent = n_tasks === 0 ? 0 : Math.floor((100 * n_done) / n_tasks);
  return (
    <span class="mlf-progress">
      <progress max={Math.max(1, n_tasks)} value={n_done} aria-label="Images done" />
      <span title={`${percent}%`}>
        {n_done === n_tasks ? "All done" : `${n_done.toLocaleString("en")} done`}
      </span>
    </span>
  );
}

const FILTERS: readonly { filter: TaskFilter; words: string }[] = [
  { filter: "all", words: "All images" },
  { filter: "not_done", words: "Not done" },
  { filter: "done", words: "Done" },
  { filter: "unsure", words: "Unsure" },
  { filter: "commented", words: "Commented" },
];

function Filter({ screen }: Part) {
  const { controller } = screen;
  const filter = useComputed(() => controller.state.value.filter).value;
  const progress = useComputed(() => controller.state.value.progress).value;
  const counts: Record<TaskFilter, number> = {
    all: progress.n_tasks,
    not_done: progress.n_tasks - progress.n_done,
    done: progress.n_done,
    unsure: progress.n_unsure,
    commented: progress.n_commented,
  };
  return (
    <select
      class={filter === "all" ? "mlf-filter" : "mlf-filter mlf-filter-on"}
      aria-label="Which images to walk through"
      title={`Which images to walk through (${keyOf(screen, "filter")})`}
      value={filter}
      onChange={(event) => void controller.chooseFilter(event.currentTarget.value as TaskFilter)}
    >
      {FILTERS.map(({ filter: value, words }) => (
        <option key={value} value={value}>
          {`${words} (${counts[value].toLocaleString("en")})`}
        </option>
      ))}
    </select>
  );
}

function Picture({ screen }: Part) {
  const { controller, stage } = screen;
  const position = screen.position.value;
  const task = screen.task.value;
  controller.pictures_version.value;
  const failure = screen.imageFailure();
  const image = task?.has_image ? controller.pictures?.image(position) : undefined;
  const regions = useComputed(() => screen.entry.value?.state.regions).value;
  // In the task that changes the words, so that no frame shows one image beside another's labels.
  useLayoutEffect(() => {
    stage.show(position, image, screen.marks());
    screen.checkPainted();
  }, [position, image, regions]);
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
          keys={{
            zoom_in: keyOf(screen, "zoom_in"),
            zoom_out: keyOf(screen, "zoom_out"),
            zoom_fit: keyOf(screen, "zoom_fit"),
            full_resolution: keyOf(screen, "full_resolution"),
          }}
        />
      </div>
    </section>
  );
}

function Comment({ screen }: Part) {
  const comment = useComputed(() => screen.entry.value?.state.comment ?? "").value;
  const image_index = useComputed(() => screen.entry.value?.task.image_index).value;
  return (
    <CommentBox
      subject={image_index ?? -1}
      text={comment}
      isOff={image_index === undefined}
      pending={screen.pendingComment}
      placeholder={`Comment (${keyOf(screen, "comment")})`}
      onChange={(text) => screen.controller.comment(text.trim())}
    />
  );
}

function Foot({ screen }: Part) {
  const { controller } = screen;
  const { state } = controller;
  const n_undo = useComputed(() => state.value.stacks.undo.length).value;
  const n_redo = useComputed(() => state.value.stacks.redo.length).value;
  const none = useComputed(() => screen.entry.value?.state.none ?? false).value;
  const unsure = useComputed(() => screen.entry.value?.state.unsure ?? false).value;
  return (
    <div class="mlf-foot" role="group" aria-label="Actions">
      <Action screen={screen} action="previous" words="‹ Previous" onClick={() => void controller.step(-1)} />
      <Action
        screen={screen}
        action="undo"
        words="Undo"
        isOff={n_undo === 0}
        onClick={() => void controller.undo("undo")}
      />
      <Action
        screen={screen}
        action="redo"
        words="Redo"
        isOff={n_redo === 0}
        onClick={() => void controller.undo("redo")}
      />
      <Action
        screen={screen}
        action="first_not_done"
        words="First not done"
        onClick={() => void controller.goToFirstNotDone()}
      />
      <Said screen={screen} />
      <Action
        screen={screen}
        action="search"
        words="Add label"
        onClick={() => controller.open({ kind: "search" })}
      />
      <Action
        screen={screen}
        action="unsure"
        words="Unsure"
        isOn={unsure}
        onClick={() => controller.toggleUnsure()}
      />
      <Action
        screen={screen}
        action="none"
        words="None of these"
        isOn={none}
        onClick={() => controller.toggleNone()}
      />
      <Action screen={screen} action="next" words="Next ›" isMain onClick={() => void controller.step(1)} />
    </div>
  );
}

interface ActionProps extends Part {
  action: KeyAction;
  words: string;
  onClick(): void;
  isOff?: boolean;
  isOn?: boolean;
  isMain?: boolean;
}

function Action({ screen, action, words, onClick, isOff = false, isOn, isMain = false }: ActionProps) {
  return (
    <button
      type="button"
      class={isMain ? "mlf-action mlf-action-main" : "mlf-action"}
      data-mlf-action={action}
      aria-disabled={isOff || undefined}
      aria-pressed={isOn}
      onClick={onClick}
    >
      {words} <kbd aria-hidden="true">{keyOf(screen, action)}</kbd>
    </button>
  );
}

function Said({ screen }: Part) {
  const said = useComputed(() => screen.controller.state.value.said).value;
  return (
    <span class="mlf-said">
      <span class="mlf-said-words" aria-hidden="true">
        {said}
      </span>
      <span class="mlf-keys-off">Click here to use the keys</span>
    </span>
  );
}

/** What a screen reader says: what was done, and which image it is about. */
function Announcer({ screen }: Part) {
  const said = useComputed(() => screen.controller.state.value.said).value;
  const n_tasks = useComputed(() => screen.controller.state.value.progress.n_tasks).value;
  const position = screen.position.value;
  return (
    <>
      <div class="mlf-sr" role="status" aria-live="polite">
        {said}
      </div>
      <div class="mlf-sr" aria-live="polite">
        {n_tasks > 0 ? `Image ${position + 1} of ${n_tasks}` : ""}
      </div>
    </>
  );
}
