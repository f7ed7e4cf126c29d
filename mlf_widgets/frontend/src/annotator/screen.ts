/** What the view draws, each part as a signal of its own, so that a change redraws no more than it must. */

import { computed, effect, type ReadonlySignal, type Signal, signal, untracked } from "@preact/signals";
import type { Proposal, Task, Vote } from "../shared/messages.ts";
import { type DecodedSprite, examplesFor } from "../shared/pictures.ts";
import type { MarkedRegions } from "../shared/views/image_stage.tsx";
import { type StripLayout, stripLayout, stripSize } from "../shared/views/strip_layout.ts";
import type { Visibility } from "../shared/views/visibility.ts";
import { WalkingScreen } from "../shared/views/walking_screen.ts";
import { t } from "../shared/words.ts";
import type { Controller } from "./controller.ts";
import { framesOf, hasViews, spokenFrames } from "./frames.ts";
import { pageCount, pageSize } from "./state.ts";

const USUAL_EXAMPLES = 10;
/** These two match the style sheet. */
const CARD_PADDING_PX = { across: 12, along: 5 };
const DEFINITION_LINE_PX = 16;
const LINES_ON_DEMAND = 2;
/** Smallest examples where the height is free: of the cards of one page, and of all at once. */
const SMALLEST_PX = { page: 40, all: 28 };
/** Largest examples of all cards at once: more cards fit. */
const LARGEST_OF_ALL_PX = 44;
const MAX_LINES = 3;
const MAX_LATELY = 12;
/** Always the same one, so that an image without frames is drawn once. */
const NO_FRAMES: readonly MarkedRegions[] = [];

/** One card: the n-th on screen, whatever class it shows at the moment. */
export interface Slot {
  readonly number: ReadonlySignal<number>;
  readonly proposal: ReadonlySignal<Proposal | undefined>;
  readonly vote: ReadonlySignal<Vote | undefined>;
  /** What the guidelines say of the class, or of it and another that stands beside it. */
  readonly line: ReadonlySignal<string>;
  readonly sprite: ReadonlySignal<DecodedSprite | undefined>;
  readonly failure: ReadonlySignal<string | undefined>;
  element: HTMLElement | null;
  /** What its words and its canvas show. */
  drawnClass: number | null;
  drawnSprite: DecodedSprite | null;
}

export class Screen extends WalkingScreen<Controller> {
  readonly task: ReadonlySignal<Task | undefined>;
  readonly votes: ReadonlySignal<Record<string, Vote>>;
  readonly page: ReadonlySignal<number>;
  readonly nCards: ReadonlySignal<number>;
  readonly firstNumber: ReadonlySignal<number>;
  readonly nPages: ReadonlySignal<number>;
  readonly showsAll: ReadonlySignal<boolean>;
  readonly showsDefinitions = signal(false);
  /** The image on which frames are shown; the next one has none until they are asked for again. */
  private readonly framedPosition: Signal<number | null> = signal(null);
  readonly frames: ReadonlySignal<readonly MarkedRegions[]>;
  /** How the examples lie in a card; measured from the first card. */
  readonly layout: Signal<StripLayout> = signal(stripLayout(400, 44, USUAL_EXAMPLES));
  /** Lines of a class's definition below its examples: as many as there is room for, or as many as were asked for. */
  readonly definitionLines: Signal<number> = signal(0);
  /** The label that was voted on last, for `mark`. */
  lastClass: number | null = null;
  /** Classes added in this sitting, the latest first. */
  addedLately: readonly number[] = [];

  private readonly slots: Slot[] = [];
  private readonly liveKey: ReadonlySignal<string>;
  private room = { width: 400, height: 44 };
  private nExamples = 0;

  constructor(controller: Controller, root: HTMLElement) {
    super(controller, root);
    const { state, picturesVersion } = controller;
    this.task = computed(() => this.entry.value?.task);
    this.votes = computed(() => this.entry.value?.state.votes ?? {});
    this.page = computed(() => state.value.page);
    this.nPages = computed(() => pageCount(state.value));
    this.showsAll = computed(() => pageSize(state.value) === Number.POSITIVE_INFINITY);
    this.firstNumber = computed(() => (this.showsAll.value ? 0 : state.value.page * pageSize(state.value)));
    this.nCards = computed(() => {
      const nProposals = this.task.value?.proposals.length ?? 0;
      return Math.max(0, Math.min(pageSize(state.value), nProposals - this.firstNumber.value));
    });
    this.frames = computed(() =>
      this.framedPosition.value === this.position.value ? framesOf(this.labelsInSight()) : NO_FRAMES,
    );
    this.liveKey = computed(() => {
      const { position } = state.value;
      return `${position}|${this.task.value?.image_id ?? ""}|${this.firstNumber.value}|${this.nCards.value}`;
    });
    this.stops.push(
      effect(() => {
        picturesVersion.value;
        this.noteExamples();
        this.watch.check(this.liveKey.value);
      }),
      effect(() => {
        this.showsAll.value;
        this.showsDefinitions.value;
        this.layOut();
      }),
      effect(() => this.fitThumbnails()),
    );
  }

  /** Grows when the cards in sight change. */
  readonly revision = signal(0);

  slot(at: number): Slot {
    let slot = this.slots[at];
    if (slot === undefined) {
      slot = this.makeSlot(at);
      this.slots[at] = slot;
    }
    return slot;
  }

  /** Cards have this size, of which their heads take a part; `isFree`: they may become as high as they need to be. */
  setCardSize(width: number, height: number, headPx: number, isFree: boolean): void {
    this.room = {
      width: width - CARD_PADDING_PX.across,
      height: isFree ? Number.POSITIVE_INFINITY : height - headPx - CARD_PADDING_PX.along,
    };
    this.layOut();
  }

  override marks(): MarkedRegions[] {
    const names = this.controller.classes.value?.names;
    const marked = Object.entries(this.entry.value?.state.regions ?? {}).map(([key, regions]) => ({
      name: names?.[Number(key)] ?? key,
      regions,
    }));
    return [...this.frames.value, ...marked];
  }

  get showsFrames(): boolean {
    return this.framedPosition.value === this.position.value;
  }

  /** Frame the parts of the image in which models saw the labels on this page best, or leave that again. */
  toggleFrames(): void {
    const { controller } = this;
    const proposals = this.task.peek()?.proposals ?? [];
    if (this.framedPosition.peek() === this.position.peek()) {
      this.framedPosition.value = null;
      controller.say(t("Frames are gone"));
    } else if (!hasViews(proposals)) {
      controller.say(t("Models looked at this image as a whole"));
    } else if (controller.noteFrames()) {
      this.framedPosition.value = this.position.peek();
      controller.say(t("Models saw best {parts}", { parts: spokenFrames(this.labelsInSight()) }));
    }
  }

  /** The proposals of the page now shown, called by their keys. */
  private labelsInSight(): { proposal: Proposal; name: string }[] {
    const first = this.firstNumber.value;
    const shown = this.task.value?.proposals.slice(first, first + this.nCards.value) ?? [];
    const names = this.controller.classes.value?.names;
    return shown.map((proposal, at) => ({
      proposal,
      name: this.labelKey(first + at) || (names?.[proposal.class_index] ?? ""),
    }));
  }

  noteAdded(classIndex: number): void {
    const others = this.addedLately.filter((other) => other !== classIndex);
    this.addedLately = [classIndex, ...others].slice(0, MAX_LATELY);
  }

  turnPage(step: 1 | -1): void {
    const page = this.controller.state.peek().page + step;
    if (page < 0 || page >= this.nPages.peek()) return;
    this.controller.turnPage(step);
  }

  /** Show examples beside the image: of this class, or of the first card. */
  compare(classIndex?: number, number = 0): void {
    const shown = classIndex ?? this.slots[0]?.proposal.peek()?.class_index;
    if (shown !== undefined) this.controller.open({ kind: "compare", classIndex: shown, number });
  }

  /** Mark where the label is that was voted on last, or the first one ticked. */
  markLast(): void {
    const ticked = Object.keys(this.votes.peek()).map(Number);
    const isTicked = this.lastClass !== null && ticked.includes(this.lastClass);
    const classIndex = isTicked ? this.lastClass : ticked[0];
    if (this.controller.state.peek().info?.annotation.regions === "off")
      this.controller.say(t("This project marks no regions"));
    else if (classIndex === undefined || classIndex === null) this.controller.say(t("Tick a label first"));
    else void this.controller.markRegion(classIndex);
  }

  /** Unsure about the label that was voted on last: the way where Shift with its key writes something else. */
  unsureAboutLast(): void {
    if (this.lastClass === null) this.controller.say(t("Press the key of a label first"));
    else this.controller.toggleVote(this.lastClass, "unsure");
  }

  /** What the guidelines say of a class; of a pair, where the other one stands beside it. */
  lineOf(classIndex: number): string {
    const lines = this.controller.state.peek().info?.class_lines ?? [];
    if (lines.length === 0) return "";
    const beside = new Set(this.task.value?.proposals.map(({ class_index }) => class_index));
    for (const added of Object.keys(this.votes.value)) beside.add(Number(added));
    return lines
      .filter(({ class_indices }) => class_indices.includes(classIndex))
      .filter(({ class_indices }) =>
        class_indices.every((other) => other === classIndex || beside.has(other)),
      )
      .map(({ text }) => text)
      .join(" ");
  }

  private makeSlot(at: number): Slot {
    const { controller } = this;
    const number = computed(() => this.firstNumber.value + at);
    const proposal = computed(() => this.task.value?.proposals[number.value]);
    const classIndex = computed(() => proposal.value?.class_index);
    return {
      number,
      proposal,
      vote: computed(() => this.votes.value[String(classIndex.value)]),
      line: computed(() => (classIndex.value === undefined ? "" : this.lineOf(classIndex.value))),
      sprite: computed(() => {
        controller.picturesVersion.value;
        if (classIndex.value === undefined) return undefined;
        return controller.pictures?.sprite(examplesFor(this.task.value, classIndex.value));
      }),
      failure: computed(() => {
        controller.picturesVersion.value;
        return classIndex.value === undefined
          ? undefined
          : controller.pictures?.failure("sprite", examplesFor(this.task.value, classIndex.value));
      }),
      element: null,
      drawnClass: null,
      drawnSprite: null,
    };
  }

  protected override paintKey(): string {
    return this.liveKey.peek();
  }

  protected override areLabelsDrawn(): boolean {
    return this.shownSlots().every((slot) => isSlotDrawn(slot, this.visibility));
  }

  protected override sightChanged(): void {
    this.revision.value++;
    super.sightChanged();
  }

  private shownSlots(): Slot[] {
    return this.slots.slice(0, this.nCards.peek());
  }

  protected override visibleClasses(): number[] {
    if (!this.isPainted) return [];
    const added = Object.keys(this.votes.peek()).map(Number);
    const proposed = new Set(this.task.peek()?.proposals.map(({ class_index }) => class_index));
    const seen = this.shownSlots().flatMap(({ element, drawnClass }) =>
      element !== null && drawnClass !== null && this.visibility.isSeen(element) ? [drawnClass] : [],
    );
    return [...seen, ...added.filter((classIndex) => !proposed.has(classIndex))];
  }

  private noteExamples(): void {
    const most = Math.max(0, ...this.shownSlots().map(({ sprite }) => sprite.value?.head.n_examples ?? 0));
    if (most <= this.nExamples) return;
    this.nExamples = most;
    this.layOut();
  }

  private layOut(): void {
    const { width, height } = this.room;
    const nExamples = this.nExamples || USUAL_EXAMPLES;
    const isFree = this.showsAll.peek() || height === Number.POSITIVE_INFINITY;
    const hasLines = this.controller.state.peek().info?.class_lines.length ? 1 : 0;
    const nAsked = this.showsDefinitions.peek() ? LINES_ON_DEMAND : hasLines;
    const next = stripLayout(
      width,
      isFree ? Number.POSITIVE_INFINITY : height - nAsked * DEFINITION_LINE_PX,
      nExamples,
      isFree ? (this.showsAll.peek() ? SMALLEST_PX.all : SMALLEST_PX.page) : undefined,
      this.showsAll.peek() ? LARGEST_OF_ALL_PX : undefined,
    );
    const now = this.layout.peek();
    if (next.sidePx !== now.sidePx || next.nColumns !== now.nColumns) this.layout.value = next;
    const leftPx = height - stripSize(next, nExamples).height;
    const nFitting = Math.floor(leftPx / DEFINITION_LINE_PX);
    this.definitionLines.value = isFree ? nAsked : Math.min(Math.max(nFitting, nAsked), MAX_LINES);
  }

  private fitThumbnails(): void {
    const { pictures, state } = this.controller;
    const isOpen = state.value.info !== null;
    const wantedPx = Math.round(this.layout.value.sidePx * devicePixelRatio);
    // Between two images there are no cards to measure: for that moment nothing is decoded anew.
    if (!isOpen || this.entry.value === undefined) return;
    if (pictures === null || pictures.thumbnailPx === wantedPx) return;
    pictures.thumbnailPx = wantedPx;
    untracked(() => void this.controller.fetch());
  }
}

function isSlotDrawn(slot: Slot, visibility: Visibility): boolean {
  const { element, proposal, sprite, failure, drawnClass, drawnSprite } = slot;
  if (element === null || drawnClass !== proposal.peek()?.class_index) return false;
  if (failure.peek() !== undefined || !visibility.mayBeSeen(element)) return true;
  const due = sprite.peek();
  return due !== undefined && drawnSprite === due;
}
