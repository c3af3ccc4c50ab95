import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import { badRequest } from "../ApiError.ts"
import { DEFAULT_LIMIT } from "../Fields.ts"

const BAD_CURSOR = "must be the `cursor` of an earlier answer"

/** What a list is sorted by, in letters and digits. */
const KEY = /^[\w.]+$/

/**
 * A page of a list that is at hand as a whole, `descending` by its keys or not. A cursor is the last key that was
 * shown, so that it stays good when its item is gone.
 */
export const pageOfWhole = Effect.fnUntraced(function* <A>(
  all: ReadonlyArray<A>,
  query: { readonly cursor?: string; readonly limit?: number },
  order: { readonly keyOf: (item: A, index: number) => string; readonly descending: boolean }
) {
  const { cursor, limit = DEFAULT_LIMIT } = query
  const decoded = cursor === undefined ? undefined : Result.getOrUndefined(Base64Url.decodeString(cursor))
  if (cursor !== undefined && !KEY.test(decoded ?? "")) {
    return yield* badRequest(`cursor ${BAD_CURSOR}`, [{ path: "cursor", message: BAD_CURSOR }])
  }
  const sign = order.descending ? -1 : 1
  const compare = (a: string, b: string) => (a === b ? 0 : (a < b ? -1 : 1) * sign)
  const left = all
    .map((item, index) => ({ item, key: order.keyOf(item, index) }))
    .filter(({ key }) => decoded === undefined || compare(key, decoded) > 0)
    .sort((a, b) => compare(a.key, b.key))
  const shown = left.slice(0, limit)
  const has_more = left.length > limit
  return {
    shown: shown.map(({ item }) => item),
    page: { cursor: has_more ? Base64Url.encode(shown.at(-1)!.key) : null, has_more }
  }
})

/** A time as part of a key. */
export const timeKey = (millis: number): string => String(millis).padStart(15, "0")
