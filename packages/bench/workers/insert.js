// The platform's limit for one hop with a commit: the object inserts one row with the body.
import { DurableObject } from "cloudflare:workers"

export class Target extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env)
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, at INTEGER, body BLOB)")
  }
  take(body) {
    this.ctx.storage.sql.exec("INSERT INTO events (at, body) VALUES (?, ?)", Date.now(), body)
    return "evt"
  }
}

export default {
  async fetch(request, env) {
    const body = new Uint8Array(await request.arrayBuffer())
    return Response.json({ event_id: await env.TARGET.getByName("one").take(body) })
  }
}
