/**
 * What an edge does with a request before its log has it: verify, leave out, seal, append, and all of it again where
 * the log says that the settings of the source are others by now.
 *
 * What goes to the log names the version of the settings that it was checked by. The log does not see what is refused
 * or answered here, so that is decided by settings alone that the log has confirmed since the request came. So nothing
 * is ever judged by settings older than the last change that was acknowledged.
 */
import { PayloadTooLarge } from "@hookstream/core/Errors"
import { type EventMeta, type NewEvent, newEvent, type Verified } from "@hookstream/core/event/Event"
import * as EventSecrets from "@hookstream/core/event/EventSecrets"
import * as Redaction from "@hookstream/core/event/Redaction"
import type { SourceId } from "@hookstream/core/Ids"
import { type Line, line, shown } from "@hookstream/core/LogLine"
import type { AppendReply, IngestSettings } from "@hookstream/core/log/LogContract"
import type { SecretVault } from "@hookstream/core/secret/SecretVault"
import type { SignatureReason } from "./Errors.ts"

/** Requests of these methods are events. */
export const METHODS: ReadonlyArray<string> = ["GET", "POST", "PUT", "PATCH", "DELETE"]

/** Whether a request of this method can be anything: some providers ask for an endpoint by HEAD. */
export const isTaken = (method: string): boolean => method === "HEAD" || METHODS.includes(method)

/** How often a request is checked anew, because the settings of its source were changed meanwhile. */
const ROUNDS = 3
/** Sources whose settings are kept. */
const SOURCES_MAX = 4096
/** Milliseconds in which it is told once for each reason why requests of a source do not pass. */
const TELL_AGAIN = 60_000
const TOLD_MAX = 4096

/** A request, as it came. */
export interface Came {
  readonly meta: EventMeta
  readonly body: Uint8Array
  /** As its sender called it. */
  readonly url: string
  /** When it arrived, in milliseconds since 1970. */
  readonly at: number
}

export type StoredSettings = NonNullable<IngestSettings["verification"]>

export type Judgement =
  | { readonly _tag: "Passed"; readonly verified: Verified }
  /** It is a handshake. */
  | { readonly _tag: "Answered"; readonly text: string }
  | { readonly _tag: "Rejected"; readonly template: string; readonly reason: SignatureReason }
  /** The settings do not open, or are none any more. */
  | { readonly _tag: "Unusable"; readonly error: unknown }

/** What the log is given to append. */
export interface Checked {
  readonly event: NewEvent
  readonly redacted: ReadonlyArray<string>
  readonly checked: number
}

/** What the gate asks of its edge for one request. */
export interface GatePorts {
  /** `undefined`: the log could not be reached. So it is below. */
  readonly append: (event: Checked) => Promise<AppendReply | undefined>
  readonly settings: () => Promise<AppendReply | undefined>
  /** `Verifier.ts`, which most sources need not. */
  readonly verifier: () => Promise<Pick<typeof import("./Verifier.ts"), "judge">>
  readonly vault: SecretVault["Service"]
}

/** What became of a request; `undefined`: nothing yet, its sender must send it again. */
export type Admission =
  | Exclude<AppendReply, { readonly _tag: "Redact" | "Recheck" }>
  | { readonly _tag: "Answered"; readonly text: string }
  | { readonly _tag: "Rejected" }
  | PayloadTooLarge
  /** No event can come by this method. */
  | { readonly _tag: "NotTaken" }
  | undefined

export interface Gate {
  readonly admit: (source: SourceId, came: Came, ports: GatePorts) => Promise<Admission>
}

/** Of most sources, and of those that this isolate knows nothing of. */
const NEVER_SET: IngestSettings = { version: 0, redact: [], verification: null }

/** The gate of an isolate. */
export const make = (log: (line: Line) => void): Gate => {
  const known = new Map<SourceId, IngestSettings>()
  /** When it was told last, by source and reason. */
  const told = new Map<string, number>()

  const remember = (source: SourceId, settings: IngestSettings): void => {
    if (known.size >= SOURCES_MAX) known.clear()
    known.set(source, settings)
  }
  /** A line for each request would be a way to flood the log. */
  const tell = (source: SourceId, reason: string, now: number, what: Line): void => {
    const key = `${source}|${reason}`
    if (now - (told.get(key) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN) return
    if (told.size >= TOLD_MAX) told.clear()
    told.set(key, now)
    log(what)
  }
  /** What becomes of a request that is not for the log. */
  const settle = (source: SourceId, judgement: Judgement | PayloadTooLarge | undefined, now: number): Admission => {
    const fields = { source: shown(source) }
    switch (judgement?._tag) {
      case "Answered":
      case "PayloadTooLarge":
        return judgement
      case "Rejected": {
        const { template, reason } = judgement
        const why = { ...fields, template, reason }
        tell(source, reason, now, line("warn", "a request was refused: its signature could not be verified", why))
        return { _tag: "Rejected" }
      }
      case "Unusable": {
        const message = line("error", "a source's verification cannot be read: save it again", fields, judgement.error)
        tell(source, judgement._tag, now, message)
        return undefined
      }
      case "Passed":
      case undefined:
        return { _tag: "NotTaken" }
    }
  }

  return {
    admit: async (source, came, ports) => {
      const { vault } = ports
      /**
       * Without what the source never stores, and with credentials sealed: neither leaves this isolate in the clear. A
       * body that is too large to be searched for it is refused.
       */
      const prepared = async (
        { version: checked, redact: redacted }: IngestSettings,
        verified: Verified | undefined
      ): Promise<Checked | PayloadTooLarge> => {
        try {
          const { meta, body } = Redaction.redact(redacted, { ...came.meta, verified }, came.body)
          return { event: newEvent(await EventSecrets.seal(vault, source, meta), body), redacted, checked }
        } catch (error) {
          if (error instanceof PayloadTooLarge) return error
          throw error
        }
      }
      const isEvent = METHODS.includes(came.meta.method)
      let settings = known.get(source) ?? NEVER_SET
      let isConfirmed = false
      for (let round = 0; round < ROUNDS; round++) {
        const { verification, version } = settings
        const judgement =
          verification === null ? undefined : await (await ports.verifier()).judge(vault, source, verification, came)
        const verified = judgement?._tag === "Passed" ? judgement.verified : undefined
        const isForLog = isEvent && (verification === null || verified !== undefined)
        const ready = isForLog ? await prepared(settings, verified) : judgement
        const isReady = ready !== undefined && "event" in ready
        if (!isReady && isConfirmed) return settle(source, ready, came.at)
        const reply = isReady ? await ports.append(ready) : await ports.settings()
        switch (reply?._tag) {
          case "Recheck":
            if (!isReady && reply.version === version) return settle(source, ready, came.at)
            settings = { version: reply.version, redact: reply.redact, verification: reply.verification }
            break
          case "Redact":
            // A log of 0.1 and before, which knows no versions.
            settings = { ...NEVER_SET, redact: reply.paths }
            break
          case "Accepted":
          case "Paused":
          case "Full":
          case "NotFound":
          case undefined:
            return reply
        }
        isConfirmed = true
        remember(source, settings)
      }
      return undefined
    }
  }
}
