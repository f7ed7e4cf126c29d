/** The proposals as cards, the pages they lie on, and the labels given so far. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { writtenActionKey, writtenLabelKey } from "../shared/keys.ts";
import type { Vote } from "../shared/messages.ts";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import type { Screen } from "./screen.ts";
import { pageSize } from "./state.ts";

export function Cards({ screen }: { screen: Screen }) {
  const n_cards = screen.n_cards.value;
  const shows_all = screen.shows_all.value;
  const look = shows_all ? "mlf-cards mlf-cards-all" : "mlf-cards";
  const size = pageSize(screen.controller.state.peek());
  const n_rows = shows_all ? n_cards : size;
  const list = useRef<HTMLUListElement>(null);
  const position = screen.position.value;
  useLayoutEffect(() => {
    if (list.current !== null) list.current.scrollTop = 0;
  }, [position]);
  return (
    <ul
      ref={list}
      class={screen.definition_lines.value > 0 ? `${look} mlf-cards-roomy` : look}
      style={
        shows_all ? undefined : { gridTemplateRows: `repeat(${n_rows}, minmax(var(--mlf-card-min), 1fr))` }
      }
      aria-label="Proposed labels"
    >
      {/* Keyed by place, not by class: going on to the next image changes words and pixels, and builds nothing. */}
      {Array.from({ length: n_cards }, (_, at) => (
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
      slot.drawn_class = null;
    };
  }, [slot]);
  useEffect(() => {
    // All cards are of one size: the first one measures for all.
    const element = card.current;
    if (at !== 0 || element === null || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(() => screen.setCardSize(element.clientWidth, element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, [at]);
  const class_index = proposal?.class_index;
  useLayoutEffect(() => {
    slot.drawn_class = class_index ?? null;
  }, [class_index]);
  if (proposal === undefined || class_index === undefined || classes === null) return <li ref={card} />;
  const name = classes.names[class_index] ?? String(class_index);
  const synonyms = classes.synonyms[class_index] ?? [];
  const definition = classes.definitions[class_index] ?? "";
  const key = writtenLabelKey(slot.number.value, screen.key_layout.value);
  const marksRegions = controller.state.peek().info?.annotation.regions !== "off";
  const n_examples = sprite?.head.n_examples;
  const n_lines = screen.definition_lines.value;
  return (
    <li ref={card} class={vote === undefined ? "mlf-card" : `mlf-card mlf-card-${vote}`}>
      <div class="mlf-card-head">
        <label class="mlf-card-label" title={[name, ...synonyms].join(", ")}>
          <kbd class="mlf-card-key">{key}</kbd>
          <LabelBox screen={screen} class_index={class_index} vote={vote} />
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
            title={`Mark where it is (${writtenActionKey("mark", screen.key_layout.value)})`}
            onClick={() => void controller.markRegion(class_index)}
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
            screen.last_class = class_index;
            controller.toggleVote(class_index, "unsure");
          }}
        >
          ?
        </button>
        <button
          type="button"
          class="mlf-mini"
          aria-label={`What ${name} means`}
          title={definition || "What it means"}
          onClick={() => screen.compare(class_index)}
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
          onPick={(number) => screen.compare(class_index, number)}
          onDrawn={(drawn) => {
            slot.drawn_sprite = drawn;
            screen.checkPainted();
          }}
        />
        {n_examples === 0 && <span class="mlf-card-note">No examples</span>}
        {n_lines > 0 && (
          <p class="mlf-card-definition" style={{ "-webkit-line-clamp": n_lines }}>
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
  class_index: number;
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
export function LabelBox({ screen, class_index, vote }: LabelBoxProps) {
  const { controller } = screen;
  const box = useRef<HTMLInputElement>(null);
  const follow = () => {
    if (box.current === null) return;
    const now = screen.votes.peek()[String(class_index)];
    box.current.checked = now === "yes";
    box.current.indeterminate = now === "unsure";
  };
  useLayoutEffect(follow, [class_index, vote]);
  return (
    <input
      ref={box}
      type="checkbox"
      data-class-id={class_index}
      data-class-key={controller.classes.value?.keys[class_index]}
      onChange={() => {
        screen.last_class = class_index;
        controller.toggleVote(class_index, "yes");
        follow(); // the browser has ticked it already; what counts is what was decided
      }}
    />
  );
}

export function Pager({ screen }: { screen: Screen }) {
  const { controller } = screen;
  const n_pages = screen.n_pages.value;
  const page = screen.page.value;
  const shows_all = screen.shows_all.value;
  const n_proposals = screen.task.value?.proposals.length ?? 0;
  const votes = screen.votes.value;
  const n_given = Object.keys(votes).length;
  const size = pageSize(controller.state.peek());
  const isFixed = (controller.state.peek().info?.annotation.page_size ?? 0) === 0;
  if (n_proposals === 0) return null;
  return (
    <div class="mlf-pager" role="group" aria-label="Pages of labels">
      <span class="mlf-pager-words">
        {shows_all
          ? `All ${n_proposals} labels`
          : `Labels ${page * size + 1}–${Math.min((page + 1) * size, n_proposals)} of ${n_proposals}`}
        {n_given > 0 && ` · ${n_given} given`}
      </span>
      {n_pages > 1 &&
        Array.from({ length: n_pages }, (_, number) => {
          const ofPage = screen.task.value?.proposals.slice(number * size, (number + 1) * size) ?? [];
          const n_here = ofPage.filter(({ class_index }) => votes[String(class_index)] !== undefined).length;
          return (
            <button
              key={number}
              type="button"
              class={n_here > 0 ? "mlf-page mlf-page-given" : "mlf-page"}
              aria-label={`Page ${number + 1}${n_here > 0 ? `, ${n_here} given` : ""}`}
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
          aria-pressed={shows_all}
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

/** What has been decided so far, from whichever page; labels that were added stand here with their checkbox. */
export function Given({ screen }: { screen: Screen }) {
  const { controller } = screen;
  const entry = screen.entry.value;
  const names = controller.classes.value?.names;
  if (entry === undefined || names === null) return <div class="mlf-given" />;
  const { none, unsure } = entry.state;
  const numberOf = new Map(entry.task.proposals.map(({ class_index }, number) => [class_index, number]));
  const place = (class_index: number) => numberOf.get(class_index) ?? Number.POSITIVE_INFINITY;
  const given = Object.entries(entry.state.votes)
    .map(([key, vote]) => ({ class_index: Number(key), vote }))
    .sort((a, b) => place(a.class_index) - place(b.class_index) || a.class_index - b.class_index);
  return (
    <div class="mlf-given" role="group" aria-label="Labels given">
      {given.length === 0 && !none && !unsure && <span class="mlf-given-none">No label given yet</span>}
      {none && <span class="mlf-chip">None of these</span>}
      {unsure && <span class="mlf-chip mlf-chip-unsure">Image unsure</span>}
      {given.map(({ class_index, vote }) => {
        const number = numberOf.get(class_index);
        const name = names?.[class_index] ?? String(class_index);
        const look = vote === "yes" ? "mlf-chip" : `mlf-chip mlf-chip-${vote}`;
        if (number !== undefined) {
          return (
            <button
              key={class_index}
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
          <span key={class_index} class={`${look} mlf-chip-added`}>
            <label title={`${name}: added`}>
              <LabelBox screen={screen} class_index={class_index} vote={vote} />
              {name}
              {vote === "unsure" && " ?"}
            </label>
            <button
              type="button"
              class="mlf-mini"
              aria-label={`What ${name} means`}
              title="Examples and meaning"
              onClick={() => screen.compare(class_index)}
            >
              i
            </button>
          </span>
        );
      })}
    </div>
  );
}
