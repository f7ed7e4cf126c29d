/** The labels to settle as cards: what they mean, who said what, and the refiner's own word. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { LABEL_CODES } from "../shared/keys.ts";
import type { Evidence, Vote } from "../shared/messages.ts";
import { spriteBeside } from "../shared/pictures.ts";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { N_KEYED } from "./keys.ts";
import { labelSetsBefore, type Row } from "./labels.ts";
import { Card as CardOnScreen, type RefinerScreen } from "./screen.ts";
import { allRows } from "./state.ts";

const TILE_PX = 46;
const WORDS: Record<Vote, string> = { yes: "yes", no: "no", unsure: "unsure" };

interface Part {
  screen: RefinerScreen;
}

export function Cards({ screen }: Part) {
  const { controller } = screen;
  const state = controller.state.value;
  const rows = screen.rows.value;
  const evidence = screen.isRevealed.value ? (screen.entry.value?.task.evidence ?? null) : null;
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => list.current?.scrollTo?.({ top: 0 }), [state.position]);
  return (
    <ul ref={list} class="mlf-cards mlf-cards-all" aria-label="Labels to settle">
      {rows.map((row, number) => (
        <Card
          key={`${state.position}:${row.classIndex}`}
          screen={screen}
          row={row}
          number={number}
          evidence={evidence}
          isAt={number === state.cursor}
        />
      ))}
    </ul>
  );
}

interface CardProps extends Part {
  row: Row;
  number: number;
  evidence: Evidence | null;
  isAt: boolean;
}

function Card({ screen, row, number, evidence, isAt }: CardProps) {
  const { controller } = screen;
  const { classIndex, own, stands } = row;
  const classes = controller.classes.value;
  controller.picturesVersion.value;
  const sprite = spriteBeside(controller.pictures?.sprite(classIndex), screen.entry.value?.task.image_id);
  const name = classes?.names[classIndex] ?? String(classIndex);
  const meaning = [(classes?.synonyms[classIndex] ?? []).join(", "), classes?.definitions[classIndex] ?? ""];
  const words = meaning.filter((text) => text !== "").join(" — ");
  const item = useRef<HTMLLIElement>(null);
  // The examples are drawn before the card is placed, so the card itself keeps what is drawn on it.
  const [card] = useState(() => new CardOnScreen(classIndex, controller.state.peek().position));
  useLayoutEffect(() => screen.place(card, item.current), [card]);
  const nExamples = sprite?.head.n_examples ?? 0;
  const look = own === undefined ? (stands === null ? "open" : `left-${stands}`) : own;
  return (
    <li
      ref={item}
      class={`mlf-card mlf-refined mlf-refined-${look}${isAt ? " mlf-at" : ""}`}
      data-class-id={classIndex}
      onPointerDown={() => controller.setCursor(number)}
    >
      <div class="mlf-card-head">
        <YesBox screen={screen} row={row} number={number} name={name} />
        <span class="mlf-refined-state">{stateWords(row)}</span>
        <Choice screen={screen} row={row} number={number} vote="no" name={name} />
        <Choice screen={screen} row={row} number={number} vote="unsure" name={name} />
      </div>
      <div class="mlf-refined-line">
        {evidence !== null && <Voices evidence={evidence} classIndex={classIndex} name={name} />}
        <p class="mlf-refined-meaning" title={words}>
          {words}
        </p>
      </div>
      <ExampleStrip
        sprite={sprite}
        layout={{ sidePx: TILE_PX, nColumns: Math.max(1, nExamples), gapPx: 3 }}
        label={nExamples === 0 ? `${name}: no examples` : `Examples of ${name}`}
        onPick={(picked) => controller.open({ kind: "compare", classIndex: classIndex, number: picked })}
        onDrawn={(drawn) => {
          card.sprite = drawn;
          screen.checkPainted();
        }}
      />
    </li>
  );
}

function stateWords({ own, stands, isQuestion, isAgreed }: Row): string {
  if (own !== undefined) return "";
  if (isAgreed) return "all agreed";
  if (!isQuestion) return "nobody ticked it";
  if (stands === null) return "to settle";
  return `left alone: counts as ${WORDS[stands]}`;
}

/** The real checkbox of a label: ticked for yes, half-ticked for unsure. */
function YesBox({ screen, row, number, name }: Omit<CardProps, "evidence" | "isAt"> & { name: string }) {
  const { controller } = screen;
  const box = useRef<HTMLInputElement>(null);
  const follow = () => {
    if (box.current === null) return;
    const now = allRows(controller.state.peek()).find(({ classIndex }) => classIndex === row.classIndex);
    box.current.checked = now?.stands === "yes";
    box.current.indeterminate = now?.own === "unsure";
  };
  useLayoutEffect(follow);
  return (
    <label class="mlf-card-label">
      {number < N_KEYED && <kbd class="mlf-card-key">{keyName(screen, number)}</kbd>}
      <input
        ref={box}
        type="checkbox"
        data-class-id={row.classIndex}
        data-class-key={controller.classes.value?.keys[row.classIndex]}
        onFocus={() => controller.setCursor(number)}
        onChange={() => {
          controller.decideRow(row, "yes");
          follow(); // the browser has ticked it already; what counts is what was decided
        }}
      />
      <span class="mlf-card-name">{name}</span>
    </label>
  );
}

interface ChoiceProps extends Part {
  row: Row;
  number: number;
  vote: "no" | "unsure";
  name: string;
}

function Choice({ screen, row, number, vote, name }: ChoiceProps) {
  const key =
    number >= N_KEYED
      ? ""
      : vote === "no"
        ? keyName(screen, number + N_KEYED)
        : `⇧${keyName(screen, number)}`;
  return (
    <button
      type="button"
      class={`mlf-choice mlf-choice-${vote}`}
      data-mlf-vote={vote}
      data-class-id={row.classIndex}
      aria-pressed={row.own === vote}
      aria-label={vote === "no" ? `${name}: no` : `${name}: unsure`}
      onClick={() => screen.controller.decideRow(row, vote)}
    >
      {vote === "no" ? "No" : "Unsure"} {key !== "" && <kbd aria-hidden="true">{key}</kbd>}
    </button>
  );
}

function keyName(screen: RefinerScreen, number: number): string {
  const code = LABEL_CODES[number] ?? "";
  return code.startsWith("Digit")
    ? code.slice(-1)
    : (screen.keyLayout.value?.get(code) ?? code.slice(-1).toLowerCase());
}

function Voices({ evidence, classIndex, name }: { evidence: Evidence; classIndex: number; name: string }) {
  const votes = evidence.votes[String(classIndex)] ?? {};
  return (
    <ul class="mlf-voices" aria-label={`What annotators said of ${name}`}>
      {evidence.voices.map((voice) => {
        const vote = votes[voice];
        return (
          <li key={voice} class={`mlf-voice mlf-voice-${vote ?? "unshown"}`}>
            <strong>{voice}</strong>
            {evidence.simulated.includes(voice) && " (simulated)"}{" "}
            {vote === undefined ? "was not shown it" : WORDS[vote]}
          </li>
        );
      })}
    </ul>
  );
}

/** What the annotators had, and what the refiner makes of it. */
export function BeforeAfter({ screen }: Part) {
  const { controller } = screen;
  const entry = screen.entry.value;
  const state = controller.state.value;
  if (entry === undefined) return null;
  const nameOf = (classIndex: number) => controller.classes.value?.names[classIndex] ?? String(classIndex);
  const said = (yes: number[], unsure: number[]) =>
    [...yes.map(nameOf), ...unsure.map((classIndex) => `${nameOf(classIndex)}?`)].join(", ") || "no label";
  const evidence = screen.isRevealed.value ? entry.task.evidence : null;
  const rows = allRows(state);
  const of = (word: Vote) => rows.filter(({ stands }) => stands === word).map(({ classIndex }) => classIndex);
  const nOpen = rows.filter(({ stands }) => stands === null).length;
  return (
    <dl class="mlf-before-after">
      <dt>Before</dt>
      <dd>
        {evidence === null
          ? "What the annotators said is shown after your own decisions."
          : labelSetsBefore(evidence).map(({ voice, yes, unsure }) => (
              <span key={voice} class="mlf-before">
                <strong>{voice}</strong>
                {evidence.simulated.includes(voice) && " (simulated)"} {said(yes, unsure)}
              </span>
            ))}
      </dd>
      <dt>After</dt>
      <dd data-mlf-part="after">
        {said(of("yes"), of("unsure"))}
        {nOpen > 0 && <span class="mlf-muted"> · {nOpen} to settle</span>}
      </dd>
    </dl>
  );
}
