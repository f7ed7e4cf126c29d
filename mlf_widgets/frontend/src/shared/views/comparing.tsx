/** The image and an example of a class side by side, and what the class means. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { DecodedImage } from "../pictures.ts";
import { t } from "../words.ts";
import { ImageStage, Stage } from "./image_stage.tsx";
import type { WalkingScreen } from "./walking_screen.ts";

export interface Compared {
  image: Stage;
  enlarged: Stage;
  /** Why the example is not there; "" where it is, or may yet come. */
  problem: string;
}

/** Both pictures, for as long as the component lives; `nExamples` is 0 while no example is there yet. */
export function useCompared(
  screen: WalkingScreen,
  classIndex: number,
  number: number,
  nExamples: number,
): Compared {
  const { controller } = screen;
  controller.picturesVersion.value;
  const position = screen.position.value;
  const shown = controller.pictures?.image(position);
  const [image] = useState(() => new Stage());
  const [enlarged] = useState(() => new Stage());
  const [problem, setProblem] = useState("");
  const held = useRef<DecodedImage | null>(null);
  useLayoutEffect(() => image.show(position, shown, screen.marks()), [position, shown]);
  useEffect(() => {
    let isGone = false;
    setProblem("");
    const task = screen.entry.peek()?.task;
    if (nExamples === 0 || task === undefined) return;
    controller.example(task, classIndex, number).then(
      (example) => {
        if (isGone) return example.bitmap.close();
        held.current?.bitmap.close();
        held.current = example;
        enlarged.show(`${classIndex}:${number}`, example);
      },
      (error: unknown) => {
        if (!isGone) setProblem(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      isGone = true;
    };
  }, [classIndex, number, nExamples]);
  useEffect(
    () => () => {
      image.close();
      enlarged.close();
      held.current?.bitmap.close();
    },
    [],
  );
  return { image, enlarged, problem };
}

export interface ComparedPairProps {
  screen: WalkingScreen;
  compared: Compared;
  /** Which example, as "Example 1 of 10". */
  where: string;
  /** What a screen reader calls the example. */
  label: string;
}

export function ComparedPair({ screen, compared, where, label }: ComparedPairProps) {
  return (
    <div class="mlf-compare-pair">
      <figure>
        <ImageStage
          stage={compared.image}
          label={t("Image {number}", { number: (screen.entry.value?.task.position ?? 0) + 1 })}
        />
        <figcaption>{t("The image")}</figcaption>
      </figure>
      <figure>
        <ImageStage stage={compared.enlarged} label={label} />
        <figcaption>{compared.problem || where}</figcaption>
      </figure>
    </div>
  );
}

export function whichExample(number: number, nExamples: number): string {
  return nExamples === 0
    ? t("No examples of this class")
    : t("Example {number} of {n}", { number: number + 1, n: nExamples });
}

export interface ClassMeaningProps {
  screen: WalkingScreen;
  classIndex: number;
  /** What can be said about it here. */
  children?: ComponentChildren;
}

export function ClassMeaning({ screen, classIndex, children }: ClassMeaningProps) {
  const classes = screen.controller.classes.value;
  const lines = (screen.controller.state.peek().info?.class_lines ?? []).filter(({ class_indices }) =>
    class_indices.includes(classIndex),
  );
  return (
    <p class="mlf-compare-words">
      {children}
      <span class="mlf-muted" dir="auto">
        {(classes?.synonyms[classIndex] ?? []).join(", ")}
      </span>
      <span dir="auto">{classes?.definitions[classIndex] || t("No definition.")}</span>
      {lines.map(({ text }) => (
        <strong key={text} dir="auto">
          {text}
        </strong>
      ))}
    </p>
  );
}
