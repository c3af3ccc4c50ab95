/** A source: an ingest endpoint that owns an event log. */
import * as Schema from "effect/Schema"
import * as Ids from "./Ids.ts"

/** `paused` answers 503, so that senders repeat; `disabled` answers 404. */
export const SourceStatus = Schema.Literals(["active", "paused", "disabled"])
export type SourceStatus = typeof SourceStatus.Type

export const Source = Schema.Struct({
  kind: Schema.Literal("source"),
  id: Ids.SourceId,
  workspace: Ids.WorkspaceId,
  version: Schema.Int,
  name: Schema.String,
  slug: Schema.String,
  description: Schema.NullOr(Schema.String),
  status: SourceStatus,
  /** Days that its events are kept; longer while a destination still needs them. */
  retentionDays: Schema.Int,
  /** What of its events is never stored: `headers.x`, `query.y`, `payload.a.b` (see `Redaction.ts`). */
  redact: Schema.Array(Schema.String),
  /** Milliseconds since 1970. */
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite
})
export type Source = typeof Source.Type

export const DEFAULT_RETENTION_DAYS = 7

type Added = "retentionDays" | "redact"

/** A source that an older version stored. */
export const upcast = (stored: Omit<Source, Added> & Partial<Pick<Source, Added>>): Source => ({
  retentionDays: DEFAULT_RETENTION_DAYS,
  redact: [],
  ...stored
})
