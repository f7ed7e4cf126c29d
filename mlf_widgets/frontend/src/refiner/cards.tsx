/** The labels to settle as cards: what they mean, who said what, and the refiner's own word. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Evidence, Vote } from "../shared/messages.ts";
import { examplesFor } from "../shared/pictures.ts";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { t } from "../shared/words.ts";
import { N_KEYED } from "./keys.ts";
import { labelSetsBefore, type Row } from "./labels.ts";
import { Card as CardOnScreen, type RefinerScreen } from "./screen.ts";
import { allRows } from "./state.ts";

const TILE_PX = 46;

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
    <ul ref={list} class="mlf-cards mlf-cards-all" aria-label={t("Labels to settle")}>
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
  const sprite = controller.pictures?.sprite(examplesFor(screen.entry.value?.task, classIndex));
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
      // Not when the pointer goes down: cards change their height, and the click would miss what it was aimed at.
      onClick={() => controller.setCursor(number)}
    >
      <div class="mlf-card-head">
        <YesBox screen={screen} row={row} number={number} name={name} />
        <span class="mlf-refined-state">{stateWords(row)}</span>
        <Choice screen={screen} row={row} number={number} vote="no" name={name} />
        <Choice screen={screen} row={row} number={number} vote="unsure" name={name} />
      </div>
      <div class="mlf-refined-line">
        {evidence !== null && <Voices evidence={evidence} classIndex={classIndex} name={name} />}
        <p class="mlf-refined-meaning" dir="auto" title={words}>
          {words}
        </p>
      </div>
      <ExampleStrip
        sprite={sprite}
        layout={{ sidePx: TILE_PX, nColumns: Math.max(1, nExamples), gapPx: 3 }}
        label={nExamples === 0 ? t("{name}: no examples", { name }) : t("Examples of {name}", { name })}
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
  if (isAgreed) return t("all agreed");
  if (!isQuestion) return t("nobody ticked it");
  if (stands === null) return t("to settle");
  return t("left alone: counts as {vote}", { vote: t(stands) });
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
      {number < N_KEYED && <kbd class="mlf-card-key">{screen.labelKey(number)}</kbd>}
      <input
        ref={box}
        type="checkbox"
        data-class-id={row.classIndex}
        data-class-key={controller.classes.value?.keys[row.classIndex]}
        onFocus={(event) => {
          if (event.currentTarget.matches(":focus-visible")) controller.setCursor(number);
        }}
        onChange={() => {
          controller.decideRow(row, "yes");
          follow(); // the browser has ticked it already; what counts is what was decided
        }}
      />
      <span class="mlf-card-name" dir="auto">
        {name}
      </span>
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
    number >= N_KEYED ? "" : vote === "no" ? screen.labelKey(number + N_KEYED) : screen.unsureKey(number);
  return (
    <button
      type="button"
      class={`mlf-choice mlf-choice-${vote}`}
      data-mlf-vote={vote}
      data-class-id={row.classIndex}
      aria-pressed={row.own === vote}
      onClick={() => screen.controller.decideRow(row, vote)}
    >
      <span class="mlf-sr">
        <bdi>{name}</bdi>:{" "}
      </span>
      {vote === "no" ? t("No") : t("Unsure")} {key !== "" && <kbd aria-hidden="true">{key}</kbd>}
    </button>
  );
}

function Voices({ evidence, classIndex, name }: { evidence: Evidence; classIndex: number; name: string }) {
  const votes = evidence.votes[String(classIndex)] ?? {};
  return (
    <ul class="mlf-voices" aria-label={t("What annotators said of {name}", { name })}>
      {evidence.voices.map((voice) => {
        const vote = votes[voice];
        return (
          <li key={voice} class={`mlf-voice mlf-voice-${vote ?? "unshown"}`}>
            <strong>{voice}</strong>
            {evidence.simulated.includes(voice) && ` (${t("simulated")})`}{" "}
            {vote === undefined ? t("was not shown it") : t(vote)}
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
    [...yes.map(nameOf), ...unsure.map((classIndex) => `${nameOf(classIndex)}?`)].join(", ") || t("no label");
  const evidence = screen.isRevealed.value ? entry.task.evidence : null;
  const rows = allRows(state);
  const of = (word: Vote) => rows.filter(({ stands }) => stands === word).map(({ classIndex }) => classIndex);
  const nOpen = rows.filter(({ stands }) => stands === null).length;
  return (
    <dl class="mlf-before-after">
      <dt>{t("Before")}</dt>
      <dd dir="auto">
        {evidence === null
          ? t("What the annotators said is shown after your own decisions.")
          : labelSetsBefore(evidence).map(({ voice, yes, unsure }) => (
              <span key={voice} class="mlf-before">
                <strong>{voice}</strong>
                {evidence.simulated.includes(voice) && ` (${t("simulated")})`} {said(yes, unsure)}
              </span>
            ))}
      </dd>
      <dt>{t("After")}</dt>
      <dd data-mlf-part="after" dir="auto">
        {said(of("yes"), of("unsure"))}
        {nOpen > 0 && <span class="mlf-muted"> · {t("{n} to settle", { n: nOpen })}</span>}
      </dd>
    </dl>
  );
}
