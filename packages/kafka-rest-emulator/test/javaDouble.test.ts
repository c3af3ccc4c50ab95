import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { javaDouble } from "../src/internal/javaDouble.ts"

const Word = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff }))
const ofBits = (high: number, low: number): number => {
  const view = new DataView(new ArrayBuffer(8))
  view.setUint32(0, high)
  view.setUint32(4, low)
  return view.getFloat64(0)
}

describe("a double", () => {
  // Printed by Double.toString of Java 17. From Java 19 on some are shorter: 2.0E23, 1.1529215046068470E18.
  it.each([
    ["1", "1.0"],
    ["-0", "-0.0"],
    ["0.001", "0.001"],
    ["0.002", "0.002"],
    ["1.1e-5", "1.1E-5"],
    ["1e5", "100000.0"],
    ["9999999", "9999999.0"],
    ["1e7", "1.0E7"],
    ["123456789.123", "1.23456789123E8"],
    ["9007199254740993", "9.007199254740992E15"],
    ["54043195528445952", "5.4043195528445952E16"],
    ["1152921504606846976", "1.15292150460684698E18"],
    ["1234567890123456789.5", "1.23456789012345677E18"],
    ["9223372036854775808", "9.223372036854776E18"],
    ["12345678901234567890.5", "1.2345678901234567E19"],
    ["1e21", "1.0E21"],
    ["8.41e21", "8.409999999999999E21"],
    ["2e23", "1.9999999999999998E23"],
    ["1.7976931348623157e308", "1.7976931348623157E308"],
    ["1e400", "Infinity"],
    ["1e-7", "1.0E-7"],
    ["5.684341886080802e-14", "5.6843418860808015E-14"],
    ["2.2250738585072014e-308", "2.2250738585072014E-308"],
    ["4.9e-322", "4.9E-322"],
    ["5e-324", "4.9E-324"]
  ])("%s is written as Java 17 writes it: %s", (value, text) => {
    expect(javaDouble(Number(value))).toBe(text)
  })
  it.prop("is the same after it is read again", [Word, Word], ([high, low]) => {
    const value = ofBits(high, low)
    if (!Number.isFinite(value)) return
    const text = javaDouble(value)
    expect(Object.is(Number(text), value)).toBe(true)
    expect(text).toMatch(/^-?(?:\d{1,7}\.\d+|\d\.\d+E-?\d{1,3})$/)
  })
})
