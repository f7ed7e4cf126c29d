/** What the view draws, each part as a signal of its own, so that a change redraws no more than it must. */

import { computed, effect, type ReadonlySignal, type Signal, signal, untracked } from "@preact/signals";
import type { Proposal, Task, Vote } from "../shared/messages.ts";
import type { DecodedSprite } from "../shared/pictures.ts";
import type { MarkedRegions } from "../shared/views/image_stage.tsx";
import { type StripLayout, stripLayout, stripSize } from "../shared/views/strip_layout.ts";
import type { Visibility } from "../shared/views/visibility.ts";
import { WalkingScreen } from "../shared/views/walking_screen.ts";
import type { Controller } from "./controller.ts";
import { pageCount, pageSize } from "./state.ts";

const USUAL_EXAMPLES = 10;
/** These three as the style sheet has them. */
const CARD_HEAD_PX = 24;
const CARD_PADDING_PX = { across: 12, along: 5 };
const DEFINITION_LINE_PX = 16;
const LINES_ON_DEMAND = 2;
const MAX_LINES = 3;
const MAX_LATELY = 12;

/** One card: the n-th on screen, whatever class it shows at the moment. */
export interface Slot {
  readonly number: ReadonlySignal<number>;
  readonly proposal: ReadonlySignal<Proposal | undefined>;
  readonly vote: ReadonlySignal<Vote | undefined>;
  readonly sprite: ReadonlySignal<DecodedSprite | undefined>;
  readonly failure: ReadonlySignal<string | undefined>;
  element: HTMLElement | null;
  /** What its words and its canvas show. */
  drawn_class: number | null;
  drawn_sprite: DecodedSprite | null;
}

export class Screen extends WalkingScreen<Controller> {
  readonly task: ReadonlySignal<Task | undefined>;
  readonly votes: ReadonlySignal<Record<string, Vote>>;
  readonly page: ReadonlySignal<number>;
  readonly n_cards: ReadonlySignal<number>;
  readonly first_number: ReadonlySignal<number>;
  readonly n_pages: ReadonlySignal<number>;
  readonly shows_all: ReadonlySignal<boolean>;
  readonly shows_definitions = signal(false);
  /** How the examples lie in a card; measured from the first card. */
  readonly layout: Signal<StripLayout> = signal(stripLayout(400, 44, USUAL_EXAMPLES));
  /** Lines of a class's definition below its examples: as many as there is room for, or as were asked for. */
  readonly definition_lines: Signal<number> = signal(0);
  /** The label that was voted on last, for `mark`. */
  last_class: number | null = null;
  /** Classes added in this sitting, the last one first. */
  added_lately: readonly number[] = [];

  private readonly slots: Slot[] = [];
  private readonly paint_key: ReadonlySignal<string>;
  private room = { width: 400, height: 44 };
  private n_examples = 0;

  constructor(controller: Controller, root: HTMLElement) {
    super(controller, root);
    const { state, pictures_version } = controller;
    this.task = computed(() => this.entry.value?.task);
    this.votes = computed(() => this.entry.value?.state.votes ?? {});
    this.page = computed(() => state.value.page);
    this.n_pages = computed(() => pageCount(state.value));
    this.shows_all = computed(() => pageSize(state.value) === Number.POSITIVE_INFINITY);
    this.first_number = computed(() => (this.shows_all.value ? 0 : state.value.page * pageSize(state.value)));
    this.n_cards = computed(() => {
      const n_proposals = this.task.value?.proposals.length ?? 0;
      return Math.max(0, Math.min(pageSize(state.value), n_proposals - this.first_number.value));
    });
    this.paint_key = computed(() => {
      const { position } = state.value;
      return `${position}|${this.task.value?.image_id ?? ""}|${this.first_number.value}|${this.n_cards.value}`;
    });
    this.stops.push(
      effect(() => {
        pictures_version.value;
        this.noteExamples();
        this.watch.check(this.paint_key.value);
      }),
      effect(() => {
        this.shows_all.value;
        this.shows_definitions.value;
        this.layOut();
      }),
      effect(() => this.fitThumbnails()),
    );
  }

  /** Grows when other cards than before can be seen. */
  readonly revision = signal(0);

  slot(at: number): Slot {
    let slot = this.slots[at];
    if (slot === undefined) {
      slot = this.makeSlot(at);
      this.slots[at] = slot;
    }
    return slot;
  }

  /** A card has this size; its words and padding go off, as the style sheet has them. */
  setCardSize(width: number, height: number): void {
    this.room = {
      width: width - CARD_PADDING_PX.across,
      height: height - CARD_HEAD_PX - CARD_PADDING_PX.along,
    };
    this.layOut();
  }

  override marks(): MarkedRegions[] {
    const names = this.controller.classes.value?.names;
    return Object.entries(this.entry.value?.state.regions ?? {}).map(([key, regions]) => ({
      name: names?.[Number(key)] ?? key,
      regions,
    }));
  }

  noteAdded(class_index: number): void {
    const others = this.added_lately.filter((other) => other !== class_index);
    this.added_lately = [class_index, ...others].slice(0, MAX_LATELY);
  }

  turnPage(step: 1 | -1): void {
    const page = this.controller.state.peek().page + step;
    if (page < 0 || page >= this.n_pages.peek()) return;
    this.controller.turnPage(step);
  }

  /** Show examples beside the image: of this class, or of the first card. */
  compare(class_index?: number, number = 0): void {
    const shown = class_index ?? this.slots[0]?.proposal.peek()?.class_index;
    if (shown !== undefined) this.controller.open({ kind: "compare", class_index: shown, number });
  }

  /** Mark where the label is that was voted on last, or the first one ticked. */
  markLast(): void {
    const ticked = Object.keys(this.votes.peek()).map(Number);
    const isTicked = this.last_class !== null && ticked.includes(this.last_class);
    const class_index = isTicked ? this.last_class : ticked[0];
    if (this.controller.state.peek().info?.annotation.regions === "off")
      this.controller.say("This project marks no regions");
    else if (class_index === undefined || class_index === null) this.controller.say("Tick a label first");
    else void this.controller.markRegion(class_index);
  }

  private makeSlot(at: number): Slot {
    const { controller } = this;
    const number = computed(() => this.first_number.value + at);
    const proposal = computed(() => this.task.value?.proposals[number.value]);
    const class_index = computed(() => proposal.value?.class_index);
    return {
      number,
      proposal,
      vote: computed(() => this.votes.value[String(class_index.value)]),
      sprite: computed(() => {
        controller.pictures_version.value;
        return class_index.value === undefined ? undefined : controller.pictures?.sprite(class_index.value);
      }),
      failure: computed(() => {
        controller.pictures_version.value;
        return class_index.value === undefined
          ? undefined
          : controller.pictures?.failure("sprite", class_index.value);
      }),
      element: null,
      drawn_class: null,
      drawn_sprite: null,
    };
  }

  protected override paintKey(): string {
    return this.paint_key.peek();
  }

  protected override areLabelsDrawn(): boolean {
    return this.shownSlots().every((slot) => isSlotDrawn(slot, this.visibility));
  }

  protected override sightChanged(): void {
    this.revision.value++;
    super.sightChanged();
  }

  private shownSlots(): Slot[] {
    return this.slots.slice(0, this.n_cards.peek());
  }

  protected override visibleClasses(): number[] {
    if (!this.isPainted) return [];
    const added = Object.keys(this.votes.peek()).map(Number);
    const proposed = new Set(this.task.peek()?.proposals.map(({ class_index }) => class_index));
    const seen = this.shownSlots().flatMap(({ element, drawn_class }) =>
      element !== null && drawn_class !== null && this.visibility.isSeen(element) ? [drawn_class] : [],
    );
    return [...seen, ...added.filter((classIndex) => !proposed.has(classIndex))];
  }

  private noteExamples(): void {
    const most = Math.max(0, ...this.shownSlots().map(({ sprite }) => sprite.value?.head.n_examples ?? 0));
    if (most <= this.n_examples) return;
    this.n_examples = most;
    this.layOut();
  }

  private layOut(): void {
    const { width, height } = this.room;
    const n_examples = this.n_examples || USUAL_EXAMPLES;
    const isFree = this.shows_all.peek();
    const n_asked = this.shows_definitions.peek() ? LINES_ON_DEMAND : 0;
    const next = stripLayout(
      width,
      isFree ? Number.POSITIVE_INFINITY : height - n_asked * DEFINITION_LINE_PX,
      n_examples,
    );
    const now = this.layout.peek();
    if (next.side_px !== now.side_px || next.n_columns !== now.n_columns) this.layout.value = next;
    const left_px = height - stripSize(next, n_examples).height;
    const n_fitting = Math.floor(left_px / DEFINITION_LINE_PX);
    this.definition_lines.value = isFree ? n_asked : Math.min(Math.max(n_fitting, n_asked), MAX_LINES);
  }

  private fitThumbnails(): void {
    const { pictures, state } = this.controller;
    const isOpen = state.value.info !== null;
    const wanted_px = Math.round(this.layout.value.side_px * devicePixelRatio);
    if (!isOpen || pictures === null || pictures.thumbnail_px === wanted_px) return;
    pictures.thumbnail_px = wanted_px;
    untracked(() => void this.controller.fetch());
  }
}

function isSlotDrawn(slot: Slot, visibility: Visibility): boolean {
  const { element, proposal, sprite, failure, drawn_class, drawn_sprite } = slot;
  if (element === null || drawn_class !== proposal.peek()?.class_index) return false;
  if (failure.peek() !== undefined || !visibility.mayBeSeen(element)) return true;
  const due = sprite.peek();
  return due !== undefined && drawn_sprite === due;
}
