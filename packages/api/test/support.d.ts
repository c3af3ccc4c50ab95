import type { Fact } from "@hookstream/core/delivery/Facts";
import { type Jurisdiction } from "@hookstream/core/Placement";
import * as IdKeys from "@hookstream/core/secret/IdKeys";
import * as Sink from "@hookstream/core/sink/Sink";
import type { ApiKey } from "@hookstream/core/workspace/ApiKey";
import type { Source } from "@hookstream/core/workspace/Source";
export declare const ROOT_KEY = "root-key-of-the-tests";
export declare const SECRET = "secret-of-many-letters-9876";
export declare const START: number;
/** The part of the gateway that does not answer. */
export type Part = "registry" | "log" | "deliveries";
export interface Answer {
    readonly status: number;
    readonly headers: Headers;
    readonly body: any;
    /** What came, for searches of secrets. */
    readonly text: string;
}
export type Call = (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>;
export interface Settings {
    readonly publicUrl?: string;
    readonly jurisdictions?: ReadonlyArray<Jurisdiction>;
    /** Sinks besides those of these tests. */
    readonly sinks?: ReadonlyArray<Sink.Sink>;
    /** What sinks reach. Default: whatever this machine reaches. */
    readonly fetch?: typeof globalThis.fetch;
}
export declare const startApi: (settings?: Settings) => {
    /** The API itself. */
    handle: (request: Request) => Promise<Response>;
    send: (request: Request) => Promise<Answer>;
    caller: (own: Readonly<Record<string, string>>, origin?: string) => Call;
    root: Call;
    workspace: () => Promise<{
        id: string;
        call: Call;
        firstKey: any;
        read: Call;
        write: Call;
    }>;
    idKeys: IdKeys.IdKeys;
    /** Whether a part answers. */
    setDown: (part: Part, isDown: boolean) => undefined;
    setUntold: (targets: ReadonlyArray<string>) => void;
    now: () => number;
    /** Lets milliseconds go by. */
    pass: (millis: number) => void;
    /** A source as version 1 made it: its id is its URL. */
    oldSource: (workspace: string, route: string) => Source;
    /** A key as it was stored before a scope was refused. */
    storedKey: (workspace: string, scopes: ApiKey["scopes"]) => Promise<Call>;
    /** An event in a source's log; answers with its id. */
    append: (sourceId: string, body: string, headers?: ReadonlyArray<readonly [string, string]>) => string;
    /** Drops all that a source's log holds. */
    drop: (sourceId: string) => void;
    commit: (destination: string, ...facts: ReadonlyArray<Fact>) => void;
};
export type Api = ReturnType<typeof startApi>;
/** A sink's config for the API, its secrets all {@link SECRET} or with it in front. */
export declare const mirrorConfig: {
    answer: string;
    token: string;
    keys: string[];
};
/** A try of the event at `seq` that failed for good. */
export declare const deadAt: (connection: string, seq: number, at: number) => Fact;
/** A source, a destination and what connects them. */
export declare const connect: (call: Call) => Promise<{
    source: any;
    destination: any;
    connection: any;
}>;
export declare const paths: ({ body }: Answer) => ReadonlyArray<string>;
