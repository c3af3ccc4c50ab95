/** The `verification` of a source, from a request to what is stored. */
import type { SourceId } from "@hookstream/core/Ids"
import type { Source } from "@hookstream/core/workspace/Source"
import * as Signature from "@hookstream/ingest/Signature"
import * as StoredVerification from "@hookstream/ingest/StoredVerification"
import { Verification } from "@hookstream/ingest/Verification"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { badRequest, type Issue, issuesOf, summaryOf } from "../ApiError.ts"

type JsonObject = { readonly [key: string]: Schema.Json }

const STRICT = { errors: "all", onExcessProperty: "error" } as const
const MASK = "****"

/** Masks that mask nothing of this source: as secrets they would let nobody in. */
const strayMasks = ({ secrets }: JsonObject): ReadonlyArray<Issue> =>
  (Array.isArray(secrets) ? secrets : []).flatMap((one, i) =>
    typeof one === "string" && one.startsWith(MASK)
      ? [{ path: `secrets.${i}`, message: "masks no secret of this source: send it in full" }]
      : []
  )

/** Of a secret that has the right form and is no key all the same. */
const unusable = ({ message }: { readonly message: string }): ReadonlyArray<Issue> => {
  const [path = "", ...rest] = message.split(" ")
  return [{ path, message: rest.join(" ") }]
}

const decode = Effect.fnUntraced(function* (input: JsonObject) {
  const stray = strayMasks(input)
  if (stray.length > 0) return Result.fail(stray)
  const decoded = Result.mapError(Schema.decodeUnknownResult(Verification)(input, STRICT), issuesOf)
  if (Result.isFailure(decoded)) return decoded
  return yield* Signature.verifierOf(decoded.success).pipe(
    Effect.match({ onSuccess: () => decoded, onFailure: (error) => Result.fail(unusable(error)) })
  )
})

/** What is stored of it, for the id that the source gets; refused where it cannot verify. */
export const checkedVerification = Effect.fnUntraced(function* (input: JsonObject | null) {
  if (input === null) return () => Effect.succeed(null)
  const decoded = yield* decode(input)
  if (Result.isSuccess(decoded)) return (id: SourceId) => StoredVerification.seal(id, input, decoded.success)
  const issues = decoded.failure.map(({ path, message }) => ({
    path: path === "" ? "verification" : `verification.${path}`,
    message
  }))
  return yield* badRequest(summaryOf(issues), issues)
})

/** The same of a PATCH; what it leaves out stays as it is. */
export const patchedVerification = Effect.fnUntraced(function* (
  { id, verification: before }: Source,
  changes: JsonObject | null | undefined
) {
  if (changes === undefined) return before
  const opened = before === null || changes === null ? null : yield* StoredVerification.open(id, before)
  const wanted = opened === null || changes === null ? changes : StoredVerification.patch(opened, changes)
  return yield* (yield* checkedVerification(wanted))(id)
})
