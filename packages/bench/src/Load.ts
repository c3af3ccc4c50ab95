/**
 * The load generator: as many connections as asked, each with one request on its way, over bare sockets, so that it can keep ahead of
 * what it measures. It says what it saw as one line of JSON.
 */
import { connect } from "node:net"

export interface LoadOptions {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** Bytes of a JSON body. */
  readonly size: number
  /** Requests each second at most; without it as many as go. */
  readonly rate?: number
}

export interface Load {
  readonly perSecond: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly errors: number
}

const { url, connections, seconds, size, rate }: LoadOptions = JSON.parse(process.argv[2]!)
const { hostname, port, pathname } = new URL(url)
const body = JSON.stringify({ type: "invoice.paid", amount: 10.5, pad: "x".repeat(Math.max(0, size - 50)) })
const request = Buffer.from(
  `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
)
const latencies: Array<number> = []
let errors = 0
const startedAt = performance.now()
const until = startedAt + seconds * 1000
let sent = 0

/** When the next request may go. */
const nextAt = (): number => (rate === undefined ? 0 : startedAt + (sent++ / rate) * 1000)

const one = () =>
  new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    let at = 0
    let seen = ""
    const go = () => {
      const due = nextAt()
      const now = performance.now()
      if (due > now) setTimeout(() => write(due), due - now)
      else write(rate === undefined ? now : due)
    }
    // With a rate the wait for a free connection counts: the client had something to send.
    const write = (from: number) => {
      if (performance.now() >= until) {
        socket.destroy()
        return resolve()
      }
      at = from
      socket.write(request)
    }
    socket.on("connect", go)
    socket.on("data", (chunk) => {
      seen += chunk.toString("latin1")
      const head = seen.indexOf("\r\n\r\n")
      if (head === -1) return
      const length = /content-length: (\d+)/i.exec(seen.slice(0, head))?.[1]
      const isDone = length === undefined ? seen.endsWith("0\r\n\r\n") : seen.length >= head + 4 + Number(length)
      if (!isDone) return
      if (seen.startsWith("HTTP/1.1 200")) latencies.push(performance.now() - at)
      else errors++
      seen = ""
      go()
    })
    socket.on("error", () => {
      errors++
      resolve()
    })
    socket.on("close", () => resolve())
  })

await Promise.all(Array.from({ length: connections }, one))
const sorted = Float64Array.from(latencies).sort()
const quantile = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
const elapsed = (performance.now() - startedAt) / 1000
const load: Load = {
  perSecond: latencies.length / elapsed,
  ...{ p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), errors }
}
console.log(JSON.stringify(load))
