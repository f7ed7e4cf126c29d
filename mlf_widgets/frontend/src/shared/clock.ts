/** So long without input is a break. */
const BREAK_MS = 5 * 60_000;

/** Active time on an image: from input to input, without idle stretches and without hidden tabs. */
export class ActivityClock {
  private countedMs = 0;
  private sinceBreakMs = 0;
  private mark: number;
  private lastInput: number;
  private isHidden = false;

  constructor(
    private readonly idleAfterMs: number,
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
    const taken = Math.round(this.countedMs);
    this.countedMs = 0;
    return taken;
  }

  peek(): number {
    this.count();
    return Math.round(this.countedMs);
  }

  /** Whether somebody has been active for so long since their last break; told once, then counted anew. */
  needsBreak(afterMs: number): boolean {
    this.count();
    if (this.sinceBreakMs < afterMs) return false;
    this.sinceBreakMs = 0;
    return true;
  }

  private count(): void {
    const now = this.now();
    if (now - this.lastInput >= BREAK_MS) this.sinceBreakMs = 0;
    const end = Math.min(now, this.lastInput + this.idleAfterMs);
    if (!this.isHidden && end > this.mark) {
      this.countedMs += end - this.mark;
      this.sinceBreakMs += end - this.mark;
    }
    this.mark = now;
  }
}
