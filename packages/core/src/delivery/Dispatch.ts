/**
 * Sends a planned window: requests are taken from its queue, sent, at most `maxInFlight` at once, and what came of them
 * is written down as it comes.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { PayloadTooLarge } from "../Errors.ts"
import { DeliveryJournal } from "../journal/DeliveryJournal.ts"
import * as Log from "../LogLine.ts"
import { failed, type OutboundEvent, type Outcome } from "../sink/Sink.ts"
import type { Settings } from "./DestinationSettings.ts"
import { makeQueue, type Request } from "./internal/sendQueue.ts"
import * as Recorder from "./Recorder.ts"
import * as Settle from "./Settle.ts"
import * as State from "./State.ts"
import type { Planned } from "./Window.ts"

/** One request. Never fails: whatever happens is an outcome of its events. */
const send = Effect.fnUntraced(function* (settings: Settings, batch: ReadonlyArray<OutboundEvent>) {
  /** What the sink said before the request came to its end. */
  const told: Array<Outcome | undefined> = []
  const tell = (position: number, outcome: Outcome): void => {
    told[position] = outcome
  }
  const rest = (result: Outcome | "split"): ReadonlyArray<Outcome | "split"> => batch.map((_, i) => told[i] ?? result)
  const startedAt = yield* Clock.currentTimeMillis
  const results = yield* settings.driver.send(batch, tell).pipe(
    Effect.map((outcomes): ReadonlyArray<Outcome | "split"> => {
      const silent = failed("Unknown", "the sink said nothing about this event")
      return batch.map((_, i) => outcomes[i] ?? told[i] ?? silent)
    }),
    Effect.catch(({ reason, detail, retryAfter }) =>
      // A whole request refused for good may be the fault of one of its events.
      Effect.succeed(rest(batch.length > 1 && Settle.isFinal(reason) ? "split" : failed(reason, detail, retryAfter)))
    ),
    Effect.timeoutOrElse({
      duration: settings.timeoutMs,
      orElse: () => Effect.succeed(rest(failed("TimedOut", `no answer within ${settings.timeoutMs} ms (timeout_ms)`)))
    }),
    Effect.catchCause((cause) => {
      if (Cause.hasInterrupts(cause)) return Effect.failCause(cause)
      const error = Cause.squash(cause)
      if (error instanceof PayloadTooLarge) {
        return Effect.succeed(rest(batch.length > 1 ? "split" : failed("TooLarge", error.message)))
      }
      const outcome = failed("Malformed", "the sink could not handle this event; the gateway's log has the cause")
      const { destinationId: destination } = settings
      return Effect.as(
        Log.write(Log.line("error", "a sink driver died", { destination }, cause)),
        rest(batch.length > 1 ? "split" : outcome)
      )
    })
  )
  return { results, latency: (yield* Clock.currentTimeMillis) - startedAt }
})

const outbound = ({ destinationId }: Settings, { items }: Request) =>
  items.map(
    ({ run, event, spent }): OutboundEvent => ({
      event: event!,
      destinationId,
      connectionId: run.connection,
      attempt: spent + 1,
      replayId: run.replay?.id ?? null
    })
  )

/** Starts no send at the deadline, or after something changed, and waits for those in flight. */
export const dispatch = Effect.fnUntraced(function* (settings: Settings, planned: Planned, deadline: number) {
  const journal = yield* DeliveryJournal
  const { parts, control, allowed } = planned
  const items = parts.flatMap((part) => part.items)
  const queue = makeQueue(settings.driver.batch, items, allowed)
  const recorder = Recorder.make(settings, planned, queue)
  /** Opens when a request has ended: what waited for it, by its key or as a half of it, may follow. */
  const ended = yield* Latch.make()
  let breaker = control.breaker
  let isStopped = false

  const mayStart = Effect.gen(function* () {
    // Nothing more leaves by a config that was changed meanwhile, nor after a pause, a deletion or a cancellation.
    if (isStopped || State.isChanged(control, yield* journal.control)) return false
    // A window that was begun sends at least one request, and each to its end.
    return queue.used.requests === 0 || queue.isSplit() || (yield* Clock.currentTimeMillis) < deadline
  })
  /** The next request, as soon as there is one; the end once none can come any more. */
  const next = Effect.gen(function* () {
    while (true) {
      ended.closeUnsafe()
      const request = (yield* mayStart) ? queue.take() : undefined
      if (request !== undefined) return request
      if (queue.isIdle()) return yield* Cause.done()
      yield* ended.await
    }
  })
  const exchange = Effect.fnUntraced(function* (request: Request) {
    const { results, latency } = yield* send(settings, outbound(settings, request))
    const handled = queue.done(request, results, latency)
    breaker = Settle.observe(breaker, handled)
    isStopped ||= Settle.mustStop(handled, breaker, settings.policy.breaker)
    yield* ended.open
  })

  yield* Stream.fromEffectRepeat(next).pipe(
    Stream.mapEffect(exchange, { concurrency: settings.maxInFlight, unordered: true }),
    Stream.runForEach(() => recorder.advance)
  )
  queue.close()
  yield* recorder.finish
})
