/**
 * A sink that answers a produce request as fast as it can, or after `delayMs`: one receipt for each line. `GET /`
 * tells what came: records, requests, and when the first and the last of them did; `?arrivals` when each traced event
 * came. `?reset` forgets it afterwards, `?up=false` answers 503 from then on.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { now } from "./Clock.ts"
import { NUMBER_DIGITS, NUMBER_MARK } from "./Load.ts"

export interface Seen {
  readonly records: number
  readonly requests: number
  readonly firstAt: number
  readonly lastAt: number
  /** By the number of the request that brought the event. */
  readonly arrivals?: ReadonlyArray<number>
}

const RECEIPT = `${JSON.stringify({
  error_code: 200,
  cluster_id: "lkc-bench",
  topic_name: "bench",
  partition_id: 0,
  offset: 1,
  timestamp: "2026-01-01T00:00:00.000Z"
})}\r\n`
const receipts = new Map<number, string>()
const LINE_FEED = 0x0a

const nothing = () => ({ records: 0, requests: 0, firstAt: 0, lastAt: 0 })
let seen = nothing()
let arrivals: Array<number> = []
let up = true
const { traced = false, delayMs = 0 }: { readonly traced?: boolean; readonly delayMs?: number } = JSON.parse(
  process.argv[2]!
)

const tell = (params: URLSearchParams): Seen => {
  const told = params.has("arrivals") ? { ...seen, arrivals } : seen
  if (params.has("up")) up = params.get("up") === "true"
  if (params.has("reset")) {
    seen = nothing()
    arrivals = []
  }
  return told
}

const take = (body: Buffer): number => {
  const at = now()
  let count = 1
  for (let i = body.indexOf(LINE_FEED); i !== -1; i = body.indexOf(LINE_FEED, i + 1)) count++
  if (traced) {
    const length = NUMBER_MARK.length
    for (let i = body.indexOf(NUMBER_MARK); i !== -1; i = body.indexOf(NUMBER_MARK, i + length)) {
      arrivals[Number(body.toString("latin1", i + length, i + length + NUMBER_DIGITS))] ??= at
    }
  }
  seen.firstAt ||= at
  seen.lastAt = at
  seen.records += count
  seen.requests++
  return count
}

const server = createServer((request, response) => {
  if (request.method !== "POST") {
    response.end(JSON.stringify(tell(new URL(request.url ?? "/", "http://stub").searchParams)))
    return
  }
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    if (!up) {
      response.writeHead(503)
      response.end()
      return
    }
    const count = take(Buffer.concat(chunks))
    const body = receipts.get(count) ?? RECEIPT.repeat(count)
    receipts.set(count, body)
    const answer = () => {
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": body.length })
      response.end(body)
    }
    if (delayMs === 0) answer()
    else setTimeout(answer, delayMs)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
