/** Which images, examples and tasks are wanted, the most wanted first: what is shown, then what lies ahead. */

import { type ExamplesKey, examplesFor } from "../shared/pictures.ts";
import { positionsAhead, type Wanted } from "../shared/walking.ts";
import type { AnnotatorState } from "./state.ts";
import { numbersOnPage, pageSize } from "./state.ts";

export { missingTasks, positionsAhead } from "../shared/walking.ts";

export function wanted(state: AnnotatorState, direction: 1 | -1, also: readonly number[] = []): Wanted {
  const ahead = positionsAhead(state, direction);
  const positions = [...new Set([...ahead.slice(0, 2), ...also, ...ahead.slice(2)])];
  const task = state.entries.get(state.position)?.task;
  const shown = task?.proposals ?? [];
  const first = numbersOnPage(state)
    .flatMap((number) => shown[number]?.class_index ?? [])
    .map((classIndex) => examplesFor(task, classIndex));
  const size = Math.min(pageSize(state), 1000);
  const firstPages: ExamplesKey[] = [];
  const otherPages: ExamplesKey[] = [];
  for (const position of positions) {
    const task = state.entries.get(position)?.task;
    task?.proposals.forEach(({ class_index }, number) => {
      (number < size ? firstPages : otherPages).push(examplesFor(task, class_index));
    });
  }
  const own = shown.map(({ class_index }) => examplesFor(task, class_index));
  const examples = [...new Set([...first, ...firstPages, ...own, ...otherPages])];
  const withImage = positions.filter((position) => state.entries.get(position)?.task.has_image);
  return { positions: withImage, examples };
}
