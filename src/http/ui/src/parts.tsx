// Parts that the console and the pages with cameras are made of.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** An outline on a 24 × 24 square; says nothing to screen readers. */
export function Icon({ path }: { path: string }) {
  return <svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d={path} /></svg>;
}

export const ICONS = {
  wall: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  camera: "M4 7h10a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2zM16 11l6-3v8l-6-3",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-3.500 3-6 6.500-6s6.500 2.500 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2 .800 3.500 2.800 3.500 5.500",
  log: "M5 5h14M5 10h14M5 15h9M5 20h6",
  phone: "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM11 18h2",
  key: "M7 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11 12h10M18 12v4M14.500 12v3",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9h4M4 15h4M16 9h4M16 15h4",
  play: "M7 5v14l11-7z",
  stop: "M7 7h10v10H7z",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.500",
  off: "M12 4v8M7 7a7 7 0 1 0 10 0",
  wait: "M12 3a9 9 0 1 1-9 9",
  eye: "M2 12s3.500-6 10-6 10 6 10 6-3.500 6-10 6S2 12 2 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  open: "M14 4h6v6M20 4l-9 9M18 14v5H5V6h5",
  back: "M15 5l-7 7 7 7",
  leave: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  heat: "M10 13V5a2 2 0 1 1 4 0v8a4 4 0 1 1-4 0z",
  disk: "M4 6c0-1.500 3.500-3 8-3s8 1.500 8 3v12c0 1.500-3.500 3-8 3s-8-1.500-8-3zM4 6c0 1.500 3.500 3 8 3s8-1.500 8-3M4 12c0 1.500 3.500 3 8 3s8-1.500 8-3",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  microphone: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4M9 21h6",
  screen: "M3 5h18v11H3zM9 20h6M12 16v4",
  chat: "M4 5h16v11H9l-5 4z",
  hand: "M8 12V6a1.500 1.500 0 0 1 3 0v5M11 11V4.500a1.500 1.500 0 0 1 3 0V11M14 11V6a1.500 1.500 0 0 1 3 0v7c0 4-2 7-5.500 7S7 18 5.500 15L4 12a1.500 1.500 0 0 1 2.500-1.500L8 12",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  cross: "M6 6l12 12M18 6L6 18",
  send: "M4 12l16-8-6 17-3-7z",
  share: "M12 15V4M8 7l4-4 4 4M5 13v7h14v-7",
  box: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
} as const;

interface FieldProps {
  label: string;
  hint?: string | undefined;
  /** What is wrong with it; shown below and read out. */
  error?: string | undefined;
  /** The control, given its id, and of what describes it. */
  children: (props: { "id": string; "aria-describedby": string | undefined; "aria-invalid": boolean }) => ComponentChildren;
}

/** A labelled control. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const about = error !== undefined || hint !== undefined ? `${id}-about` : undefined;
  return (
    <div class={error === undefined ? "field" : "field wrong"}>
      <label for={id}>{label}</label>
      {children({ "id": id, "aria-describedby": about, "aria-invalid": error !== undefined })}
      {about && <p id={about} class="about" role={error === undefined ? undefined : "alert"}>{error ?? hint}</p>}
    </div>
  );
}
