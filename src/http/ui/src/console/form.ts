// What forms have in common.

import { useState } from "preact/hooks";
import { words } from "./api.ts";

/** The shortest password that the box takes, in characters; and the longest. */
export const SHORTEST = 8;
export const LONGEST = 1024;

/** Runs what a form asks for; what goes wrong stands in the form. */
export function useForm(submit: () => Promise<void>) {
  const [wrong, setWrong] = useState<string>();
  const [busy, setBusy] = useState(false);
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    setBusy(true);
    setWrong(undefined);
    submit().catch((error: unknown) => setWrong(words(error))).finally(() => setBusy(false));
  };
  return { wrong, busy, onSubmit };
}
