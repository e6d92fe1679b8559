// How fast to play, so that the picture is as live as the network allows. Pure: times and buffers go
// in, a rate or a jump comes out.
//
// Media arrives in parts, so the buffer ahead of the playhead is a saw: what matters is the bottom of
// its teeth. Two quantities do not depend on how we play: `arrival`, the end of the buffer minus the
// time, and `place`, the playhead minus the time. Their difference is the buffer. The envelope of the
// lowest arrivals says how late parts come here; the playhead is steered to stay a margin below it.

/** Seconds throughout, as media elements count; rates are factors. */
export interface SteeringLimits {
  /**
   * Buffer that is to be left when the latest part so far comes in. Players run dry before the buffer
   * does: they hand sound to the system ahead of time. Measured: Chromium, at 95 ms.
   */
  readonly margin: number;
  /** Where a player ran dry, it needs so much more than it had left; any stall adds half of it. */
  readonly slack: number;
  /** The most that stalls can make of the margin. */
  readonly marginMost: number;
  /** How fast what stalls taught is forgotten: to 1/e in so long. */
  readonly stallMemory: number;
  /** A pause between observations that tells of a busy machine, and how long that is remembered. */
  readonly busyGap: number;
  readonly busyMemory: number;
  /** How fast late parts are forgotten: to 1/e in so long. */
  readonly jitterMemory: number;
  /** What counts as now, for the lowest arrival: a few parts. */
  readonly recent: number;
  /** Rates stay within 1 ± this: inaudible with the pitch preserved. */
  readonly rateRange: number;
  /** The same while nobody listens. */
  readonly mutedRateRange: number;
  /** Time in which a deviation is steered away. */
  readonly response: number;
  /** Steering starts at this deviation and ends at a third of it. */
  readonly tolerance: number;
  /** Further behind than this: jump instead of hurrying. */
  readonly jump: number;
  /** The same at the start, when a jump disturbs nobody. */
  readonly firstJump: number;
  /** A jump makes the decoder start anew, which takes a while: no two closer than this. */
  readonly jumpPause: number;
}

export const LIMITS: SteeringLimits = {
  margin: 0.11,
  slack: 0.04,
  marginMost: 0.5,
  stallMemory: 900,
  busyGap: 0.1,
  busyMemory: 2,
  jitterMemory: 12,
  recent: 1.5,
  rateRange: 0.06,
  mutedRateRange: 0.15,
  response: 1.5,
  tolerance: 0.02,
  jump: 1.2,
  firstJump: 0.5,
  jumpPause: 10,
};

export interface Observation {
  /** A monotonic clock. */
  readonly now: number;
  /** The playhead. */
  readonly position: number;
  /** The end of the buffered range that the playhead is in. */
  readonly bufferEnd: number;
  readonly muted: boolean;
}

export interface Command {
  readonly rate: number;
  /** Where to seek to; null: play on. */
  readonly seekTo: number | null;
}

export class Steering {
  private recent: { at: number; arrival: number }[] = [];
  private previous: Observation | null = null;
  private envelope: number | null = null;
  private learnt = 0;
  private steering = false;
  private place = 0;
  private started = 0;
  private settled = false;
  private jumped = -Infinity;
  private busyAt = -Infinity;

  constructor(private readonly limits: SteeringLimits = LIMITS) {}

  /** Buffer to keep below the envelope, now. */
  get margin(): number {
    return this.limits.margin + this.learnt;
  }

  /** What would be left of the buffer if the next part came as late as the latest lately; null before the first. */
  get lowWater(): number | null {
    return this.envelope === null ? null : this.envelope - this.place;
  }

  /** How far late parts have pushed the envelope below the recent arrivals. */
  get jitter(): number {
    return this.envelope === null ? 0 : Math.max(0, this.lowestRecent() - this.envelope);
  }

  /** Playback ran dry with `left` in the buffer: with none the network was late, else the player wants more. */
  stalled(now: number, left: number): void {
    const { margin, slack, marginMost, busyMemory } = this.limits;
    this.noteGap(now);
    // When this machine had no time for us, what was left says nothing about the player.
    const wanted = now - this.busyAt < busyMemory ? 0 : left + slack;
    const needed = Math.max(wanted, this.margin + slack / 2);
    this.learnt = Math.max(0, Math.min(marginMost, needed) - margin);
  }

  /** The timeline is a new one: forget where the parts were, not how badly they came. */
  restart(): void {
    this.recent = [];
    this.previous = null;
    this.envelope = null;
    this.steering = false;
    this.settled = false;
  }

  observe(seen: Observation): Command {
    const { limits, previous } = this;
    this.noteGap(seen.now);
    this.previous = seen;
    this.place = seen.position - seen.now;
    const elapsed = previous === null ? 0 : seen.now - previous.now;
    if (previous !== null && (elapsed < 0 || elapsed > limits.recent)) {
      // The page slept, or its clock did: what was measured over the gap is about the gap.
      this.restart();
      return { rate: 1, seekTo: null };
    }
    // Until this moment the buffer ended where it ended when last seen.
    const end = previous === null ? seen.bufferEnd : Math.min(previous.bufferEnd, seen.bufferEnd);
    this.recent.push({ at: seen.now, arrival: end - seen.now });
    while (this.recent[0] !== undefined && this.recent[0].at < seen.now - limits.recent) this.recent.shift();
    if (previous === null) this.started = seen.now;
    if (this.envelope === null && seen.now - this.started < limits.recent) {
      // At first the player fetches what is there already; that says nothing about how parts come.
      if (seen.now - this.started < limits.recent / 2) this.recent = [];
      return { rate: 1, seekTo: null };
    }
    const lowest = this.lowestRecent();
    if (this.envelope === null || lowest < this.envelope) {
      this.envelope = lowest;
    } else {
      this.envelope += (lowest - this.envelope) * (1 - Math.exp(-elapsed / limits.jitterMemory));
    }
    this.learnt *= Math.exp(-elapsed / limits.stallMemory);

    const behind = this.envelope - this.margin - this.place;
    const jump = this.settled ? limits.jump : limits.firstJump;
    this.settled = true;
    if (behind > jump && seen.now - this.jumped > limits.jumpPause) {
      // How parts come while the decoder starts anew says nothing.
      this.restart();
      this.settled = true;
      this.jumped = seen.now;
      return { rate: 1, seekTo: seen.position + behind };
    }
    this.steering = Math.abs(behind) > (this.steering ? limits.tolerance / 3 : limits.tolerance);
    if (!this.steering) return { rate: 1, seekTo: null };
    const range = seen.muted ? limits.mutedRateRange : limits.rateRange;
    const change = Math.max(-range, Math.min(range, behind / limits.response));
    return { rate: 1 + Math.round(change * 200) / 200, seekTo: null };
  }

  /** Observations come many times a second; when they don't, the machine is busy. */
  private noteGap(now: number): void {
    if (this.previous !== null && now - this.previous.now > this.limits.busyGap) this.busyAt = now;
  }

  private lowestRecent(): number {
    return this.recent.reduce((lowest, { arrival }) => Math.min(lowest, arrival), Infinity);
  }
}
