/** The dialogs: keys, guidelines, finding a class, image and examples side by side. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type DecodedSprite, type ExamplesKey, examplesFor } from "../shared/pictures.ts";
import { ClassSearchBox } from "../shared/views/class_search.tsx";
import { ClassMeaning, ComparedPair, useCompared, whichExample } from "../shared/views/comparing.tsx";
import { Dialog } from "../shared/views/dialog.tsx";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { KeyTable } from "../shared/views/key_table.tsx";
import { stripLayout } from "../shared/views/strip_layout.ts";
import {
  AddingKeys,
  type CompareProps,
  type DialogPartProps,
  KeysDialog,
  WalkingDialogs,
} from "../shared/views/walking_dialogs.tsx";
import { t } from "../shared/words.ts";
import { LabelBox } from "./cards.tsx";
import { turnClass } from "./compare.ts";
import { hasViews } from "./frames.ts";
import type { Screen } from "./screen.ts";

/** If the cursor stays on a class for this long, its examples are fetched. */
const REST_MS = 60;

export function Dialogs({ screen }: { screen: Screen }) {
  return <WalkingDialogs screen={screen} Help={Help} Search={Search} Compare={Compare} />;
}

function Help({ screen, onClose }: DialogPartProps<Screen>) {
  const annotation = screen.controller.state.peek().info?.annotation;
  const keys = (
    <KeyTable
      layout={screen.keyLayout.value}
      overrides={screen.ownKeys}
      leaveOut={[
        ...(annotation?.regions === "off" ? (["mark"] as const) : []),
        ...(hasViews(screen.task.value?.proposals ?? []) ? [] : (["frames"] as const)),
      ]}
    />
  );
  return (
    <KeysDialog onClose={onClose} keys={keys}>
      {t(
        "Wheel and double click zoom, dragging moves the image. Every decision is saved as it is made; going past an image without one records nothing.",
      )}
    </KeysDialog>
  );
}

function Search({ screen, onClose }: DialogPartProps<Screen>) {
  const { controller } = screen;
  const cursor = useSignal<number | null>(null);
  const classes = controller.classes.value;
  const search = controller.searchIndex();
  if (classes === null || search === null) return null;
  const proposed = new Map(
    screen.task.value?.proposals.map(({ class_index }, number) => [class_index, number]),
  );
  const noteOf = (classIndex: number) => {
    const vote = screen.votes.value[String(classIndex)];
    const number = proposed.get(classIndex);
    const place = number === undefined ? "" : t("proposed, key {key}", { key: screen.labelKey(number) });
    const given = vote === "yes" ? t("ticked") : vote === "unsure" ? t("unsure") : "";
    return [given, place].filter(Boolean).join(" · ");
  };
  return (
    <Dialog kind="search" title={t("Add a label")} onClose={onClose}>
      <ClassSearchBox
        classes={classes}
        search={search}
        noteOf={noteOf}
        suggested={screen.addedLately}
        onSuggest={(name) => {
          onClose();
          controller.suggestClass(name);
        }}
        onCursor={(classIndex) => {
          cursor.value = classIndex;
        }}
        onChoose={(classIndex, isUnsure) => {
          screen.lastClass = classIndex;
          onClose();
          screen.noteAdded(classIndex);
          const number = proposed.get(classIndex);
          const vote = isUnsure ? "unsure" : "yes";
          // A label that was given already stays: choosing it again does not mean clearing it.
          if (screen.votes.peek()[String(classIndex)] !== vote) controller.toggleVote(classIndex, vote);
          if (number !== undefined) controller.showLabel(number);
        }}
      />
      <FoundExamples screen={screen} classIndex={cursor.value} />
      <AddingKeys />
    </Dialog>
  );
}

/** A class's examples at their full size, fetched when the cursor rests on it; undefined until they are there. */
function useLargeSprite(screen: Screen, classIndex: number | null): DecodedSprite | undefined {
  const examples = classIndex === null ? null : examplesFor(screen.task.value, classIndex);
  const large = useSignal<{ of: ExamplesKey; sprite: DecodedSprite } | undefined>(undefined);
  useEffect(() => {
    let held: DecodedSprite | undefined;
    let isGone = false;
    const load = async () => {
      if (examples === null) return;
      const loaded = await screen.controller.pictures?.largeSprite(examples);
      if (isGone || loaded === undefined) return loaded?.bitmap?.close();
      held = loaded;
      large.value = { of: examples, sprite: loaded };
    };
    const timer = setTimeout(() => load().catch(() => {}), REST_MS); // without its examples a class can still be chosen
    return () => {
      isGone = true;
      clearTimeout(timer);
      large.value = undefined;
      held?.bitmap?.close();
    };
  }, [examples]);
  return large.value?.of === examples ? large.value?.sprite : undefined;
}

/** Examples of the class under the cursor. */
function FoundExamples({ screen, classIndex }: { screen: Screen; classIndex: number | null }) {
  const sprite = useLargeSprite(screen, classIndex);
  const layout = stripLayout(600, 56, Math.max(1, sprite?.head.n_examples ?? 10));
  return (
    <div class="mlf-search-examples">
      <ExampleStrip
        sprite={sprite}
        layout={layout}
        label={t("Examples of the class found")}
        onPick={() => {}}
      />
    </div>
  );
}

function Compare({ screen, classIndex, number, onClose }: CompareProps<Screen>) {
  const name = screen.controller.classes.value?.names[classIndex] ?? String(classIndex);
  const sprite = useLargeSprite(screen, classIndex);
  const nExamples = sprite?.head.n_examples ?? 0;
  const compared = useCompared(screen, classIndex, number, nExamples);
  const place =
    screen.task.value?.proposals.findIndex((proposal) => proposal.class_index === classIndex) ?? -1;
  const vote = screen.votes.value[String(classIndex)];
  return (
    <Dialog kind="compare" title={name} onClose={onClose}>
      <ClassMeaning screen={screen} classIndex={classIndex}>
        <label class="mlf-compare-label">
          {place >= 0 && <kbd class="mlf-card-key">{screen.labelKey(place)}</kbd>}
          <LabelBox screen={screen} classIndex={classIndex} vote={vote} />
          {t("applies to this image")}
        </label>
      </ClassMeaning>
      <ComparedPair
        screen={screen}
        compared={compared}
        where={whichExample(number, nExamples)}
        label={t("Example {number} of {name}", { number: number + 1, name })}
      />
      <div class="mlf-compare-foot">
        <button type="button" onClick={() => turnClass(screen, -1)} title={t("Previous label (↑)")}>
          {t("↑ Label")}
        </button>
        <ExampleStrip
          sprite={sprite}
          layout={stripLayout(640, 64, Math.max(1, nExamples))}
          chosen={number}
          label={t("Examples of {name}", { name })}
          onPick={(picked) => screen.compare(classIndex, picked)}
        />
        <button type="button" onClick={() => turnClass(screen, 1)} title={t("Next label (↓)")}>
          {t("Label ↓")}
        </button>
      </div>
    </Dialog>
  );
}
