/** A source: an ingest endpoint that owns an event log. */
import * as Schema from "effect/Schema"
import * as Ids from "../Ids.ts"

/** `paused` answers 503, so that senders repeat; `disabled` answers 404. */
export const SourceStatus = Schema.Literals(["active", "paused", "disabled"])
export type SourceStatus = typeof SourceStatus.Type

/** An ingest URL is made of its source and this number (see `IdKeys.ts`), so nothing that is stored can be sent to. */
export const IngestUrl = Schema.Struct({
  /** From 1. {@link ID_IS_URL}: the URL is the source's id. */
  generation: Schema.Int,
  /** Milliseconds since 1970; `null`: it does not end. */
  expiresAt: Schema.NullOr(Schema.Finite)
})
export type IngestUrl = typeof IngestUrl.Type

/** Generation of the one URL that a source of version 1 has. */
export const ID_IS_URL = 0

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
  /** How its requests are verified, secrets sealed; `null`: they are not. Opaque here: `packages/ingest` reads it. */
  verification: Schema.NullOr(Schema.JsonObject),
  /**
   * The version of the change that last set what an edge must know to take its events: `redact` or `verification`. 0:
   * neither was ever set.
   */
  ingestVersion: Schema.Int,
  /** The ingest URLs that work: first the one to use, then older ones. */
  ingestUrls: Schema.NonEmptyArray(IngestUrl),
  /** Milliseconds since 1970. */
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite
})
export type Source = typeof Source.Type

export const DEFAULT_RETENTION_DAYS = 7

type Added = "retentionDays" | "redact" | "ingestUrls" | "verification" | "ingestVersion"

/** A source that an older version stored, or tells of while it is being replaced. */
export const upcast = (stored: Omit<Source, Added> & Partial<Pick<Source, Added>>): Source => {
  const { redact = [], verification = null, ingestVersion = 0 } = stored
  // It may have taken the settings and not known that they are numbered.
  const isUnnumbered = ingestVersion === 0 && (redact.length > 0 || verification !== null)
  return {
    ...stored,
    retentionDays: stored.retentionDays ?? DEFAULT_RETENTION_DAYS,
    redact,
    verification,
    ingestVersion: isUnnumbered ? stored.version : ingestVersion,
    ingestUrls: stored.ingestUrls ?? [{ generation: ID_IS_URL, expiresAt: null }]
  }
}

/** Numbers the settings of a source that is stored as its next version; `before`: as it was until then. */
export const numbered = (source: Source, before?: Source): Source => {
  const settings = ({ redact, verification }: Pick<Source, "redact" | "verification">) =>
    JSON.stringify([redact, verification])
  const isSame = settings(source) === settings(before ?? { redact: [], verification: null })
  return { ...source, ingestVersion: isSame ? (before?.ingestVersion ?? 0) : source.version }
}

const works = (now: number) => (url: IngestUrl) => url.expiresAt === null || url.expiresAt > now

/** The URLs other than the current one that still work. */
export const previousUrls = ({ ingestUrls }: Source, now: number): ReadonlyArray<IngestUrl> =>
  ingestUrls.slice(1).filter(works(now))

/** Whether the URL of this generation works. */
export const takes = ({ ingestUrls }: Source, generation: number, now: number): boolean =>
  ingestUrls.some((url) => url.generation === generation && works(now)(url))

/** Gives the source another URL. Those before end at `until`, or earlier where an earlier rotation said so. */
export const rotateUrl = (source: Source, now: number, until: number): Source => ({
  ...source,
  ingestUrls: [
    { generation: source.ingestUrls[0].generation + 1, expiresAt: null },
    ...source.ingestUrls
      .map(({ generation, expiresAt }) => ({ generation, expiresAt: Math.min(expiresAt ?? until, until) }))
      .filter(works(now))
  ]
})
