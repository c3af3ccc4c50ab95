/** What an event costs that comes alone, to a gateway at rest: rows by table, and requests to objects. */
import { load } from "../Generator.ts"
import type { Figure, Result } from "../Result.ts"
import { type Sink, startSink } from "../Sink.ts"
import { sampleOf } from "../Stats.ts"
import { countsOf, makeRig, type Rig, settled } from "./Cost.ts"

const DESTINATIONS = [1, 10]
/** Events that come alone, one after the other, each when all before it has come to rest. */
const LONE = 5
/** Rows that a lone event may write, alarms not counted, by its destinations. */
const LONE_GOALS: Readonly<Record<number, number>> = { 1: 4, 10: 25 }

/** What an event costs that comes to a gateway at rest, and what of it is written where. */
const loneFigures = async (rig: Rig, sink: Sink): Promise<ReadonlyArray<Figure>> => {
  const what = `a lone event, ${rig.destinations} destination${rig.destinations === 1 ? "" : "s"}`
  console.log(`  ${what}`)
  const before = await countsOf(rig)
  for (let i = 0; i < LONE; i++) {
    await sink.read("?reset")
    await load({ url: rig.source, connections: 1, until: { requests: 1 }, size: 1000 })
    await sink.wait(rig.destinations)
    await settled()
  }
  const after = await countsOf(rig)
  const per = (name: "rowsWritten" | "alarmsSet" | "objectRequests") => (after[name] - before[name]) / LONE
  const most = LONE_GOALS[rig.destinations]
  const tables = Object.entries(after.written).flatMap(([to, rows]): ReadonlyArray<Figure> => {
    const more = rows - (before.written[to] ?? 0)
    return more === 0 ? [] : [{ name: `${what}: rows in ${to}`, value: sampleOf([more / LONE]), unit: "an event" }]
  })
  return [
    {
      name: `${what}: rows written`,
      value: sampleOf([per("rowsWritten")]),
      unit: "an event",
      ...(most === undefined ? {} : { goal: { atMost: most } })
    },
    {
      name: `${what}: rows and alarms`,
      value: sampleOf([per("rowsWritten") + per("alarmsSet")]),
      unit: "an event",
      ...(most === undefined ? {} : { goal: { atMost: most } })
    },
    ...tables,
    { name: `${what}: object requests`, value: sampleOf([per("objectRequests")]), unit: "an event" }
  ]
}

export const run = async (): Promise<Result> => {
  const sink = await startSink()
  const rigs: Array<Rig> = []
  try {
    for (const destinations of DESTINATIONS) rigs.push(await makeRig(sink, destinations, 1))
    await settled()
    const figures: Array<Figure> = []
    for (const rig of rigs) figures.push(...(await loneFigures(rig, sink)))
    return { figures }
  } finally {
    await Promise.all([sink.stop(), ...rigs.map(({ gateway }) => gateway.stop())])
  }
}
