// The platform's limit for one hop: the body goes to a Durable Object, which does nothing with it.
import { DurableObject } from "cloudflare:workers"

export class Target extends DurableObject {
  take() {
    return "evt"
  }
}

export default {
  async fetch(request, env) {
    const body = new Uint8Array(await request.arrayBuffer())
    return Response.json({ event_id: await env.TARGET.getByName("one").take(body) })
  }
}
