/** `Retry-After` (RFC 9110 §10.2.3): seconds, or a date in one of the three forms of §5.6.7. */

/** Nobody waits longer than that; it keeps any number of digits finite. */
const SECONDS_MAX = 365 * 86_400
const DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*(\d| GMT)$/

/**
 * Milliseconds from `now` (milliseconds since 1970), at least 0; `undefined` when there is no such header, or its text
 * is neither seconds nor a date.
 */
export const parse = (text: string | undefined, now: number): number | undefined => {
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) return Math.min(Number(text), SECONDS_MAX) * 1000
  if (!DATE.test(text)) return undefined
  // The oldest form, of asctime, says no zone: it is GMT too.
  const at = Date.parse(text.endsWith(" GMT") ? text : `${text} GMT`)
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - now, 0), SECONDS_MAX * 1000)
}
