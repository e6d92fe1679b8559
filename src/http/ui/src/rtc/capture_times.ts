// When a picture was taken: the box tells now and then which capture time an RTP timestamp stands for, and
// the pictures between count on from there. Pure.

const RTP_TICKS_A_MS = 90;

export class CaptureTimes {
  private known: { rtp: number; capturedMs: number } | null = null;

  /** Takes a message of the data channel; what isn't a stamp is passed over. */
  read(message: unknown): void {
    if (typeof message !== "string") return;
    try {
      const { rtp, media_us } = JSON.parse(message) as { rtp?: unknown; media_us?: unknown };
      if (typeof rtp === "number" && typeof media_us === "number") this.known = { rtp, capturedMs: media_us / 1000 };
    } catch {
      // Not ours.
    }
  }

  /** By the box's clock, ms; null before the first stamp. RTP's clock comes round every 13 hours. */
  of(rtp: number): number | null {
    return this.known === null ? null : this.known.capturedMs + ((rtp - this.known.rtp) | 0) / RTP_TICKS_A_MS;
  }
}
