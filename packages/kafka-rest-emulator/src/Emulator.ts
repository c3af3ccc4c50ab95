/**
 * A stand-in for the Confluent REST Proxy v3, in memory. It answers as the proxy does: HTTP 200 and one receipt for each record,
 * whatever became of the records.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { FaultPlan } from "./Fault.ts"
import { endOfValue, skipSpace } from "./internal/JsonText.ts"
import { RecordError, readRecord } from "./ProduceRecord.ts"
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
  /** Bytes of key and value of one record. Default: the proxy's, 1 MiB. */
  readonly maxMessageBytes?: number
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
  readonly setFault: (plan: FaultPlan | undefined) => void
  readonly close: () => Promise<void>
}

/** The proxy's default, `max.request.size`. */
const MAX_MESSAGE_BYTES = 1_048_576
const PARTITIONS = 6
/** Of a call to read records back. */
const READ_LIMIT = 1000
const READ_WAIT_MAX = 60_000
/** Requests kept for tests. */
const SEEN_MAX = 1000

const json = (response: ServerResponse, status: number, body: unknown) => {
  const text = JSON.stringify(body)
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) })
  response.end(text)
}
const fail = (response: ServerResponse, status: number, code: number, message: string) =>
  json(response, status, { error_code: code, message })

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

const sideReceipt = (side: { readonly type: string; readonly bytes: Uint8Array | null } | null) =>
  side === null ? undefined : { type: side.type, size: side.bytes?.length ?? -1 }

const path = /^\/(kafka\/v3|v3)\/clusters(?:\/([^/]+)(?:\/topics(?:\/([^/]+)(\/records)?)?)?)?$/

export const startEmulator = async (options: EmulatorOptions): Promise<Emulator> => {
  const { host = "127.0.0.1", port = 0, maxMessageBytes = MAX_MESSAGE_BYTES, credentials, clusterId } = options
  const topics = new Map(
    options.topics.map(({ name, partitions = PARTITIONS }) => [name, new Topic(name, partitions, maxMessageBytes)])
  )
  const seen: Array<SeenRequest> = []
  let faultPlan: FaultPlan | undefined

  /** What becomes of the records of a body, in order: one receipt each, until the stream ends (§4). */
  const produce = (cluster: string, name: string, text: string): ReadonlyArray<object> => {
    const receipts: Array<object> = []
    const refuse = (code: number, message: string) => receipts.push({ error_code: code, message })
    const one = (raw: string) => {
      const topic = topics.get(name)
      const record = readRecord(raw)
      if (topic === undefined) throw new RecordError(40401, `Topic ${name} not present in metadata after 60000 ms.`)
      const { partition, offset, timestamp } = topic.append(record, raw)
      options.onRecord?.(topic.records.at(-1)!)
      receipts.push({
        ...{ error_code: 200, cluster_id: cluster, topic_name: name, partition_id: partition, offset, timestamp },
        ...{ key: sideReceipt(record.key), value: sideReceipt(record.value) }
      })
    }
    for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
      const end = endOfValue(text, at)
      const raw = text.slice(at, end)
      try {
        JSON.parse(raw)
      } catch {
        // The parser has lost its place: what follows is neither read nor produced.
        refuse(400, `Bad Request: Unexpected character or end of input at ${at}`)
        break
      }
      try {
        one(raw)
      } catch (error) {
        if (!(error instanceof RecordError)) throw error
        refuse(error.code, error.message)
      }
      at = end!
    }
    return receipts
  }

  const produceCall = async (
    request: IncomingMessage,
    response: ServerResponse,
    cluster: string,
    name: string,
    body: Buffer
  ) => {
    const media = mediaType(request.headers["content-type"])
    if (media === "other") return fail(response, 415, 415, "HTTP 415 Unsupported Media Type")
    if (media === "charset") return fail(response, 400, 400, "Bad Request: unsupported charset")
    if (body.length === 0) return fail(response, 422, 42206, "Payload error. Null input provided. Data is required.")
    const text = body.toString("utf8")

    const fault = faultPlan?.({ topic: name, body: text })
    if (fault?._tag === "Respond") {
      response.writeHead(fault.status, { "Content-Type": fault.contentType ?? "application/json", ...fault.headers })
      return response.end(fault.body)
    }
    if (fault?._tag === "Cut" && fault.after === "nothing") return request.socket.destroy()
    if (fault?._tag === "Delay") await new Promise((resolve) => setTimeout(resolve, fault.ms))
    const receipts = produce(cluster, name, fault?._tag === "Receipt" ? "" : text)
    if (fault?._tag === "Cut") return request.socket.destroy()
    response.writeHead(200, { "Content-Type": "application/json" })
    const refused = fault?._tag === "Receipt" ? [{ error_code: fault.code, message: fault.message }] : []
    for (const receipt of [...receipts, ...refused]) response.write(`${JSON.stringify(receipt)}\r\n`)
    return response.end()
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
    if (match === null) return fail(response, 404, 404, "HTTP 404 Not Found")
    if (!authorized(request)) return fail(response, 401, 40101, "Unauthorized")
    const [, base, rawCluster, rawTopic, records] = match
    const cluster = decodeURIComponent(rawCluster ?? clusterId ?? "emulator")
    const name = rawTopic === undefined ? undefined : decodeURIComponent(rawTopic)
    if (base === "kafka/v3" && clusterId !== undefined && cluster !== clusterId) {
      return fail(response, 404, 404, `Cluster ${cluster} cannot be found.`)
    }
    if (records !== undefined && name !== undefined) {
      return request.method === "POST"
        ? produceCall(request, response, cluster, name, body)
        : fail(response, 405, 405, "HTTP 405 Method Not Allowed")
    }
    if (request.method !== "GET") return fail(response, 405, 405, "HTTP 405 Method Not Allowed")
    if (name === undefined)
      return json(response, 200, { kind: "KafkaClusterList", data: [{ kind: "KafkaCluster", cluster_id: cluster }] })
    const topic = topics.get(name)
    return topic === undefined
      ? fail(response, 404, 40403, "This server does not host this topic-partition.")
      : json(response, 200, {
          kind: "KafkaTopic",
          cluster_id: cluster,
          topic_name: name,
          partitions_count: topic.partitions
        })
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      // A client that went away in mid-body, or a defect of ours: the proxy answers either with a bare 500.
      if (!response.headersSent && !response.destroyed) fail(response, 500, 500, "Internal Server Error")
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, resolve)
  })
  const bound = (server.address() as AddressInfo).port
  const recordsOf = (topic: string) => topics.get(topic)?.records ?? []

  return {
    url: `http://${host}:${bound}`,
    port: bound,
    records: recordsOf,
    requests: () => seen,
    waitForRecords: async (topic, count, timeoutMs) => {
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
    setFault: (plan) => {
      faultPlan = plan
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
