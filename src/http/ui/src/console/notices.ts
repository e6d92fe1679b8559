// What is said to whoever sits here: shown for a while, and read out by screen readers.

import { signal } from "@preact/signals";

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MS = 6_000;
const MOST = 4;
let count = 0;

export const notices = signal<Notice[]>([]);

export function say(text: string, bad = false): void {
  const id = ++count;
  notices.value = [...notices.value, { id, text, bad }].slice(-MOST);
  setTimeout(() => { notices.value = notices.value.filter((notice) => notice.id !== id); }, SHOWN_MS);
}
