/** The registry over SQLite: its entities, its own journal of changes, and who has not been told of them yet. */
import * as Result from "effect/Result"
import { ConflictError, NotFoundError } from "../../Errors.ts"
import * as Ids from "../../Ids.ts"
import { migrate, type Sql, type SqlRow } from "../../Sql.ts"
import { type Form, open } from "../../Stored.ts"
import { ApiKey } from "../ApiKey.ts"
import type { Connection } from "../Connection.ts"
import type { Destination } from "../Destination.ts"
import { DIRECTORY, Entity, type Kind, type NewEntity, type RegistryStore, upcastEntity } from "../RegistryStore.ts"
import * as Slug from "../Slug.ts"
import { numbered, type Source, upcast } from "../Source.ts"

/** A destination keeps its configuration, with its connections, in one row of 2 MB. */
const CONFIG_BYTES_MAX = 1_000_000
/** Live connections of a source, and of a destination. */
const CONNECTIONS_MAX = 1000

const encoder = new TextEncoder()
const bytesOf = (entity: Entity): number => encoder.encode(JSON.stringify(entity)).length

const MIGRATIONS = [
  [
    `CREATE TABLE workspace (id TEXT NOT NULL)`,
    `CREATE TABLE api_keys (
       hash TEXT PRIMARY KEY, id TEXT NOT NULL, created_at INTEGER NOT NULL, key TEXT NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE changes (
       version INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, entity_id TEXT NOT NULL,
       entity TEXT NOT NULL)`,
    `CREATE TABLE entities (
       id TEXT PRIMARY KEY, kind TEXT NOT NULL, n INTEGER NOT NULL, slug TEXT, source_id TEXT, destination_id TEXT,
       deleted INTEGER NOT NULL, entity TEXT NOT NULL) WITHOUT ROWID`,
    `CREATE INDEX entities_by_kind ON entities (kind, n)`,
    `CREATE TABLE outbox (target TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE idempotency (key TEXT PRIMARY KEY, digest TEXT NOT NULL, entity_id TEXT NOT NULL) WITHOUT ROWID`
  ],
  // Replays are told one by one; once only the newest hundred were, so each is told again.
  [
    `CREATE TABLE replay_commands (
       replay TEXT PRIMARY KEY, target TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID`,
    `INSERT INTO replay_commands
     SELECT id, destination_id, json_extract(entity, '$.version') FROM entities WHERE kind = 'replay'`
  ],
  ["entities", "changes", "api_keys"].map((table) => `ALTER TABLE ${table} ADD COLUMN v INTEGER NOT NULL DEFAULT 1`),
  // Up to which version sources and destinations know what concerns them.
  [
    `CREATE TABLE told (target TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE INDEX entities_by_source ON entities (source_id) WHERE source_id IS NOT NULL`,
    `CREATE INDEX entities_by_destination ON entities (destination_id) WHERE destination_id IS NOT NULL`
  ],
  // A new workspace is listed in the directory before it is made; those that were made before have to be told.
  [`INSERT INTO outbox SELECT '${DIRECTORY}', 0 FROM workspace`]
]

const entityForm: Form<Entity> = {
  name: "Registry entities",
  schema: Entity,
  steps: [upcastEntity, upcastEntity]
}
const keyForm: Form<ApiKey> = { name: "Registry keys", schema: ApiKey, steps: [] }

export const makeStore = (sql: Sql): RegistryStore => {
  migrate(sql, "Registry", MIGRATIONS)

  const entities = open(sql, entityForm)
  const apiKeys = open(sql, keyForm)
  const toEntity = (row: SqlRow): Entity => entities.read(Number(row["v"]), row["entity"] as string)
  const toKey = (row: SqlRow): ApiKey => apiKeys.read(Number(row["v"]), row["key"] as string)
  // A source is also found by its id without tokens. Ids sort by their hex digits, of which "g" is past the last.
  const row = (id: string): SqlRow | undefined =>
    sql.exec("SELECT * FROM entities WHERE id = ?", id)[0] ??
    (id.startsWith("src_") && id === Ids.withoutTokens(id)
      ? sql.exec("SELECT * FROM entities WHERE id > ? AND id < ?", id, `${id.slice(0, 21)}g`)[0]
      : undefined)
  const live = (kind: Kind, id: string, withDeleted = false): Entity | undefined => {
    const found = row(id)
    if (found === undefined || found["kind"] !== kind) return undefined
    return found["deleted"] === 1 && !withDeleted ? undefined : toEntity(found)
  }
  const connectionRows = (end: Ids.SourceId | Ids.DestinationId) =>
    sql.exec(
      "SELECT * FROM entities WHERE kind = 'connection' AND (source_id = ?1 OR destination_id = ?1) ORDER BY n",
      end
    )
  /** The newest version of an entity and its connections. Deleted ones count: a version never goes back. */
  const newestOf = ({ id, version }: Entity): number =>
    Math.max(
      version,
      Number(
        sql.exec(
          `SELECT coalesce(max(json_extract(entity, '$.version')), 0) AS version FROM entities
           WHERE kind = 'connection' AND (source_id = ?1 OR destination_id = ?1)`,
          id
        )[0]!["version"]
      )
    )

  const targets = (entity: Entity): ReadonlyArray<string> => {
    switch (entity.kind) {
      case "connection":
        return [entity.sourceId, entity.destinationId]
      case "replay":
        return [entity.destinationId]
      case "source":
      case "destination":
        return [entity.id]
    }
  }

  /**
   * Stores an entity as the next version and puts those it concerns into the outbox. A version is at least the time of
   * its change: whoever was told of later ones, before this workspace was restored to an earlier time, takes it.
   */
  const write = (type: "created" | "updated" | "deleted", entity: Entity): Entity => {
    const last = Number(sql.exec("SELECT coalesce(max(version), 0) AS v FROM changes")[0]!["v"])
    const version = Math.max(last + 1, entity.updatedAt)
    const next = { ...entity, version }
    const stored = next.kind === "source" ? numbered(upcast(next), live("source", next.id) as Source | undefined) : next
    const json = JSON.stringify(stored)
    const n = type === "created" ? version : Number(row(entity.id)!["n"])
    sql.exec(
      "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)",
      version,
      entity.updatedAt,
      type,
      entity.id,
      json,
      entities.version
    )
    sql.exec(
      "INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      entity.id,
      entity.kind,
      n,
      "slug" in entity ? entity.slug : null,
      entity.kind === "connection" ? entity.sourceId : null,
      "destinationId" in entity ? entity.destinationId : null,
      type === "deleted" ? 1 : 0,
      json,
      entities.version
    )
    if (entity.kind === "replay") {
      sql.exec("INSERT OR REPLACE INTO replay_commands VALUES (?, ?, ?)", entity.id, entity.destinationId, version)
    } else {
      for (const target of targets(entity)) sql.exec("INSERT OR REPLACE INTO outbox VALUES (?, ?)", target, version)
    }
    return stored
  }

  const slugTaken = (entity: NewEntity): boolean =>
    "slug" in entity &&
    sql.exec(
      "SELECT 1 FROM entities WHERE kind = ? AND slug = ? AND deleted = 0 AND id <> ?",
      entity.kind,
      entity.slug,
      entity.id
    ).length > 0
  /** With the slug that its user wrote, else one that is free. */
  const named = (entity: NewEntity): Entity => {
    if (!("slug" in entity)) return entity
    if (entity.slug !== null) return { ...entity, slug: entity.slug }
    const rows = sql.exec(
      "SELECT slug FROM entities WHERE kind = ? AND deleted = 0 AND id <> ?",
      entity.kind,
      entity.id
    )
    const base = Slug.fromName(entity.name) || `${entity.kind}-${Ids.randomHex(8)}`
    return { ...entity, slug: Slug.free(base, new Set(rows.map(({ slug }) => slug as string))) }
  }
  const conflict = (reason: ConflictError["reason"], message: string) =>
    Result.fail(new ConflictError({ reason, message }))
  const notFound = (message: string) => Result.fail(new NotFoundError({ message }))
  const slugConflict = (entity: NewEntity) =>
    conflict("slug", `slug: another ${entity.kind} has the slug "${"slug" in entity ? entity.slug : ""}"`)

  /** What the live connections of a source or a destination come to, without one of them. */
  const others = (column: "source_id" | "destination_id", id: string, without: string) => {
    const found = sql.exec(
      `SELECT count(*) AS count, coalesce(sum(octet_length(entity)), 0) AS bytes FROM entities
       WHERE kind = 'connection' AND ${column} = ? AND deleted = 0 AND id <> ?`,
      id,
      without
    )[0]!
    return { count: Number(found["count"]), bytes: Number(found["bytes"]) }
  }
  /** Why there would be too much of it. A change that makes it less is taken, however much there is. */
  const overLimit = (entity: Entity, before?: Entity) => {
    if (entity.kind !== "connection" && entity.kind !== "destination") return undefined
    const id = entity.kind === "connection" ? entity.destinationId : entity.id
    const { bytes, count } = others("destination_id", id, entity.id)
    if (entity.kind === "connection" && before === undefined) {
      const ofSource = others("source_id", entity.sourceId, entity.id).count
      if (Math.max(count, ofSource) >= CONNECTIONS_MAX) {
        return conflict(
          "limit",
          `a source and a destination have at most ${CONNECTIONS_MAX} connections: delete some first`
        )
      }
    }
    const size = bytesOf(entity)
    const grows = before === undefined || size > bytesOf(before)
    const all = bytes + size + (entity.kind === "connection" ? bytesOf(live("destination", id)!) : 0)
    return grows && all > CONFIG_BYTES_MAX
      ? conflict(
          "limit",
          `destination ${id} with all its connections has ${all} bytes of configuration, at most are ` +
            `${CONFIG_BYTES_MAX}: shorten filter_rules or config`
        )
      : undefined
  }

  return {
    claim: (workspace) =>
      sql.transaction(() => {
        const owner = sql.exec("SELECT id FROM workspace")[0]?.["id"]
        if (owner === undefined) sql.exec("INSERT INTO workspace VALUES (?)", workspace)
        return owner === undefined
      }),
    addKey: ({ hash, ...key }) => {
      sql.exec(
        "INSERT OR REPLACE INTO api_keys VALUES (?, ?, ?, ?, ?)",
        hash,
        key.id,
        key.createdAt,
        JSON.stringify(key),
        apiKeys.version
      )
    },
    keyByHash: (hash) => {
      const found = sql.exec("SELECT v, key FROM api_keys WHERE hash = ?", hash)[0]
      return found === undefined ? undefined : toKey(found)
    },
    keys: () => sql.exec("SELECT v, key FROM api_keys ORDER BY created_at DESC, id").map(toKey),
    removeKey: (id) =>
      sql.transaction(() => {
        const keys = sql.exec("SELECT id, hash, v, key FROM api_keys")
        const found = keys.find((one) => one["id"] === id)
        if (found === undefined) return notFound(`there is no API key ${id}`)
        const all = keys.filter((one) => toKey(one).scopes.includes("*"))
        if (all.length === 1 && all[0] === found) {
          return conflict("last_key", "this is the last API key with scope *: make another before you delete it")
        }
        sql.exec("DELETE FROM api_keys WHERE hash = ?", found["hash"]!)
        return Result.succeed(null)
      }),
    create: (entity, idempotency) =>
      sql.transaction(() => {
        if (idempotency !== undefined) {
          const before = sql.exec("SELECT digest, entity_id FROM idempotency WHERE key = ?", idempotency.key)[0]
          if (before !== undefined) {
            return before["digest"] === idempotency.digest
              ? Result.succeed(toEntity(row(before["entity_id"] as string)!))
              : conflict("idempotency", "this Idempotency-Key was used for another request")
          }
        }
        if (slugTaken(entity)) return slugConflict(entity)
        const source = entity.kind === "connection" ? live("source", entity.sourceId) : undefined
        if (entity.kind === "connection" && source === undefined) {
          return notFound(`source_id: there is no source ${entity.sourceId}`)
        }
        if ("destinationId" in entity && live("destination", entity.destinationId) === undefined) {
          return notFound(`destination_id: there is no destination ${entity.destinationId}`)
        }
        const complete = entity.kind === "connection" ? { ...entity, sourceId: source!.id } : named(entity)
        const over = overLimit(complete)
        if (over !== undefined) return over
        const stored = write("created", complete)
        if (idempotency !== undefined) {
          sql.exec("INSERT INTO idempotency VALUES (?, ?, ?)", idempotency.key, idempotency.digest, entity.id)
        }
        return Result.succeed(stored)
      }),
    get: live,
    list: (kind, { cursor, limit }) => {
      const before = cursor === null ? Number.MAX_SAFE_INTEGER : Number(cursor)
      const rows = sql.exec(
        "SELECT n, v, entity FROM entities WHERE kind = ? AND deleted = 0 AND n < ? ORDER BY n DESC LIMIT ?",
        kind,
        before,
        limit + 1
      )
      const shown = rows.slice(0, limit)
      return { items: shown.map(toEntity), next: rows.length > limit ? String(shown.at(-1)!["n"]) : null }
    },
    update: (entity) =>
      sql.transaction(() => {
        const before = live(entity.kind, entity.id)
        if (before === undefined) return notFound(`there is no ${entity.kind} ${entity.id}`)
        if (before.version !== entity.version) {
          // The answer of the first time was lost on its way.
          const numbers =
            before.kind === "source"
              ? { version: before.version, ingestVersion: before.ingestVersion }
              : { version: before.version }
          const isRepeated = row(entity.id)!["entity"] === JSON.stringify({ ...entity, ...numbers })
          return isRepeated
            ? Result.succeed(before)
            : conflict("stale", `the ${entity.kind} was changed meanwhile: try again`)
        }
        if (slugTaken(entity)) return slugConflict(entity)
        return overLimit(entity, before) ?? Result.succeed(write("updated", entity))
      }),
    remove: (kind, id, now) =>
      sql.transaction(() => {
        const entity = live(kind, id)
        if (entity === undefined) return notFound(`there is no ${kind} ${id}`)
        for (const one of connectionRows(entity.id)) {
          if (one["deleted"] === 0) write("deleted", { ...toEntity(one), updatedAt: now })
        }
        return Result.succeed(write("deleted", { ...entity, updatedAt: now }))
      }),
    hasLog: (workspace, route) =>
      // A source id names its workspace and its route first.
      sql.exec(
        "SELECT 1 FROM entities WHERE id BETWEEN ? AND ?",
        `src_${workspace}${route}`,
        `src_${workspace}${route}g`
      ).length > 0,
    connectionsOf: (end) => connectionRows(end).map((one) => toEntity(one) as Connection),
    targets: (entity) => {
      // One that was deleted took its connections with it.
      const ends = row(entity.id)?.["deleted"] === 1 ? connectionRows(entity.id) : []
      return [...new Set([...targets(entity), ...ends.flatMap((one) => targets(toEntity(one)))])]
    },
    outbox: () =>
      sql
        .exec(
          `SELECT * FROM (SELECT target, version, NULL AS replay FROM outbox
           UNION ALL SELECT target, version, replay FROM replay_commands)
           ORDER BY target DESC, replay IS NOT NULL, version DESC`
        )
        .map((one) => ({
          target: one["target"] as string,
          version: Number(one["version"]),
          replay: one["replay"] as string | null
        })),
    acknowledged: ({ target, version, replay }) => {
      if (replay === null) {
        sql.exec("DELETE FROM outbox WHERE target = ? AND version = ?", target, version)
        sql.exec(
          `INSERT INTO told VALUES (?, ?)
           ON CONFLICT (target) DO UPDATE SET version = max(version, excluded.version)`,
          target,
          version
        )
      } else sql.exec("DELETE FROM replay_commands WHERE replay = ? AND version = ?", replay, version)
    },
    workspace: () => sql.exec("SELECT id FROM workspace")[0]!["id"] as string,
    atWork: (after, limit, since) =>
      sql
        .exec(
          `SELECT id FROM entities WHERE id > ? AND kind IN ('source', 'destination') AND
           (deleted = 0 OR (kind = 'source' AND json_extract(entity, '$.updatedAt') >= ?)) ORDER BY id LIMIT ?`,
          after,
          since,
          limit
        )
        .map(({ id }) => id as string),
    logConfig: (source) => {
      const found = row(source)!
      const entity = toEntity(found) as Source
      const ends = sql.exec(
        `SELECT destination_id AS id, min(n) AS n FROM entities
         WHERE source_id = ? AND kind = 'connection' AND deleted = 0 GROUP BY destination_id ORDER BY n`,
        source
      )
      return {
        version: newestOf(entity),
        source: entity,
        deleted: found["deleted"] === 1,
        destinations: ends.map(({ id }) => id as string)
      }
    },
    destinationConfig: (destination) => {
      const found = row(destination)!
      const entity = toEntity(found) as Destination
      // What was deleted is told once.
      const rows = sql.exec(
        `SELECT * FROM entities WHERE destination_id = ?1 AND kind = 'connection' AND (deleted = 0
           OR json_extract(entity, '$.version') > coalesce((SELECT version FROM told WHERE target = ?1), 0))
         ORDER BY n`,
        destination
      )
      const connections = rows.map((one) => {
        const connection = toEntity(one) as Connection
        const deleted = one["deleted"] === 1
        return {
          // One that is deleted sends nothing more.
          connection: deleted ? { ...connection, name: null, description: null, filterRules: [] } : connection,
          deleted,
          sourceDeleted: row(one["source_id"] as string)?.["deleted"] === 1
        }
      })
      return {
        version: newestOf(entity),
        destination: entity,
        deleted: found["deleted"] === 1,
        connections
      }
    }
  }
}
