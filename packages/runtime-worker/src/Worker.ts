/** The Worker that is deployed: a gateway with the sinks of this repository. */
import type { Env } from "./Env.ts"
import { makeGateway } from "./Gateway.ts"
import { sinks } from "./Sinks.ts"

const gateway = makeGateway({ sinks })
export const { Workspace, SourceLog, Destination, Directory } = gateway
export default { fetch: gateway.fetch, scheduled: gateway.scheduled } satisfies ExportedHandler<Env>
