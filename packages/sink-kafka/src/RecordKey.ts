/** What a record is keyed by, and how a value that a path leads to becomes text. */
import * as EventPath from "@hookstream/core/event/EventPath"

/** `none` leaves the key out: Kafka then spreads the records over the partitions. */
export type NamedKey = "event_id" | "source_id" | "none"

export const DEFAULT: NamedKey = "event_id"

const NAMED: ReadonlyArray<string> = ["event_id", "source_id", "none"] satisfies ReadonlyArray<NamedKey>

/** The key of a configuration: one of the names, or the reader of a path; `undefined` when the text is neither. */
export const compile = (key: string): NamedKey | EventPath.Read | undefined =>
  NAMED.includes(key) ? (key as NamedKey) : EventPath.compile(key)

/**
 * A value as a key's or a header's text: a string as it is, anything else as its JSON text, objects and arrays without
 * white space. `undefined` when the path led nowhere.
 *
 * The value comes from a parsed body, so of a number beyond 2^53 the last digits are gone.
 */
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : JSON.stringify(value)
