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
import { count, type English, inWords, t } from "../shared/words.ts";
import { type ExplorerController, PAGE_SIZE } from "./controller.ts";
import type { Disagreement, ExplorerImage, PersonsWord } from "./messages.ts";
import type { ExplorerScreen } from "./screen.ts";

const ROUNDS: Record<Round, English> = { annotation: "annotation", refinement: "refinement" };
const STATUSES: Record<TaskFilter, English> = {
  all: "any status",
  not_done: "not done",
  done: "done",
  unsure: "unsure",
  commented: "commented",
};
const DISAGREEMENTS: Record<Disagreement, English> = {
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
        <Opening error={error} what="data_set" />
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
      <strong dir="auto">{info?.project_name}</strong>
      <Choice
        label={t("Round")}
        value={filter.round}
        options={inWords(ROUNDS)}
        onChoose={(round) => controller.choose({ round })}
      />
      <button
        type="button"
        data-mlf-action="search"
        dir="auto"
        title={`${t("Choose a class")} (s)`}
        onClick={() => controller.open({ kind: "search" })}
      >
        {class_index === null ? t("Any class…") : nameOf(controller, class_index)}
      </button>
      {class_index !== null && (
        <button
          type="button"
          class="mlf-plain"
          aria-label={t("Any class")}
          title={t("Any class")}
          onClick={() => controller.choose({ class_index: null })}
        >
          ✕
        </button>
      )}
      <Choice
        label={t("Annotator")}
        value={filter.annotator}
        options={{
          "": t("anybody"),
          ...Object.fromEntries((info?.people ?? []).map(({ name }) => [name, personName(controller, name)])),
        }}
        onChoose={(annotator) => controller.choose({ annotator })}
      />
      <Choice
        label={t("Status")}
        value={filter.which}
        options={inWords(STATUSES)}
        onChoose={(which) => controller.choose({ which })}
      />
      <Choice
        label={t("Agreement")}
        value={filter.disagreement}
        options={inWords(DISAGREEMENTS)}
        onChoose={(disagreement) => controller.choose({ disagreement })}
      />
      <span class="mlf-space" />
      <span class="mlf-grid-count" role="status">
        {controller.images.value === null ? "…" : countWords(controller.nTotal.value)}
      </span>
      <HelpButton isPlain onClick={() => controller.open({ kind: "help" })} />
    </header>
  );
}

function countWords(n: number): string {
  return n === 1 ? t("1 image") : t("{n} images", { n: count(n) });
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
        <p>{t("No image passes these filters.")}</p>
      </div>
    );
  }
  return (
    <ul ref={list} class="mlf-tiles mlf-explorer-tiles" aria-label={t("Images")} aria-busy={images === null}>
      {(images ?? []).map((image, number) => (
        <li
          key={image.image_index}
          class={`mlf-tile${number === controller.cursor.value ? " mlf-tile-current" : ""}`}
          data-image-index={image.image_index}
        >
          <button
            type="button"
            class="mlf-explorer-image"
            aria-label={t("{name}: look closer", { name: image.image_id })}
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
      <p class="mlf-explorer-id" dir="auto" title={image.image_id}>
        {is_disputed && <span class="mlf-badge">{t("disputed")}</span>}{" "}
        {original_label === null ? image.image_id : nameOf(controller, original_label)}
      </p>
      <ul>
        {words.map((word) => (
          <li key={word.annotator} class={word.vote === "" ? "" : `mlf-said-${word.vote}`}>
            <strong>
              <bdi>{personName(controller, word.annotator)}</bdi>
            </strong>{" "}
            <span dir="auto">
              {class_index === null || word.vote === "" ? labelsOf(controller, word) : t(word.vote)}
            </span>
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
  return kind === "simulated" ? `${name} (${t("simulated")})` : name;
}

function labelsOf(controller: ExplorerController, word: PersonsWord): string {
  const names = word.labels.map((classIndex) => nameOf(controller, classIndex));
  if (word.none) names.push(t("none of these"));
  for (const classIndex of word.unsure_labels)
    names.push(t("{name}: unsure", { name: nameOf(controller, classIndex) }));
  if (word.unsure) names.push(t("unsure about this image"));
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
      <span class="mlf-grid-count">
        {nShown > 0 && t("Images {first}–{last}", { first: first + 1, last: first + nShown })}
      </span>
      <span class="mlf-space" />
      <button type="button" onClick={() => controller.retry()}>
        {t("Refresh")}
      </button>
      <span class="mlf-muted">{t("Read-only")}</span>
    </footer>
  );
}

function Dialogs({ controller }: Part) {
  const dialog = controller.dialog.value;
  const classes = controller.classes.value;
  const close = () => controller.open(null);
  if (dialog === null || classes === null) return null;
  if (dialog.kind === "help") {
    return (
      <Dialog kind="help" title={t("Keys")} onClose={close}>
        <KeyRows rows={KEYS} />
      </Dialog>
    );
  }
  if (dialog.kind === "search") {
    const search = controller.search();
    if (search === null) return null;
    return (
      <Dialog kind="search" title={t("Choose a class")} onClose={close}>
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
          <Fact term={t("Original label")}>
            {original_label === null ? t("none") : nameOf(controller, original_label)}
          </Fact>
          <Fact term={t("Open labels")}>
            {open_labels.map((classIndex) => nameOf(controller, classIndex)).join(", ") || t("none")}
          </Fact>
          {words.map((word) => (
            <Fact key={word.annotator} term={personName(controller, word.annotator)}>
              {labelsOf(controller, word)}
              {word.comment !== "" && <q dir="auto">{word.comment}</q>}
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
      <dd dir="auto">{children}</dd>
    </>
  );
}

const KEYS = [
  { written: ["←", "→", "↑", "↓"], does: "go from image to image" },
  { written: ["Page ↓", "Page ↑"], does: "next and previous page" },
  { written: ["Enter"], does: "look at an image more closely" },
  { written: ["s", "/"], does: "choose a class" },
  { written: ["?"], does: "these keys" },
  { written: ["Esc"], does: "give the keyboard back; twice: the notebook has it" },
];
