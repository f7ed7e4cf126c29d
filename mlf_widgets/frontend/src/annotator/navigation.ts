/** Which images, examples and tasks are wanted, the most wanted first: what is shown, then what lies ahead. */

import { positionsAhead, type Wanted } from "../shared/walking.ts";
import type { AnnotatorState } from "./state.ts";
import { numbersOnPage, pageSize } from "./state.ts";

export { missingTasks, positionsAhead } from "../shared/walking.ts";

export function wanted(state: AnnotatorState, direction: 1 | -1, also: readonly number[] = []): Wanted {
  const ahead = positionsAhead(state, direction);
  const positions = [...new Set([...ahead.slice(0, 2), ...also, ...ahead.slice(2)])];
  const shown = state.entries.get(state.position)?.task.proposals ?? [];
  const first = numbersOnPage(state).flatMap((number) => shown[number]?.class_index ?? []);
  const size = Math.min(pageSize(state), 1000);
  const firstPages: number[] = [];
  const otherPages: number[] = [];
  for (const position of positions) {
    const proposals = state.entries.get(position)?.task.proposals ?? [];
    proposals.forEach(({ class_index }, number) => {
      (number < size ? firstPages : otherPages).push(class_index);
    });
  }
  const own = shown.map(({ class_index }) => class_index);
  const classIndices = [...new Set([...first, ...firstPages, ...own, ...otherPages])];
  const withImage = positions.filter((position) => state.entries.get(position)?.task.has_image);
  return { positions: withImage, classIndices: classIndices };
}
