// The coarse knob: how good the outgoing picture is to be. Pure.

export type Quality = "low" | "standard" | "high";

export interface Aim {
  words: string;
  height: number;
  fps: number;
  videoBps: number;
}

/** For H.264 as browsers encode it, of a person or a stage. */
export const QUALITIES: Record<Quality, Aim> = {
  low: { words: "Low: 360p, for thin links", height: 360, fps: 24, videoBps: 600_000 },
  standard: { words: "Standard: 720p", height: 720, fps: 30, videoBps: 2_000_000 },
  high: { words: "High: 1080p", height: 1080, fps: 30, videoBps: 4_500_000 },
};

export function isQuality(text: string | null): text is Quality {
  return text !== null && Object.hasOwn(QUALITIES, text);
}

/** What to ask of a camera. */
export function constraints({ height, fps }: Aim): MediaTrackConstraints {
  return { width: { ideal: Math.round((height * 16) / 9) }, height: { ideal: height }, frameRate: { ideal: fps, max: fps } };
}

/** How much smaller a picture is to be sent than it comes: phones give what they have. */
export function scaleDown(comes: number | undefined, { height }: Aim): number {
  return comes === undefined ? 1 : Math.max(1, comes / height);
}

/** H.264 first, its simplest profile first of all: every decoder has that. What repairs losses stays. */
export function h264First<T extends { mimeType: string; sdpFmtpLine?: string }>(codecs: readonly T[]): T[] {
  const rank = ({ mimeType, sdpFmtpLine = "" }: T): number => {
    if (mimeType.toLowerCase() !== "video/h264") return 3;
    if (!sdpFmtpLine.includes("packetization-mode=1")) return 2;
    return /profile-level-id=42/i.test(sdpFmtpLine) ? 0 : 1;
  };
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}
