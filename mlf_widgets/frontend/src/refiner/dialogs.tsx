/** The refiner's dialogs: keys, guidelines, finding a class, image and examples side by side. */

import { isForAnnotatorAlone, KEY_BINDINGS } from "../shared/keys.ts";
import { examplesFor } from "../shared/pictures.ts";
import { ClassSearchBox } from "../shared/views/class_search.tsx";
import { ClassMeaning, ComparedPair, useCompared, whichExample } from "../shared/views/comparing.tsx";
import { Dialog } from "../shared/views/dialog.tsx";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { KeyRows } from "../shared/views/key_table.tsx";
import { stripLayout } from "../shared/views/strip_layout.ts";
import {
  AddingKeys,
  type CompareProps,
  type DialogPartProps,
  KeysDialog,
  WalkingDialogs,
} from "../shared/views/walking_dialogs.tsx";
import { t } from "../shared/words.ts";
import { OWN_KEYS } from "./keys.ts";
import type { RefinerScreen } from "./screen.ts";
import { allRows } from "./state.ts";

export function Dialogs({ screen }: { screen: RefinerScreen }) {
  return <WalkingDialogs screen={screen} Help={Help} Search={Search} Compare={Compare} />;
}

function Help({ screen, onClose }: DialogPartProps<RefinerScreen>) {
  const shared = KEY_BINDINGS.filter(({ action, does }) => does !== "" && !isForAnnotatorAlone(action));
  const rows = shared.map(({ action, does }) => ({ written: [screen.keyOf(action)], does }));
  return (
    <KeysDialog onClose={onClose} keys={<KeyRows rows={[...OWN_KEYS, ...rows]} />}>
      {t(
        "Labels on which the annotators differ come first, and each is yours to settle. A label that all of them ticked stands unless you say no to it. Letters stand for annotators; they change from image to image.",
      )}
    </KeysDialog>
  );
}

function Search({ screen, onClose }: DialogPartProps<RefinerScreen>) {
  const { controller } = screen;
  const classes = controller.classes.value;
  const search = controller.searchIndex();
  if (classes === null || search === null) return null;
  const rows = new Map(allRows(controller.state.value).map((row) => [row.classIndex, row]));
  const noteOf = (classIndex: number) => {
    const row = rows.get(classIndex);
    if (row === undefined) return "";
    return row.stands === "yes" ? t("stands") : row.isQuestion ? t("to settle") : t("proposed");
  };
  return (
    <Dialog kind="search" title={t("Add a label")} onClose={onClose}>
      <ClassSearchBox
        classes={classes}
        search={search}
        noteOf={noteOf}
        onSuggest={(name) => {
          onClose();
          controller.suggestClass(name);
        }}
        onChoose={(classIndex, isUnsure) => {
          onClose();
          const vote = isUnsure ? "unsure" : "yes";
          // A label that was given already stays: choosing it again does not mean clearing it.
          if (rows.get(classIndex)?.own !== vote) controller.toggleVote(classIndex, vote);
          controller.wantAlso([classIndex]);
        }}
      />
      <AddingKeys />
    </Dialog>
  );
}

function Compare({ screen, classIndex, number, onClose }: CompareProps<RefinerScreen>) {
  const { controller } = screen;
  controller.picturesVersion.value;
  const name = controller.classes.value?.names[classIndex] ?? String(classIndex);
  const sprite = controller.pictures?.sprite(examplesFor(screen.entry.value?.task, classIndex));
  const nExamples = sprite?.head.n_examples ?? 0;
  const at = Math.min(number, Math.max(0, nExamples - 1));
  const compared = useCompared(screen, classIndex, at, nExamples);
  const where = whichExample(at, nExamples);
  return (
    <Dialog kind="compare" title={name} onClose={onClose}>
      <ClassMeaning screen={screen} classIndex={classIndex} />
      <ComparedPair
        screen={screen}
        compared={compared}
        where={where}
        label={nExamples === 0 ? where : t("Example {number} of {name}", { number: at + 1, name })}
      />
      <div class="mlf-compare-foot">
        <ExampleStrip
          sprite={sprite}
          layout={stripLayout(640, 64, Math.max(1, nExamples))}
          chosen={at}
          label={t("Examples of {name}", { name })}
          onPick={(picked) => controller.open({ kind: "compare", classIndex: classIndex, number: picked })}
        />
      </div>
    </Dialog>
  );
}
