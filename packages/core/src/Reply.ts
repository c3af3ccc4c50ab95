import * as Effect from "effect/Effect"
import { oneOf, record, type Shape, text } from "./Contract.ts"
import { ConflictError, NotFoundError, UnavailableError } from "./Errors.ts"

/** Errors lose their class on the way between objects, so an expected failure travels as a value. */
export type Reply<A> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly error: "not_found" | "unavailable"; readonly message: string }
  | {
      readonly ok: false
      readonly error: "conflict"
      readonly reason: ConflictError["reason"]
      readonly message: string
    }

const failed = record<Pick<Extract<Reply<never>, { readonly ok: false }>, "ok" | "error" | "message">>({
  ok: oneOf(false),
  error: oneOf("not_found", "unavailable", "conflict"),
  message: text
})
/** A reply whose value has this shape. */
export const replied = <A>(shape: Shape<A>): Shape<Reply<A>> => {
  const succeeded = record<Extract<Reply<A>, { readonly ok: true }>>({ ok: oneOf(true), value: shape })
  return (value) => succeeded(value) || failed(value)
}

export const ok = <A>(value: A): Reply<A> => ({ ok: true, value })

export const failure = (error: NotFoundError | ConflictError | UnavailableError): Reply<never> => {
  switch (error._tag) {
    case "ConflictError":
      return { ok: false, error: "conflict", reason: error.reason, message: error.message }
    case "NotFoundError":
      return { ok: false, error: "not_found", message: error.message }
    case "UnavailableError":
      return { ok: false, error: "unavailable", message: error.message }
  }
}

export const fromReply = <A>(reply: Reply<A>): Effect.Effect<A, NotFoundError | ConflictError | UnavailableError> => {
  if (reply.ok) return Effect.succeed(reply.value)
  const { message } = reply
  switch (reply.error) {
    case "conflict":
      return Effect.fail(new ConflictError({ reason: reply.reason, message }))
    case "not_found":
      return Effect.fail(new NotFoundError({ message }))
    case "unavailable":
      return Effect.fail(new UnavailableError({ message }))
  }
}
