// The platform's limit for sending: prebuilt bodies, so many requests at once, each answer read.
export default {
  async fetch(request, env) {
    const url = new URL(request.url)
    const [requests, concurrency] = ["requests", "concurrency"].map((name) => Number(url.searchParams.get(name)))
    const body = new Uint8Array(await request.arrayBuffer())
    let left = requests
    const worker = async () => {
      while (left-- > 0) {
        const response = await fetch(env.STUB, {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: "Basic a2V5OnNlY3JldA==" },
          body
        })
        await response.text()
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    return new Response("done")
  }
}
