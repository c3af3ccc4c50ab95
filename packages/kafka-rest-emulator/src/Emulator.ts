/**
 * A stand-in for the Confluent REST Proxy v3, in memory. It answers as the proxy does: HTTP 200 and one receipt for each record,
 * whatever became of the records.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { FaultPlan, FaultRule, Respond } from "./Fault.ts"
import { activeFaults, type RequestFaults } from "./internal/activeFaults.ts"
import { errorOf, fail, htmlPage, json, tooManyRequests } from "./internal/answers.ts"
import { FieldError } from "./internal/Fields.ts"
import { clusterResource, listResource, topicResource } from "./internal/metadata.ts"
import { produce } from "./internal/produce.ts"
import { RateLimiter } from "./internal/RateLimiter.ts"
import { readFaults } from "./internal/readFaults.ts"
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
  /** When set, `/kafka/v3` knows this cluster only, as Confluent Cloud does; `/v3` echoes whatever it is asked for. */
  readonly clusterId?: string
  /** When set, every call to the REST API must carry them by Basic auth. */
  readonly credentials?: { readonly apiKey: string; readonly apiSecret: string }
  /** Bytes of key and value of one record. Default: that of `limits.messageBytes`, else the proxy's, 1 MiB. */
  readonly maxMessageBytes?: number
  /** Rates and sizes that each cluster keeps, or the name of a preset. Default: none. */
  readonly limits?: LimitPreset | Limits
  /** Switched on from the start. */
  readonly faults?: ReadonlyArray<FaultRule>
  /** Told of each record as it lands. */
  readonly onRecord?: (record: StoredRecord) => void
}

/** A request as it came, for tests; of the credentials only the scheme. */
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

/** The proxy's default, `max.request.size`. */
const MAX_MESSAGE_BYTES = 1_048_576
const PARTITIONS = 6
/** What the list of clusters names when no id was given. */
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

/** §2: exactly `application/json`, with a charset only of UTF-8 or ISO-8859-1. */
const mediaType = (header: string | undefined): "ok" | "charset" | "other" => {
  const [type, ...params] = (header ?? "").split(";").map((part) => part.trim().toLowerCase())
  if (type !== "application/json") return "other"
  const charset = params
    .find((param) => param.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "")
  return charset === undefined || charset === "utf-8" || charset === "iso-8859-1" ? "ok" : "charset"
}

/** Of `clusters`, one cluster, its `topics`, one topic, its `records`. */
const path = /^\/(kafka\/v3|v3)\/clusters(?:\/([^/]+)(?:(\/topics)(?:\/([^/]+)(\/records)?)?)?)?$/

const respond = (response: ServerResponse, { status, code, body, contentType, headers }: Respond) => {
  const type = contentType ?? "application/json"
  const error = () => (type.startsWith("text/html") ? htmlPage(status) : JSON.stringify(errorOf(code ?? status)))
  response.writeHead(status, { "Content-Type": type, ...headers })
  response.end(body ?? (status < 400 ? "" : error()))
}

export const startEmulator = async (options: EmulatorOptions): Promise<Emulator> => {
  const { host = "127.0.0.1", port = 0, credentials, clusterId } = options
  const limits: Limits = typeof options.limits === "string" ? LIMIT_PRESETS[options.limits] : (options.limits ?? {})
  const maxMessageBytes = options.maxMessageBytes ?? limits.messageBytes ?? MAX_MESSAGE_BYTES
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

  const produceCall = async (
    request: IncomingMessage,
    response: ServerResponse,
    cluster: string,
    name: string,
    body: Buffer
  ) => {
    const limiter = limiterOf(cluster)
    if (!limiter.takeRequest()) return tooManyRequests(response)
    const text = body.toString("utf8")
    const active = faults.forProduce({ topic: name, body: text })
    if (await faultBefore(response, active)) return

    const media = mediaType(request.headers["content-type"])
    if (media === "other") return fail(response, 415, 415)
    if (media === "charset") return fail(response, 400, 400, "Bad Request: unsupported charset")
    if (body.length === 0) return fail(response, 422, 42206)

    const maxRecordBytes = limits.messageBytes ?? Number.POSITIVE_INFINITY
    const to = { cluster, name, topic: topics.get(name), limiter, maxRecordBytes, onRecord: options.onRecord }
    const receipts = produce(text, to, active)
    if (active.respond !== undefined) return respond(response, active.respond)
    if (active.cut?.after === "produce") return response.destroy()
    return sendReceipts(response, receipts, active, closing.signal)
  }

  const metadataCall = async (
    response: ServerResponse,
    base: string,
    cluster: string | undefined,
    list: boolean,
    name: string | undefined
  ) => {
    if (await faultBefore(response, faults.forMetadata(name))) return
    if (cluster === undefined) {
      const only = clusterResource(base, clusterId ?? CLUSTER_ID)
      return json(response, 200, listResource("KafkaClusterList", `${base}/clusters`, [only]))
    }
    if (name === undefined) {
      const resource = clusterResource(base, cluster)
      if (!list) return json(response, 200, resource)
      const all = [...topics.values()].map((one) => topicResource(base, cluster, one.name, one.partitions))
      return json(response, 200, listResource("KafkaTopicList", resource.topics.related, all))
    }
    const topic = topics.get(name)
    if (topic === undefined) return fail(response, 404, 40403)
    return json(response, 200, topicResource(base, cluster, name, topic.partitions))
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

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://emulator")
    const reading = /^\/topics\/([^/]+)\/records$/.exec(url.pathname)
    if (reading !== null && request.method === "GET") {
      const topic = topics.get(decodeURIComponent(reading[1]!))
      return topic === undefined
        ? fail(response, 404, 40403, "no such topic")
        : readCall(response, topic, url.searchParams)
    }
    if (url.pathname === FAULTS_PATH) return faultsCall(request, response)
    const body = await readBody(request)
    const { authorization, ...shown } = request.headers
    const headers = { ...shown, ...(authorization === undefined ? {} : { authorization: authorization.split(" ")[0] }) }
    seen.push({
      method: request.method ?? "",
      url: url.pathname,
      headers: headers as Record<string, string>,
      body: body.toString("utf8")
    })
    if (seen.length > SEEN_MAX) seen.shift()

    const match = path.exec(url.pathname)
    if (match === null) return fail(response, 404, 404)
    if (!authorized(request)) return fail(response, 401, 40101)
    const [, prefix, rawCluster, list, rawTopic, records] = match
    const base = `${address}/${prefix}`
    const cluster = rawCluster === undefined ? undefined : decodeURIComponent(rawCluster)
    const name = rawTopic === undefined ? undefined : decodeURIComponent(rawTopic)
    if (prefix === "kafka/v3" && clusterId !== undefined && cluster !== undefined && cluster !== clusterId) {
      return fail(response, 404, 404, `Cluster ${cluster} cannot be found.`)
    }
    if (records !== undefined && cluster !== undefined && name !== undefined) {
      return request.method === "POST" ? produceCall(request, response, cluster, name, body) : fail(response, 405, 405)
    }
    if (request.method !== "GET") return fail(response, 405, 405)
    return metadataCall(response, base, cluster, list !== undefined, name)
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      // A client that went away in mid-body, or a defect of ours: the proxy answers either with a bare 500.
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
