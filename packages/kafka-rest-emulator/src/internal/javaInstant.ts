/** Points in time as `java.time.Instant` and Jackson's reader of it take and write them. */

/** Seconds since 1970 of `Instant.MIN` and `Instant.MAX`. */
const SECONDS_MIN = -31_557_014_167_219_200n
const SECONDS_MAX = 31_556_889_864_403_199n
const NANOS = 1_000_000_000n
const MILLIS_MAX = 2n ** 63n - 1n
const DAY = 86_400n

/** Nanoseconds since 1970. */
export type Instant = bigint

const floorDiv = (a: bigint, b: bigint): bigint => a / b - (a % b < 0n ? 1n : 0n)
const inRange = (seconds: bigint): boolean => seconds >= SECONDS_MIN && seconds <= SECONDS_MAX

/** A whole number of seconds; `undefined` where there is no such instant. */
export const ofSeconds = (seconds: bigint): Instant | undefined => (inRange(seconds) ? seconds * NANOS : undefined)

const DECIMAL = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/
const EXPONENT_MAX = 2_147_483_647
/** Beyond this many places a number is taken for 0, so that none grows out of bounds. */
const PLACES_MAX = 63

/** A decimal number of seconds, cut to nanoseconds; `undefined` where it is none or there is no such instant. */
export const ofDecimal = (text: string): Instant | undefined => {
  const match = DECIMAL.exec(text)
  if (match === null || `${match[2]}${match[3] ?? ""}` === "") return undefined
  const [, sign, whole = "", fraction = "", exponent = "0"] = match
  if (Math.abs(Number(exponent)) > EXPONENT_MAX) return undefined
  const places = Number(exponent) - fraction.length
  const digits = BigInt(`${whole}${fraction}`)
  if (digits === 0n || places > PLACES_MAX || places + digits.toString().length < -9) return 0n
  const scaled = places + 9
  const size = scaled >= 0 ? digits * 10n ** BigInt(scaled) : digits / 10n ** BigInt(-scaled)
  const nanos = sign === "-" ? -size : size
  // Seconds wrap as a Java long does.
  const seconds = BigInt.asIntN(64, nanos / NANOS)
  return inRange(seconds) ? seconds * NANOS + (nanos % NANOS) : undefined
}

const DATE = "(?<year>[+-]?\\d{4,10})-(?<month>\\d\\d)-(?<day>\\d\\d)"
const TIME = "(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)(?:\\.(?<fraction>\\d{0,9}))?"
const OFFSET = "(?:Z|(?<sign>[+-])(?<hours>\\d\\d):(?<minutes>\\d\\d)(?::(?<seconds>\\d\\d))?)"
const ISO = new RegExp(`^${DATE}T${TIME}${OFFSET}$`, "i")
const OFFSET_MAX = 18 * 3600

/** Days since 1970 of a date of the Gregorian calendar. */
const daysOf = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const ofEra = y - era * 400
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
}
const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
const lengthOf = (year: number, month: number): number =>
  month === 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31

/** ISO 8601 with seconds and an offset, as `DateTimeFormatter.ISO_INSTANT` of Java 17 reads it. */
const ofIso = (text: string): Instant | undefined => {
  const found = ISO.exec(text.replace(/\+00(?:00)?$/, "Z"))?.groups
  if (found === undefined) return undefined
  const of = (name: string): number => Number(found[name] ?? 0)
  const { year: yearText = "", fraction = "", sign } = found
  const year = of("year")
  const month = of("month")
  const day = of("day")
  // A sign goes with a year of more than four digits, and only with one.
  const isLong = yearText.replace(/^[+-]/, "").length > 4
  if (yearText.startsWith("+") !== (isLong && year > 0)) return undefined
  if (month < 1 || month > 12 || day < 1 || day > lengthOf(year, month)) return undefined

  const hour = of("hour")
  const minute = of("minute")
  const second = of("second")
  const leapSecond = hour === 23 && minute === 59 && second === 60
  const endOfDay = hour === 24 && minute === 0 && second === 0 && !/[1-9]/.test(fraction)
  if ((hour > 23 && !endOfDay) || minute > 59 || (second > 59 && !leapSecond)) return undefined

  const offset = of("hours") * 3600 + of("minutes") * 60 + of("seconds")
  if (of("minutes") > 59 || of("seconds") > 59 || offset > OFFSET_MAX) return undefined
  const local = hour * 3600 + minute * 60 + (leapSecond ? 59 : second)
  const seconds = BigInt(daysOf(year, month, day)) * DAY + BigInt(local - (sign === "-" ? -offset : offset))
  return inRange(seconds) ? seconds * NANOS + BigInt(fraction.padEnd(9, "0")) : undefined
}

/** A text: digits and at most one point are seconds, anything else must be ISO 8601. */
export const ofText = (text: string): Instant | undefined => {
  if (/^\d+$/.test(text)) {
    const seconds = BigInt(text)
    return seconds <= MILLIS_MAX ? ofSeconds(seconds) : undefined
  }
  return /^[\d.]+$/.test(text) ? ofDecimal(text) : ofIso(text)
}

/** Milliseconds, cut downwards; `undefined` where a Java long cannot hold them. */
export const toMillis = (instant: Instant): bigint | undefined => {
  const millis = floorDiv(instant, 1_000_000n)
  return millis > MILLIS_MAX || millis < -MILLIS_MAX - 1n ? undefined : millis
}

/** Of the calendar, which repeats after 400 years: so a date stays within what `Date` can tell. */
const CYCLE_MS = 146_097 * 86_400_000

/** `Instant.toString`, from 1970 on: no fraction where it is zero, a plus before a year of more than four digits. */
export const formatMillis = (millis: number): string => {
  const cycles = Math.floor(millis / CYCLE_MS)
  const date = new Date(millis - cycles * CYCLE_MS)
  const year = date.getUTCFullYear() + cycles * 400
  return `${year > 9999 ? "+" : ""}${year}${date.toISOString().slice(4).replace(".000Z", "Z")}`
}
