/** The gateway, counting what the platform would bill. All objects share one isolate under `workerd serve`, so one count serves all. */
import { Destination as RealDestination } from "@hookstream/runtime-worker/Destination"
import type { Env } from "@hookstream/runtime-worker/Env"
import { SourceLog as RealSourceLog } from "@hookstream/runtime-worker/SourceLog"
import gateway from "@hookstream/runtime-worker/Worker"
import { Workspace as RealWorkspace } from "@hookstream/runtime-worker/Workspace"

const counted = { workerRequests: 0, objectRequests: 0, rowsRead: 0, rowsWritten: 0, alarmsSet: 0, alarmsRung: 0 }
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

/** Calls from outside, which are billed: each method of the class is one. */
const countCalls = (from: ObjectClass): void => {
  const prototype = from.prototype as Record<string, (...args: Array<unknown>) => unknown>
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = prototype[name]!
    if (name === "constructor") continue
    prototype[name] = function (...args) {
      counted.objectRequests++
      if (name === "alarm") counted.alarmsRung++
      return method.apply(this, args)
    }
  }
}
for (const one of [RealWorkspace, RealSourceLog, RealDestination]) countCalls(one)

export class Workspace extends RealWorkspace {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx.storage)
    super(ctx, env)
  }
}
export class SourceLog extends RealSourceLog {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx.storage)
    super(ctx, env)
  }
}
export class Destination extends RealDestination {
  constructor(ctx: DurableObjectState, env: Env) {
    watch(ctx.storage)
    super(ctx, env)
  }
}

export default {
  fetch(request, env): Promise<Response> | Response {
    if (new URL(request.url).pathname === "/counted") {
      settle()
      return Response.json(counted)
    }
    counted.workerRequests++
    return gateway.fetch(request, env)
  }
} satisfies ExportedHandler<Env>
