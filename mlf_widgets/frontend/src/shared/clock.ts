/** Active time on an image: from input to input, without idle stretches and without hidden tabs. */
export class ActivityClock {
  private counted_ms = 0;
  private mark: number;
  private lastInput: number;
  private isHidden = false;

  constructor(
    private readonly idle_after_ms: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.mark = this.lastInput = now();
  }

  /** The person did something. */
  touch(): void {
    this.count();
    this.lastInput = this.mark;
  }

  setHidden(isHidden: boolean): void {
    this.count();
    this.isHidden = isHidden;
    if (!isHidden) this.lastInput = this.mark;
  }

  /** Active milliseconds since the last `take`, which are not counted again. */
  take(): number {
    this.count();
    const taken = Math.round(this.counted_ms);
    this.counted_ms = 0;
    return taken;
  }

  peek(): number {
    this.count();
    return Math.round(this.counted_ms);
  }

  private count(): void {
    const now = this.now();
    const end = Math.min(now, this.lastInput + this.idle_after_ms);
    if (!this.isHidden && end > this.mark) this.counted_ms += end - this.mark;
    this.mark = now;
  }
}
