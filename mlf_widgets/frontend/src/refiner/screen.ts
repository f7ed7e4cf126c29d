/** What the refiner has on the screen: the image, the labels' cards and their examples, and what has been seen. */

import { computed, effect, type ReadonlySignal } from "@preact/signals";
import { type DecodedSprite, examplesFor } from "../shared/pictures.ts";
import type { MarkedRegions } from "../shared/views/image_stage.tsx";
import { WalkingScreen } from "../shared/views/walking_screen.ts";
import type { RefinerController } from "./controller.ts";
import { questions, type Row } from "./labels.ts";
import { isCurrentRevealed, shownRows } from "./state.ts";

/** One card on the screen: which image it belongs to, and the examples drawn on it. */
export class Card {
  element: HTMLElement | null = null;
  sprite: DecodedSprite | null = null;

  constructor(
    readonly classIndex: number,
    readonly position: number,
  ) {}
}

export class RefinerScreen extends WalkingScreen<RefinerController> {
  readonly rows: ReadonlySignal<Row[]>;
  readonly isRevealed: ReadonlySignal<boolean>;

  private readonly cards = new Map<number, Card>();

  constructor(controller: RefinerController, root: HTMLElement) {
    super(controller, root);
    const { state } = controller;
    this.rows = computed(() => shownRows(state.value));
    this.isRevealed = computed(() => isCurrentRevealed(state.value));
    controller.reveal = (classIndex) => {
      this.cards.get(classIndex)?.element?.scrollIntoView?.({ block: "nearest" });
    };
    this.stops.push(
      effect(() => {
        root.dataset.revealed = String(this.isRevealed.value);
      }),
    );
  }

  /** A card has appeared; returns what to call when it goes. */
  place(card: Card, element: HTMLElement | null): () => void {
    if (element === null) return () => {};
    card.element = element;
    this.cards.set(card.classIndex, card);
    const unwatch = this.visibility.watch(element);
    return () => {
      unwatch();
      if (this.cards.get(card.classIndex) === card) this.cards.delete(card.classIndex);
    };
  }

  /** Where annotators marked the current label; all marks where nobody marked that label. */
  override marks(): MarkedRegions[] {
    const entry = this.entry.value;
    const evidence = this.isRevealed.value ? entry?.task.evidence : null;
    if (!evidence) return [];
    const names = this.controller.classes.value?.names;
    const all = Object.entries(evidence.regions).flatMap(([voice, marked]) =>
      Object.entries(marked).map(([key, regions]) => ({
        classIndex: Number(key),
        name: `${voice}: ${names?.[Number(key)] ?? key}`,
        regions,
      })),
    );
    const at = this.rows.value[this.controller.state.value.cursor]?.classIndex;
    const here = all.filter(({ classIndex }) => classIndex === at);
    return here.length > 0 ? here : all;
  }

  protected override paintKey(): string {
    const { position } = this.controller.state.peek();
    const shown = this.rows.peek().map(({ classIndex }) => classIndex);
    return `${position}|${this.entry.peek()?.task.image_id ?? ""}|${shown.join()}`;
  }

  /** Questions whose card is on the screen; what nobody disputes is seen, but not asked about. */
  protected override visibleClasses(): number[] {
    const entry = this.entry.peek();
    if (entry === undefined || !this.isPainted) return [];
    const { position } = this.controller.state.peek();
    return questions(entry, this.isRevealed.peek()).filter((classIndex) => {
      const card = this.cards.get(classIndex);
      return card?.element != null && card.position === position && this.visibility.isSeen(card.element);
    });
  }

  protected override areLabelsDrawn(): boolean {
    return this.rows.peek().every(({ classIndex }) => this.isCardDrawn(classIndex));
  }

  private isCardDrawn(classIndex: number): boolean {
    const { pictures } = this.controller;
    const card = this.cards.get(classIndex);
    if (card?.element == null || card.position !== this.position.peek()) return false;
    const examples = examplesFor(this.entry.peek()?.task, classIndex);
    if (pictures?.failure("sprite", examples) !== undefined) return true;
    if (!this.visibility.mayBeSeen(card.element)) return true;
    const sprite = pictures?.sprite(examples);
    return sprite !== undefined && card.sprite === sprite;
  }
}
