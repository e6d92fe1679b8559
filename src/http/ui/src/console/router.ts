// The address after the #: which view, and of what.

import { signal } from "@preact/signals";

export interface Place {
  /** The first segment; "" is the wall. */
  view: string;
  /** The rest, decoded. */
  argument: string;
}

/** `#/streams/camera` → streams, camera. What can't be meant is the wall. */
export function place(hash: string): Place {
  const [, view = "", ...rest] = hash.split("/");
  try {
    return { view, argument: decodeURIComponent(rest.join("/")) };
  } catch {
    return { view: "", argument: "" };
  }
}

export const here = signal<Place>(place(location.hash));

addEventListener("hashchange", () => { here.value = place(location.hash); });

/** `go("streams", "camera")`; without a name it is the wall. */
export function go(view = "", argument = ""): void {
  location.hash = href(view, argument);
}

export function href(view = "", argument = ""): string {
  return `#/${view}${argument === "" ? "" : `/${encodeURIComponent(argument)}`}`;
}
