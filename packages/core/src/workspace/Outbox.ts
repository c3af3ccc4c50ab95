/**
 * Tells sources and destinations what changed, and the directory that there is this workspace. Each is called by
 * itself: one that hangs or fails costs its own deadline, and stays in the outbox for the next attempt.
 */
import * as Effect from "effect/Effect"
import * as Log from "../LogLine.ts"
import type { Outbox, RegistryStore } from "./Registry.ts"

/** Milliseconds within which a target must answer. */
export const TELL_DEADLINE = 5000
/** Targets that are called at the same time. */
const CONCURRENCY = 8
/** Entries of one call. */
const PAGE = 100

type Tell = (target: string, entries: ReadonlyArray<Outbox>) => Effect.Effect<void, unknown>

const pages = (entries: ReadonlyArray<Outbox>): ReadonlyArray<ReadonlyArray<Outbox>> =>
  Array.from({ length: Math.ceil(entries.length / PAGE) }, (_, i) => entries.slice(i * PAGE, (i + 1) * PAGE))

/**
 * Sends what waits for these targets (`null`: for all), logs before destinations, so that a log wakes its new readers.
 * Answers those that could not be reached.
 */
export const flush = Effect.fnUntraced(function* (
  store: Pick<RegistryStore, "outbox" | "acknowledged">,
  targets: ReadonlyArray<string> | null,
  tell: Tell
) {
  const waiting = store.outbox().filter(({ target }) => targets === null || targets.includes(target))
  const tellOne = ([target, entries]: readonly [string, ReadonlyArray<Outbox>]) =>
    Effect.forEach(
      pages(entries),
      (page) =>
        tell(target, page).pipe(
          Effect.timeout(TELL_DEADLINE),
          Effect.tap(() => Effect.sync(() => page.forEach(store.acknowledged)))
        ),
      { discard: true }
    ).pipe(
      Effect.as([]),
      Effect.catchCause((cause) =>
        Effect.as(
          Log.write(
            Log.line("warn", "a change could not be told; the alarm tries again", { target: Log.shown(target) }, cause)
          ),
          [target]
        )
      )
    )
  const tellAll = (isLog: boolean) =>
    Effect.forEach(
      Map.groupBy(
        waiting.filter(({ target }) => target.startsWith("src_") === isLog),
        ({ target }) => target
      ),
      tellOne,
      { concurrency: CONCURRENCY }
    )
  return [...(yield* tellAll(true)), ...(yield* tellAll(false))].flat()
})
