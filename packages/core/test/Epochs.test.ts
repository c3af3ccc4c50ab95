import { describe, expect, it } from "@effect/vitest"
import * as Epochs from "@hookstream/core/log/Epochs"

const mark = (epoch: string, through: number): Epochs.Mark => ({ epoch, through })
/** Epochs by their first events. */
const epochs = (firsts: Readonly<Record<string, number>>) =>
  Object.entries(firsts).map(([id, first]): Epochs.Epoch => ({ id: id === "none" ? "" : id, first }))

describe("the marks of a reader", () => {
  it("name each epoch with how far it was read, the last one as far as all", () => {
    const begun = Epochs.marksOf({ head: 7, epochs: epochs({ none: 0, a: 4 }) })
    expect(begun).toEqual([mark("", 3), mark("a", 7)])
    expect(Epochs.advanced(begun, epochs({ a: 4, b: 10, c: 12, d: 20 }), 15)).toEqual([
      mark("", 3),
      mark("a", 9),
      mark("b", 11),
      mark("c", 15)
    ])
  })
  it("are few, however many epochs there were: the older the sparser, and the first stays", () => {
    let marks: ReadonlyArray<Epochs.Mark> = [mark("0", 0)]
    for (let n = 1; n <= 1000; n++) marks = Epochs.advanced(marks, epochs({ [`e${n}`]: n }), n)
    expect(marks.length).toBeLessThanOrEqual(16)
    expect(marks[0]!.epoch).toBe("0")
    expect(marks.slice(-8).map(({ epoch }) => epoch)).toEqual(
      [993, 994, 995, 996, 997, 998, 999, 1000].map((n) => `e${n}`)
    )
  })
})

describe("a log continues what was read of it", () => {
  const read = [mark("", 3), mark("a", 7)]
  it.each([
    ["when it has it under the same epoch", { head: 9, epochs: epochs({ none: 0, a: 4, b: 8 }) }, true],
    ["when it tells no epochs, as an older one", { head: 5 }, true],
    ["when it does not tell of that one", { head: 30, epochs: epochs({ c: 20 }) }, true],
    ["not when it has less", { head: 6, epochs: epochs({ none: 0, a: 4 }) }, false],
    ["not when it has others there", { head: 9, epochs: epochs({ none: 0, a: 4, b: 7 }) }, false]
  ])("%s", (_, told, continues) => {
    expect(Epochs.continues(told, read, 7)).toBe(continues)
  })
  it("whatever it has, when nothing was read of it", () => {
    expect(Epochs.continues({ head: 1, epochs: epochs({ z: 1 }) }, [], 7)).toBe(true)
  })
})

describe("what a log and its reader have in common", () => {
  const read = [mark("", 3), mark("a", 7), mark("b", 12)]
  it.each([
    ["all of it, when nothing was lost", { head: 20, epochs: epochs({ none: 0, a: 4, b: 8, c: 13 }) }, mark("b", 12)],
    [
      "ends where the last common epoch ends",
      { head: 20, epochs: epochs({ none: 0, a: 4, b: 8, d: 11 }) },
      mark("b", 10)
    ],
    [
      "ends at the head of a log to which nothing came since",
      { head: 9, epochs: epochs({ none: 0, a: 4, b: 8 }) },
      mark("b", 9)
    ],
    ["ends before an epoch that the log has lost", { head: 20, epochs: epochs({ none: 0, a: 4, d: 6 }) }, mark("a", 5)],
    ["is nothing, when all of it came since", { head: 20, epochs: epochs({ none: 0, d: 1 }) }, mark("", 0)],
    [
      "is what was read before all that the log still knows, when it was emptied since",
      { head: 900, epochs: epochs({ d: 500 }) },
      mark("b", 12)
    ]
  ])("%s", (_, log, end) => {
    expect(Epochs.common(log, read)).toEqual(end)
    expect(Epochs.has(log, read.at(-1)!)).toBe(end.through === 12 && log.head === 20)
  })
  it("is where the reader goes back to: later marks are gone", () => {
    expect(Epochs.backTo(read, mark("b", 10))).toEqual([mark("", 3), mark("a", 7), mark("b", 10)])
    expect(Epochs.backTo(read, mark("a", 5))).toEqual([mark("", 3), mark("a", 5)])
    expect(Epochs.backTo(read, mark("", 0))).toEqual([mark("", 0)])
  })
})
