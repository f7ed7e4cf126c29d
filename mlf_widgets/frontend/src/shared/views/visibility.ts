/** Which of some elements can be seen: inside the window and inside whatever scrolls around them. */

const SEEN_SHARE = 0.5;

export class Visibility {
  private readonly shares = new Map<Element, number>();
  private readonly observer: IntersectionObserver | null;

  constructor(private readonly onChange: () => void) {
    this.observer =
      typeof IntersectionObserver === "undefined"
        ? null
        : new IntersectionObserver((entries) => this.note(entries), { threshold: [0, 0.01, SEEN_SHARE] });
  }

  watch(element: Element): () => void {
    if (this.observer === null) this.shares.set(element, 1);
    else this.observer.observe(element);
    return () => {
      this.observer?.unobserve(element);
      this.shares.delete(element);
    };
  }

  /** Whether at least half of it can be seen. */
  isSeen(element: Element): boolean {
    return (this.shares.get(element) ?? 0) >= SEEN_SHARE;
  }

  /** Whether some of it can be seen, or that is not known yet. */
  mayBeSeen(element: Element): boolean {
    return (this.shares.get(element) ?? 1) > 0;
  }

  close(): void {
    this.observer?.disconnect();
    this.shares.clear();
  }

  private note(entries: IntersectionObserverEntry[]): void {
    for (const { target, intersectionRatio } of entries) this.shares.set(target, intersectionRatio);
    this.onChange();
  }
}
