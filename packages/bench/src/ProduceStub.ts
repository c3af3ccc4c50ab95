/**
 * A sink that answers a produce request as fast as it can: one receipt for each line. `GET /` tells what came: records, requests, and
 * when the first and the last of them did. `?after=` records it forgets what came before.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const RECEIPT = `${JSON.stringify({
  ...{ error_code: 200, cluster_id: "lkc-bench", topic_name: "bench", partition_id: 0, offset: 1 },
  timestamp: "2026-01-01T00:00:00.000Z"
})}\r\n`
const receipts = new Map<number, string>()
const LINE_FEED = 0x0a

let seen = { records: 0, requests: 0, firstAt: 0, lastAt: 0 }
let isDown = false
/** When each event came: the id is in the record, between known words. */
const arrivals = new Map<string, number>()

const server = createServer((request, response) => {
  if (request.method !== "POST") {
    const { searchParams } = new URL(request.url ?? "/", "http://stub")
    if (searchParams.has("down")) isDown = searchParams.get("down") === "true"
    const answer = searchParams.has("arrivals") ? Object.fromEntries(arrivals) : seen
    response.end(JSON.stringify(answer))
    if (searchParams.has("reset")) {
      seen = { records: 0, requests: 0, firstAt: 0, lastAt: 0 }
      arrivals.clear()
    }
    return
  }
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    if (isDown) {
      response.writeHead(503)
      response.end()
      return
    }
    let count = 1
    for (const chunk of chunks)
      for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) count++
    const now = performance.timeOrigin + performance.now()
    seen.firstAt ||= now
    seen.lastAt = now
    seen.records += count
    seen.requests++
    if (process.env["BENCH_ARRIVALS"] === "true") {
      for (const [, id] of Buffer.concat(chunks)
        .toString("latin1")
        .matchAll(/"STRING","data":"(evt_[0-9a-f]{32})"/g)) {
        if (!arrivals.has(id!)) arrivals.set(id!, now)
      }
    }
    const body = receipts.get(count) ?? RECEIPT.repeat(count)
    receipts.set(count, body)
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": body.length })
    response.end(body)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
