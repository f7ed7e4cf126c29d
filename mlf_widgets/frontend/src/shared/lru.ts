/** A cache that keeps what was used most recently, up to a budget (of bytes, usually). */
export class Lru<K, V> {
  private readonly entries = new Map<K, { value: V; cost: number }>();
  private total = 0;

  constructor(
    private readonly budget: number,
    private readonly onDrop: (value: V) => void = () => {},
  ) {}

  get cost(): number {
    return this.total;
  }

  get size(): number {
    return this.entries.size;
  }

  keys(): K[] {
    return [...this.entries.keys()];
  }

  has(key: K): boolean {
    return this.entries.has(key);
  }

  get(key: K): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  /** The value, without counting as use. */
  peek(key: K): V | undefined {
    return this.entries.get(key)?.value;
  }

  set(key: K, value: V, cost: number): void {
    this.drop(key);
    this.entries.set(key, { value, cost });
    this.total += cost;
    for (const oldest of this.entries.keys()) {
      if (this.total <= this.budget || oldest === key) break;
      this.drop(oldest);
    }
  }

  /**
   * Hold a value, unless those that are wanted more leave no room for it: then it is dropped at once.
   *
   * @param wanted Keys, the most wanted first. The first of them is held whatever it costs.
   */
  setIfRoom(key: K, value: V, cost: number, wanted: readonly K[]): void {
    const rank = wanted.indexOf(key);
    const before = rank < 0 ? wanted : wanted.slice(0, rank);
    const taken = before.reduce((sum, other) => sum + (this.entries.get(other)?.cost ?? 0), 0);
    if (rank !== 0 && taken + cost > this.budget) {
      this.onDrop(value);
      return;
    }
    for (const other of [...wanted].reverse()) this.get(other); // so that the least wanted goes first
    this.set(key, value, cost);
  }

  /** How many of the wanted, the most wanted first, fit if each costs as much as those held do on average. */
  nFitting(): number {
    if (this.entries.size === 0) return Number.POSITIVE_INFINITY;
    return Math.max(1, Math.floor((this.budget * this.entries.size) / Math.max(1, this.total)));
  }

  clear(): void {
    for (const key of [...this.entries.keys()]) this.drop(key);
  }

  private drop(key: K): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.total -= entry.cost;
    this.onDrop(entry.value);
  }
}
