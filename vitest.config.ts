import { defineConfig } from "vitest/config"

// Unit, contract and property tests run in Node ("unit"). Tests that start a real workerd ("workerd") come after them:
// they go by the clock, and those of Node use all cores.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          // A machine that does much at once is slow; a test that hangs fails all the same.
          testTimeout: 20_000,
          // By default one core is left idle, which is half of two.
          maxWorkers: "100%",
          sequence: { groupOrder: 0 },
          include: ["packages/*/test/**/*.test.ts", "scripts/test/**/*.test.ts"],
          exclude: ["**/*.workerd.test.ts", "**/*.e2e.test.ts"]
        }
      },
      {
        test: {
          name: "workerd",
          include: ["packages/*/test/**/*.{workerd,e2e}.test.ts", "scripts/test/**/*.e2e.test.ts"],
          // They wait more than they compute, so two go side by side.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})
