/**
 * The gateway, counting what the platform would bill. All objects share one isolate under `workerd serve`, so one count
 * serves all.
 */
import type { Env } from "@hookstream/runtime-worker/Env"
import gateway, {
  Destination as RealDestination,
  Directory as RealDirectory,
  SourceLog as RealSourceLog,
  Workspace as RealWorkspace
} from "@hookstream/runtime-worker/Worker"

const counted = { workerRequests: 0, objectRequests: 0, rowsRead: 0, rowsWritten: 0, alarmsSet: 0 }
/** Rows written by class and table, alarms among them. */
const written: Record<string, number> = {}
const write = (to: string, rows: number): void => {
  if (rows > 0) written[to] = (written[to] ?? 0) + rows
}

interface Running {
  readonly cursor: SqlStorageCursor<Record<string, SqlStorageValue>>
  readonly to: string
}
let running: Array<Running> = []

/** A cursor counts rows as they are read: those of earlier calls are at their end. */
const settle = () => {
  for (const { cursor, to } of running) {
    counted.rowsRead += cursor.rowsRead
    counted.rowsWritten += cursor.rowsWritten
    write(to, cursor.rowsWritten)
  }
  running = []
}
const CURSORS_MAX = 1000

/** The class of the object that a storage belongs to. */
const classOf = new WeakMap<object, string>()
const TABLE = /\b(?:INTO|UPDATE|FROM|TABLE|ON)\s+(\w+?)(?:_\d+)?\b/
const tableOf = (query: string): string => TABLE.exec(query)?.[1] ?? "another"

let watched = false
const watch = (name: string, storage: DurableObjectStorage): void => {
  classOf.set(storage, name)
  classOf.set(storage.sql, name)
  if (watched) return
  watched = true
  const sql: SqlStorage = Object.getPrototypeOf(storage.sql)
  const exec = sql.exec
  sql.exec = function (...args) {
    if (running.length >= CURSORS_MAX) settle()
    const cursor = exec.apply(this, args)
    running.push({ cursor, to: `${classOf.get(this)} ${tableOf(args[0])}` })
    return cursor as never
  }
  const prototype: DurableObjectStorage = Object.getPrototypeOf(storage)
  const setAlarm = prototype.setAlarm
  prototype.setAlarm = function (...args) {
    counted.alarmsSet++
    write(`${classOf.get(this)} alarm`, 1)
    return setAlarm.apply(this, args)
  }
}

type ObjectClass = new (ctx: DurableObjectState, env: Env) => object

/** Each call of a method, and each alarm, is a request to an object. */
const countCalls = ({ prototype }: { readonly prototype: object }): void => {
  const methods = prototype as Record<string, (...args: Array<unknown>) => unknown>
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = methods[name]!
    if (name === "constructor") continue
    methods[name] = function (...args) {
      counted.objectRequests++
      return method.apply(this, args)
    }
  }
}

const counting = <C extends ObjectClass>(name: string, Real: C): C => {
  countCalls(Real)
  // @ts-expect-error: a mixin's constructor has to take any arguments, and an object's takes two
  return class extends Real {
    constructor(ctx: DurableObjectState, env: Env) {
      watch(name, ctx.storage)
      super(ctx, env)
    }
  }
}
export const Directory = counting("Directory", RealDirectory)
export const Workspace = counting("Workspace", RealWorkspace)
export const SourceLog = counting("SourceLog", RealSourceLog)
export const Destination = counting("Destination", RealDestination)

export default {
  fetch(request, env, ctx): Promise<Response> | Response {
    if (new URL(request.url).pathname === "/counted") {
      settle()
      return Response.json({ ...counted, written })
    }
    counted.workerRequests++
    return gateway.fetch(request, env, ctx)
  }
} satisfies ExportedHandler<Env>
