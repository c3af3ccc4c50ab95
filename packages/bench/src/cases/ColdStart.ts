/**
 * How long a new process takes to its first answer, how long the evaluation of its bundle takes of that, and how large
 * the bundle is: beside a bare Worker, hono, and an empty HttpApi with as many endpoints as ours.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Bundle, bundle, ENTRY, type Made } from "@hookstream/devkit/Bundle"
import { addSource, newVars, OBJECTS, startGateway } from "../Gateway.ts"
import type { Result } from "../Result.ts"
import { ratios, sampleOf } from "../Stats.ts"
import { bareWorker, bundledWorker, gzipOf, serve, type WorkerdOptions } from "../Workerd.ts"

const ROUNDS = 7
/** Of the first evaluations in a process; each needs a process of its own. */
const EVALUATIONS = 15

const answerOf = async (options: WorkerdOptions): Promise<number> => {
  const workerd = await serve(options)
  await workerd.stop()
  return workerd.startMillis
}

/** Milliseconds to compile and evaluate a bundle, in V8 without workerd, where clocks stand still meanwhile. */
const evaluationOf = ({ file }: Bundle): number =>
  Number(execFileSync(process.execPath, [join(import.meta.dirname, "../Evaluate.ts"), file], { encoding: "utf8" }))

const allOf = ({ file, chunks }: Bundle) => [file, ...Object.values(chunks)]

/** The part of a bundle that is ours, in KiB: its share of the bytes before gzip. */
const ownShare = (made: Made): number => {
  const sum = (entries: ReadonlyArray<readonly [string, number]>) => entries.reduce((all, [, bytes]) => all + bytes, 0)
  const all = Object.entries(made.sources)
  const own = all.filter(([path]) => !path.includes("node_modules"))
  return gzipOf(allOf(made)) * (sum(own) / sum(all))
}

export const run = async (): Promise<Result> => {
  const dir = mkdtempSync(join(tmpdir(), "hookstream-bench-"))
  const bundles = {
    hookstream: bundle(ENTRY, { minify: true }),
    hono: bundledWorker("Hono"),
    "empty HttpApi": bundledWorker("HttpApi")
  }
  try {
    const vars = newVars()
    const before = await startGateway({ dir, vars })
    const { url } = await addSource(before)
    await before.stop()
    const ours = { main: bundles.hookstream, objects: OBJECTS, vars, dir }
    const root = { first: { method: "GET", path: "/" } }
    const starts: Readonly<Record<string, WorkerdOptions>> = {
      "first webhook": { ...ours, first: { method: "POST", path: new URL(url).pathname } },
      "first call of the API": ours,
      "bare Worker": { main: bareWorker("noop"), objects: { TARGET: "Target" } },
      hono: { main: bundles.hono, objects: {}, ...root },
      "empty HttpApi": { main: bundles["empty HttpApi"], objects: {}, ...root }
    }
    const millis = Object.fromEntries(Object.keys(starts).map((name) => [name, [] as Array<number>]))
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, options] of Object.entries(starts)) {
        const took = await answerOf(options)
        if (round >= 0) millis[name]!.push(took)
      }
    }
    const evaluations = Object.fromEntries(Object.keys(bundles).map((name) => [name, [] as Array<number>]))
    for (let round = -1; round < EVALUATIONS; round++) {
      for (const [name, made] of Object.entries(bundles)) {
        const took = evaluationOf(made)
        if (round >= 0) evaluations[name]!.push(took)
      }
    }
    const evaluation = (name: string) => evaluations[name]!
    return {
      figures: [
        {
          name: "evaluation / empty HttpApi",
          unit: "x",
          goal: { atMost: 1.3 },
          value: ratios(evaluation("hookstream"), evaluation("empty HttpApi"))
        },
        ...Object.keys(bundles).map((name) => ({
          name: `evaluation, ${name}`,
          value: sampleOf(evaluation(name)),
          unit: "ms"
        })),
        ...["first webhook", "first call of the API"].flatMap((name) =>
          ["bare Worker", "hono", "empty HttpApi"].map((other) => ({
            name: `${name} / ${other}`,
            value: ratios(millis[name]!, millis[other]!),
            unit: "x"
          }))
        ),
        ...Object.keys(starts).map((name) => ({
          name,
          value: sampleOf(millis[name]!),
          unit: "ms from the process's start"
        })),
        ...Object.entries(bundles).flatMap(([name, made]) => [
          { name: `bundle at the start, ${name}`, value: sampleOf([gzipOf(made.atStart)]), unit: "KiB gzip" },
          { name: `bundle in all, ${name}`, value: sampleOf([gzipOf(allOf(made))]), unit: "KiB gzip" }
        ]),
        {
          name: "our own code in it",
          unit: "KiB gzip",
          goal: { atMost: 45 },
          value: sampleOf([ownShare(bundles.hookstream)])
        }
      ]
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
