/** Every expected error of core. Fields are domain ids and reasons; no field ever holds a secret. */
import * as Schema from "effect/Schema"

/** A key ring in the deployment's settings is malformed. */
export class KeyRingError extends Schema.TaggedError<KeyRingError>()("KeyRingError", {
  setting: Schema.String,
  message: Schema.String
}) {}

/** A stored secret cannot be opened: its key left the ring, or it was moved from another place. */
export class SecretError extends Schema.TaggedError<SecretError>()("SecretError", {
  field: Schema.String,
  message: Schema.String
}) {}

/** A URL or host that a destination may not name. */
export class ForbiddenHost extends Schema.TaggedError<ForbiddenHost>()("ForbiddenHost", {
  message: Schema.String
}) {}

/** A body has more JSON values than are read to follow a path into it. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  message: Schema.String
}) {}

/** An object could not be reached; the caller may ask again. */
export class UnavailableError extends Schema.TaggedError<UnavailableError>()("UnavailableError", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** What was named does not exist, or belongs to another workspace. */
export class NotFoundError extends Schema.TaggedError<NotFoundError>()("NotFoundError", {
  message: Schema.String
}) {}

/** The change contradicts what is there: a name taken, or a change made meanwhile. */
export class ConflictError extends Schema.TaggedError<ConflictError>()("ConflictError", {
  /**
   * `route`: another source owns the log of the new id; make another id. `stale`: read again, then change again.
   * `limit`: more than a log or a destination may hold. `last_key`: without this API key nobody could
   * manage the workspace.
   */
  reason: Schema.Literals(["route", "slug", "stale", "idempotency", "limit", "last_key"]),
  message: Schema.String
}) {}

/** An object was asked before anyone claimed it: it holds nothing, and stores nothing. */
export class NotClaimed extends Schema.TaggedError<NotClaimed>()("NotClaimed", { object: Schema.String }) {}

/** A sink's driver ended in a way that it must not; the message holds no secret of its config. */
export class SinkDied extends Schema.TaggedError<SinkDied>()("SinkDied", { message: Schema.String }) {}

/** What is stored was written by a version of hookstream that this one does not know: it is not opened. */
export class StoreTooNew extends Schema.TaggedError<StoreTooNew>()("StoreTooNew", {
  store: Schema.String,
  /** The version that is stored, and the newest that is known here. */
  stored: Schema.Int,
  known: Schema.Int
}) {
  override get message(): string {
    return `${this.store} has version ${this.stored}, known is ${this.known}: deploy the newer release`
  }
}

/** What is stored is not what its version says: it is damaged, or this release reads it wrongly. */
export class StoreUnreadable extends Schema.TaggedError<StoreUnreadable>()("StoreUnreadable", {
  store: Schema.String,
  version: Schema.Int,
  /** Where in it, in dots; empty: all of it. */
  path: Schema.String
}) {
  override get message(): string {
    return `${this.store} of version ${this.version} cannot be read${this.path === "" ? "" : ` at ${this.path}`}`
  }
}
