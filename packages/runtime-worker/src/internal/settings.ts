import * as DestinationDriver from "@hookstream/core/DestinationDriver"
import { settingsOf } from "@hookstream/core/DestinationSettings"
import type * as Pump from "@hookstream/core/Pump"
import type { DestinationConfig } from "@hookstream/core/Registry"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Env } from "../Env.ts"
import { runtimeOf } from "../Layers.ts"

/** What the pump of this destination works by: its secrets opened, its driver made. */
export const makeSettings = (env: Env, config: DestinationConfig): Promise<Pump.Settings> =>
  runtimeOf(env).runPromise(
    DestinationDriver.make(config.destination).pipe(
      // The driver lives as long as the object.
      Effect.provideService(Scope.Scope, Effect.runSync(Scope.make())),
      Effect.map((driver) => settingsOf(config, driver))
    )
  )
