// The configuration as the box keeps it: read with its version, written back only over that version.

import { type Place, refusal, ApiError } from "./api.ts";
import type { Schema, Settings } from "./schema.ts";

export interface Configuration {
  /** The file's text; secrets are marks. */
  toml: string;
  /** The same as JSON; `null` while the file is broken. */
  settings: Settings | null;
  /** Where it stands. */
  file: string;
  /** Whether the file is there. */
  saved: boolean;
  version: string;
}

/** Either the file's text or what it is to say. */
export type Wanted = { toml: string } | { settings: Settings };

export interface Replaced {
  unchanged: string[];
  started: string[];
  restarted: string[];
  removed: string[];
  failed: { stream: string; cause: string }[];
  after_restart: string[];
}

export async function readConfiguration(): Promise<Configuration> {
  const answer = await ask("GET", "/config");
  return { ...(await answer.json() as Omit<Configuration, "version">), version: answer.headers.get("etag") ?? "*" };
}

export async function readSchema(): Promise<Schema> {
  return await (await ask("GET", "/config/schema")).json() as Schema;
}

/** What is wrong with it; nothing, where it is good. */
export async function checkConfiguration(wanted: Wanted): Promise<Place[]> {
  try {
    await ask("POST", "/config/check", wanted);
    return [];
  } catch (error) {
    if (error instanceof ApiError && error.errors.length > 0) return error.errors;
    throw error;
  }
}

/** Throws an `ApiError` with the status 412 where somebody else has changed it since. */
export async function writeConfiguration(wanted: Wanted, version: string): Promise<Replaced> {
  return await (await ask("PUT", "/config", wanted, { "if-match": version })).json() as Replaced;
}

const PATIENCE_MS = 30_000;

/** Like the calls of `api.ts`, with the headers of both sides. */
async function ask(method: string, path: string, body?: Wanted, headers: Record<string, string> = {}): Promise<Response> {
  const init: RequestInit = { method, headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...headers, "content-type": "application/json" };
  }
  const answer = await fetch(`/api/v1${path}`, init).catch(() => { throw new ApiError(0, "The box can't be reached."); });
  if (!answer.ok) throw refusal(answer.status, await answer.text());
  return answer;
}
