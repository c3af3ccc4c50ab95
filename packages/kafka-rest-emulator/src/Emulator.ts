/**
 * A stand-in for the Confluent REST Proxy v3, in memory. It answers as the proxy does: HTTP 200 and one receipt for
 * each record, whatever became of the records.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import type { FaultPlan, FaultRule, Respond } from "./Fault.ts"
import { activeFaults, type RequestFaults } from "./internal/activeFaults.ts"
import { errorOf, fail, htmlPage, jettyError, jettyPage, json, refuse, tooManyRequests } from "./internal/answers.ts"
import { FieldError } from "./internal/Fields.ts"
import { metadataAnswer } from "./internal/metadata.ts"
import { accepts, contentType } from "./internal/negotiate.ts"
import { type ProduceTarget, produce } from "./internal/produce.ts"
import { produceBatch } from "./internal/produceBatch.ts"
import { RateLimiter } from "./internal/RateLimiter.ts"
import { readFaults } from "./internal/readFaults.ts"
import { type ProxyVersion, type Route, routeOf } from "./internal/routes.ts"
import { sendReceipts } from "./internal/sendReceipts.ts"
import { LIMIT_PRESETS, type LimitPreset, type Limits } from "./Limits.ts"
import { type StoredRecord, Topic } from "./Topic.ts"

export interface EmulatorOptions {
  /** Default: any free port. */
  readonly port?: number
  /** Default: 127.0.0.1. */
  readonly host?: string
  /** Topics that exist; 6 partitions unless said otherwise. */
  readonly topics: ReadonlyArray<{ readonly name: string; readonly partitions?: number }>
  /**
   * The cluster that there is. When set, `/kafka/v3` is there too and produces to this cluster only, as Confluent Cloud
   * does. Default: `emulator`, and `/kafka/v3` is not found, as on a REST Proxy that stands alone.
   */
  readonly clusterId?: string
  /** When set, every call to the REST API must carry them by Basic auth. */
  readonly credentials?: { readonly apiKey: string; readonly apiSecret: string }
  /**
   * The producer's `max.request.size`: bytes of key, value and headers of one record as it is serialised, with what a
   * batch adds (82 bytes and the lengths). Default: none with `limits.messageBytes`, else Kafka's, 1 MiB.
   */
  readonly maxMessageBytes?: number
  /**
   * The producer's `max.block.ms`: how long each record of an unknown topic or partition waits. Default: Kafka's, 60
   * 000.
   */
  readonly maxBlockMs?: number
  /** Whose answers it gives where they differ. Default: `7.9`. */
  readonly version?: ProxyVersion
  /** Rates and sizes that each cluster keeps, or the name of a preset. Default: none. */
  readonly limits?: LimitPreset | Limits
  /** Switched on from the start. */
  readonly faults?: ReadonlyArray<FaultRule>
  /** Told of each record as it lands. */
  readonly onRecord?: (record: StoredRecord) => void
}

/** A request as it came, for tests; without the credentials, only their scheme. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Emulator {
  readonly url: string
  readonly port: number
  /** The records of a topic in order of arrival. */
  readonly records: (topic: string) => ReadonlyArray<StoredRecord>
  readonly requests: () => ReadonlyArray<SeenRequest>
  /** Resolves with the records once there are `count`; rejects after `timeoutMs`. */
  readonly waitForRecords: (topic: string, count: number, timeoutMs: number) => Promise<ReadonlyArray<StoredRecord>>
  /** Replaces whatever was switched on; `undefined` switches everything off. */
  readonly setFault: (faults: FaultPlan | FaultRule | ReadonlyArray<FaultRule> | undefined) => void
  readonly close: () => Promise<void>
}

/** Kafka's defaults, `max.request.size` and `max.block.ms`. */
const MAX_MESSAGE_BYTES = 1_048_576
const MAX_BLOCK_MS = 60_000
const PARTITIONS = 6
/** The cluster's id when none was given. */
const CLUSTER_ID = "emulator"
/** `GET`, `PUT` and `DELETE`; no resource of the proxy begins with underscores. */
const FAULTS_PATH = "/__faults"
/** Of a call to read records back. */
const READ_LIMIT = 1000
const READ_WAIT_MAX = 60_000
/** Requests kept for tests. */
const SEEN_MAX = 1000

const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const JSON_TYPE = "application/json"
/** Of the proxy's root, which belongs to an older API. */
const ROOT_TYPE = "application/vnd.kafka.v2+json"

const respond = (response: ServerResponse, { status, code, body, contentType, headers }: Respond) => {
  const type = contentType ?? "application/json"
  const error = () => (type.startsWith("text/html") ? htmlPage(status) : JSON.stringify(errorOf(code ?? status)))
  response.writeHead(status, { "Content-Type": type, ...headers })
  response.end(body ?? (status < 400 ? "" : error()))
}

export const startEmulator = async (options: EmulatorOptions): Promise<Emulator> => {
  const { host = "127.0.0.1", port = 0, credentials, clusterId, maxBlockMs = MAX_BLOCK_MS, version = "7.9" } = options
  const limits: Limits = typeof options.limits === "string" ? LIMIT_PRESETS[options.limits] : (options.limits ?? {})
  const unlimited = limits.messageBytes === undefined ? MAX_MESSAGE_BYTES : Number.POSITIVE_INFINITY
  const maxMessageBytes = options.maxMessageBytes ?? unlimited
  const topics = new Map(
    options.topics.map(({ name, partitions = PARTITIONS }) => [name, new Topic(name, partitions, maxMessageBytes)])
  )
  const seen: Array<SeenRequest> = []
  const faults = activeFaults()
  faults.set(options.faults)
  /** Ends the waits of answers that are under way. */
  const closing = new AbortController()

  const limiters = new Map<string, RateLimiter>()
  const limiterOf = (cluster: string): RateLimiter => {
    const limiter = limiters.get(cluster) ?? new RateLimiter(limits, () => performance.now())
    limiters.set(cluster, limiter)
    return limiter
  }

  /** Applies what faults do before a request is looked at. True: it has been answered. */
  const faultBefore = async (response: ServerResponse, { respond: fault, cut, delayMs }: RequestFaults) => {
    if (delayMs > 0) await sleep(delayMs, undefined, { signal: closing.signal })
    if (fault !== undefined && fault.after !== "produce") respond(response, fault)
    else if (cut?.after === "nothing") response.destroy()
    else return false
    return true
  }

  /** Refuses what is no JSON, or may not be answered in JSON. True: it has been answered. */
  const refuseMedia = (request: IncomingMessage, response: ServerResponse): boolean => {
    const media = contentType(request.headers["content-type"])
    if (media === "malformed") jettyError(response, 400, request.url ?? "/", request.headers.accept)
    else if (media === "other") fail(response, 415, 415)
    else if (media === "missing") fail(response, 400, 400, "Bad Request: Content-Type is missing")
    else if (media === "charset") fail(response, 400, 400, "Bad Request: unsupported charset")
    else if (!accepts(request.headers.accept, JSON_TYPE)) refuse(response, 406)
    else return false
    return true
  }

  const produceCall = async (
    request: IncomingMessage,
    response: ServerResponse,
    { _tag, cluster, topic: name }: Extract<Route, { readonly _tag: "Records" | "Batch" }>,
    body: Buffer
  ) => {
    const limiter = limiterOf(cluster)
    if (!limiter.takeRequest()) return tooManyRequests(response)
    const active = faults.forProduce({ topic: name, body: body.toString("utf8") })
    if (await faultBefore(response, active)) return
    if (refuseMedia(request, response)) return
    const to: ProduceTarget = {
      cluster,
      name,
      topic: topics.get(name),
      limiter,
      maxRecordBytes: limits.messageBytes ?? Number.POSITIVE_INFINITY,
      maxBlockMs,
      onRecord: options.onRecord,
      signal: closing.signal
    }
    if (_tag === "Batch") {
      const answer = await produceBatch(body, to)
      return json(response, answer.status, answer.body)
    }
    // Records are read and produced however fast their receipts are taken.
    const receipts = Readable.from(produce(body, to, active), { highWaterMark: Number.MAX_SAFE_INTEGER })
    if (active.respond === undefined && active.cut?.after !== "produce") {
      return sendReceipts(response, receipts, active, closing.signal)
    }
    for await (const _ of receipts);
    return active.respond === undefined ? response.destroy() : respond(response, active.respond)
  }

  const metadataCall = async (
    response: ServerResponse,
    route: Extract<Route, { readonly _tag: "Clusters" | "Cluster" | "Topics" | "Topic" }>
  ) => {
    if (await faultBefore(response, faults.forMetadata(route._tag === "Topic" ? route.topic : undefined))) return
    const { status, body } = metadataAnswer(route, `${address}/${route.prefix}`, clusterId ?? CLUSTER_ID, topics)
    return json(response, status, body)
  }

  const faultsCall = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === "PUT") {
      try {
        faults.set(readFaults((await readBody(request)).toString("utf8")))
      } catch (error) {
        if (!(error instanceof FieldError)) throw error
        return json(response, 400, { ...errorOf(400, error.message), field: error.field })
      }
    } else if (request.method === "DELETE") faults.set(undefined)
    else if (request.method !== "GET") return fail(response, 405, 405)
    return json(response, 200, { faults: faults.rules(), applied: faults.applied() })
  }

  const readCall = async (response: ServerResponse, topic: Topic, query: URLSearchParams) => {
    const from = Math.max(0, Number(query.get("from") ?? 0) || 0)
    const wait = Math.min(READ_WAIT_MAX, Number(query.get("wait") ?? 0) || 0)
    if (topic.records.length <= from && wait > 0) await topic.next(wait)
    const limit = Math.min(READ_LIMIT, Number(query.get("limit") ?? READ_LIMIT) || READ_LIMIT)
    const records = topic.records.slice(from, from + limit)
    json(response, 200, { records, next: from + records.length })
  }

  const authorized = (request: IncomingMessage): boolean => {
    if (credentials === undefined) return true
    const expected = Buffer.from(`${credentials.apiKey}:${credentials.apiSecret}`).toString("base64")
    return request.headers.authorization === `Basic ${expected}`
  }

  /** Its own calls. True: it was one. */
  const ownCall = async (request: IncomingMessage, response: ServerResponse, path: string, query: string) => {
    if (path === FAULTS_PATH) {
      await faultsCall(request, response)
      return true
    }
    const reading = /^\/topics\/([^/]+)\/records$/.exec(path)
    if (reading === null || request.method !== "GET") return false
    const topic = topics.get(decodeURIComponent(reading[1]!))
    if (topic === undefined) fail(response, 404, 40403, "no such topic")
    else await readCall(response, topic, new URLSearchParams(query))
    return true
  }

  const answer = async (request: IncomingMessage, response: ServerResponse, route: Route, body: Buffer) => {
    const { method, headers } = request
    if (route._tag === "Ambiguous") return jettyPage(response, 400)
    if (route._tag === "Missing") return refuse(response, 404)
    if (route._tag === "Root") {
      if (method !== "GET" && method !== "HEAD") return refuse(response, 405)
      if (!accepts(headers.accept, ROOT_TYPE)) return refuse(response, 406)
      return void response.writeHead(200, { "Content-Type": ROOT_TYPE }).end("{}")
    }
    if (route.prefix === "kafka/v3" && clusterId === undefined) return refuse(response, 404)
    if (!authorized(request)) return fail(response, 401, 40101)
    const produces = route._tag === "Records" || route._tag === "Batch"
    if (produces && route.prefix === "kafka/v3" && route.cluster !== clusterId) {
      return fail(response, 404, 404, `Cluster ${route.cluster} cannot be found.`)
    }
    if (method === "OPTIONS") {
      return void response.writeHead(200, { Allow: produces ? "POST,OPTIONS" : "HEAD,GET,OPTIONS" }).end()
    }
    if (produces) return method === "POST" ? produceCall(request, response, route, body) : refuse(response, 405)
    if (method !== "GET" && method !== "HEAD") return refuse(response, 405)
    return accepts(headers.accept, JSON_TYPE) ? metadataCall(response, route) : refuse(response, 406)
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const [path = "/", query = ""] = (request.url ?? "/").split("?", 2)
    if (await ownCall(request, response, path, query)) return
    const body = await readBody(request)
    const { authorization, ...shown } = request.headers
    const headers = { ...shown, ...(authorization === undefined ? {} : { authorization: authorization.split(" ")[0] }) }
    seen.push({
      method: request.method ?? "",
      url: path,
      headers: headers as Record<string, string>,
      body: body.toString("utf8")
    })
    if (seen.length > SEEN_MAX) seen.shift()
    await answer(request, response, routeOf(path, version), body)
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      // A client that went away before the end of its body, or a defect of ours: the proxy answers a bare 500 to both.
      if (response.headersSent) response.destroy()
      else if (!response.destroyed) fail(response, 500, 500, "Internal Server Error")
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, resolve)
  })
  const bound = (server.address() as AddressInfo).port
  const address = `http://${host}:${bound}`
  const recordsOf = (topic: string) => topics.get(topic)?.records ?? []

  return {
    url: address,
    port: bound,
    records: recordsOf,
    requests: () => seen,
    waitForRecords: async (topic, count, timeoutMs) => {
      if (!topics.has(topic)) throw new RangeError(`there is no topic ${topic}`)
      const deadline = Date.now() + timeoutMs
      while (recordsOf(topic).length < count) {
        const left = deadline - Date.now()
        if (left <= 0)
          throw new RangeError(
            `topic ${topic} has ${recordsOf(topic).length} of ${count} records after ${timeoutMs} ms`
          )
        await topics.get(topic)?.next(left)
      }
      return recordsOf(topic)
    },
    setFault: faults.set,
    close: () =>
      new Promise((resolve) => {
        closing.abort()
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
