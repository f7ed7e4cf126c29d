/** The explorer of the data set: filters, tiles with everybody's words, one image large. It only draws. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { PageButtons, useColumnCount } from "../grid/pages.tsx";
import { TilePicture } from "../grid/tile.tsx";
import type { Round, TaskFilter } from "../shared/messages.ts";
import { Choice } from "../shared/views/choice.tsx";
import { ClassSearchBox } from "../shared/views/class_search.tsx";
import { Dialog } from "../shared/views/dialog.tsx";
import { FailedNote, HelpButton, Opening } from "../shared/views/frame.tsx";
import { KeyRows } from "../shared/views/key_table.tsx";
import { type ExplorerController, PAGE_SIZE } from "./controller.ts";
import type { Disagreement, ExplorerImage, PersonsWord } from "./messages.ts";
import type { ExplorerScreen } from "./screen.ts";

const ROUNDS: Record<Round, string> = { annotation: "annotation", refinement: "refinement" };
const STATUSES: Record<TaskFilter, string> = {
  all: "any status",
  not_done: "not done",
  done: "done",
  unsure: "unsure",
  commented: "commented",
};
const DISAGREEMENTS: Record<Disagreement, string> = {
  any: "agreed or not",
  disputed: "disputed",
  agreed: "agreed",
  open: "with an open label",
};

export interface ExplorerViewProps {
  screen: ExplorerScreen;
}

export function ExplorerView({ screen }: ExplorerViewProps) {
  const { controller } = screen;
  const info = controller.info.value;
  const images = controller.images.value;
  const cursor = controller.cursor.value;
  const version = controller.picturesVersion.value;
  const error = controller.error.value;
  useLayoutEffect(() => screen.rendered(), [info, images, cursor, version, error]);
  const trouble = <FailedNote error={error} onRetry={() => controller.retry()} />;
  if (info === null) {
    return (
      <>
        {trouble}
        <Opening error={error} what="the data set" />
      </>
    );
  }
  return (
    <>
      <Filters controller={controller} />
      {trouble}
      <Tiles screen={screen} />
      <Pager controller={controller} />
      <Dialogs controller={controller} />
    </>
  );
}

interface Part {
  controller: ExplorerController;
}

function nameOf(controller: ExplorerController, classIndex: number): string {
  return controller.classes.value?.names[classIndex] ?? String(classIndex);
}

function Filters({ controller }: Part) {
  const info = controller.info.value;
  const filter = controller.filter.value;
  const { class_index } = filter;
  return (
    <header class="mlf-grid-bar mlf-explorer-bar">
      <strong>{info?.project_name}</strong>
      <Choice
        label="Round"
        title="Round"
        value={filter.round}
        options={ROUNDS}
        onChoose={(round) => controller.choose({ round })}
      />
      <button
        type="button"
        data-mlf-action="search"
        title="Choose a class (s)"
        onClick={() => {
          controller.dialog.value = { kind: "search" };
        }}
      >
        {class_index === null ? "Any class…" : nameOf(controller, class_index)}
      </button>
      {class_index !== null && (
        <button
          type="button"
          class="mlf-plain"
          aria-label="Any class"
          title="Any class"
          onClick={() => controller.choose({ class_index: null })}
        >
          ✕
        </button>
      )}
      <Choice
        label="Annotator"
        title="Annotator"
        value={filter.annotator}
        options={{
          "": "anybody",
          ...Object.fromEntries((info?.people ?? []).map(({ name }) => [name, personName(controller, name)])),
        }}
        onChoose={(annotator) => controller.choose({ annotator })}
      />
      <Choice
        label="Status"
        title="Status"
        value={filter.which}
        options={STATUSES}
        onChoose={(which) => controller.choose({ which })}
      />
      <Choice
        label="Agreement"
        title="Agreement"
        value={filter.disagreement}
        options={DISAGREEMENTS}
        onChoose={(disagreement) => controller.choose({ disagreement })}
      />
      <span class="mlf-space" />
      <span class="mlf-grid-count" role="status">
        {controller.images.value === null ? "…" : countWords(controller.nTotal.value)}
      </span>
      <HelpButton
        isPlain
        onClick={() => {
          controller.dialog.value = { kind: "help" };
        }}
      />
    </header>
  );
}

function countWords(n: number): string {
  return n === 1 ? "1 image" : `${n.toLocaleString("en")} images`;
}

function Tiles({ screen }: ExplorerViewProps) {
  const { controller } = screen;
  const images = controller.images.value;
  controller.picturesVersion.value;
  const list = useRef<HTMLUListElement>(null);
  useColumnCount(list, controller.nColumns, images === null || images.length === 0);
  useLayoutEffect(() => {
    list.current?.children[controller.cursor.value]?.scrollIntoView?.({ block: "nearest" });
  }, [controller.cursor.value, images]);
  if (images !== null && images.length === 0) {
    return (
      <div class="mlf-empty">
        <p>No image passes these filters.</p>
      </div>
    );
  }
  return (
    <ul ref={list} class="mlf-tiles mlf-explorer-tiles" aria-label="Images" aria-busy={images === null}>
      {(images ?? []).map((image, number) => (
        <li
          key={image.image_index}
          class={`mlf-tile${number === controller.cursor.value ? " mlf-tile-current" : ""}`}
          data-image-index={image.image_index}
        >
          <button
            type="button"
            class="mlf-explorer-image"
            aria-label={`${image.image_id}: look closer`}
            tabIndex={number === controller.cursor.value ? 0 : -1}
            onClick={() => {
              controller.cursor.value = number;
              controller.look(image.image_index);
            }}
          >
            <TilePicture
              bitmap={controller.thumbnails.get(image.image_index)}
              failure={controller.thumbnails.failure(image.image_index)}
              hasImage={image.has_image}
              isKnown
              onDrawn={(isDrawn) => screen.setDrawn(image.image_index, isDrawn)}
            />
          </button>
          <Words controller={controller} image={image} />
        </li>
      ))}
    </ul>
  );
}

function Words({ controller, image }: Part & { image: ExplorerImage }) {
  const { class_index } = controller.filter.value;
  const { original_label, is_disputed, words } = image;
  return (
    <div class="mlf-explorer-words">
      <p class="mlf-explorer-id" title={image.image_id}>
        {is_disputed && <span class="mlf-badge">disputed</span>}{" "}
        {original_label === null ? image.image_id : nameOf(controller, original_label)}
      </p>
      <ul>
        {words.map((word) => (
          <li key={word.annotator} class={word.vote === "" ? "" : `mlf-said-${word.vote}`}>
            <strong>{personName(controller, word.annotator)}</strong>{" "}
            {class_index === null || word.vote === "" ? labelsOf(controller, word) : word.vote}
            {word.comment !== "" && <span title={word.comment}> ✎</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** A name, with a note if it belongs to a program. */
function personName(controller: ExplorerController, name: string): string {
  const kind = controller.info.value?.people.find((person) => person.name === name)?.kind;
  return kind === "simulated" ? `${name} (simulated)` : name;
}

function labelsOf(controller: ExplorerController, word: PersonsWord): string {
  const names = word.labels.map((classIndex) => nameOf(controller, classIndex));
  if (word.none) names.push("none of these");
  if (word.unsure) names.push("unsure");
  return names.join(", ") || "–";
}

function Pager({ controller }: Part) {
  const page = controller.page.value;
  const first = page * PAGE_SIZE;
  const nShown = controller.images.value?.length ?? 0;
  return (
    <footer class="mlf-grid-bar">
      <PageButtons
        page={page}
        nPages={controller.nPages.value}
        onTurn={(next) => void controller.turnTo(next)}
      />
      <span class="mlf-grid-count">{nShown > 0 && `Images ${first + 1}–${first + nShown}`}</span>
      <span class="mlf-space" />
      <button type="button" onClick={() => controller.retry()}>
        Refresh
      </button>
      <span class="mlf-muted">Read-only</span>
    </footer>
  );
}

function Dialogs({ controller }: Part) {
  const dialog = controller.dialog.value;
  const classes = controller.classes.value;
  const close = () => {
    controller.dialog.value = null;
  };
  if (dialog === null || classes === null) return null;
  if (dialog.kind === "help") {
    return (
      <Dialog kind="help" title="Keys" onClose={close}>
        <KeyRows rows={KEYS} />
      </Dialog>
    );
  }
  if (dialog.kind === "search") {
    const search = controller.search();
    if (search === null) return null;
    return (
      <Dialog kind="search" title="Choose a class" onClose={close}>
        <ClassSearchBox
          classes={classes}
          search={search}
          onChoose={(classIndex) => controller.choose({ class_index: classIndex })}
        />
      </Dialog>
    );
  }
  const image = controller.images.value?.find(({ image_index }) => image_index === dialog.imageIndex);
  if (image === undefined) return null;
  return <Look controller={controller} image={image} onClose={close} />;
}

function Look({ controller, image, onClose }: Part & { image: ExplorerImage; onClose(): void }) {
  controller.picturesVersion.value;
  const { image_index, original_label, open_labels, words } = image;
  const bitmap = controller.large.get(image_index) ?? controller.thumbnails.get(image_index);
  return (
    <Dialog kind="look" title={image.image_id} onClose={onClose}>
      <div class="mlf-explorer-look">
        <TilePicture
          bitmap={bitmap}
          failure={controller.large.failure(image_index)}
          hasImage={image.has_image}
          isKnown
          onDrawn={() => {}}
        />
        <dl class="mlf-explorer-facts">
          <Fact term="Original label">
            {original_label === null ? "none" : nameOf(controller, original_label)}
          </Fact>
          <Fact term="Open labels">
            {open_labels.map((classIndex) => nameOf(controller, classIndex)).join(", ") || "none"}
          </Fact>
          {words.map((word) => (
            <Fact key={word.annotator} term={personName(controller, word.annotator)}>
              {labelsOf(controller, word)}
              {word.comment !== "" && <q>{word.comment}</q>}
            </Fact>
          ))}
        </dl>
      </div>
    </Dialog>
  );
}

function Fact({ term, children }: { term: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  );
}

const KEYS = [
  { written: ["←", "→", "↑", "↓"], does: "go from image to image" },
  { written: ["Page ↓", "Page ↑"], does: "next and previous page" },
  { written: ["Enter"], does: "look at an image more closely" },
  { written: ["s", "/"], does: "choose a class" },
  { written: ["?"], does: "these keys" },
  { written: ["Esc"], does: "give the keyboard back to the notebook" },
];
