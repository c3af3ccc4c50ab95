import { basename } from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const mutated = (process.env["HOOKSTREAM_MUTATED"] ?? "").toLowerCase().split(" ")

/** How much of its name a test file shares with a file that is mutated. */
const shared = (file: string): number => {
  const name = basename(file).toLowerCase()
  const common = (other: string) => [...other].findIndex((letter, i) => name[i] !== letter)
  return Math.max(...mutated.map((other) => common(`${other} `)))
}

/** A mutant is dead at the first test that fails: the file's own tests come first. */
class OwnTestsFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return files.toSorted((a, b) => shared(b.moduleId) - shared(a.moduleId))
  }
}

// The unit tests that answer in milliseconds: one mutant runs dozens of them. The simulations and the large backlog
// would take seconds for each mutant that the others let through.
export default defineConfig({
  test: {
    // A run is a process of its own, and loading Effect for each file would take most of it.
    isolate: false,
    // The run has its own time-out for each mutant.
    testTimeout: 60_000,
    sequence: { sequencer: OwnTestsFirst },
    include: ["**/test/**/*.test.ts"],
    exclude: [
      "**/*.workerd.test.ts",
      "**/*.e2e.test.ts",
      "**/node_modules/**",
      "**/*Simulation.test.ts",
      "**/Backlog.test.ts"
    ]
  }
})
