/** The `verification` of a source at rest: the JSON as its user wrote it, its secrets sealed. */
import * as Ids from "@hookstream/core/Ids"
import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import type * as Schema from "effect/Schema"
import type { Verification } from "./Verification.ts"

type JsonObject = { readonly [key: string]: Schema.Json }

/** By the log: the id of an old source is not the one that its newer URLs name. */
const ownerOf = (source: Ids.SourceId) => ({ workspace: Ids.workspaceOf(source), object: Ids.routeOf(source) })

/** `decoded`: what the Schema made of `input`. */
export const seal = (source: Ids.SourceId, input: JsonObject, decoded: Verification) =>
  SealedConfig.seal(ownerOf(source), input, decoded)

/** With its secrets in plain text, ready for the Schema. Do not store, log or answer it. */
export const open = (source: Ids.SourceId, stored: JsonObject) => SealedConfig.open(ownerOf(source), stored)

/** As users may see it. */
export const masked = SealedConfig.masked

/**
 * Applies a PATCH to what {@link open} gave: named fields replace stored ones, `null` removes one, and a masked secret
 * keeps the one that it masks. Of another template only the secrets go on.
 */
export const patch = (opened: JsonObject, changes: JsonObject): JsonObject => {
  const { template = opened["template"] } = changes
  const isSame = template === opened["template"]
  return SealedConfig.patch(isSame ? opened : { secrets: opened["secrets"] ?? null }, changes)
}
