/** Every expected error of ingest. None holds a secret. */
import * as Schema from "effect/Schema"

/**
 * Why a signature was refused, for the owner of the source. A sender is told no more than that it was.
 *
 * | reason | what it means |
 * |---|---|
 * | `missing_header` | a header that the template needs did not come |
 * | `malformed_header` | it came, but not in the form of the template |
 * | `missing_timestamp` | the body has no time where the template signs it |
 * | `timestamp_too_old` | the signed time is further back than the tolerance: a replay, or a slow clock |
 * | `timestamp_in_future` | the signed time is ahead by more than the tolerance |
 * | `unsigned_body` | the signature says nothing of the body that came |
 * | `form_too_large` | the form has more bytes than are sorted to verify it |
 * | `no_secret_matches` | none of the secrets made this signature over this request |
 * | `secret_unusable` | a stored secret has not the form of the template: save it again |
 */
export const SignatureReason = Schema.Literals([
  "missing_header",
  "malformed_header",
  "missing_timestamp",
  "timestamp_too_old",
  "timestamp_in_future",
  "unsigned_body",
  "form_too_large",
  "no_secret_matches",
  "secret_unusable"
])
export type SignatureReason = typeof SignatureReason.Type

/** A request whose signature does not hold. */
export class SignatureRejected extends Schema.TaggedError<SignatureRejected>()("SignatureRejected", {
  reason: SignatureReason,
  /** For the owner of the source. */
  message: Schema.String
}) {}

/** A request from an address that the source does not take. */
export class AddressRejected extends Schema.TaggedError<AddressRejected>()("AddressRejected", {
  /** `denied`: one of `deny`; `not_allowed`: none of `allow`; `unknown_address`: there is none to compare. */
  reason: Schema.Literals(["denied", "not_allowed", "unknown_address"]),
  /** For the owner of the source. */
  message: Schema.String
}) {}

/** A body that does not fit the schema of its source. */
export class BodyRejected extends Schema.TaggedError<BodyRejected>()("BodyRejected", {
  /** `not_json`: the schema is asked of JSON alone; `schema_invalid`: it is JSON that does not fit. */
  reason: Schema.Literals(["not_json", "schema_invalid"]),
  /** A JSON pointer to what does not fit, `#` for the whole body. */
  pointer: Schema.String,
  /** For the owner of the source: where in the schema. It holds no value of the body. */
  message: Schema.String
}) {}
