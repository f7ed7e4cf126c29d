/** The grid: one class, many images, one checkbox per image. It only draws; `controller.ts` acts. */

import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { hasUnsure, isDecided } from "../shared/fold.ts";
import type { TaskFilter } from "../shared/messages.ts";
import { examplesFor } from "../shared/pictures.ts";
import { Choice } from "../shared/views/choice.tsx";
import { ClassSearchBox } from "../shared/views/class_search.tsx";
import { Dialog } from "../shared/views/dialog.tsx";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { FailedNote, HelpButton } from "../shared/views/frame.tsx";
import { ImageStage, Stage } from "../shared/views/image_stage.tsx";
import { KeyRows } from "../shared/views/key_table.tsx";
import { SavedState } from "../shared/views/saved_state.tsx";
import { count, type English, inWords, t } from "../shared/words.ts";
import type { GridController } from "./controller.ts";
import { GRID_BINDINGS } from "./keys.ts";
import { PageButtons, useColumnCount } from "./pages.tsx";
import type { GridScreen } from "./screen.ts";
import { type GridState, PAGE_SIZES, pageCount, positionsOfPage, unanswered, wordOn } from "./state.ts";
import { Tile, type TileWord } from "./tile.tsx";

const FILTERS: Record<TaskFilter, English> = {
  all: "all images",
  not_done: "not done",
  done: "done",
  unsure: "unsure",
  commented: "commented",
};

export interface GridViewProps {
  screen: GridScreen;
}

export function GridView({ screen }: GridViewProps) {
  const { controller } = screen;
  const state = controller.state.value;
  const version = controller.picturesVersion.value;
  const classes = controller.classes.value;
  useLayoutEffect(() => screen.rendered(), [state, version, classes]);
  if (state.info === null) {
    return (
      <p class="mlf-grid-message" role={state.error ? "alert" : "status"}>
        {state.error || t("Opening your images…")}
      </p>
    );
  }
  return (
    <>
      <Question controller={controller} state={state} />
      <Bar controller={controller} state={state} />
      <FailedNote error={state.error} onRetry={() => controller.retry()} />
      <Tiles screen={screen} state={state} />
      <Pager controller={controller} state={state} />
      <p class="mlf-said" role="status">
        {state.said}
      </p>
      <Dialogs controller={controller} state={state} />
    </>
  );
}

interface PartProps {
  controller: GridController;
  state: GridState;
}

function Question({ controller, state }: PartProps) {
  const classes = controller.classes.value;
  const { classIndex, info } = state;
  const name = classIndex === null ? null : (classes?.names[classIndex] ?? "");
  const synonyms = classIndex === null ? "" : (classes?.synonyms[classIndex] ?? []).join(", ");
  const definition = classIndex === null ? "" : (classes?.definitions[classIndex] ?? "");
  const [before, after] = t("Which of these show {name}?").split("{name}");
  controller.picturesVersion.value;
  const sprite =
    classIndex === null ? undefined : controller.pictures?.sprite(examplesFor(undefined, classIndex));
  return (
    <header class="mlf-grid-question">
      <div class="mlf-grid-words">
        <h2>
          {name === null ? (
            t("Your images")
          ) : (
            <>
              {before}
              <em dir="auto">{name}</em>
              {after}
            </>
          )}
        </h2>
        <p class="mlf-grid-meaning" dir="auto">
          {[synonyms, definition].filter((text) => text !== "").join(" — ")}
        </p>
      </div>
      {/* An image of the project could stand beside itself here: such examples do not come without a task. */}
      {sprite !== undefined && sprite.head.n_examples > 0 && (
        <ExampleStrip
          sprite={sprite}
          layout={{ sidePx: 56, nColumns: sprite.head.n_examples, gapPx: 3 }}
          label={t("Examples of {name}", { name: name ?? "" })}
          onPick={() => {}}
        />
      )}
      {info?.is_simulated && <span class="mlf-badge">{t("simulated annotator")}</span>}
    </header>
  );
}

function Bar({ controller, state }: PartProps) {
  const nOpen = unanswered(state).length;
  const { undo, redo } = state.stacks;
  return (
    <div class="mlf-grid-bar" role="toolbar" aria-label={t("Actions")}>
      <button
        type="button"
        data-mlf-action="search"
        title={`${t("Choose a class")} (s)`}
        onClick={() => controller.open({ kind: "search" })}
      >
        {state.classIndex === null ? t("Choose a class…") : t("Another class…")}
      </button>
      <label>
        <span>{t("Show")}</span>{" "}
        <Choice
          action="filter"
          value={state.which}
          options={inWords(FILTERS)}
          title={`${t("filter the images")} (l)`}
          onChoose={(which) => controller.choose(state.classIndex, which)}
        />
      </label>
      <span class="mlf-space" />
      <button
        type="button"
        data-mlf-action="undo"
        disabled={undo.length === 0}
        title={`${t("Undo")} (z)`}
        onClick={() => controller.undo("undo")}
      >
        {t("Undo")}
      </button>
      <button
        type="button"
        data-mlf-action="redo"
        disabled={redo.length === 0}
        title={`${t("Redo")} (Z)`}
        onClick={() => controller.undo("redo")}
      >
        {t("Redo")}
      </button>
      <button
        type="button"
        data-mlf-action="clear"
        disabled={state.classIndex === null}
        title={`${t("clear every vote on this page for this class")} (x)`}
        onClick={() => controller.clearPage()}
      >
        {t("Clear page")}
      </button>
      <button
        type="button"
        class="mlf-action-main"
        data-mlf-action="confirm"
        disabled={state.classIndex === null || nOpen === 0}
        title={t("Every image on this page without a vote gets a no, for this class alone (c)")}
        onClick={() => controller.confirmPage()}
      >
        {nOpen === 0 ? t("Page confirmed") : t("Confirm page: {n} × no", { n: nOpen })}
      </button>
      <SavedState status={state.save} onDismiss={() => controller.dismissRefusal()} />
      <HelpButton isPlain onClick={() => controller.open({ kind: "help" })} />
    </div>
  );
}

function Tiles({ screen, state }: GridViewProps & { state: GridState }) {
  const { controller } = screen;
  controller.picturesVersion.value; // what reads signals, as t() does, is drawn anew for these and its props alone
  const list = useRef<HTMLUListElement>(null);
  const shown = positionsOfPage(state);
  useColumnCount(list, controller.nColumns, shown.length === 0);
  useLayoutEffect(() => list.current?.scrollTo?.({ top: 0 }), [state.page, state.classIndex, state.which]);
  if (state.isListed && shown.length === 0) return <Nothing controller={controller} state={state} />;
  return (
    <ul ref={list} class="mlf-tiles" aria-label={t("Images")} aria-busy={!state.isListed}>
      {shown.map((position) => {
        const entry = state.entries.get(position);
        const word = entry === undefined ? "open" : tileWord(state, position);
        return (
          <Tile
            key={position}
            number={position}
            name={t("Image {number}", { number: position + 1 })}
            classIndex={state.classIndex ?? -1}
            word={word}
            notes={entry === undefined ? [] : notesOn(state, position)}
            isCurrent={position === state.position}
            isOff={entry === undefined || state.classIndex === null}
            bitmap={controller.thumbnails?.get(position)}
            failure={controller.thumbnails?.failure(position)}
            isKnown={entry !== undefined}
            hasImage={entry?.task.has_image ?? true}
            wordNow={() => tileWord(controller.state.peek(), position)}
            onTick={() => {
              controller.goTo(position);
              controller.toggle(position, "yes");
            }}
            onFocus={() => controller.goTo(position)}
            onLook={() => controller.open({ kind: "look", position })}
            onDrawn={(isDrawn) => screen.setDrawn(position, isDrawn)}
            onElement={(element) => screen.place(position, element)}
          />
        );
      })}
    </ul>
  );
}

function tileWord(state: GridState, position: number): TileWord {
  const entry = state.entries.get(position);
  if (entry === undefined || state.classIndex === null) return "open";
  const word = wordOn(entry.state, state.classIndex);
  if (word === null) return "open";
  return word.isOwn ? word.vote : word.vote === "no" ? "unticked" : word.vote;
}

function notesOn(state: GridState, position: number): string[] {
  const entry = state.entries.get(position);
  if (entry === undefined) return [];
  const notes = [];
  const nLabels = Object.values(entry.state.votes).filter((vote) => vote === "yes").length;
  if (entry.state.none) notes.push(t("none of these"));
  else if (nLabels > 0) notes.push(nLabels === 1 ? t("1 label") : t("{n} labels", { n: nLabels }));
  else if (!isDecided(entry.state)) notes.push(t("not done"));
  if (hasUnsure(entry.state)) notes.push(t("unsure"));
  if (entry.state.comment !== "") notes.push(t("comment"));
  return notes;
}

function Nothing({ controller, state }: PartProps) {
  const name = state.classIndex === null ? "" : (controller.classes.value?.names[state.classIndex] ?? "");
  const isOfClass = state.classIndex !== null;
  const words =
    state.which === "all"
      ? t(isOfClass ? "None of your images was offered {name}." : "You have no image here.", { name })
      : t(
          isOfClass
            ? "None of your images was offered {name} and is “{filter}”."
            : "No image of yours is “{filter}”.",
          {
            name,
            filter: t(FILTERS[state.which]),
          },
        );
  return (
    <div class="mlf-grid-message">
      <p>{words}</p>
      {state.which !== "all" && (
        <button type="button" onClick={() => controller.choose(state.classIndex, "all")}>
          {t("Show all images")}
        </button>
      )}
    </div>
  );
}

function Pager({ controller, state }: PartProps) {
  const first = state.page * state.pageSize;
  const last = Math.min(first + state.pageSize, state.positions.length);
  const { n_done, n_tasks } = state.progress;
  return (
    <footer class="mlf-grid-bar">
      <PageButtons page={state.page} nPages={pageCount(state)} onTurn={(page) => controller.turnPage(page)} />
      <span class="mlf-grid-count">
        {state.positions.length === 0
          ? t("No images")
          : t("Images {first}–{last} of {n}", { first: first + 1, last, n: count(state.nTotal) })}
        {state.nTotal > state.positions.length &&
          ` ${t("(the first {n} are listed)", { n: count(state.positions.length) })}`}
      </span>
      <span class="mlf-space" />
      <label>
        <span>{t("Images a page")}</span>{" "}
        <select
          value={String(state.pageSize)}
          onChange={(event) => controller.resizePage(Number(event.currentTarget.value))}
        >
          {PAGE_SIZES.map((size) => (
            <option key={size} value={String(size)}>
              {size}
            </option>
          ))}
        </select>
      </label>
      <span class="mlf-grid-count">
        {t("{n} of {n_all} images with a decision", { n: count(n_done), n_all: count(n_tasks) })}
      </span>
    </footer>
  );
}

function Dialogs({ controller, state }: PartProps) {
  const { dialog } = state;
  const close = () => controller.open(null);
  const classes = controller.classes.value;
  if (dialog === null) return null;
  if (dialog.kind === "help") {
    return (
      <Dialog kind="help" title={t("Keys and what they mean")} onClose={close}>
        <KeyRows rows={GRID_BINDINGS.filter(({ does }) => does !== "")} />
        <p class="mlf-muted">
          {t(
            "A tick says that the image shows this class. Images that you leave unticked say nothing until you confirm the page; then each of them that has been on your screen gets a no for this class, and for no other. An image counts as done once it has any vote, also one from here; its other labels stay unanswered.",
          )}
        </p>
      </Dialog>
    );
  }
  if (dialog.kind === "search") {
    const search = controller.searchIndex();
    if (search === null || classes === null) return null;
    return (
      <Dialog kind="search" title={t("Choose a class")} onClose={close}>
        <ClassSearchBox
          classes={classes}
          search={search}
          onChoose={(classIndex) => controller.choose(classIndex)}
        />
      </Dialog>
    );
  }
  return <Look controller={controller} position={dialog.position} onClose={close} />;
}

function Look({
  controller,
  position,
  onClose,
}: {
  controller: GridController;
  position: number;
  onClose(): void;
}) {
  const stage = useMemo(() => new Stage(), [position]);
  const image = controller.pictures?.image(position);
  const version = controller.picturesVersion.value;
  const name = t("Image {number}", { number: position + 1 });
  useLayoutEffect(() => stage.show(position, image), [stage, image, version]);
  useEffect(() => () => stage.close(), [stage]);
  return (
    <Dialog kind="look" title={name} onClose={onClose}>
      <div class="mlf-look">
        <ImageStage stage={stage} label={name} />
      </div>
    </Dialog>
  );
}
