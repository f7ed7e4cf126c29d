/** The proposals as cards, the pages they lie on, and the labels given so far. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { writtenActionKey, writtenLabelKey } from "../shared/keys.ts";
import type { Vote } from "../shared/messages.ts";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
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
      aria-label="Proposed labels"
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
    const observer = new ResizeObserver(() => screen.setCardSize(element.clientWidth, element.clientHeight));
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
  const key = writtenLabelKey(slot.number.value, screen.keyLayout.value);
  const marksRegions = controller.state.peek().info?.annotation.regions !== "off";
  const nExamples = sprite?.head.n_examples;
  const nLines = screen.definitionLines.value;
  return (
    <li ref={card} class={vote === undefined ? "mlf-card" : `mlf-card mlf-card-${vote}`}>
      <div class="mlf-card-head">
        <label class="mlf-card-label" title={[name, ...synonyms].join(", ")}>
          <kbd class="mlf-card-key">{key}</kbd>
          <LabelBox screen={screen} classIndex={classIndex} vote={vote} />
          <span class="mlf-card-name">{name}</span>
          {synonyms.length > 0 && <span class="mlf-card-synonyms">{synonyms.join(", ")}</span>}
        </label>
        {proposal.score !== null && (
          <span class="mlf-card-score" title={`Score of ${proposal.model}`}>
            {proposal.score.toFixed(2)}
          </span>
        )}
        {marksRegions && (
          <button
            type="button"
            class="mlf-mini"
            aria-label={`Mark where ${name} is`}
            title={`Mark where it is (${writtenActionKey("mark", screen.keyLayout.value)})`}
            onClick={() => void controller.markRegion(classIndex)}
          >
            <Crosshair />
          </button>
        )}
        <button
          type="button"
          class="mlf-mini mlf-card-unsure"
          aria-pressed={vote === "unsure"}
          aria-label={`Unsure about ${name}`}
          title={`Unsure about this label (⇧${key})`}
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
          aria-label={`What ${name} means`}
          title={definition || "What it means"}
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
          label={`Examples of ${name}: enlarge`}
          onPick={(number) => screen.compare(classIndex, number)}
          onDrawn={(drawn) => {
            slot.drawnSprite = drawn;
            screen.checkPainted();
          }}
        />
        {nExamples === 0 && <span class="mlf-card-note">No examples</span>}
        {nLines > 0 && (
          <p class="mlf-card-definition" style={{ "-webkit-line-clamp": nLines }}>
            {definition}
          </p>
        )}
        {failure !== undefined && (
          <span class="mlf-card-note" title={failure}>
            The examples could not be loaded
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

function Crosshair() {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path
        d="M8 1v4M8 11v4M1 8h4M11 8h4M8 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7"
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
      />
    </svg>
  );
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
  const page = screen.page.value;
  const showsAll = screen.showsAll.value;
  const nProposals = screen.task.value?.proposals.length ?? 0;
  const votes = screen.votes.value;
  const nGiven = Object.keys(votes).length;
  const size = pageSize(controller.state.peek());
  const isFixed = (controller.state.peek().info?.annotation.page_size ?? 0) === 0;
  if (nProposals === 0) return null;
  return (
    <div class="mlf-pager" role="group" aria-label="Pages of labels">
      <span class="mlf-pager-words">
        {showsAll
          ? `All ${nProposals} labels`
          : `Labels ${page * size + 1}–${Math.min((page + 1) * size, nProposals)} of ${nProposals}`}
        {nGiven > 0 && ` · ${nGiven} given`}
      </span>
      {nPages > 1 &&
        Array.from({ length: nPages }, (_, number) => {
          const ofPage = screen.task.value?.proposals.slice(number * size, (number + 1) * size) ?? [];
          const nHere = ofPage.filter(({ class_index }) => votes[String(class_index)] !== undefined).length;
          return (
            <button
              key={number}
              type="button"
              class={nHere > 0 ? "mlf-page mlf-page-given" : "mlf-page"}
              aria-label={`Page ${number + 1}${nHere > 0 ? `, ${nHere} given` : ""}`}
              aria-current={number === page ? "page" : undefined}
              title={`Page ${number + 1} (${screen.keyOf("previous_page")} ${screen.keyOf("next_page")})`}
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
          title={`All labels at once, or in pages (${screen.keyOf("show_all")})`}
          onClick={() => controller.toggleAll()}
        >
          All
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
    <div class="mlf-given" role="group" aria-label="Labels given">
      {given.length === 0 && !none && !unsure && <span class="mlf-given-none">No label given yet</span>}
      {none && <span class="mlf-chip">None of these</span>}
      {unsure && <span class="mlf-chip mlf-chip-unsure">Image unsure</span>}
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
              title={`${name}: show its card`}
              onClick={() => controller.showLabel(number)}
            >
              {name}
              {vote === "unsure" && " ?"}
            </button>
          );
        }
        return (
          <span key={classIndex} class={`${look} mlf-chip-added`}>
            <label title={`${name}: added`}>
              <LabelBox screen={screen} classIndex={classIndex} vote={vote} />
              {name}
              {vote === "unsure" && " ?"}
            </label>
            <button
              type="button"
              class="mlf-mini"
              aria-label={`What ${name} means`}
              title="Examples and meaning"
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
