import { createHmac } from "node:crypto"
import type { Sql } from "@hookstream/core/Sql"
import { nodeSql } from "./NodeSql.ts"

type Value = string | number | null | { readonly base64: string }

/** The database that an older version left: its statements, and the rows of its tables. */
export interface Fixture {
  readonly schema: ReadonlyArray<string>
  readonly rows: Readonly<Record<string, ReadonlyArray<Readonly<Record<string, Value>>>>>
}

export const restore = ({ schema, rows }: Fixture): Sql => {
  const sql = nodeSql()
  for (const statement of schema) sql.exec(statement)
  for (const [table, all] of Object.entries(rows)) {
    for (const row of all) {
      const values = Object.values(row).map((value) =>
        typeof value === "object" && value !== null ? new Uint8Array(Buffer.from(value.base64, "base64")) : value
      )
      sql.exec(`INSERT INTO ${table} VALUES (${values.map(() => "?")})`, ...values)
    }
  }
  return sql
}

/** A source id as version 1 made it, under key number 1 of 32 bytes of 1. It is the source's ingest token. */
export const idOfVersion1 = (workspace: string, route: string): string => {
  const body = `src_${workspace}${route}1`
  return `${body}${createHmac("sha256", Buffer.alloc(32, 1)).update(body).digest("hex").slice(0, 14)}`
}
