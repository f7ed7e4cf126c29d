/** Knowing when something drawn is on the screen. */

/** Call back once the frame that shows what is in the page now has been painted; returns a function that cancels it. */
export function afterPaint(callback: () => void): () => void {
  let isOff = false;
  const once = () => {
    if (isOff) return;
    isOff = true;
    callback();
  };
  if (document.hidden || typeof requestAnimationFrame === "undefined") {
    setTimeout(once, 0); // no frame is painted while the page is hidden
  } else {
    requestAnimationFrame(() => afterTask(once));
  }
  return () => {
    isOff = true;
  };
}

function afterTask(callback: () => void): void {
  if (typeof MessageChannel === "undefined") {
    setTimeout(callback, 0);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    callback();
  };
  port2.postMessage(null);
}

/** What should be on the screen: under which name, and whether all of it has been drawn. */
export interface Wish {
  imageId: string;
  /** Whether the image is drawn, or all there is of it. */
  isImageDrawn?(): boolean;
  isDrawn(): boolean;
}

/** Keeps the root's `data-image-id` and `data-ready` true to what the screen shows. */
export class PaintWatch {
  private key = "";
  private painted = "";
  private image = "";
  private cancel: () => void = () => {};

  constructor(
    private readonly root: HTMLElement,
    private readonly wish: () => Wish | null,
    private readonly onPainted: () => void = () => {},
  ) {
    root.dataset.ready = "false";
  }

  /** The name of what was wished for last time and has been on the screen since, drawn in full or not. */
  get paintedKey(): string {
    return this.painted;
  }

  /** The image that is on the screen and can be judged; "" before the first. */
  get paintedImage(): string {
    return this.image;
  }

  /** Something else is wished for (another `key`), or something more was drawn. */
  check(key: string): void {
    if (key !== this.key) {
      this.key = key;
      this.root.dataset.ready = "false";
    } else if (this.root.dataset.ready === "true" && this.painted === key) {
      return;
    }
    this.cancel();
    this.cancel = afterPaint(() => this.look());
  }

  close(): void {
    this.cancel();
  }

  private look(): void {
    const wish = this.wish();
    if (wish === null) return;
    const isFirst = this.painted !== this.key;
    this.painted = this.key;
    if (this.root.dataset.imageId !== wish.imageId) this.root.dataset.imageId = wish.imageId;
    if (wish.isImageDrawn?.()) this.image = wish.imageId;
    if (wish.isDrawn()) this.root.dataset.ready = "true";
    if (isFirst) this.onPainted();
  }
}
