import { DurableObject } from "cloudflare:workers"
import { type Contract, type Served, serve } from "@hookstream/core/Contract"
import type { EnginePorts } from "@hookstream/core/EnginePorts"
import type { Env } from "../Env.ts"
import { portsOf } from "./ports.ts"

type Engine<C> = C & { readonly alarm: () => Promise<void> }

/** The class of an object: it binds an engine to the platform, and has the methods of its contract. */
export const objectOf = <C>(
  contract: Contract<C>,
  make: (ports: EnginePorts, env: Env, ctx: DurableObjectState) => Engine<C>
): (new (
  ctx: DurableObjectState,
  env: Env
) => DurableObject<Env>) => {
  class Shell extends DurableObject<Env> {
    readonly #served: Served
    constructor(ctx: DurableObjectState, env: Env) {
      super(ctx, env)
      const ports = portsOf(ctx)
      this.#served = serve(contract, ports, () => make(ports, env, ctx))
    }
    static {
      const own: object = Shell.prototype
      const methods = own as Record<string, (this: Shell, ...args: ReadonlyArray<unknown>) => unknown>
      for (const method of Object.keys(contract.methods)) {
        methods[method] = function (...args) {
          return this.#served.ask(method, args)
        }
      }
    }
    override alarm(): Promise<void> {
      return this.#served.alarm()
    }
  }
  return Shell
}
