/**
 * How the edge verifies a request by the stored settings of its source. It is a module of its own, which an edge
 * imports when a source has such settings.
 */
import type { SourceId } from "@hookstream/core/Ids"
import { SecretVault } from "@hookstream/core/secret/SecretVault"
import { STORED } from "@hookstream/core/sink/Sink"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Came, Judgement, StoredSettings } from "./Gate.ts"
import * as Handshake from "./Handshake.ts"
import * as Received from "./Received.ts"
import * as Signature from "./Signature.ts"
import * as StoredVerification from "./StoredVerification.ts"
import { Verification } from "./Verification.ts"

const decode = Schema.decodeUnknownEffect(Verification)

/** Kept when it is opened: a request must not wait for what another one began. */
const opened = new WeakMap<StoredSettings, Verification>()

const open = Effect.fnUntraced(function* (source: SourceId, stored: StoredSettings) {
  const known = opened.get(stored)
  if (known !== undefined) return known
  const verification = yield* decode(yield* StoredVerification.open(source, stored), STORED)
  opened.set(stored, verification)
  return verification
})

const verify = Effect.fnUntraced(function* (
  verification: Verification,
  { meta, body, url, at }: Came
): Effect.fn.Return<Judgement> {
  const { method, headers } = meta
  const request = Received.make({ method, headers, url, body })
  const unsigned = Handshake.answer(verification, request, false)
  if (unsigned !== undefined) return { _tag: "Answered", text: unsigned }
  return yield* Signature.verify(verification, request, at).pipe(
    Effect.map(({ template, secret }): Judgement => {
      const text = Handshake.answer(verification, request, true)
      return text === undefined ? { _tag: "Passed", verified: { template, secret, at } } : { _tag: "Answered", text }
    }),
    Effect.catch(({ reason }) =>
      Effect.succeed<Judgement>({ _tag: "Rejected", template: verification.template, reason })
    )
  )
})

/** What a source with these settings makes of a request. */
export const judge = (
  vault: SecretVault["Service"],
  source: SourceId,
  stored: StoredSettings,
  came: Came
): Promise<Judgement> =>
  open(source, stored).pipe(
    Effect.provideService(SecretVault, vault),
    Effect.flatMap((verification) => verify(verification, came)),
    Effect.catch((error) => Effect.succeed<Judgement>({ _tag: "Unusable", error })),
    Effect.runPromise
  )
