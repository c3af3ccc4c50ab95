/**
 * How Java writes a double. The proxies run on a Java before 19, whose `Double.toString` does not always find the
 * shortest text (`2.0E-3` but `1.23456789012345677E18`), so its digits are generated here as it does: digit by digit,
 * until what is left is below half the distance to the neighbouring doubles (Steele and White), with its limits of 32
 * and 64 bits.
 */

/** Binary digits of a double's significand. */
const SIGNIFICAND = 53
const view = new DataView(new ArrayBuffer(8))

interface Decimal {
  readonly digits: string
  /** The value is `0.digits` times ten to this. */
  readonly exponent: number
}

/** The bits of 5^n as Java's table has them, which knows 5^0 as none and ends at 26. */
const FIVES = Array.from({ length: 27 }, (_, n) => (n === 0 ? 0 : (5n ** BigInt(n)).toString(2).length))
const bitsOfFive = (n: number): number => FIVES[n] ?? 3 * n
const power = (five: number, two: number): bigint => (5n ** BigInt(five)) << BigInt(two)

/** A whole number below 2^63; digits beyond what 53 bits can tell apart are rounded away. */
const wholeDigits = (whole: bigint, binaryExponent: number): Decimal => {
  const spare = binaryExponent - SIGNIFICAND - 1
  const dropped = spare > 1 ? Math.floor(spare * Math.log10(2)) : 0
  const unit = 10n ** BigInt(dropped)
  const rounded = whole / unit + (dropped > 0 && whole % unit >= unit / 2n ? 1n : 0n)
  const text = rounded.toString()
  return { digits: text.replace(/0+$/, ""), exponent: text.length + dropped }
}

const roundUp = (digits: Array<number>): boolean => {
  let i = digits.length - 1
  while (digits[i] === 9 && i > 0) digits[i--] = 0
  const carried = digits[i] === 9
  digits[i] = carried ? 1 : digits[i]! + 1
  return carried
}

/** `fraction` has 53 binary digits, the first of them set; `bits` of them count (fewer below the normal doubles). */
const fractionDigits = (fraction: bigint, binaryExponent: number, bits: number): Decimal => {
  const zeros = fraction.toString(2).length - fraction.toString(2).replace(/0+$/, "").length
  const length = SIGNIFICAND - zeros
  const tiny = Math.max(0, length - binaryExponent - 1)
  if (binaryExponent >= -21 && binaryExponent <= 62 && tiny === 0) {
    const shift = BigInt(binaryExponent - SIGNIFICAND + 1)
    return wholeDigits(shift >= 0n ? fraction << shift : fraction >> -shift, binaryExponent)
  }
  const scaled = Number(fraction) / 2 ** (SIGNIFICAND - 1)
  let exponent = Math.floor((scaled - 1.5) * 0.289529654 + 0.176091259 + binaryExponent * 0.301029995663981)

  // The value is b / s, half the distance to its neighbours m / s: each a product of a power of 5 and one of 2.
  const b5 = Math.max(0, -exponent)
  const s5 = Math.max(0, exponent)
  let b2 = b5 + tiny + binaryExponent
  let s2 = s5 + tiny
  let m2 = b2 - bits
  b2 -= length - 1
  const common = Math.min(b2, s2)
  b2 -= common
  s2 -= common
  m2 -= common
  // Below a power of two the neighbour is only half as far.
  if (length === 1) m2 -= 1
  if (m2 < 0) {
    b2 -= m2
    s2 -= m2
    m2 = 0
  }
  const bBits = length + b2 + bitsOfFive(b5)
  const tensBits = s2 + 1 + (s5 + 1 < FIVES.length ? FIVES[s5 + 1]! : (s5 + 1) * 3)
  const width = bBits < 32 && tensBits < 32 ? 32 : bBits < 64 && tensBits < 64 ? 64 : undefined

  let b = (fraction >> BigInt(zeros)) * power(b5, b2)
  let m = power(b5, m2)
  const s = power(s5, s2)
  const tens = s * 10n
  const digits: Array<number> = []
  let low = false
  let high = false
  const step = (): number => {
    const digit = Number(b / s)
    b = (b % s) * 10n
    m = width === undefined ? m * 10n : BigInt.asIntN(width, m * 10n)
    // Where the narrow arithmetic overflows, m is larger than anything.
    low = b < m || m <= 0n
    high = m <= 0n || (width === undefined ? b + m >= tens : b + m > tens)
    return digit
  }
  const first = step()
  if (first === 0 && !high) exponent--
  else digits.push(first)
  // Two digits at least where an exponent is written.
  if (exponent < -3 || exponent >= 8) low = high = false
  while (!low && !high) digits.push(step())
  const beyondHalf = b * 2n - tens
  const up = high && (!low || beyondHalf > 0n || (beyondHalf === 0n && digits.at(-1)! % 2 === 1))
  if (up && roundUp(digits)) exponent++
  return { digits: digits.join(""), exponent: exponent + 1 }
}

const decimalOf = (value: number): Decimal => {
  view.setFloat64(0, value)
  const all = view.getBigUint64(0)
  const stored = Number((all >> 52n) & 0x7ffn)
  const fraction = all & 0xfffffffffffffn
  if (stored > 0) return fractionDigits(fraction | (1n << 52n), stored - 1023, SIGNIFICAND)
  const bits = fraction.toString(2).length
  return fractionDigits(fraction << BigInt(SIGNIFICAND - bits), bits - SIGNIFICAND - 1022, bits)
}

/** `Double.toString`: plain from 10^-3 up to 10^7, else with an exponent. */
export const javaDouble = (value: number): string => {
  if (value < 0 || Object.is(value, -0)) return `-${javaDouble(-value)}`
  if (value === 0) return "0.0"
  if (!Number.isFinite(value)) return String(value)
  const { digits, exponent } = decimalOf(value)
  if (exponent > 0 && exponent < 8) {
    return `${digits.slice(0, exponent).padEnd(exponent, "0")}.${digits.slice(exponent) || "0"}`
  }
  if (exponent <= 0 && exponent > -3) return `0.${"0".repeat(-exponent)}${digits}`
  return `${digits[0]}.${digits.slice(1) || "0"}E${exponent - 1}`
}
