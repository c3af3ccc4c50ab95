/** The release, whose cron trigger fires at `POST /scheduled`: workerd by itself has none. */
import release from "release"

export * from "release"
export default {
  ...release,
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/scheduled") return await release.fetch(request, env, ctx)
    await release.scheduled({}, env, ctx)
    return new Response(null, { status: 204 })
  }
}
