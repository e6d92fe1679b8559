// What is written in the room.

import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, ICONS } from "../parts.tsx";
import type { Meeting } from "./meeting.ts";
import { MAX_CHAT } from "./protocol.ts";

export function ChatPanel({ meeting }: { meeting: Meeting }) {
  const [text, setText] = useState("");
  const list = useRef<HTMLUListElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const chats = meeting.chats.value;
  useEffect(() => field.current?.focus(), []);
  useEffect(() => list.current?.lastElementChild?.scrollIntoView({ block: "nearest" }), [chats.length]);
  const send = (event: SubmitEvent): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    meeting.say(text.trim());
    setText("");
  };
  return (
    <>
      <h2>Chat</h2>
      <div class="log" role="log" aria-label="Messages" tabIndex={0}>
        <ul class="chats" ref={list}>
          {chats.length === 0 && <li class="quiet">Nothing yet. Who comes later sees only what is written from then on.</li>}
          {chats.map(({ name, text, unix_ms }, index) => (
            <li key={index}>
              <p class="from"><strong>{name}</strong> <time>{new Date(unix_ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</time></p>
              <p>{text}</p>
            </li>
          ))}
        </ul>
      </div>
      <form class="beside" onSubmit={send}>
        <input ref={field} aria-label="Message to everybody" placeholder="Message to everybody" value={text} maxLength={MAX_CHAT} onInput={(event) => setText(event.currentTarget.value)} />
        <button type="submit" class="main" aria-label="Send" title="Send" disabled={text.trim() === ""}><Icon path={ICONS.send} /></button>
      </form>
    </>
  );
}
