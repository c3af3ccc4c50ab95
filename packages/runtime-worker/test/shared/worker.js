/**
 * The release, whose logs take their time for each call and can do what `POST /log` says: fail at calls that are shared
 * (`fails`), or not know them (`old`). `GET /log` tells the calls since it was asked last.
 */
import release, * as objects from "release"

export { Destination, Directory, Workspace } from "release"

const MILLIS = 300
let is = "well"
let calls = []

export class SourceLog extends objects.SourceLog {
  async append(...args) {
    calls.push("append")
    await scheduler.wait(MILLIS)
    return await super.append(...args)
  }
  async appendAll(...args) {
    calls.push("appendAll")
    if (is === "old") throw new TypeError('The RPC receiver does not implement the method "appendAll".')
    await scheduler.wait(MILLIS)
    const answer = await super.appendAll(...args)
    if (is === "fails") throw new Error("the reply was lost")
    return answer
  }
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/log") return await release.fetch(request, env, ctx)
    if (request.method === "POST") is = await request.text()
    const before = calls
    calls = []
    return Response.json(before)
  }
}
