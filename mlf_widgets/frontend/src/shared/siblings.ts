/** Other tabs of the same work on this machine: they hear of a save at once; other machines are found by polling. */
export class Siblings {
  private readonly channel: BroadcastChannel | null;

  constructor(scope: string, onNews: () => void) {
    this.channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(`mlf:${scope}`);
    if (this.channel !== null) this.channel.onmessage = onNews;
  }

  tell(): void {
    this.channel?.postMessage("saved");
  }

  close(): void {
    this.channel?.close();
  }
}
