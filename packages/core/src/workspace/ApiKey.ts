/** A key of a workspace's API, and what it allows. */
import * as Schema from "effect/Schema"
import { ApiKeyId } from "../Ids.ts"

/** `ingest` allows nothing: keys that have it were stored before it was refused. */
export const Scope = Schema.Literals(["*", "read", "write", "ingest"])
export type Scope = typeof Scope.Type

export const ApiKey = Schema.Struct({
  id: ApiKeyId,
  name: Schema.String,
  scopes: Schema.NonEmptyArray(Scope),
  /** The end of the key, by which its owner knows it. */
  hint: Schema.String,
  createdAt: Schema.Finite
})
export type ApiKey = typeof ApiKey.Type

/** A key as it is stored: only the SHA-256 (hex) of its text. */
export interface NewApiKey extends ApiKey {
  readonly hash: string
}
