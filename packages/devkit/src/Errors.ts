/** What can go wrong with a gateway on this machine. Each says what to do. */
import type { Holder } from "./gatewayKeeper.ts"

/** A gateway runs on the folder already. */
export class FolderInUse extends Error {
  readonly by: Holder
  constructor(dir: string, by: Holder) {
    super(`a gateway runs on ${dir} already: ${JSON.stringify(by)}`)
    this.by = by
  }
}

/** The process that holds the lock ended before it had it; it has said why on stderr. */
export class FolderNotLocked extends Error {
  constructor(dir: string) {
    super(`the folder ${dir} could not be locked: the reason is above; it must be writable, and on a local disk`)
  }
}

/** workerd ended, or did not answer in time. */
export class GatewayNotStarted extends Error {
  constructor(logFile: string, log: string) {
    super(`the gateway did not start; see ${logFile}, whose end is:\n${log}`)
  }
}

/** A field of `wrangler.jsonc` that would be left out here, and make this gateway another one than is deployed. */
export class UnknownFields extends Error {
  constructor(fields: ReadonlyArray<string>) {
    super(
      `wrangler.jsonc has ${fields.join(", ")}: teach devkit/Workerd.ts what workerd makes of it, or add it to KNOWN`
    )
  }
}

/** The API answered other than 2xx. */
export class RequestFailed extends Error {
  readonly status: number
  constructor(request: string, status: number, body: unknown) {
    super(`${request}: ${status} ${JSON.stringify(body)}`)
    this.status = status
  }
}
