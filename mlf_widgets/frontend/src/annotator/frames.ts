/** Where in the image the models saw the labels best: the parts that they looked at, framed on demand. */

import type { Proposal, Region, View } from "../shared/messages.ts";
import type { MarkedRegions } from "../shared/views/image_stage.tsx";
import { t } from "../shared/words.ts";

interface Part {
  view: View;
  /** What people call the labels: the keys on their cards. */
  names: string[];
}

/** Whether the models looked at parts of this image, or at the whole alone. */
export function hasViews(proposals: readonly Proposal[]): boolean {
  return proposals.some(({ view }) => view !== null);
}

/** The parts that spoke loudest for these labels, each once, with the labels that it spoke for. */
function partsOf(proposals: readonly { proposal: Proposal; name: string }[]): Part[] {
  const parts = new Map<string, Part>();
  for (const { proposal, name } of proposals) {
    if (proposal.view === null) continue;
    const key = proposal.view.join();
    const part = parts.get(key) ?? { view: proposal.view, names: [] };
    part.names.push(name);
    parts.set(key, part);
  }
  return [...parts.values()];
}

/** The frames to draw; a label that was seen best in the whole image has none. */
export function framesOf(proposals: readonly { proposal: Proposal; name: string }[]): MarkedRegions[] {
  return partsOf(proposals)
    .filter(({ view }) => !isWhole(view))
    .map(({ view: [x, y, width, height], names }) => {
      const region: Region = { kind: "box", x, y, width, height };
      return { name: names.join(" "), regions: [region], isFaint: true };
    });
}

/** The same in words, for people who cannot see frames. */
export function spokenFrames(proposals: readonly { proposal: Proposal; name: string }[]): string {
  return partsOf(proposals)
    .map(({ view, names }) => `${names.join(", ")}: ${placeOf(view)}`)
    .join("; ");
}

function isWhole([, , width, height]: View): boolean {
  return width >= 1 && height >= 1;
}

function placeOf(view: View): string {
  if (isWhole(view)) return t("whole image");
  const [x, y, width, height] = view;
  const third = (middle: number) => (middle < 0.45 ? 0 : middle > 0.55 ? 2 : 1);
  const across = [t("left"), t("centre"), t("right")][third(x + width / 2)] ?? "";
  const along = [t("upper"), t("middle"), t("lower")][third(y + height / 2)] ?? "";
  return `${along} ${across}`;
}
