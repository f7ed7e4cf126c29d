/** Walking from task to task: which tasks and images are wanted next. */

import type { ExamplesKey } from "./pictures.ts";
import type { WorkState } from "./work.ts";

const N_AHEAD = 6;
const N_BEHIND = 3;
const TASK_BLOCK = 25;
const TASKS_AHEAD = 30;
const TASKS_BEHIND = 10;

/** What to fetch, the most wanted first. */
export interface Wanted {
  positions: number[];
  examples: ExamplesKey[];
}

/** Positions in the order in which a person walking in `direction` will want them. */
export function positionsAhead(state: WorkState, direction: 1 | -1): number[] {
  const offsets = [0, 1, 2, -1];
  for (let k = 3; k <= N_AHEAD; k++) offsets.push(k);
  for (let k = 2; k <= N_BEHIND; k++) offsets.push(-k);
  return offsets
    .map((offset) => state.position + offset * direction)
    .filter((position) => position >= 0 && position < state.progress.n_tasks);
}

/** Blocks of positions whose tasks are missing around the one shown, the nearest block first. */
export function missingTasks(state: WorkState, isAsked: (position: number) => boolean): number[][] {
  const last = state.progress.n_tasks - 1;
  const low = Math.max(0, state.position - TASKS_BEHIND);
  const high = Math.min(last, state.position + TASKS_AHEAD);
  const blocks = new Map<number, number[]>();
  for (let block = Math.floor(low / TASK_BLOCK); block <= Math.floor(high / TASK_BLOCK); block++) {
    const first = block * TASK_BLOCK;
    const length = Math.min(TASK_BLOCK, last - first + 1);
    const missing = Array.from({ length }, (_, i) => first + i).filter(
      (position) => !state.entries.has(position) && !isAsked(position),
    );
    if (missing.length > 0) blocks.set(block, missing);
  }
  const own = Math.floor(state.position / TASK_BLOCK);
  return [...blocks].sort(([a], [b]) => Math.abs(a - own) - Math.abs(b - own)).map(([, missing]) => missing);
}
