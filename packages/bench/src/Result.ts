/** What a case gives: figures for people, and the numbers behind them. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Sample } from "./Stats.ts"
import { shown } from "./Stats.ts"

export interface Figure {
  readonly name: string
  readonly value: Sample
  /** `x`: a ratio. */
  readonly unit: string
  /** What it should be, where there is a goal. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number }
}

export interface Plot {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly lines: ReadonlyArray<{
    readonly name: string
    readonly points: ReadonlyArray<readonly [x: number, y: number]>
  }>
}

export interface Result {
  readonly figures: ReadonlyArray<Figure>
  readonly plots?: ReadonlyArray<Plot>
}

export const RESULTS = join(import.meta.dirname, "../results")

const verdict = ({ value, goal }: Figure): string => {
  if (goal === undefined) return ""
  return "atLeast" in goal
    ? `${value.median >= goal.atLeast ? "reached" : "NOT reached"} (at least ${goal.atLeast})`
    : `${value.median <= goal.atMost ? "reached" : "NOT reached"} (at most ${goal.atMost})`
}

export const print = (name: string, { figures }: Result): void => {
  const rows = figures.map((figure) => [figure.name, `${shown(figure.value)} ${figure.unit}`, verdict(figure)])
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  console.log(`\n${name}`)
  for (const [what, value, goal] of rows) {
    console.log(`  ${what!.padEnd(widths[0]!)}  ${value!.padEnd(widths[1]!)}  ${goal}`.trimEnd())
  }
}

const COLORS = ["#1b6ca8", "#d1495b", "#3f8f29", "#8d6cab", "#c77f1a", "#555555"]
const [WIDTH, HEIGHT, MARGIN] = [720, 400, 60]

/** A plot with straight lines between its points; both axes begin at 0. */
export const svg = ({ title, x, y, lines }: Plot): string => {
  const points = lines.flatMap((line) => line.points)
  const xMax = Math.max(...points.map(([at]) => at), 1)
  const yMax = Math.max(...points.map(([, value]) => value), 1e-9)
  const px = (at: number) => (MARGIN + (at / xMax) * (WIDTH - 2 * MARGIN)).toFixed(1)
  const py = (value: number) => (HEIGHT - MARGIN - (value / yMax) * (HEIGHT - 2 * MARGIN)).toFixed(1)
  const label = (at: number | string, top: number | string, text: string, anchor = "middle") =>
    `<text x="${at}" y="${top}" text-anchor="${anchor}">${text}</text>`
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
    label(px(xMax * part), HEIGHT - MARGIN + 18, String(Math.round(xMax * part))),
    label(MARGIN - 8, py(yMax * part), yMax >= 10 ? String(Math.round(yMax * part)) : (yMax * part).toFixed(2), "end"),
    `<line x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${py(yMax * part)}" y2="${py(yMax * part)}" stroke="#ddd"/>`
  ])
  const drawn = lines.flatMap(({ name, points: own }, i) => {
    const color = COLORS[i % COLORS.length]
    const path = own.map(([at, value]) => `${px(at)},${py(value)}`).join(" ")
    return [
      `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`,
      `<text x="${MARGIN + 10}" y="${MARGIN + 16 * i}" fill="${color}">${name}</text>`
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}"`,
    ` font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    label(WIDTH / 2, 24, title),
    label(WIDTH / 2, HEIGHT - 16, x),
    label(16, MARGIN - 20, y, "start"),
    ...ticks,
    ...drawn,
    "</svg>\n"
  ].join("\n")
}

export const save = (name: string, result: Result): void => {
  mkdirSync(RESULTS, { recursive: true })
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
  for (const [i, plot] of (result.plots ?? []).entries())
    writeFileSync(join(RESULTS, `${name}-${i + 1}.svg`), svg(plot))
}
