// What the console needs to play: heavy, so it is fetched when somebody first looks at a stream.

import { ClockOffset, follow } from "../clock.ts";

export { Player } from "../player.ts";

let clock: ClockOffset | null = null;

/** One clock for the page, followed from its first use on. */
export function sharedClock(): ClockOffset {
  if (clock === null) {
    clock = new ClockOffset();
    void follow(clock);
  }
  return clock;
}
