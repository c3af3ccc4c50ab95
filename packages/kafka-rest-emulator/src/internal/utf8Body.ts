/**
 * A body in UTF-8, whatever it was written in: Jackson tells UTF-16 and UTF-32 by a byte order mark or by where zeros
 * stand.
 */

type Encoding = "utf-8" | "utf-16be" | "utf-16le" | "utf-32be" | "utf-32le"

const encodingOf = (body: Buffer): { readonly encoding: Encoding; readonly mark: number } => {
  const none = { encoding: "utf-8", mark: 0 } as const
  if (body.length < 2) return none
  const high = body.readUInt16BE(0)
  if (body.length >= 4) {
    const all = body.readUInt32BE(0)
    if (all === 0x0000feff) return { encoding: "utf-32be", mark: 4 }
    if (all === 0xfffe0000) return { encoding: "utf-32le", mark: 4 }
    if (high === 0xfeff) return { encoding: "utf-16be", mark: 2 }
    if (high === 0xfffe) return { encoding: "utf-16le", mark: 2 }
    if (all >>> 8 === 0xefbbbf) return { encoding: "utf-8", mark: 3 }
    if (all >>> 8 === 0) return { encoding: "utf-32be", mark: 0 }
    if ((all & 0xffffff) === 0) return { encoding: "utf-32le", mark: 0 }
  }
  if ((high & 0xff00) === 0) return { encoding: "utf-16be", mark: 0 }
  return (high & 0xff) === 0 ? { encoding: "utf-16le", mark: 0 } : none
}

const decode32 = (bytes: Buffer, big: boolean): string => {
  let text = ""
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = big ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)
    text += code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code)
  }
  return text
}

export const utf8Body = (body: Buffer): Buffer => {
  const { encoding, mark } = encodingOf(body)
  const rest = body.subarray(mark)
  if (encoding === "utf-8") return rest
  if (encoding === "utf-32be" || encoding === "utf-32le") return Buffer.from(decode32(rest, encoding === "utf-32be"))
  return Buffer.from(new TextDecoder(encoding, { ignoreBOM: true }).decode(rest))
}
