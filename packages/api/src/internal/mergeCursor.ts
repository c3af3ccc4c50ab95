import { Route } from "@hookstream/core/Ids"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Of each log, the sequence below which the next page goes on. Not by sources: their ids would be readable in it. */
type Positions = ReadonlyMap<Route, number>

const Wire = Schema.fromJsonString(Schema.Record(Route, Schema.Int))

export const encode = (positions: Positions): string => Base64Url.encode(JSON.stringify(Object.fromEntries(positions)))

/** `undefined` when the text is no cursor of ours. */
export const decode = (text: string | undefined): Positions | undefined => {
  if (text === undefined) return new Map()
  const json = Base64Url.decodeString(text)
  if (Result.isFailure(json)) return undefined
  const wire = Schema.decodeUnknownResult(Wire)(json.success, { onExcessProperty: "error" })
  return Result.isFailure(wire) ? undefined : new Map(Object.entries(wire.success))
}
