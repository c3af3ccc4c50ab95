/**
 * The events of the named sequences in order, until they together exceed `maxBytes`; the first whatever its
 * size.
 */
export const takeBytes = <A>(
  seqs: ReadonlyArray<number>,
  maxBytes: number,
  find: (seq: number) => A | undefined,
  sizeOf: (event: A) => number
): { readonly events: ReadonlyArray<A>; readonly through: number } => {
  const events: Array<A> = []
  let bytes = 0
  let through = 0
  for (const seq of [...seqs].sort((a, b) => a - b)) {
    const event = find(seq)
    bytes += event === undefined ? 0 : sizeOf(event)
    if (events.length > 0 && bytes > maxBytes) break
    if (event !== undefined) events.push(event)
    through = seq
  }
  return { events, through }
}
