import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Sql } from "@hookstream/core/Sql";
/** The statements of a database, each compiled once: that takes longer than running it. */
export declare const statementsOf: (db: DatabaseSync) => ((query: string) => StatementSync);
/** `node:sqlite` as core's stores want it; `path` defaults to a database in memory. */
export declare const nodeSql: (path?: string) => Sql & {
    readonly close: () => void;
};
