import { defineConfig } from "vitest/config"

// The unit tests that answer in milliseconds: one mutant runs dozens of them. The simulation and the large backlog would take
// seconds for each mutant that the others let through.
export default defineConfig({
  test: {
    // A run is a process of its own, and loading Effect for each file would take most of it.
    isolate: false,
    include: ["**/test/**/*.test.ts"],
    exclude: [
      "**/*.workerd.test.ts",
      "**/*.e2e.test.ts",
      "**/node_modules/**",
      "**/Simulation.test.ts",
      "**/Backlog.test.ts"
    ]
  }
})
