/** Events and settings, as bad as they come. */
import { Schema } from "effect"
import { bytes } from "./support.ts"

/** Pieces of JSON text, as senders write it: a parser that writes again would change most of them. */
const Leaf = Schema.Literals([
  "null",
  "true",
  "12345678901234567890123",
  "1.0",
  "-0",
  "1E400",
  "0.1e-7",
  '"\\u0041\\/"',
  '"\\ud800"',
  '"\u2028é漢😀{\\""',
  '""'
])
const Space = Schema.Literals(["", " ", "\n", "\r\n\t"])
const Tree = Schema.Struct({
  depth: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 400 })),
  space: Space,
  leaves: Schema.NonEmptyArray(Leaf)
})
/** Arrays and objects around the leaves, with repeated names and white space. */
const toText = ({ depth, space, leaves }: typeof Tree.Type): string => {
  const inner = leaves.map((leaf) => `"k"${space}:${space}${leaf}`).join(`,${space}`)
  return `${space}${`[${space}`.repeat(depth)}{${inner}}${"]".repeat(depth)}${space}`
}

export const Body = Schema.Union([
  Tree,
  Schema.Struct({ text: Schema.String }),
  Schema.Struct({ bytes: Schema.Uint8Array }),
  Schema.Struct({ leaf: Leaf, space: Space }),
  Schema.Literals([
    "",
    "null",
    " null\n",
    "\u{feff}{}",
    '\u0000\u001f"\\\u007f',
    '{"id":"é\\ud800"}',
    '{"id":{"a":[1, null]}}'
  ])
])
export const bodyOf = (body: typeof Body.Type): Uint8Array => {
  if (typeof body === "string") return bytes(body)
  if ("bytes" in body) return body.bytes
  if ("text" in body) return bytes(body.text)
  return bytes("leaf" in body ? body.space + body.leaf + body.space : toText(body))
}

export const Config = Schema.Struct({
  key: Schema.Literals(["event_id", "source_id", "none", "payload.id", "headers.x-id"]),
  key_type: Schema.Literals(["string", "binary"]),
  value_format: Schema.Literals(["json", "string", "binary"]),
  timestamp: Schema.Literals(["none", "received"]),
  literal: Schema.String,
  path: Schema.Literals(["payload.id", "headers.x-id", "method"])
})
export const OneEvent = Schema.Struct({
  body: Body,
  header: Schema.NullOr(Schema.String),
  replayId: Schema.NullOr(Schema.Literals(["rpl_1", "rpl_é"])),
  receivedAt: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4_000_000_000_000 }))
})
