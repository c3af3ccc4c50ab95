/** Every endpoint of the API with a request that it takes, for tests of what all of them do alike. */
import { type Api, type Call } from "./support.ts";
/** The ids of one of everything. */
export interface World {
    readonly source: string;
    readonly destination: string;
    readonly connection: string;
    readonly event: string;
    readonly attempt: string;
    readonly replay: string;
    readonly key: string;
    readonly workspace: string;
}
export interface Endpoint {
    /** `group.endpoint`, as the API names it. */
    readonly name: string;
    readonly method: "GET" | "POST" | "PATCH" | "DELETE";
    readonly path: string;
    readonly body?: unknown;
    readonly status: number;
    /** What a key must be able to do. */
    readonly needs: "nothing" | "read" | "write" | "*" | "root";
    /** Whether it names something that belongs to a workspace. */
    readonly isOwned: boolean;
}
export declare const endpointsOf: (world: World) => ReadonlyArray<Endpoint>;
/** One of everything, in a workspace: an event that is a dead letter, tried once, and a replay of it. */
export declare const makeWorld: (api: Api, workspace: string, call: Call) => Promise<World>;
