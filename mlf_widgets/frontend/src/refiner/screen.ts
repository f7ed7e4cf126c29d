/** What of the refiner is on the screen: the image, the labels' cards and their examples, and what has been seen. */

import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { keyboardLayout } from "../shared/keys.ts";
import type { DecodedSprite } from "../shared/pictures.ts";
import { type MarkedRegions, Stage } from "../shared/views/image_stage.tsx";
import { PaintWatch } from "../shared/views/painting.ts";
import { Visibility } from "../shared/views/visibility.ts";
import type { ImageEntry } from "../shared/work.ts";
import type { RefinerController } from "./controller.ts";
import { questions, type Row } from "./labels.ts";
import { currentEntry, isCurrentRevealed, shownRows } from "./state.ts";

/** One card on the screen: which image it belongs to, and the examples drawn on it. */
export class Card {
  element: HTMLElement | null = null;
  sprite: DecodedSprite | null = null;

  constructor(
    readonly class_index: number,
    readonly position: number,
  ) {}
}

export class RefinerScreen {
  readonly stage = new Stage();
  readonly entry: ReadonlySignal<ImageEntry | undefined>;
  readonly rows: ReadonlySignal<Row[]>;
  readonly is_revealed: ReadonlySignal<boolean>;
  readonly key_layout: Signal<ReadonlyMap<string, string> | null> = signal(null);
  readonly pendingComment: { current: (() => void) | null } = { current: null };

  private readonly cards = new Map<number, Card>();
  private readonly watch: PaintWatch;
  private readonly visibility: Visibility;
  private readonly stops: (() => void)[] = [];
  private full_wanted: number | null = null;

  constructor(
    readonly controller: RefinerController,
    readonly root: HTMLElement,
  ) {
    const { state } = controller;
    this.entry = computed(() => currentEntry(state.value));
    this.rows = computed(() => shownRows(state.value));
    this.is_revealed = computed(() => isCurrentRevealed(state.value));
    this.watch = new PaintWatch(
      root,
      () => this.wish(),
      () => controller.noteVisible(),
    );
    this.visibility = new Visibility(() => {
      controller.noteVisible();
      this.rendered();
    });
    controller.visibleClasses = () => this.visibleQuestions();
    controller.beforeLeaving = () => this.pendingComment.current?.();
    controller.reveal = (class_index) => {
      this.cards.get(class_index)?.element?.scrollIntoView?.({ block: "nearest" });
    };
    this.stage.onWantsMore = () => void this.wantFullResolution();
    this.stops.push(
      effect(() => {
        root.dataset.saved = state.value.save.state;
      }),
      effect(() => {
        root.dataset.revealed = String(this.is_revealed.value);
      }),
    );
    void keyboardLayout().then((layout) => {
      this.key_layout.value = layout;
    });
  }

  /** A card has come; returns what to call when it goes. */
  place(card: Card, element: HTMLElement | null): () => void {
    if (element === null) return () => {};
    card.element = element;
    this.cards.set(card.class_index, card);
    const unwatch = this.visibility.watch(element);
    return () => {
      unwatch();
      if (this.cards.get(card.class_index) === card) this.cards.delete(card.class_index);
    };
  }

  /** The page has been written anew. */
  rendered(): void {
    this.watch.check(this.paintKey());
  }

  /** Where annotators marked the label that one is at; all marks where nobody marked that one. */
  marks(): MarkedRegions[] {
    const entry = this.entry.value;
    const evidence = this.is_revealed.value ? entry?.task.evidence : null;
    if (!evidence) return [];
    const names = this.controller.classes.value?.names;
    const all = Object.entries(evidence.regions).flatMap(([voice, marked]) =>
      Object.entries(marked).map(([key, regions]) => ({
        class_index: Number(key),
        name: `${voice}: ${names?.[Number(key)] ?? key}`,
        regions,
      })),
    );
    const at = this.rows.value[this.controller.state.value.cursor]?.class_index;
    const here = all.filter(({ class_index }) => class_index === at);
    return here.length > 0 ? here : all;
  }

  /** A decision is on its way, or a comment is being written. */
  get has_unsaved(): boolean {
    return this.controller.has_unsaved || this.pendingComment.current !== null;
  }

  async wantFullResolution(): Promise<void> {
    const { position } = this.controller.state.peek();
    const image = this.controller.pictures?.image(position);
    if (image === undefined || this.full_wanted === position || this.stage.hasFullResolution.peek()) return;
    if (image.bitmap.width >= image.width_px) return;
    this.full_wanted = position;
    try {
      this.stage.showFull(position, await this.controller.fullResolution(position));
    } catch (error) {
      this.controller.say(`No full resolution: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.full_wanted = null;
    }
  }

  async showActualSize(): Promise<void> {
    const { position } = this.controller.state.peek();
    await this.wantFullResolution();
    if (this.controller.state.peek().position === position) this.stage.actualSize();
  }

  close(): void {
    for (const stop of this.stops) stop();
    this.watch.close();
    this.visibility.close();
    this.stage.close();
  }

  private paintKey(): string {
    const { position } = this.controller.state.peek();
    const shown = this.rows.peek().map(({ class_index }) => class_index);
    return `${position}|${this.entry.peek()?.task.image_id ?? ""}|${shown.join()}`;
  }

  /** Questions whose card is on the screen; seeing what nobody disputes is no question asked. */
  private visibleQuestions(): number[] {
    const entry = this.entry.peek();
    if (entry === undefined || this.watch.painted_key !== this.paintKey()) return [];
    const { position } = this.controller.state.peek();
    return questions(entry, this.is_revealed.peek()).filter((class_index) => {
      const card = this.cards.get(class_index);
      return card?.element != null && card.position === position && this.visibility.isSeen(card.element);
    });
  }

  private wish() {
    const task = this.entry.peek()?.task;
    if (task === undefined) return null;
    const { position } = this.controller.state.peek();
    const { pictures } = this.controller;
    const isImageDrawn = () =>
      !task.has_image ||
      pictures?.failure("image", position) !== undefined ||
      this.stage.drawn_key === position;
    const isCardDrawn = (class_index: number) => {
      const card = this.cards.get(class_index);
      if (card?.element == null || card.position !== position) return false;
      if (pictures?.failure("sprite", class_index) !== undefined) return true;
      if (!this.visibility.mayBeSeen(card.element)) return true;
      const sprite = pictures?.sprite(class_index);
      return sprite !== undefined && card.sprite === sprite;
    };
    return {
      image_id: task.image_id,
      isDrawn: () => isImageDrawn() && this.rows.peek().every(({ class_index }) => isCardDrawn(class_index)),
    };
  }
}
