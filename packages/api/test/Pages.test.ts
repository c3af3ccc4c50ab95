/** What somebody sees who comes by with a browser, or with curl and no documentation. */
import { expect, it } from "@effect/vitest"
import { SCALAR } from "@hookstream/api/Pages"
import { startApi } from "./support.ts"

const api = startApi({ publicUrl: "https://hooks.example.com" })
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
const get = async (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") => {
  const response = await api.handle(new Request(`http://127.0.0.1:8787${path}`, { method, headers }))
  return { status: response.status, headers: response.headers, text: await response.text() }
}

it("the root says what this is and where to go: a page to browsers, JSON to others", async () => {
  const page = await get("/", { Accept: BROWSER })
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"])
  for (const path of ["/docs", "/openapi.json", "/v1/health"]) expect(page.text).toContain(`href="${path}"`)

  for (const headers of [{}, { Accept: "*/*" }, { Accept: "application/json" }]) {
    const answer = await get("/", headers as Readonly<Record<string, string>>)
    expect([answer.status, answer.headers.get("vary")]).toEqual([200, "Accept"])
    expect(JSON.parse(answer.text)).toEqual({
      name: "hookstream",
      description: expect.stringContaining("webhook gateway"),
      docs: "https://hooks.example.com/docs",
      openapi: "https://hooks.example.com/openapi.json",
      health: "https://hooks.example.com/v1/health",
      ingest: "https://hooks.example.com/v1/ingest/{token}"
    })
  }
  expect((await get("/", {}, "HEAD")).status).toBe(200)
})

it("every place that the root names is there", async () => {
  const { docs, openapi, health } = JSON.parse((await get("/")).text)
  for (const url of [docs, openapi, health]) expect((await get(new URL(url).pathname)).status, url).toBe(200)
})

it("another method at a page is answered with those that it takes", async () => {
  for (const path of ["/", "/docs"]) {
    const { status, headers } = await get(path, {}, "PUT")
    expect([status, headers.get("allow")], path).toEqual([405, "GET, HEAD"])
  }
})

it("the documentation runs one script, pinned by version and hash, and nothing else", async () => {
  const { text, headers } = await get("/docs", { Accept: BROWSER })
  expect(SCALAR).toMatch(/@scalar\/api-reference@\d+\.\d+\.\d+\//)
  const scripts = [...text.matchAll(/<script([^>]*)>([^<]*)/g)].map(([, attributes, body]) => ({ attributes, body }))
  expect(scripts).toEqual([{ attributes: expect.stringMatching(/integrity="sha384-[\w+/]{64}"/), body: "" }])
  expect(scripts[0]!.attributes).toContain(`src="${SCALAR}"`)
  expect(text).toContain('data-url="/openapi.json"')
  const policy = headers.get("content-security-policy")
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain(`script-src ${SCALAR};`)
  expect(policy).toContain("connect-src 'self';")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(headers.get("x-content-type-options")).toBe("nosniff")
})
