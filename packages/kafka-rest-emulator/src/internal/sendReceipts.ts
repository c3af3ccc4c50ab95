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

/**
 * The texts that are written one by one. Without a wait between receipts a chunk may end anywhere in them: they are
 * one text.
 */
async function* textsOf(receipts: AsyncIterable<object>, separator: string, joined: boolean): AsyncGenerator<string> {
  let all = ""
  for await (const receipt of receipts) {
    const text = JSON.stringify(receipt) + separator
    if (joined) all += text
    else yield text
  }
  if (joined) yield all
}

/**
 * Answers HTTP 200 with the receipts as they come, as the faults have it. Rejects when the client or `signal` ends it;
 * the records are produced all the same unless it was `signal`.
 */
export const sendReceipts = async (
  response: ServerResponse,
  receipts: AsyncIterable<object>,
  { stream = { _tag: "Stream" }, cut }: RequestFaults,
  signal: AbortSignal
): Promise<void> => {
  const { separator = SEPARATOR, chunkBytes = Number.POSITIVE_INFINITY, betweenMs = 0 } = stream
  let left = typeof cut?.after === "number" ? cut.after : Number.POSITIVE_INFINITY
  response.writeHead(200, { "Content-Type": "application/json" })
  // The head goes at once (§3): of a cut after 0 bytes the client sees HTTP 200 and nothing more.
  response.flushHeaders()
  let broken: unknown
  let first = true
  for await (const text of textsOf(receipts, separator, betweenMs === 0 && chunkBytes !== Number.POSITIVE_INFINITY)) {
    // Records are produced even when the client no longer reads their receipts.
    if (broken !== undefined || left === 0) continue
    if (!first && betweenMs > 0) await sleep(betweenMs, undefined, { signal })
    first = false
    const bytes = Buffer.from(text).subarray(0, left)
    left -= bytes.length
    try {
      for (let at = 0; at < bytes.length; at += chunkBytes) await write(response, bytes.subarray(at, at + chunkBytes))
    } catch (error) {
      broken = error
    }
  }
  if (broken !== undefined) throw broken
  // The cut falls after the last receipt when they were shorter than asked: the end of the answer is missing all the
  // same.
  if (cut === undefined) response.end()
  else response.destroy()
}
