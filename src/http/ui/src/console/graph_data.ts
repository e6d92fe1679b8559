// Numbers over the last minutes, as the box remembers them.

/** A number a step, oldest first; null where there was none. */
export type Numbers = (number | null)[];

/** The last number that there is. */
export function newest(numbers: Numbers): number | null {
  return numbers.filter((number) => number !== null).at(-1) ?? null;
}
