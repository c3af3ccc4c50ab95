/**
 * The load generator: as many connections as asked, each with one request on its way, over bare sockets, so that it can
 * keep ahead of what it measures. It says what it saw as one line of JSON.
 */
import { connect } from "node:net"
import { now } from "./Clock.ts"
import { quantile } from "./Stats.ts"

export interface LoadOptions {
  readonly url: string
  readonly connections: number
  /** How long, or how many requests. */
  readonly until: { readonly seconds: number } | { readonly requests: number }
  /** Bytes of a JSON body. */
  readonly size: number
  /** Requests each second, evenly spread, whatever was answered; without it as many as go. */
  readonly rate?: number
  /** Each body bears its number, and the times of each request are told. */
  readonly traced?: boolean
}

export interface Load {
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly errors: number
  /** Of each request by its number, from 0: when it had to be sent, and when it was answered. Empty unless traced. */
  readonly times: ReadonlyArray<readonly [due: number, answered: number]>
}

/** The number of a traced request stands behind this mark, in ten digits. */
export const NUMBER_MARK = '"number":"'
export const NUMBER_DIGITS = 10

const run = async ({ url, connections, until, size, rate, traced = false }: LoadOptions): Promise<Load> => {
  const { hostname, port, pathname } = new URL(url)
  const start = `{"type":"invoice.paid",${NUMBER_MARK}${"0".repeat(NUMBER_DIGITS)}","pad":"`
  const body = `${start}${"x".repeat(Math.max(0, size - start.length - 2))}"}`
  const head =
    `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n`
  const request = Buffer.from(head + body)
  const numberAt = head.length + body.indexOf(NUMBER_MARK) + NUMBER_MARK.length
  const numbered = (number: number): Buffer => {
    const own = Buffer.from(request)
    own.write(String(number).padStart(NUMBER_DIGITS, "0"), numberAt, "latin1")
    return own
  }

  const latencies: Array<number> = []
  const times: Array<[number, number]> = []
  let errors = 0
  let sent = 0
  const startedAt = now()
  const end = "seconds" in until ? startedAt + until.seconds * 1000 : Number.POSITIVE_INFINITY
  const most = "requests" in until ? until.requests : Number.POSITIVE_INFINITY

  const one = () =>
    new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname)
      socket.setNoDelay(true)
      let [at, number] = [0, 0]
      let seen = ""
      const go = () => {
        const due = rate === undefined ? 0 : startedAt + (sent / rate) * 1000
        if (sent >= most || Math.max(due, now()) >= end) {
          socket.destroy()
          return resolve()
        }
        number = sent++
        if (due > now()) setTimeout(write, due - now(), due)
        else write(due)
      }
      const write = (due: number) => {
        // With a rate the wait for a free connection counts: the client had something to send. A timer may ring early.
        at = rate === undefined ? now() : Math.min(due, now())
        socket.write(traced ? numbered(number) : request)
      }
      socket.on("connect", go)
      socket.on("data", (chunk) => {
        seen += chunk.toString("latin1")
        const headEnd = seen.indexOf("\r\n\r\n")
        if (headEnd === -1) return
        const length = /content-length: (\d+)/i.exec(seen.slice(0, headEnd))?.[1]
        const isDone = length === undefined ? seen.endsWith("0\r\n\r\n") : seen.length >= headEnd + 4 + Number(length)
        if (!isDone) return
        const answeredAt = now()
        if (seen.startsWith("HTTP/1.1 200")) latencies.push(answeredAt - at)
        else errors++
        if (traced) times[number] = [at, answeredAt]
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
  return {
    perSecond: (latencies.length * 1000) / (now() - startedAt),
    p50: quantile(latencies, 0.5),
    p95: quantile(latencies, 0.95),
    p99: quantile(latencies, 0.99),
    errors,
    times
  }
}

if (import.meta.main) console.log(JSON.stringify(await run(JSON.parse(process.argv[2]!))))
