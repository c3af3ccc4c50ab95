import { connect } from "node:net"

export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  readonly status: number
  readonly type: string
  readonly head: string
  /** The HTTP chunks as they were cut; a body of known length is one. */
  readonly chunks: ReadonlyArray<Buffer>
  readonly body: string
  /** The answer came to its end: false when the connection was cut. */
  readonly whole: boolean
}

const parse = (bytes: Buffer): RawAnswer => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end < 0) return { status: 0, type: "", head: "", chunks: [], body: "", whole: false }
  const head = bytes.subarray(0, end).toString("latin1")
  const header = (name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]
  const answer = (chunks: ReadonlyArray<Buffer>, whole: boolean): RawAnswer => ({
    status: Number(head.split(" ")[1]),
    type: header("content-type") ?? "",
    head,
    chunks,
    whole,
    body: Buffer.concat(chunks).toString("utf8")
  })
  const rest = bytes.subarray(end + 4)
  if (header("transfer-encoding") !== "chunked") return answer([rest], rest.length === Number(header("content-length")))
  const chunks: Array<Buffer> = []
  for (let at = 0; ; ) {
    const line = rest.indexOf("\r\n", at)
    const size = line < 0 ? Number.NaN : Number.parseInt(rest.subarray(at, line).toString("latin1"), 16)
    if (size === 0) return answer(chunks, true)
    if (Number.isNaN(size) || rest.length < line + 2 + size) return answer(chunks, false)
    chunks.push(rest.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
}

/** One POST of JSON over its own connection, read to the connection's end without an HTTP client's repairs. */
export const rawPost = (port: number, path: string, body: string): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const received: Array<Buffer> = []
    const socket = connect(port, "127.0.0.1")
    socket.on("data", (bytes) => received.push(bytes))
    // A connection that was reset still ends in "close".
    socket.on("error", () => {})
    socket.on("close", () => resolve(parse(Buffer.concat(received))))
    const head = [
      `POST ${path} HTTP/1.1`,
      "Host: x",
      "Connection: close",
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`
    ]
    socket.write(`${head.join("\r\n")}\r\n\r\n${body}`)
  })
