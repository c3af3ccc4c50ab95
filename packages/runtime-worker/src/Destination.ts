/** The Durable Object of a destination: a shell over core's `DeliveryEngine`. */
import { contract } from "@hookstream/core/delivery/DeliveryContract"
import * as DeliveryEngine from "@hookstream/core/delivery/DeliveryEngine"
import { routeOf } from "@hookstream/core/Ids"
import { objectOf } from "./internal/objectOf.ts"
import type { RuntimeOf } from "./Layers.ts"
import { logOf } from "./Peers.ts"

export const makeDestination = (runtimeOf: RuntimeOf) =>
  objectOf(contract, (ports, env) =>
    DeliveryEngine.make({
      ...ports,
      peers: {
        told: async (source) => {
          const { count, epochs } = await logOf(env, routeOf(source)).stats()
          return { head: count, epochs }
        },
        agree: (source, readers) => logOf(env, routeOf(source)).agree(readers)
      },
      execute: (effect) => runtimeOf(env).runPromise(effect)
    })
  )
