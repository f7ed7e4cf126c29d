/** The refiner's dialogs: keys, guidelines, finding a class, image and examples side by side. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { KeyAction } from "../shared/keys.ts";
import { KEY_BINDINGS, writtenActionKey } from "../shared/keys.ts";
import type { DecodedImage } from "../shared/pictures.ts";
import { ClassSearchBox } from "../shared/views/class_search.tsx";
import { Dialog } from "../shared/views/dialog.tsx";
import { ExampleStrip } from "../shared/views/example_strip.tsx";
import { ImageStage, Stage } from "../shared/views/image_stage.tsx";
import { stripLayout } from "../shared/views/strip_layout.ts";
import { OWN_KEYS } from "./keys.ts";
import type { RefinerScreen } from "./screen.ts";
import { allRows } from "./state.ts";

/** Keys that the refiner shares with the annotation widget. */
const SHARED_KEYS: ReadonlySet<KeyAction> = new Set([
  ...(["next", "previous", "none", "unsure", "search", "comment", "undo", "redo", "first_not_done"] as const),
  ...([
    "jump",
    "filter",
    "zoom_in",
    "zoom_out",
    "zoom_fit",
    "full_resolution",
    "pan_left",
    "compare",
  ] as const),
  ...(["guidelines", "help", "leave"] as const),
]);

interface Part {
  screen: RefinerScreen;
}

export function Dialogs({ screen }: Part) {
  const { dialog } = screen.controller.state.value;
  const close = () => screen.controller.open(null);
  switch (dialog?.kind) {
    case "help":
      return <Help screen={screen} onClose={close} />;
    case "guidelines":
      return (
        <Dialog kind="guidelines" title="Guidelines" onClose={close}>
          <div
            class="mlf-dialog-scroll mlf-guidelines"
            tabIndex={0}
            role="group"
            aria-label="Text of the guidelines"
          >
            {screen.controller.state.peek().info?.annotation.guidelines.trim() ||
              "This project has no guidelines."}
          </div>
        </Dialog>
      );
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

interface DialogPartProps extends Part {
  onClose(): void;
}

function Help({ screen, onClose }: DialogPartProps) {
  const info = screen.controller.state.peek().info;
  const layout = screen.key_layout.value;
  const shared = KEY_BINDINGS.filter(({ action, does }) => does !== "" && SHARED_KEYS.has(action));
  return (
    <Dialog kind="help" title="Keys" onClose={onClose}>
      <div class="mlf-dialog-scroll" tabIndex={0} role="group" aria-label="List of keys">
        <table class="mlf-keys">
          <caption>Keys work while the widget has the focus: click anywhere in it.</caption>
          <tbody>
            {OWN_KEYS.map(({ written, does }) => (
              <tr key={does}>
                <th scope="row">
                  {written.map((name) => (name === "…" ? " … " : <kbd key={name}>{name}</kbd>))}
                </th>
                <td>{does}</td>
              </tr>
            ))}
            {shared.map(({ action, does }) => (
              <tr key={action}>
                <th scope="row">
                  <kbd>{writtenActionKey(action, layout, info?.annotation.keys)}</kbd>
                </th>
                <td>{does}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p class="mlf-muted">
          Labels on which the annotators differ come first, and each is yours to settle. A label that all of
          them ticked stands unless you say no to it. Letters stand for annotators; they change from image to
          image.
        </p>
      </div>
    </Dialog>
  );
}

function Search({ screen, onClose }: DialogPartProps) {
  const { controller } = screen;
  const classes = controller.classes.value;
  const search = controller.searchIndex();
  if (classes === null || search === null) return null;
  const rows = new Map(allRows(controller.state.value).map((row) => [row.class_index, row]));
  const noteOf = (class_index: number) => {
    const row = rows.get(class_index);
    if (row === undefined) return "";
    return row.stands === "yes" ? "stands" : row.isQuestion ? "to settle" : "proposed";
  };
  return (
    <Dialog kind="search" title="Add a label" onClose={onClose}>
      <ClassSearchBox
        classes={classes}
        search={search}
        noteOf={noteOf}
        onChoose={(class_index, isUnsure) => {
          onClose();
          const vote = isUnsure ? "unsure" : "yes";
          // A class that is given already stays given: to choose it again is no wish to clear it.
          if (rows.get(class_index)?.own !== vote) controller.toggleVote(class_index, vote);
          controller.wantAlso([class_index]);
        }}
      />
      <p class="mlf-muted">
        <kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Enter</kbd> adds the label, <kbd>⇧ Enter</kbd> adds it as
        unsure
      </p>
    </Dialog>
  );
}

interface CompareProps extends DialogPartProps {
  class_index: number;
  number: number;
}

function Compare({ screen, class_index, number, onClose }: CompareProps) {
  const { controller } = screen;
  controller.pictures_version.value;
  const classes = controller.classes.value;
  const name = classes?.names[class_index] ?? String(class_index);
  const sprite = controller.pictures?.sprite(class_index);
  const n_examples = sprite?.head.n_examples ?? 0;
  const at = Math.min(number, Math.max(0, n_examples - 1));
  const { position } = controller.state.value;
  const shown = controller.pictures?.image(position);
  const [image] = useState(() => new Stage());
  const [enlarged] = useState(() => new Stage());
  const [problem, setProblem] = useState("");
  const held = useRef<DecodedImage | null>(null);
  useLayoutEffect(() => image.show(position, shown, screen.marks()), [position, shown]);
  useEffect(() => {
    let isGone = false;
    setProblem("");
    if (n_examples === 0) return;
    controller.example(class_index, at).then(
      (example) => {
        if (isGone) {
          example.bitmap.close();
          return;
        }
        held.current?.bitmap.close();
        held.current = example;
        enlarged.show(`${class_index}:${at}`, example);
      },
      (error: unknown) => {
        if (!isGone) setProblem(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      isGone = true;
    };
  }, [class_index, at, n_examples]);
  useEffect(
    () => () => {
      image.close();
      enlarged.close();
      held.current?.bitmap.close();
    },
    [],
  );
  const where = n_examples === 0 ? "No examples of this class" : `Example ${at + 1} of ${n_examples}`;
  return (
    <Dialog kind="compare" title={name} onClose={onClose}>
      <p class="mlf-compare-words">
        <span class="mlf-muted">{(classes?.synonyms[class_index] ?? []).join(", ")}</span>
        <span>{classes?.definitions[class_index] || "No definition."}</span>
      </p>
      <div class="mlf-compare-pair">
        <figure>
          <ImageStage stage={image} label={`Image ${screen.entry.value?.task.image_id ?? ""}`} />
          <figcaption>The image</figcaption>
        </figure>
        <figure>
          <ImageStage stage={enlarged} label={`${where}: ${name}`} />
          <figcaption>{problem || where}</figcaption>
        </figure>
      </div>
      <div class="mlf-compare-foot">
        <ExampleStrip
          sprite={sprite}
          layout={stripLayout(640, 64, Math.max(1, n_examples))}
          chosen={at}
          label={`Examples of ${name}`}
          onPick={(picked) => controller.open({ kind: "compare", class_index, number: picked })}
        />
      </div>
    </Dialog>
  );
}
