/** The few calls of the API that scripts and end-to-end tests make, as a user would with curl. */
export interface Answer {
    readonly status: number;
    readonly headers: Headers;
    readonly body: any;
}
export interface Client {
    readonly call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>;
    /** The same, but anything other than 2xx throws. */
    readonly need: (method: string, path: string, body?: unknown) => Promise<Answer["body"]>;
}
export declare const apiClient: (url: string, headers: Record<string, string>) => Client;
/** Makes a workspace and answers a client with its first key. */
export declare const newWorkspace: (url: string, rootKey: string) => Promise<{
    key: string;
    client: Client;
}>;
