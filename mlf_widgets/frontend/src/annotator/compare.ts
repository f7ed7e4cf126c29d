/** Walking through the examples of the labels, beside the image. */

import { examplesFor } from "../shared/pictures.ts";
import type { Screen } from "./screen.ts";
import { addedClasses } from "./state.ts";

/** Classes to walk through: the proposals in their order, then what was added. */
export function classesToCompare(screen: Screen): number[] {
  const entry = screen.entry.value;
  if (entry === undefined) return [];
  return [...entry.task.proposals.map(({ class_index }) => class_index), ...addedClasses(entry)];
}

/** The next example of the class; the first follows the last. */
export function turnExample(screen: Screen, step: 1 | -1): void {
  const { dialog } = screen.controller.state.peek();
  if (dialog?.kind !== "compare") return;
  const examples = examplesFor(screen.task.peek(), dialog.classIndex);
  const nExamples = screen.controller.pictures?.exampleCount(examples) ?? 0;
  if (nExamples === 0) return;
  screen.controller.open({ ...dialog, number: (dialog.number + step + nExamples) % nExamples });
}

/** The next class; the first follows the last. */
export function turnClass(screen: Screen, step: 1 | -1): void {
  const { dialog } = screen.controller.state.peek();
  const classes = classesToCompare(screen);
  if (dialog?.kind !== "compare" || classes.length === 0) return;
  const at = classes.indexOf(dialog.classIndex);
  const classIndex = classes[(at + step + classes.length) % classes.length];
  if (classIndex !== undefined) screen.compare(classIndex);
}
