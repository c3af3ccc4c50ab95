/** Does `work` for each item, `most` at once. Rejects with the first error, and starts no further item then. */
export const atOnce = async <A>(
  most: number,
  items: Iterable<A>,
  work: (item: A) => Promise<unknown>
): Promise<void> => {
  const left = Array.from(items).values()
  const worker = async () => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: most }, worker))
}
