// Who sits here, and what they may.

import { computed, signal } from "@preact/signals";
import { get, post, remove, type Role, type Session } from "./api.ts";

/** `null` until the box has said. */
export const session = signal<Session | null>(null);

const ORDER: Role[] = ["viewer", "operator", "admin"];

/** Whether whoever sits here has this role, or one that may more. */
export function may(role: Role): boolean {
  const mine = session.value?.role ?? null;
  return mine !== null && ORDER.indexOf(mine) >= ORDER.indexOf(role);
}

/** Nobody has made the box their own yet. */
export const unclaimed = computed(() => session.value?.claimed === false);

export async function whoAmI(): Promise<void> {
  session.value = await get<Session>("/session");
}

/** Makes a new box one's own: `code` is what its terminal or screen shows. */
export async function claim(code: string, password: string): Promise<void> {
  await post("/claim", { code, password });
  await whoAmI();
}

export async function signIn(name: string, password: string): Promise<void> {
  await post("/session", { name, password });
  await whoAmI();
}

export async function signOut(): Promise<void> {
  await remove("/session");
  await whoAmI();
}
