/**
 * The events of the named sequences in order, until their bodies together exceed `maxBytes`; the first whatever its
 * size.
 */
export const takeBytes = <A extends { readonly body: Uint8Array }>(
  seqs: ReadonlyArray<number>,
  maxBytes: number,
  find: (seq: number) => A | undefined
): { readonly events: ReadonlyArray<A>; readonly through: number } => {
  const events: Array<A> = []
  let bytes = 0
  let through = 0
  for (const seq of [...seqs].sort((a, b) => a - b)) {
    const event = find(seq)
    bytes += event?.body.length ?? 0
    if (events.length > 0 && bytes > maxBytes) break
    if (event !== undefined) events.push(event)
    through = seq
  }
  return { events, through }
}
