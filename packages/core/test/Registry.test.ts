import { makeStore } from "@hookstream/core/Registry"
import { describe, it } from "vitest"
import { nodeSql } from "./NodeSql.ts"
import { cases } from "./suites/RegistryCases.ts"

describe("the registry, on SQLite", () => {
  it.each(Object.entries(cases))("%s", (_, run) => run(makeStore(nodeSql())))
})
