/** Bodies that are larger than a row may be, in pieces. */

import { joined } from "../../Bytes.ts"
import { blob, type Sql } from "../../Sql.ts"
import { CHUNK_BYTES } from "../EventLogStore.ts"

export const chunksTable = (n: number): string =>
  `CREATE TABLE chunks_${n} (
     seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, part)) WITHOUT ROWID`

export const isChunked = (body: Uint8Array): boolean => body.length > CHUNK_BYTES

export const insertChunks = (sql: Sql, n: number, seq: number, body: Uint8Array): void => {
  for (let part = 0; part * CHUNK_BYTES < body.length; part++) {
    const data = body.subarray(part * CHUNK_BYTES, (part + 1) * CHUNK_BYTES)
    sql.exec(`INSERT INTO chunks_${n} VALUES (?, ?, ?)`, seq, part, data)
  }
}

export const chunksOf = (sql: Sql, n: number, seq: number): Uint8Array =>
  joined(sql.exec(`SELECT data FROM chunks_${n} WHERE seq = ? ORDER BY part`, seq).map(({ data }) => blob(data)))

export const discardChunks = (sql: Sql, n: number): void => {
  sql.exec(`DROP TABLE chunks_${n}`)
}
