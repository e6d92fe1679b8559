// The offset between this browser's clock and the box's, as NTP estimates it: of several exchanges the
// quickest one is the most exact, and its error is at most half of its round trip.

export interface Exchange {
  /** When the request left and the answer came, ms on our clock. */
  readonly sent: number;
  readonly received: number;
  /** What the box's clock said in between, ms. */
  readonly box: number;
}

/** Exchanges older than this, ms, say little: clocks drift apart by some 10 µs a second. */
const MAX_AGE_MS = 120_000;
const MAX_EXCHANGES = 24;

/** Pure: exchanges go in, the offset comes out. */
export class ClockOffset {
  private exchanges: Exchange[] = [];

  add(exchange: Exchange): void {
    const { sent, received, box } = exchange;
    if (!(received >= sent) || !Number.isFinite(box)) return;
    const known = this.best();
    // A clock that jumped (sleep, a restarted box): its past means nothing.
    if (known !== null && Math.abs(offset(exchange) - offset(known)) > roundTrip(exchange) + roundTrip(known) + 50) {
      this.exchanges = [];
    }
    this.exchanges = [...this.exchanges, exchange]
      .filter((old) => received - old.received <= MAX_AGE_MS)
      .slice(-MAX_EXCHANGES);
  }

  /** Add this to our clock to have the box's, ms; null before the first exchange. */
  get offsetMs(): number | null {
    const best = this.best();
    return best === null ? null : offset(best);
  }

  /** The round trip of the exchange that the offset comes from, ms. */
  get roundTripMs(): number | null {
    const best = this.best();
    return best === null ? null : roundTrip(best);
  }

  private best(): Exchange | null {
    return this.exchanges.reduce<Exchange | null>(
      (best, each) => (best === null || roundTrip(each) < roundTrip(best) ? each : best), null);
  }
}

const roundTrip = ({ sent, received }: Exchange): number => received - sent;
const offset = ({ sent, received, box }: Exchange): number => box - (sent + received) / 2;

const FIRST_EXCHANGES = 5;
const FIRST_PAUSE_MS = 300;
const PAUSE_MS = 10_000;

/** Keeps `clock` right for as long as the page lives. Our clock is performance.now(). */
export async function follow(clock: ClockOffset): Promise<never> {
  for (let count = 0; ; count++) {
    try {
      const sent = performance.now();
      const answer = await fetch("/api/v1/time", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
      const received = performance.now();
      const { media_us } = (await answer.json()) as { media_us: number };
      clock.add({ sent, received, box: media_us / 1000 });
    } catch {
      // The box is away; the player says so.
    }
    await new Promise((resolve) => setTimeout(resolve, count < FIRST_EXCHANGES ? FIRST_PAUSE_MS : PAUSE_MS));
  }
}
