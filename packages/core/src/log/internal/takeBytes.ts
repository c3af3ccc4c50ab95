/** The events of the named sequences in order, of at most `maxBytes` together; the first whatever its size. */
export const takeBytes = <A>(
  seqs: ReadonlyArray<number>,
  maxBytes: number,
  find: (seq: number) => A | undefined,
  sizeOf: (event: A) => number
): { readonly events: ReadonlyArray<A>; readonly bytes: number; readonly through: number } => {
  const events: Array<A> = []
  let bytes = 0
  let through = 0
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    const event = find(seq)
    const size = event === undefined ? 0 : sizeOf(event)
    if (events.length > 0 && bytes + size > maxBytes) break
    bytes += size
    if (event !== undefined) events.push(event)
    through = seq
  }
  return { events, bytes, through }
}
