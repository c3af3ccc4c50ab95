import { UnavailableError } from "@hookstream/core/Errors"
import { withoutTokens } from "@hookstream/core/Ids"
import { line } from "@hookstream/core/LogLine"
import { Cause } from "effect"
import { describe, expect, it } from "vitest"

const logged = (error: unknown) => JSON.parse(JSON.stringify(line("warn", "m", {}, error).fields["error"] ?? null))

describe("an error in a line", () => {
  const reset = Object.assign(new Error("Durable Object reset because its code was updated."), { retryable: true })
  it("keeps its name, its message and what the platform says of it as JSON", () => {
    expect(logged(reset)).toEqual({ name: "Error", message: reset.message, retryable: true, overloaded: false })
    expect(logged(Object.assign(new TypeError("x"), { overloaded: true }))).toEqual({
      name: "TypeError",
      message: "x",
      retryable: false,
      overloaded: true
    })
  })
  it("tells of the error behind it", () => {
    const error = new UnavailableError({ message: "the event log did not answer: try again", cause: reset })
    expect(logged(error)).toEqual({
      name: "UnavailableError",
      message: `the event log did not answer: try again: ${reset.message}`,
      retryable: true,
      overloaded: false
    })
    expect(logged(Cause.die(error))).toEqual(logged(error))
  })
  it.each([
    ["words", { name: "string", message: "words", retryable: false, overloaded: false }],
    [null, { name: "object", message: "null", retryable: false, overloaded: false }],
    [{ code: 5 }, { name: "object", message: "[object Object]", retryable: false, overloaded: false }]
  ])("may be whatever was thrown: %j", (thrown, expected) => {
    expect(logged(thrown)).toEqual(expected)
  })
  it("says neither what can be sent to nor an API key", () => {
    const source = `src_${"0123456789abcdef".repeat(2)}`
    const { message } = logged(
      new Error(`no ${source} or ing_${"0".repeat(56)} for hs_test_${"f".repeat(64)}, ${"x".repeat(5000)}`)
    )
    expect(message).toContain(`no ${withoutTokens(source)} or ing_**** for hs_test_…, xxx`)
    expect(message.length).toBe(1000)
  })
  it("is left out where there is none", () => {
    expect(line("info", "m", { a: 1 })).toEqual({ level: "info", message: "m", fields: { a: 1 } })
  })
})
