// What is heard: one element for each sound that comes.

import { useEffect, useRef } from "preact/hooks";
import type { Meeting } from "./meeting.ts";

export function Sounds({ meeting }: { meeting: Meeting }) {
  const streams = [...(meeting.line.value?.received.value ?? [])].filter(([, stream]) => stream.getAudioTracks().length > 0);
  const direct = meeting.together.value ? meeting.direct.value : null;
  const theirs = direct?.received.value.get("microphone");
  if (direct !== null && theirs !== undefined) return <div hidden><Sound key={`direct/${direct.call}`} stream={theirs} /></div>;
  return <div hidden>{streams.map(([mid, stream]) => <Sound key={`${meeting.line.value?.number}/${mid}`} stream={stream} />)}</div>;
}

function Sound({ stream }: { stream: MediaStream }) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    if (audio.current === null) return;
    audio.current.srcObject = stream;
    // Whoever came in has touched the page, so browsers let it sound.
    audio.current.play().catch(() => {});
  }, [stream]);
  return <audio ref={audio} autoplay />;
}
