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
let cursors: Array<SqlStorageCursor<Record<string, SqlStorageValue>>> = []

/** A cursor counts rows as they are read: those of earlier calls are at their end. */
const settle = () => {
  for (const { rowsRead, rowsWritten } of cursors) {
    counted.rowsRead += rowsRead
    counted.rowsWritten += rowsWritten
  }
  cursors = []
}
const CURSORS_MAX = 1000

let watched = false
const watch = (storage: DurableObjectStorage): void => {
  if (watched) return
  watched = true
  const sql: SqlStorage = Object.getPrototypeOf(storage.sql)
  const exec = sql.exec
  sql.exec = function (...args) {
    if (cursors.length >= CURSORS_MAX) settle()
    const cursor = exec.apply(this, args)
    cursors.push(cursor)
    return cursor as never
  }
  const prototype: DurableObjectStorage = Object.getPrototypeOf(storage)
  const setAlarm = prototype.setAlarm
  prototype.setAlarm = function (...args) {
    counted.alarmsSet++
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

const counting = <C extends ObjectClass>(Real: C): C => {
  countCalls(Real)
  // @ts-expect-error: a mixin's constructor has to take any arguments, and an object's takes two
  return class extends Real {
    constructor(ctx: DurableObjectState, env: Env) {
      watch(ctx.storage)
      super(ctx, env)
    }
  }
}
export const Directory = counting(RealDirectory)
export const Workspace = counting(RealWorkspace)
export const SourceLog = counting(RealSourceLog)
export const Destination = counting(RealDestination)

export default {
  fetch(request, env, ctx): Promise<Response> | Response {
    if (new URL(request.url).pathname === "/counted") {
      settle()
      return Response.json(counted)
    }
    counted.workerRequests++
    return gateway.fetch(request, env, ctx)
  }
} satisfies ExportedHandler<Env>
