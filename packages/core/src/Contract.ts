/**
 * How objects ask each other. Each object has one contract: an interface, its version, and of each method how an answer
 * is known. Who asks and who answers take their types from it, so what does not fit does not compile.
 *
 * After a deployment objects of the old and of the new version talk to each other for minutes. A call carries the
 * version of who asks as one more argument, an answer that of who answers. What is not understood, be it the version or
 * the shape, is an `UnavailableError`: ask again later. It is never an answer, above all never "there is nothing".
 *
 * Who knows of no versions (every release until 0.1) asks without one and gets the bare answer. A bare answer counts as
 * version {@link UNVERSIONED}.
 */
import type { EnginePorts } from "./EnginePorts.ts"
import { StoreTooNew, StoreUnreadable, UnavailableError } from "./Errors.ts"
import { line } from "./LogLine.ts"

/** What those speak that send no version. */
const UNVERSIONED = 1

// ---------------------------------------------------------------------------------------------------------------------
// How answers are known: by their outermost fields, for they are looked at on the hot path

/** Whether a value may be an `A`. Lets through every `A`. */
export interface Shape<in A> {
  (value: unknown): boolean
  readonly accepts?: (value: A) => void
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** One of these values and no other. */
export const oneOf =
  <const A>(...values: ReadonlyArray<A>): Shape<A> =>
  (value) =>
    values.includes(value as A)
export const nothing: Shape<void> = (value) => value === undefined
export const flag: Shape<boolean> = (value) => typeof value === "boolean"
export const number: Shape<number> = (value) => typeof value === "number"
export const text: Shape<string> = (value) => typeof value === "string"
export const list: Shape<ReadonlyArray<unknown>> = (value) => Array.isArray(value)
/** For a list of answers: each by itself. */
export const listOf =
  <A>(shape: Shape<A>): Shape<ReadonlyArray<A>> =>
  (value) =>
    Array.isArray(value) && value.every(shape)
export const object: Shape<object> = isObject
export const nullable =
  <A>(shape: Shape<A>): Shape<A | null> =>
  (value) =>
    value === null || shape(value)
export const optional =
  <A>(shape: Shape<A>): Shape<A | undefined> =>
  (value) =>
    value === undefined || shape(value)
export const record = <A extends object>(fields: { readonly [K in keyof A]-?: Shape<A[K]> }): Shape<A> => {
  const all = Object.entries<Shape<never>>(fields)
  return (value) => isObject(value) && all.every(([name, shape]) => shape(value[name]))
}
/** One of several, told apart by `_tag`. Another tag than these is not understood. */
export const tagged = <A extends { readonly _tag: string }>(
  variants: {
    readonly [T in A["_tag"]]: Shape<Extract<A, { readonly _tag: T }>>
  }
): Shape<A> => {
  const all = new Map(Object.entries<Shape<never>>(variants))
  return (value) => isObject(value) && all.get(String(value["_tag"]))?.(value) === true
}

// ---------------------------------------------------------------------------------------------------------------------
// Contracts

type MethodOf<F> = F extends (...args: infer A) => infer R
  ? {
      /** How many arguments it takes; none is optional, for the version comes behind them. */
      readonly args: A["length"]
      readonly answer: Shape<Awaited<R>>
    }
  : never

export interface Contract<C> {
  /** As messages name the object: "the event log". */
  readonly name: string
  /**
   * Raised when who speaks the version before would misunderstand. A field more that may be missing is no such change.
   */
  readonly version: number
  readonly methods: { readonly [M in keyof C]: MethodOf<C[M]> }
}

/** The object as others ask it. */
export type Asked<C> = {
  readonly [M in keyof C]: C[M] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never
}

interface Method {
  readonly args: number
  readonly answer: Shape<never>
}
type Call = (...args: ReadonlyArray<unknown>) => unknown

/** An answer to who sent a version; without `value`: that version is not spoken here. */
interface Answer {
  readonly protocol: number
  readonly value?: unknown
}
const isAnswer = (reply: unknown): reply is Answer => isObject(reply) && typeof reply["protocol"] === "number"

const otherVersion = (name: string): UnavailableError =>
  new UnavailableError({ message: `${name} runs another version of hookstream: try again` })

// ---------------------------------------------------------------------------------------------------------------------
// Who asks

/**
 * A way to ask objects of this contract. Takes the stub of one: its methods send their arguments, and resolve to what
 * the object answered. The types of stubs are not relied on, for the platform's lose tuples.
 */
export const asking = <C>({ name, version, methods }: Contract<C>): ((stub: object) => Asked<C>) => {
  class Peer {
    readonly stub: Readonly<Record<string, (...args: ReadonlyArray<unknown>) => Promise<unknown>>>
    constructor(stub: object) {
      this.stub = stub as Peer["stub"]
    }
  }
  const own: object = Peer.prototype
  const asks = own as Record<string, (this: Peer, ...args: ReadonlyArray<unknown>) => Promise<unknown>>
  for (const [method, { answer }] of Object.entries<Method>(methods)) {
    const understood = (reply: unknown): unknown => {
      const opened = isAnswer(reply) ? reply : { protocol: UNVERSIONED, value: reply }
      if (opened.protocol !== version || !("value" in opened) || !answer(opened.value)) throw otherVersion(name)
      return opened.value
    }
    asks[method] = function (...args) {
      return this.stub[method]!(...args, version).then(understood)
    }
  }
  return (stub) => new Peer(stub) as object as Asked<C>
}

// ---------------------------------------------------------------------------------------------------------------------
// Who answers

interface Rings {
  readonly alarm: () => Promise<void>
}

/** An engine that others ask. */
export interface Served extends Rings {
  /** Throws what the engine throws, `StoreTooNew` and `StoreUnreadable`. */
  readonly ask: (method: string, args: ReadonlyArray<unknown>) => unknown
}

/** Milliseconds until an object that does not open its store logs that again; a deployment may have come meanwhile. */
const REFUSED_AGAIN = 60_000

const isShut = (error: unknown): error is StoreTooNew | StoreUnreadable =>
  error instanceof StoreTooNew || error instanceof StoreUnreadable

/** Opens an engine and answers by its contract. A store that this release cannot read stays shut, its alarm armed. */
export const serve = <C>(
  { name, version, methods }: Contract<C>,
  ports: Pick<EnginePorts, "alarm" | "timer" | "log">,
  open: () => C & Rings
): Served => {
  const opened = (): (C & Rings) | StoreTooNew | StoreUnreadable => {
    try {
      return open()
    } catch (error) {
      if (isShut(error)) return error
      throw error
    }
  }
  const engine = opened()
  if (isShut(engine)) {
    return {
      ask: () => {
        throw engine
      },
      alarm: async () => {
        ports.alarm.fired()
        ports.log(line("error", "a store cannot be read; it stays shut", { object: name }, engine))
        // An alarm that fails six times is deleted for good, and the release that can read the store would miss it.
        ports.alarm.atLatest(ports.timer.now() + REFUSED_AGAIN)
      }
    }
  }
  const calls = engine as Readonly<Record<string, Call>>
  const known = methods as Readonly<Record<string, Method>>
  const answered = (value: unknown): Answer => ({ protocol: version, value })
  return {
    ask: (method, args) => {
      const count = known[method]!.args
      const asked = args[count] ?? UNVERSIONED
      if (asked !== version) {
        if (args.length > count) return { protocol: version }
        throw otherVersion(name)
      }
      if (args.length <= count) return calls[method]!(...args)
      const value = calls[method]!(...args.slice(0, count))
      return value instanceof Promise ? value.then(answered) : answered(value)
    },
    alarm: () => engine.alarm()
  }
}
