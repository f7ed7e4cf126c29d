/** What a widget that walks from image to image has on the screen: its picture, what is painted and what is seen. */

import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import {
  type KeyAction,
  type KeyLayout,
  type KeyPress,
  keyboardLayout,
  learnt,
  writtenActionKey,
  writtenLabelKey,
  writtenUnsureKey,
} from "../keys.ts";
import type { WalkingController, WalkState } from "../walking_controller.ts";
import { t } from "../words.ts";
import type { ImageEntry } from "../work.ts";
import { type MarkedRegions, Stage } from "./image_stage.tsx";
import { PaintWatch } from "./painting.ts";
import { Visibility } from "./visibility.ts";

type AnyWalk = WalkingController<WalkState, never>;
/** What a view may ask of the controller, whichever widget it belongs to. */
export type Walker = Pick<AnyWalk, keyof AnyWalk>;

export abstract class WalkingScreen<C extends Walker = Walker> {
  readonly stage = new Stage();
  /** The image now shown; undefined until its task has arrived. */
  readonly entry: ReadonlySignal<ImageEntry | undefined>;
  readonly position: ReadonlySignal<number>;
  readonly keyLayout: Signal<KeyLayout | null> = signal(null);
  readonly pendingComment: { current: (() => void) | null } = { current: null };
  readonly visibility: Visibility;

  protected readonly watch: PaintWatch;
  protected readonly stops: (() => void)[] = [];
  private fullWanted: number | null = null;

  constructor(
    readonly controller: C,
    readonly root: HTMLElement,
  ) {
    const { state } = controller;
    this.entry = computed(() => controller.entry);
    this.position = computed(() => state.value.position);
    this.watch = new PaintWatch(
      root,
      () => this.wish(),
      () => controller.noteVisible(),
    );
    this.visibility = new Visibility(() => this.sightChanged());
    controller.visibleClasses = () => this.visibleClasses();
    controller.beforeLeaving = () => this.pendingComment.current?.();
    controller.isWriting = () => root.querySelector(".mlf-comment:focus") !== null;
    controller.isOnScreen = () => this.watch.paintedImage === this.entry.peek()?.task.image_id;
    this.stage.onSwipe = (direction) => void controller.step(direction);
    this.stage.onWantsMore = () => void this.wantFullResolution();
    this.stops.push(
      effect(() => {
        root.dataset.saved = state.value.save.state;
      }),
    );
    void keyboardLayout().then((layout) => {
      this.keyLayout.value = layout;
    });
  }

  /** Names what should be on the screen now. */
  protected abstract paintKey(): string;
  /** Every label that can be seen shows all it can. */
  protected abstract areLabelsDrawn(): boolean;
  /** Class indices whose labels can be seen at this moment. */
  protected abstract visibleClasses(): number[];
  /** Regions to draw on the image. */
  abstract marks(): MarkedRegions[];

  /** Whether what was last asked for is on the screen, as far as it has arrived. */
  get isPainted(): boolean {
    return this.watch.paintedKey === this.paintKey();
  }

  /** A decision is on its way, or a comment is being written. */
  get hasUnsaved(): boolean {
    return this.controller.hasUnsaved || this.pendingComment.current !== null;
  }

  /** How the key of an action is written here, for this project. */
  keyOf(action: KeyAction): string {
    return writtenActionKey(action, this.keyLayout.value, this.ownKeys);
  }

  /** How the key of the n-th label is written here. */
  labelKey(number: number): string {
    return writtenLabelKey(number, this.keyLayout.value, this.ownKeys);
  }

  /** How the keys that say unsure about the n-th label are written here. */
  unsureKey(number: number): string {
    return writtenUnsureKey(number, this.keyLayout.value, this.ownKeys);
  }

  /** What this project's settings say about keys. */
  get ownKeys(): Record<string, string> {
    return this.controller.state.peek().info?.annotation.keys ?? {};
  }

  /** A press tells something of the keyboard that the browser may not have told. */
  learnFrom(press: KeyPress): void {
    this.keyLayout.value = learnt(this.keyLayout.peek(), press);
  }

  /** Something has been drawn, or should be. */
  checkPainted(): void {
    this.watch.check(this.paintKey());
  }

  /** Why the image cannot be shown; undefined where it can, may yet come, or there is none. */
  imageFailure(): string | undefined {
    // Asked for along with its task, which may then say that there is none.
    if (this.entry.peek()?.task.has_image === false) return undefined;
    return this.controller.pictures?.failure("image", this.position.peek());
  }

  async wantFullResolution(): Promise<void> {
    const position = this.position.peek();
    const image = this.controller.pictures?.image(position);
    if (image === undefined || this.fullWanted === position || this.stage.hasFullResolution.peek()) return;
    if (image.bitmap.width >= image.widthPx) return;
    this.fullWanted = position;
    try {
      this.stage.showFull(position, await this.controller.fullResolution(position));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.controller.say(t("No full resolution: {reason}", { reason }));
    } finally {
      this.fullWanted = null;
    }
  }

  async showActualSize(): Promise<void> {
    const position = this.position.peek();
    await this.wantFullResolution();
    if (this.position.peek() === position) this.stage.actualSize();
  }

  close(): void {
    for (const stop of this.stops) stop();
    this.watch.close();
    this.visibility.close();
    this.stage.close();
  }

  /** The labels in sight have changed. */
  protected sightChanged(): void {
    this.controller.noteVisible();
    this.checkPainted();
  }

  private wish() {
    const task = this.entry.peek()?.task;
    if (task === undefined) return null;
    const isImageDrawn = () =>
      !task.has_image || this.imageFailure() !== undefined || this.stage.drawnKey === this.position.peek();
    return { imageId: task.image_id, isImageDrawn, isDrawn: () => isImageDrawn() && this.areLabelsDrawn() };
  }
}
