import { Hono } from "hono"

/** The least that a common framework does. */
const app = new Hono()
app.get("/", (context) => context.json({ status: "ok" }))

export default app
