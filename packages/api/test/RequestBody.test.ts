import * as RequestBody from "@hookstream/api/RequestBody"
import { describe, expect, it } from "vitest"

const refusal = (text: string) => RequestBody.refusal(new TextEncoder().encode(text))
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

describe("a body that would hold up everybody is not parsed", () => {
  it("because of its depth", () => {
    expect(refusal(nested(100))).toBeUndefined()
    expect(refusal(nested(101))).toContain("deeper than 100")
    expect(refusal('{"a":'.repeat(101))).toContain("deeper than 100")
    expect(refusal("[],".repeat(1000))).toBeUndefined()
    expect(refusal(JSON.stringify({ text: `\\"${"[{".repeat(500)}` }))).toBeUndefined()
  })
  it("because of its values", () => {
    expect(refusal(JSON.stringify({ list: Array.from({ length: 19_000 }, () => 1) }))).toBeUndefined()
    expect(refusal(JSON.stringify({ list: Array.from({ length: 20_001 }, () => 1) }))).toContain("20000 values")
    expect(refusal(JSON.stringify({ text: ",".repeat(50_000) }))).toBeUndefined()
  })
  it("and no JSON is left to the parser", () => {
    for (const text of ["", "]]]]", '"', '"\\', "text"]) expect(refusal(text)).toBeUndefined()
  })
})

describe("reading a body", () => {
  const request = (chunks: ReadonlyArray<string>, seen: Array<number> = []) =>
    new Request("http://localhost/", {
      method: "POST",
      duplex: "half",
      body: new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            const chunk = chunks[seen.length]
            if (chunk === undefined) return controller.close()
            seen.push(chunk.length)
            controller.enqueue(new TextEncoder().encode(chunk))
          }
        },
        { highWaterMark: 0 }
      )
    } as RequestInit)
  it("ends at its limit, whether its length was said or not", async () => {
    const text = async (body: Promise<Uint8Array | undefined>) => new TextDecoder().decode(await body)
    expect(await text(RequestBody.read(request(["ab", "cd"]), 4))).toBe("abcd")
    const seen: Array<number> = []
    expect(await RequestBody.read(request(["ab", "cd", "e", "f", "g"], seen), 4)).toBeUndefined()
    expect(seen).toEqual([2, 2, 1])
    const said = new Request("http://localhost/", { method: "POST", body: "abcde", headers: { "Content-Length": "5" } })
    expect(await RequestBody.read(said, 4)).toBeUndefined()
    expect(said.bodyUsed).toBe(false)
    expect(await text(RequestBody.read(new Request("http://localhost/"), 4))).toBe("")
  })
})
