import type { ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import type { RequestFaults } from "./activeFaults.ts"

/** The proxy writes compact JSON and CRLF (§3). */
const SEPARATOR = "\r\n"

/** Writes one HTTP chunk and waits until the socket has it. */
const write = (response: ServerResponse, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    response.write(bytes, (error) => (error ? reject(error) : resolve()))
  })

/** Answers HTTP 200 with the receipts, as the faults have it. Rejects when the client or `signal` ends it. */
export const sendReceipts = async (
  response: ServerResponse,
  receipts: ReadonlyArray<object>,
  { stream = { _tag: "Stream" }, cut }: RequestFaults,
  signal: AbortSignal
): Promise<void> => {
  const { separator = SEPARATOR, chunkBytes = Number.POSITIVE_INFINITY, betweenMs = 0 } = stream
  let left = typeof cut?.after === "number" ? cut.after : Number.POSITIVE_INFINITY
  response.writeHead(200, { "Content-Type": "application/json" })
  // The head goes at once (§3): of a cut after 0 bytes the client sees HTTP 200 and nothing more.
  response.flushHeaders()
  // Without a wait the receipts are one text, so that a chunk may end anywhere in them.
  const texts = receipts.map((receipt) => JSON.stringify(receipt) + separator)
  const runs = betweenMs === 0 && chunkBytes !== Number.POSITIVE_INFINITY ? [texts.join("")] : texts
  for (const [i, run] of runs.entries()) {
    if (i > 0 && betweenMs > 0) await sleep(betweenMs, undefined, { signal })
    const bytes = Buffer.from(run).subarray(0, left)
    left -= bytes.length
    for (let at = 0; at < bytes.length; at += chunkBytes) await write(response, bytes.subarray(at, at + chunkBytes))
    if (left === 0) break
  }
  // The cut falls after the last receipt when they were shorter than asked: the end of the answer is missing all the same.
  if (cut === undefined) response.end()
  else response.destroy()
}
