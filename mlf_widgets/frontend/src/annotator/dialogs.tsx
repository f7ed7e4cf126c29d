/** The dialogs: keys, guidelines, finding a class, image and examples side by side. */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { writtenLabelKey } from "../shared/keys.ts";
import type { DecodedImage, DecodedSprite } from "../shared/pictures.ts";
import { ClassSearchBox } from "../shared/views/class_search.tsx";
import { Dialog } from "../shared/views/dialog.tsx";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { ImageStage, Stage } from "../shared/views/image_stage.tsx";
import { KeyTable } from "../shared/views/key_table.tsx";
import { stripLayout } from "../shared/views/strip_layout.ts";
import { LabelBox } from "./cards.tsx";
import { turnClass } from "./compare.ts";
import type { Screen } from "./screen.ts";

/** A cursor that stays this long on a class wants to see its examples. */
const REST_MS = 60;

export function Dialogs({ screen }: { screen: Screen }) {
  const dialog = screen.dialog.value;
  const close = () => screen.controller.open(null);
  switch (dialog?.kind) {
    case "help":
      return <Help screen={screen} onClose={close} />;
    case "guidelines":
      return <Guidelines screen={screen} onClose={close} />;
    case "search":
      return <Search screen={screen} onClose={close} />;
    case "compare":
      return (
        <Compare screen={screen} class_index={dialog.class_index} number={dialog.number} onClose={close} />
      );
    default:
      return null;
  }
}

interface DialogPartProps {
  screen: Screen;
  onClose(): void;
}

function Help({ screen, onClose }: DialogPartProps) {
  const annotation = screen.controller.state.peek().info?.annotation;
  return (
    <Dialog kind="help" title="Keys" onClose={onClose}>
      <div class="mlf-dialog-scroll" tabIndex={0} role="group" aria-label="List of keys">
        <KeyTable
          layout={screen.key_layout.value}
          overrides={annotation?.keys ?? {}}
          leaveOut={annotation?.regions === "off" ? ["mark"] : []}
        />
        <p class="mlf-muted">
          Wheel and double click zoom, dragging moves the image. Every decision is saved as it is made; going
          past an image without one records nothing.
        </p>
      </div>
    </Dialog>
  );
}

function Guidelines({ screen, onClose }: DialogPartProps) {
  const text = screen.controller.state.peek().info?.annotation.guidelines.trim() ?? "";
  return (
    <Dialog kind="guidelines" title="Guidelines" onClose={onClose}>
      <div
        class="mlf-dialog-scroll mlf-guidelines"
        tabIndex={0}
        role="group"
        aria-label="Text of the guidelines"
      >
        {text || "This project has no guidelines."}
      </div>
    </Dialog>
  );
}

function Search({ screen, onClose }: DialogPartProps) {
  const { controller } = screen;
  const cursor = useSignal<number | null>(null);
  const classes = controller.classes.value;
  const search = controller.searchIndex();
  if (classes === null || search === null) return null;
  const proposed = new Map(
    screen.task.value?.proposals.map(({ class_index }, number) => [class_index, number]),
  );
  const noteOf = (class_index: number) => {
    const vote = screen.votes.value[String(class_index)];
    const number = proposed.get(class_index);
    const place =
      number === undefined ? "" : `proposed, key ${writtenLabelKey(number, screen.key_layout.value)}`;
    const given = vote === "yes" ? "ticked" : vote === "unsure" ? "unsure" : "";
    return [given, place].filter(Boolean).join(" · ");
  };
  return (
    <Dialog kind="search" title="Add a label" onClose={onClose}>
      <ClassSearchBox
        classes={classes}
        search={search}
        noteOf={noteOf}
        suggested={screen.added_lately}
        onCursor={(class_index) => {
          cursor.value = class_index;
        }}
        onChoose={(class_index, isUnsure) => {
          screen.last_class = class_index;
          onClose();
          screen.noteAdded(class_index);
          const number = proposed.get(class_index);
          const vote = isUnsure ? "unsure" : "yes";
          // A class that is given already stays given: to choose it again is no wish to clear it.
          if (screen.votes.peek()[String(class_index)] !== vote) controller.toggleVote(class_index, vote);
          if (number !== undefined) controller.showLabel(number);
        }}
      />
      <FoundExamples screen={screen} class_index={cursor.value} />
      <p class="mlf-muted">
        <kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Enter</kbd> adds the label, <kbd>⇧ Enter</kbd> adds it as
        unsure
      </p>
    </Dialog>
  );
}

/** A class's examples at their full size, fetched when one rests on it; undefined until they are there. */
function useLargeSprite(screen: Screen, class_index: number | null): DecodedSprite | undefined {
  const large = useSignal<DecodedSprite | undefined>(undefined);
  useEffect(() => {
    let held: DecodedSprite | undefined;
    let isGone = false;
    const load = async () => {
      if (class_index === null) return;
      const loaded = await screen.controller.pictures?.largeSprite(class_index);
      if (isGone) return loaded?.bitmap?.close();
      held = loaded;
      large.value = loaded;
    };
    const timer = setTimeout(() => load().catch(() => {}), REST_MS); // without its examples a class can still be chosen
    return () => {
      isGone = true;
      clearTimeout(timer);
      large.value = undefined;
      held?.bitmap?.close();
    };
  }, [class_index]);
  return large.value?.head.class_index === class_index ? large.value : undefined;
}

/** Examples of the class under the cursor. */
function FoundExamples({ screen, class_index }: { screen: Screen; class_index: number | null }) {
  const sprite = useLargeSprite(screen, class_index);
  const layout = stripLayout(600, 56, Math.max(1, sprite?.head.n_examples ?? 10));
  return (
    <div class="mlf-search-examples">
      <ExampleStrip sprite={sprite} layout={layout} label="Examples of the class found" onPick={() => {}} />
    </div>
  );
}

interface CompareProps extends DialogPartProps {
  class_index: number;
  number: number;
}

function Compare({ screen, class_index, number, onClose }: CompareProps) {
  const { controller } = screen;
  const classes = controller.classes.value;
  const name = classes?.names[class_index] ?? String(class_index);
  controller.pictures_version.value;
  const sprite = useLargeSprite(screen, class_index);
  const n_examples = sprite?.head.n_examples ?? 0;
  const [image] = useState(() => new Stage());
  const [enlarged] = useState(() => new Stage());
  const [problem, setProblem] = useState("");
  const position = screen.position.value;
  const shown = controller.pictures?.image(position);
  useLayoutEffect(() => image.show(position, shown, screen.marks()), [position, shown]);
  useEffect(
    () => () => {
      image.close();
      enlarged.close();
    },
    [],
  );
  const held = useRef<DecodedImage | null>(null);
  useEffect(() => {
    let isGone = false;
    setProblem("");
    if (n_examples === 0) return;
    controller.example(class_index, number).then(
      (example) => {
        if (isGone) return example.bitmap.close();
        held.current?.bitmap.close();
        held.current = example;
        enlarged.show(`${class_index}:${number}`, example);
      },
      (error: unknown) => {
        if (!isGone) setProblem(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      isGone = true;
    };
  }, [class_index, number, n_examples]);
  useEffect(() => () => held.current?.bitmap.close(), []);
  const place =
    screen.task.value?.proposals.findIndex((proposal) => proposal.class_index === class_index) ?? -1;
  const vote = screen.votes.value[String(class_index)];
  const layout = stripLayout(640, 64, Math.max(1, n_examples));
  return (
    <Dialog kind="compare" title={name} onClose={onClose}>
      <p class="mlf-compare-words">
        <label class="mlf-compare-label">
          {place >= 0 && <kbd class="mlf-card-key">{writtenLabelKey(place, screen.key_layout.value)}</kbd>}
          <LabelBox screen={screen} class_index={class_index} vote={vote} />
          applies to this image
        </label>
        <span class="mlf-muted">{(classes?.synonyms[class_index] ?? []).join(", ")}</span>
        <span>{classes?.definitions[class_index] || "No definition."}</span>
      </p>
      <div class="mlf-compare-pair">
        <figure>
          <ImageStage stage={image} label={`Image ${screen.task.value?.image_id ?? ""}`} />
          <figcaption>The image</figcaption>
        </figure>
        <figure>
          <ImageStage stage={enlarged} label={`Example ${number + 1} of ${name}`} />
          <figcaption>
            {problem ||
              (n_examples === 0 ? "No examples of this class" : `Example ${number + 1} of ${n_examples}`)}
          </figcaption>
        </figure>
      </div>
      <div class="mlf-compare-foot">
        <button type="button" onClick={() => turnClass(screen, -1)} title="Previous label (↑)">
          ↑ Label
        </button>
        <ExampleStrip
          sprite={sprite}
          layout={layout}
          chosen={number}
          label={`Examples of ${name}`}
          onPick={(picked) => screen.compare(class_index, picked)}
        />
        <button type="button" onClick={() => turnClass(screen, 1)} title="Next label (↓)">
          Label ↓
        </button>
      </div>
    </Dialog>
  );
}
