/** What every registry must do: plain functions, so that they run in Node and inside a Durable Object alike. */
import { deepStrictEqual as equal, ok } from "node:assert/strict"
import * as Result from "effect/Result"
import { defaultSettings } from "../src/delivery/CircuitBreaker.ts"
import { defaultPolicy } from "../src/delivery/RetryPolicy.ts"
import { withoutTokens } from "../src/Ids.ts"
import type { ApiKey } from "../src/workspace/ApiKey.ts"
import type { Connection } from "../src/workspace/Connection.ts"
import type { Destination } from "../src/workspace/Destination.ts"
import type { Entity, RegistryStore } from "../src/workspace/Registry.ts"
import type { ReplayJob } from "../src/workspace/ReplayJob.ts"
import type { Source } from "../src/workspace/Source.ts"

const base = { workspace: "00000001", version: 0, createdAt: 1, updatedAt: 1 }
const hex = (n: number) => String(n).padStart(32, "0")
const source = (n: number): Source => ({
  kind: "source",
  id: `src_${hex(n)}`,
  name: `s${n}`,
  slug: `s${n}`,
  description: null,
  status: "active",
  retentionDays: 7,
  redact: [],
  verification: null,
  ingestVersion: 0,
  ingestUrls: [{ generation: 1, expiresAt: null }],
  ...base
})
const destination = (n: number): Destination => ({
  ...({
    kind: "destination",
    id: `dst_${hex(n)}`,
    name: `d${n}`,
    slug: `d${n}`,
    type: "kafka",
    config: {},
    ...base
  } as const),
  retry: defaultPolicy,
  timeoutMs: 1,
  maxInFlight: 1,
  maxPending: 1,
  status: "active",
  ordering: "none",
  breaker: defaultSettings,
  ratePerSecond: null
})
const connection = (n: number, sourceId: number, destinationId: number): Connection => ({
  ...({
    kind: "connection",
    id: `conn_${hex(n)}`,
    name: null,
    description: null,
    enabled: true,
    orderingKey: null,
    filterRules: [],
    ...base
  } as const),
  sourceId: `src_${hex(sourceId)}`,
  destinationId: `dst_${hex(destinationId)}`
})
const reason = (result: ReturnType<RegistryStore["create"] | RegistryStore["removeKey"]>) =>
  Result.isSuccess(result) ? "ok" : result.failure._tag === "ConflictError" ? result.failure.reason : "not_found"
const slugs = (store: RegistryStore, ...made: ReadonlyArray<Parameters<RegistryStore["create"]>[0]>) =>
  made
    .map((one) => Result.map(store.create(one), (entity) => ("slug" in entity ? entity.slug : "")))
    .map(Result.getOrThrow)
const ids = (entities: ReadonlyArray<Entity>) => entities.map(({ id }) => Number(id.slice(-4)))
const replay = (n: number): ReplayJob => ({
  kind: "replay",
  id: `rpl_${hex(n)}`,
  destinationId: destination(1).id,
  sourceId: null,
  connectionId: null,
  from: 1,
  to: 2,
  filterRules: [],
  ratePerSecond: 10,
  maxEvents: null,
  parts: [{ connection: connection(1, 1, 1).id, after: 0, through: 5 }],
  cancelled: false,
  ...base
})
const drain = (store: RegistryStore) => {
  for (const sent of store.outbox()) store.acknowledged(sent)
}

export const cases: Readonly<Record<string, (store: RegistryStore) => void>> = {
  "is claimed once": (store) => {
    equal([store.claim("00000001"), store.claim("00000002")], [true, false])
  },
  "finds a key by its hash until it is removed": (store) => {
    const key = { id: `key_${hex(1)}`, name: "k", scopes: ["read"] as const, hint: "abcd", createdAt: 1 }
    store.addKey({ ...key, hash: "h" })
    equal(store.keyByHash("h"), key)
    equal(store.keys(), [key])
    equal([reason(store.removeKey(key.id)), reason(store.removeKey(key.id))], ["ok", "not_found"])
    equal(store.keyByHash("h"), undefined)
  },
  "knows its logs, those of deleted sources too, and no others": (store) => {
    const id = "src_00000001abcdef0121123456789abcde"
    equal(store.hasLog("00000001", "abcdef012"), false)
    store.create({ ...source(1), id })
    equal(store.hasLog("00000001", "abcdef012"), true)
    for (const route of ["abcdef011", "abcdef013", "000000000", "%", "fffffffff"]) {
      equal(store.hasLog("00000001", route), false)
    }
    equal(store.hasLog("00000002", "abcdef012"), false)
    store.remove("source", id, 2)
    equal(store.hasLog("00000001", "abcdef012"), true)
  },
  "a destination takes no more configuration than its row holds, and less at any time": (store) => {
    const long = (n: number) => [{ field: "payload.a", op: "eq", value: "x".repeat(n) }] as const
    store.create(source(1))
    store.create(destination(1))
    const results = [2, 3, 4, 5].map((n) => store.create({ ...connection(n, 1, 1), filterRules: long(300_000) }))
    equal(results.map(reason), ["ok", "ok", "ok", "limit"])
    equal(reason(store.create({ ...connection(6, 1, 1), filterRules: long(10) })), "ok")
    const second = store.get("connection", `conn_${hex(2)}`) as Connection
    equal(reason(store.update({ ...second, filterRules: long(500_000) })), "limit")
    equal(reason(store.update({ ...second, filterRules: long(299_000) })), "ok")
    const first = store.get("destination", `dst_${hex(1)}`) as Destination
    equal(reason(store.update({ ...first, config: { topic: "x".repeat(200_000) } })), "limit")
    ok(JSON.stringify(store.destinationConfig(first.id)).length < 1_400_000)
    store.remove("connection", `conn_${hex(3)}`, 2)
    equal(reason(store.create({ ...connection(7, 1, 1), filterRules: long(300_000) })), "ok")
    ok(JSON.stringify(store.destinationConfig(first.id)).length < 1_400_000)
  },
  "a source and a destination have so many connections and no more": (store) => {
    store.create(source(1))
    store.create(source(2))
    store.create(destination(1))
    for (let n = 1; n <= 1000; n++) equal(reason(store.create(connection(n, 1, 1))), "ok")
    equal(reason(store.create(connection(1001, 2, 1))), "limit")
    store.remove("connection", `conn_${hex(7)}`, 2)
    equal(reason(store.create(connection(1001, 2, 1))), "ok")
  },
  "keeps the last key that may do everything, whatever other keys there are": (store) => {
    const key = (n: number, ...scopes: ApiKey["scopes"]) => {
      const id = `key_${hex(n)}`
      store.addKey({ id, name: "k", scopes, hint: "abcd", createdAt: n, hash: `h${n}` })
      return id
    }
    const [first, writer, second] = [key(1, "*"), key(2, "read", "write"), key(3, "read", "*")]
    equal(reason(store.removeKey(first)), "ok")
    equal(reason(store.removeKey(second)), "last_key")
    equal(store.keyByHash("h3")?.id, second)
    equal(reason(store.removeKey(writer)), "ok")
    equal(reason(store.removeKey(second)), "last_key")
  },
  "lists newest first, page by page, stable while others insert": (store) => {
    for (const n of [1, 2, 3]) store.create(source(n))
    const first = store.list("source", { cursor: null, limit: 2 })
    equal(ids(first.items), [3, 2])
    store.create(source(4))
    const second = store.list("source", { cursor: first.next, limit: 2 })
    equal([ids(second.items), second.next], [[1], null])
    equal(ids(store.list("destination", { cursor: null, limit: 9 }).items), [])
  },
  "refuses a slug that is taken, among its own kind": (store) => {
    store.create(source(1))
    equal(reason(store.create({ ...source(2), slug: "s1" })), "slug")
    equal(reason(store.create({ ...destination(1), slug: "s1" })), "ok")
    store.remove("source", source(1).id, 2)
    equal(reason(store.create({ ...source(2), slug: "s1" })), "ok")
  },
  "gives a slug that was made from a name a number where it is taken, and takes the first free one": (store) => {
    const named = (n: number, name: string) => ({ ...source(n), name, slug: null })
    const [a, b, c] = [named(1, "Event Stream"), named(2, "event stream!"), named(3, "Event  Stream")]
    equal(slugs(store, a, b, c), ["event-stream", "event-stream-2", "event-stream-3"])
    equal(slugs(store, { ...destination(1), name: "Event Stream", slug: null }), ["event-stream"])
    store.remove("source", b.id, 2)
    equal(slugs(store, named(4, "Event Stream")), ["event-stream-2"])
    equal(reason(store.create({ ...source(5), slug: "event-stream-3" })), "slug")
  },
  "keeps the slug of an entity that is made again, for the answer of the first time was lost": (store) => {
    const again = { ...source(1), name: "Event Stream", slug: null }
    equal(slugs(store, again, again), ["event-stream", "event-stream"])
  },
  "makes up slugs for names without Latin letters, each another": (store) => {
    const made = slugs(store, { ...source(1), name: "注文", slug: null }, { ...source(2), name: "注文", slug: null })
    for (const slug of made) ok(/^source-[0-9a-f]{8}$/.test(slug), slug)
    ok(made[0] !== made[1])
  },
  "finds a source of version 1 by the id that hides its URL, and connects it by that": (store) => {
    const old = { ...source(1), id: `src_0000000112345678a1${"f".repeat(14)}` }
    const hidden = withoutTokens(old.id)
    store.create(old)
    store.create(destination(1))
    equal(store.get("source", hidden)?.id, old.id)
    equal(store.get("source", withoutTokens(source(2).id)), undefined)
    const made = Result.getOrThrow(store.create({ ...connection(1, 1, 1), sourceId: hidden })) as Connection
    equal(made.sourceId, old.id)
    equal(reason(store.remove("source", hidden, 2)), "ok")
    equal([store.get("source", old.id), store.get("connection", made.id)], [undefined, undefined])
  },
  "refuses a change of what was changed meanwhile": (store) => {
    const created = Result.getOrThrow(store.create(source(1)))
    equal(reason(store.update({ ...created, name: "new" } as Entity)), "ok")
    equal(reason(store.update({ ...created, name: "other" } as Entity)), "stale")
    equal((store.get("source", created.id) as Source).name, "new")
    equal(reason(store.update(source(9))), "not_found")
  },
  "answers a change that is asked for again as it did, when its first answer was lost": (store) => {
    const created = Result.getOrThrow(store.create(source(1)))
    const change = { ...created, name: "new", updatedAt: 5 } as Entity
    const first = store.update(change)
    drain(store)
    equal(store.update(change), first)
    equal(store.outbox(), [])
    equal(reason(store.update({ ...change, updatedAt: 6 })), "stale")
  },
  "connects only what exists": (store) => {
    equal(reason(store.create(connection(1, 1, 1))), "not_found")
    store.create(source(1))
    equal(reason(store.create(connection(1, 1, 1))), "not_found")
    store.create(destination(1))
    equal(reason(store.create(connection(1, 1, 1))), "ok")
  },
  "answers a repeated creation with the first result, and refuses its key for another": (store) => {
    const first = store.create(source(1), { key: "k", digest: "a" })
    equal(store.create(source(2), { key: "k", digest: "a" }), first)
    equal(reason(store.create(source(3), { key: "k", digest: "b" })), "idempotency")
    equal(ids(store.list("source", { cursor: null, limit: 9 }).items), [1])
  },
  "keeps in the outbox whoever a change concerns, logs first, until they acknowledge that version": (store) => {
    store.create(source(1))
    store.create(destination(1))
    drain(store)
    equal(store.outbox(), [])
    store.create(connection(1, 1, 1))
    const sent = store.outbox()
    equal(
      sent.map(({ target }) => target),
      [source(1).id, destination(1).id]
    )
    store.update({ ...(store.get("connection", connection(1, 1, 1).id) as Connection), enabled: false })
    for (const one of sent) store.acknowledged(one)
    equal(store.outbox().length, 2)
    drain(store)
    equal(store.outbox(), [])
  },
  "tells logs whom to wake and destinations what to read, with versions that never go back": (store) => {
    store.create(source(1))
    store.create(destination(1))
    store.create(connection(1, 1, 1))
    const before = [store.logConfig(source(1).id), store.destinationConfig(destination(1).id)] as const
    equal(before[0].destinations, [destination(1).id])
    equal(
      before[1].connections.map(({ connection: { id }, deleted }) => [id, deleted]),
      [[connection(1, 1, 1).id, false]]
    )
    store.remove("connection", connection(1, 1, 1).id, 2)
    const after = [store.logConfig(source(1).id), store.destinationConfig(destination(1).id)] as const
    equal([after[0].destinations, after[1].connections.map(({ deleted }) => deleted)], [[], [true]])
    ok(after[0].version > before[0].version && after[1].version > before[1].version)
  },
  "tells a destination once what was deleted, however much that has been, and keeps the version": (store) => {
    store.create(source(1))
    store.create(destination(1))
    for (const n of [1, 2, 3]) store.create(connection(n, 1, 1))
    drain(store)
    const config = () => store.destinationConfig(destination(1).id)
    const told = () => config().connections.map(({ connection: { id }, deleted }) => [Number(id.slice(-4)), deleted])
    store.remove("connection", connection(1, 1, 1).id, 2)
    const [first] = store.outbox().filter(({ target }) => target === destination(1).id)
    store.remove("connection", connection(2, 1, 1).id, 2)
    const { version } = config()
    // The first deletion was told, the second one came meanwhile.
    store.acknowledged(first!)
    const gone = [
      [2, true],
      [3, false]
    ]
    equal(told(), gone)
    equal(store.outbox().length, 2)
    drain(store)
    equal([told(), config().version], [[[3, false]], version])
    equal(ids(store.connectionsOf(destination(1).id)), [1, 2, 3])
  },
  "a source takes its connections with it, whose history can still be asked for": (store) => {
    store.create(source(1))
    store.create(destination(1))
    store.create(connection(1, 1, 1))
    drain(store)
    const removed = Result.getOrThrow(store.remove("source", source(1).id, 2))
    equal(store.targets(removed), [source(1).id, destination(1).id])
    equal(store.get("connection", connection(1, 1, 1).id), undefined)
    equal(ids(store.connectionsOf(source(1).id)), [1])
    equal(store.logConfig(source(1).id).deleted, true)
    equal(
      store.outbox().map(({ target }) => target),
      [source(1).id, destination(1).id]
    )
    equal(Result.isFailure(store.remove("source", source(1).id, 3)), true)
    equal(store.get("source", source(1).id), undefined)
    equal(store.get("source", source(1).id, true), removed)
    equal(
      store
        .destinationConfig(destination(1).id)
        .connections.map(({ deleted, sourceDeleted }) => [deleted, sourceDeleted]),
      [[true, true]]
    )
  },
  "names whom a change concerns: of a destination itself, with its connections only when it is deleted": (store) => {
    store.create(source(1))
    const made = Result.getOrThrow(store.create(destination(1)))
    const link = Result.getOrThrow(store.create(connection(1, 1, 1)))
    equal(store.targets(made), [destination(1).id])
    equal(store.targets(link), [source(1).id, destination(1).id])
    const removed = Result.getOrThrow(store.remove("destination", destination(1).id, 2))
    equal(store.targets(removed), [destination(1).id, source(1).id])
    equal(
      store.connectionsOf(destination(1).id).map(({ id }) => id),
      [connection(1, 1, 1).id]
    )
  },
  "tells every replay as a command, after the config and the newest first, however many there are": (store) => {
    store.create(source(1))
    store.create(destination(1))
    drain(store)
    store.create(connection(1, 1, 1))
    const numbers = Array.from({ length: 120 }, (_, i) => i + 1)
    for (const n of numbers) store.create(replay(n))
    const { version } = store.destinationConfig(destination(1).id)
    equal(version, 3)
    const commands = () => store.outbox().filter(({ target }) => target === destination(1).id)
    equal(
      commands().map((sent) => (sent.replay === null ? "config" : Number(sent.replay.slice(-4)))),
      ["config", ...numbers.toReversed()]
    )
    const sent = commands()
    store.update({ ...(store.get("replay", replay(1).id) as ReplayJob), cancelled: true })
    for (const one of sent) store.acknowledged(one)
    // The cancellation came after what was told.
    equal(commands(), [{ target: destination(1).id, version: 124, replay: replay(1).id }])
    drain(store)
    equal([commands(), store.destinationConfig(destination(1).id).version], [[], 3])
  }
}
