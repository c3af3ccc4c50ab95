/** The Durable Object of a source's event log, named by its route: a shell over core's `LogEngine`. */
import { contract } from "@hookstream/core/log/LogContract"
import * as LogEngine from "@hookstream/core/log/LogEngine"
import { settingsOf } from "./DeploymentSettings.ts"
import { objectOf } from "./internal/objectOf.ts"
import { destinationOf } from "./Peers.ts"

export const SourceLog = objectOf(contract, (ports, env, ctx) =>
  LogEngine.make({
    ...ports,
    databaseSize: () => ctx.storage.sql.databaseSize,
    maxBytes: () => settingsOf(env).HOOKSTREAM_LOG_MAX_BYTES,
    peers: {
      // A destination of 0.1 or before knows no epochs. What it needs it cannot say either: until it is a newer one,
      // nothing is dropped.
      wake: (destination, source, head, epoch) =>
        destinationOf(env, destination)
          .wakeUnder(source, head, epoch)
          .catch(() => destinationOf(env, destination).wake(source, head)),
      needs: (destination, source) => destinationOf(env, destination).needs(source)
    }
  })
)
