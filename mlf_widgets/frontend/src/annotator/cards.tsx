/** The proposals as cards, the pages they lie on, and the labels given so far. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Vote } from "../shared/messages.ts";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { Icon } from "../shared/views/icon.tsx";
import { t } from "../shared/words.ts";
import type { Screen } from "./screen.ts";
import { pageSize } from "./state.ts";

export function Cards({ screen }: { screen: Screen }) {
  const nCards = screen.nCards.value;
  const showsAll = screen.showsAll.value;
  const look = showsAll ? "mlf-cards mlf-cards-all" : "mlf-cards";
  const size = pageSize(screen.controller.state.peek());
  const nRows = showsAll ? nCards : size;
  const list = useRef<HTMLUListElement>(null);
  const position = screen.position.value;
  useLayoutEffect(() => {
    if (list.current !== null) list.current.scrollTop = 0;
  }, [position]);
  return (
    <ul
      ref={list}
      class={screen.definitionLines.value > 0 ? `${look} mlf-cards-roomy` : look}
      style={
        showsAll ? undefined : { gridTemplateRows: `repeat(${nRows}, minmax(var(--mlf-card-min), 1fr))` }
      }
      aria-label={t("Proposed labels")}
    >
      {/* Keyed by place, not by class: the next image changes words and pixels, but builds no element. */}
      {Array.from({ length: nCards }, (_, at) => (
        <Card key={at} screen={screen} at={at} />
      ))}
    </ul>
  );
}

function Card({ screen, at }: { screen: Screen; at: number }) {
  const { controller } = screen;
  const slot = screen.slot(at);
  const proposal = slot.proposal.value;
  const vote = slot.vote.value;
  const sprite = slot.sprite.value;
  const failure = slot.failure.value;
  const line = slot.line.value;
  const classes = controller.classes.value;
  const card = useRef<HTMLLIElement>(null);
  screen.revision.value;
  useLayoutEffect(() => {
    const element = card.current;
    if (element === null) return;
    slot.element = element;
    const unwatch = screen.visibility.watch(element);
    return () => {
      unwatch();
      slot.element = null;
      slot.drawnClass = null;
    };
  }, [slot]);
  useEffect(() => {
    // All cards have the same size: measuring the first one is enough.
    const element = card.current;
    if (at !== 0 || element === null || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(() => {
      const head = element.querySelector(".mlf-card-head");
      if (head === null) return; // its task has not come: all examples would be laid out, and decoded, anew
      const isFree = screen.root.classList.contains("mlf-narrow");
      screen.setCardSize(element.clientWidth, element.clientHeight, head.clientHeight, isFree);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [at]);
  const classIndex = proposal?.class_index;
  useLayoutEffect(() => {
    slot.drawnClass = classIndex ?? null;
  }, [classIndex]);
  if (proposal === undefined || classIndex === undefined || classes === null) return <li ref={card} />;
  const name = classes.names[classIndex] ?? String(classIndex);
  const synonyms = classes.synonyms[classIndex] ?? [];
  const definition = classes.definitions[classIndex] ?? "";
  const key = screen.labelKey(slot.number.value);
  const marksRegions = controller.state.peek().info?.annotation.regions !== "off";
  const nExamples = sprite?.head.n_examples;
  const nLines = screen.definitionLines.value;
  return (
    <li ref={card} class={vote === undefined ? "mlf-card" : `mlf-card mlf-card-${vote}`}>
      <div class="mlf-card-head">
        <label class="mlf-card-label" title={[name, ...synonyms].join(", ")}>
          <kbd class="mlf-card-key">{key}</kbd>
          <LabelBox screen={screen} classIndex={classIndex} vote={vote} />
          <span class="mlf-card-name" dir="auto">
            {name}
          </span>
          {synonyms.length > 0 && (
            <span class="mlf-card-synonyms" dir="auto">
              {synonyms.join(", ")}
            </span>
          )}
        </label>
        {proposal.score !== null && (
          <span class="mlf-card-score" title={t("Score of {model}", { model: proposal.model })}>
            {proposal.score.toFixed(2)}
          </span>
        )}
        {marksRegions && (
          <button
            type="button"
            class="mlf-mini"
            aria-label={t("Mark where {name} is", { name })}
            title={t("Mark where it is ({key})", { key: screen.keyOf("mark") })}
            onClick={() => void controller.markRegion(classIndex)}
          >
            <Icon path="M8 1v4M8 11v4M1 8h4M11 8h4M8 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7" />
          </button>
        )}
        <button
          type="button"
          class="mlf-mini mlf-card-unsure"
          aria-pressed={vote === "unsure"}
          aria-label={t("Unsure about {name}", { name })}
          title={t("Unsure about this label ({key})", { key: screen.unsureKey(slot.number.value) })}
          onClick={() => {
            screen.lastClass = classIndex;
            controller.toggleVote(classIndex, "unsure");
          }}
        >
          ?
        </button>
        <button
          type="button"
          class="mlf-mini"
          aria-label={t("What {name} means", { name })}
          title={definition || t("What it means")}
          onClick={() => screen.compare(classIndex)}
        >
          i
        </button>
      </div>
      <div class="mlf-card-room">
        <ExampleStrip
          sprite={sprite}
          layout={screen.layout.value}
          isOn={card.current === null || screen.visibility.mayBeSeen(card.current)}
          label={t("Examples of {name}: enlarge", { name })}
          onPick={(number) => screen.compare(classIndex, number)}
          onDrawn={(drawn) => {
            slot.drawnSprite = drawn;
            screen.checkPainted();
          }}
        />
        {nExamples === 0 && <span class="mlf-card-note">{t("No examples")}</span>}
        {nLines > 0 && (
          <p class="mlf-card-definition" dir="auto" style={{ "-webkit-line-clamp": nLines }}>
            {line !== "" && <strong class="mlf-card-line">{line} </strong>}
            {definition}
          </p>
        )}
        {failure !== undefined && (
          <span class="mlf-card-note" title={failure}>
            {t("The examples could not be loaded")}
          </span>
        )}
      </div>
    </li>
  );
}

interface LabelBoxProps {
  screen: Screen;
  classIndex: number;
  vote: Vote | undefined;
}

/** The real checkbox of a label: ticked for yes, half-ticked for unsure. */
export function LabelBox({ screen, classIndex, vote }: LabelBoxProps) {
  const { controller } = screen;
  const box = useRef<HTMLInputElement>(null);
  const follow = () => {
    if (box.current === null) return;
    const now = screen.votes.peek()[String(classIndex)];
    box.current.checked = now === "yes";
    box.current.indeterminate = now === "unsure";
  };
  useLayoutEffect(follow, [classIndex, vote]);
  return (
    <input
      ref={box}
      type="checkbox"
      data-class-id={classIndex}
      data-class-key={controller.classes.value?.keys[classIndex]}
      onChange={() => {
        screen.lastClass = classIndex;
        controller.toggleVote(classIndex, "yes");
        follow(); // the browser has ticked it already; what counts is what was decided
      }}
    />
  );
}

export function Pager({ screen }: { screen: Screen }) {
  const { controller } = screen;
  const nPages = screen.nPages.value;
  controller.seenVersion.value;
  const page = screen.page.value;
  const showsAll = screen.showsAll.value;
  const nProposals = screen.task.value?.proposals.length ?? 0;
  const votes = screen.votes.value;
  const nGiven = Object.keys(votes).length;
  const size = pageSize(controller.state.peek());
  const isFixed = (controller.state.peek().info?.annotation.page_size ?? 0) === 0;
  if (nProposals === 0) return null;
  return (
    <div class="mlf-pager" role="group" aria-label={t("Pages of labels")}>
      <span class="mlf-pager-words">
        {showsAll
          ? t("All {n} labels", { n: nProposals })
          : t("Labels {first}–{last} of {n}", {
              first: page * size + 1,
              last: Math.min((page + 1) * size, nProposals),
              n: nProposals,
            })}
        {nGiven > 0 && ` · ${t("{n} given", { n: nGiven })}`}
      </span>
      {nPages > 1 &&
        Array.from({ length: nPages }, (_, number) => {
          const ofPage = screen.task.value?.proposals.slice(number * size, (number + 1) * size) ?? [];
          const isUnseen = ofPage.some(({ class_index }) => !controller.hasSeen(class_index));
          const nHere = ofPage.filter(({ class_index }) => votes[String(class_index)] !== undefined).length;
          return (
            <button
              key={number}
              type="button"
              class={`mlf-page${nHere > 0 ? " mlf-page-given" : ""}${isUnseen ? " mlf-page-unseen" : ""}`}
              aria-label={[
                t("Page {number}", { number: number + 1 }),
                nHere > 0 && t("{n} given", { n: nHere }),
                isUnseen && t("not looked at"),
              ]
                .filter(Boolean)
                .join(", ")}
              aria-current={number === page ? "page" : undefined}
              title={t("Page {number} ({keys})", {
                number: number + 1,
                keys: `${screen.keyOf("previous_page")} ${screen.keyOf("next_page")}`,
              })}
              onClick={() => controller.turnToPage(number)}
            >
              {number + 1}
            </button>
          );
        })}
      {!isFixed && (
        <button
          type="button"
          class="mlf-page"
          aria-pressed={showsAll}
          data-mlf-action="show_all"
          title={t("All labels at once, or in pages ({key})", { key: screen.keyOf("show_all") })}
          onClick={() => controller.toggleAll()}
        >
          {t("All")}
        </button>
      )}
    </div>
  );
}

/** What has been decided so far, on any page; added labels appear here with their checkbox. */
export function Given({ screen }: { screen: Screen }) {
  const { controller } = screen;
  const entry = screen.entry.value;
  const names = controller.classes.value?.names;
  if (entry === undefined || names === null) return <div class="mlf-given" />;
  const { none, unsure } = entry.state;
  const numberOf = new Map(entry.task.proposals.map(({ class_index }, number) => [class_index, number]));
  const place = (classIndex: number) => numberOf.get(classIndex) ?? Number.POSITIVE_INFINITY;
  const given = Object.entries(entry.state.votes)
    .map(([key, vote]) => ({ classIndex: Number(key), vote }))
    .sort((a, b) => place(a.classIndex) - place(b.classIndex) || a.classIndex - b.classIndex);
  return (
    <div class="mlf-given" role="group" aria-label={t("Labels given")}>
      {given.length === 0 && !none && !unsure && (
        <span class="mlf-given-none">{t("No label given yet")}</span>
      )}
      {none && <span class="mlf-chip">{t("None of these")}</span>}
      {unsure && <span class="mlf-chip mlf-chip-unsure">{t("Image unsure")}</span>}
      {given.map(({ classIndex, vote }) => {
        const number = numberOf.get(classIndex);
        const name = names?.[classIndex] ?? String(classIndex);
        const look = vote === "yes" ? "mlf-chip" : `mlf-chip mlf-chip-${vote}`;
        if (number !== undefined) {
          return (
            <button
              key={classIndex}
              type="button"
              class={look}
              title={t("{name}: show its card", { name })}
              onClick={() => controller.showLabel(number)}
            >
              <bdi>{name}</bdi>
              {vote === "unsure" && " ?"}
            </button>
          );
        }
        return (
          <span key={classIndex} class={`${look} mlf-chip-added`}>
            <label title={t("{name}: added", { name })}>
              <LabelBox screen={screen} classIndex={classIndex} vote={vote} />
              <bdi>{name}</bdi>
              {vote === "unsure" && " ?"}
            </label>
            <button
              type="button"
              class="mlf-mini"
              aria-label={t("What {name} means", { name })}
              title={t("Examples and meaning")}
              onClick={() => screen.compare(classIndex)}
            >
              i
            </button>
          </span>
        );
      })}
    </div>
  );
}
