// Why a browser gives no camera, microphone or screen, in words that say what to do. Pure.

export type Device = "camera" | "microphone" | "screen";

const WHERE = "Allow it in the browser (the sign beside the address, or its settings for this site), then try again.";

/** `name` is that of the error that the browser threw. */
export function refusal(device: Device, name: string): string {
  switch (name) {
    case "NotAllowedError": case "SecurityError":
      // Whoever closes the choice of screens didn't want to.
      return device === "screen" ? "" : `The browser may not use the ${device}. ${WHERE}`;
    case "NotFoundError": case "OverconstrainedError":
      return `There is no ${device === "screen" ? "screen to share" : device} here.`;
    case "NotReadableError": case "AbortError":
      return `The ${device} is used by another program, or doesn't answer. Close what uses it, then try again.`;
    default:
      return `The ${device} doesn't start (${name}).`;
  }
}

/** What can't be done on this page at all, before anybody is asked; null where all can. */
export function unable(secure: boolean, able: boolean): "insecure" | "old" | null {
  // Browsers that find a page insecure hide cameras from it.
  if (!secure) return "insecure";
  return able ? null : "old";
}
