import type { Sql } from "@hookstream/core/Sql";
type Value = string | number | null | {
    readonly base64: string;
};
/** The database that an older version left: its statements, and the rows of its tables. */
export interface Fixture {
    readonly schema: ReadonlyArray<string>;
    readonly rows: Readonly<Record<string, ReadonlyArray<Readonly<Record<string, Value>>>>>;
}
export declare const restore: ({ schema, rows }: Fixture) => Sql;
/** A source id as version 1 made it, under key number 1 of 32 bytes of 1. It is the source's ingest token. */
export declare const idOfVersion1: (workspace: string, route: string) => string;
export {};
