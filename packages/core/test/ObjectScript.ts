/** A list of commands against one object's storage, run on the fake and on workerd alike. */
import type { Sql } from "@hookstream/core/Sql"

export type Command =
  | "write"
  /** A transaction with two writes, which comes through or throws between them. */
  | "transaction"
  | "broken transaction"
  /** `await` something that is there already. */
  | "microtask"
  /** `await` a timer. */
  | "macrotask"
  /** The turn ends with an error; the next command begins another. */
  | "throw"
  /** The process ends. */
  | "crash"
export type Script = ReadonlyArray<Command>

/** Every command after every other, and some longer histories. */
export const scripts: ReadonlyArray<Script> = [
  ["write"],
  ["write", "crash"],
  ["write", "throw", "crash"],
  ["write", "throw"],
  ["write", "microtask", "crash"],
  ["write", "macrotask", "crash"],
  ["write", "microtask", "write", "macrotask", "write", "crash"],
  ["transaction", "crash"],
  ["transaction", "macrotask", "crash"],
  ["broken transaction", "macrotask", "crash"],
  ["write", "broken transaction", "write", "macrotask", "crash"],
  ["write", "broken transaction", "crash"],
  ["transaction", "microtask", "broken transaction", "macrotask", "write", "throw", "write"],
  ["write", "macrotask", "transaction", "microtask", "crash"],
  ["write", "crash", "write", "crash", "write"]
]

export interface Platform {
  readonly wait: () => Promise<void>
}

/** Runs a turn: the commands up to a `throw` or a `crash`, or to the end. */
export const runTurn = async (sql: Sql, commands: Script, { wait }: Platform): Promise<void> => {
  const write = () => sql.exec("INSERT INTO rows (n) SELECT coalesce(max(n), 0) + 1 FROM rows")
  for (const command of commands) {
    if (command === "write") write()
    else if (command === "microtask") await Promise.resolve()
    else if (command === "macrotask") await wait()
    else if (command === "transaction" || command === "broken transaction") {
      try {
        sql.transaction(() => {
          write()
          if (command === "broken transaction") throw new RangeError("broken")
          write()
        })
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    }
  }
}

/** The turns of a script, each with how it ends. */
export const turnsOf = (
  script: Script
): ReadonlyArray<{ readonly commands: Script; readonly ends: "throw" | "crash" | "well" }> => {
  const turns: Array<{ commands: Array<Command>; ends: "throw" | "crash" | "well" }> = [{ commands: [], ends: "well" }]
  for (const command of script) {
    const turn = turns.at(-1)!
    if (command === "throw" || command === "crash") {
      turn.ends = command
      turns.push({ commands: [], ends: "well" })
    } else turn.commands.push(command)
  }
  return turns
}

export const prepare = (sql: Sql): void => {
  sql.exec("CREATE TABLE IF NOT EXISTS rows (n INTEGER)")
}
export const count = (sql: Sql): number => Number(sql.exec("SELECT count(*) AS n FROM rows")[0]!["n"])
