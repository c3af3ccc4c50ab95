export interface GatewayOptions {
    /** Folder of the secrets, the state and the log. */
    readonly dir: string;
    /** 0: any free port. */
    readonly port: number;
    /** Default: open, so that a REST Proxy on this machine can be reached. */
    readonly allowPrivateNetworks?: boolean;
}
export interface Gateway {
    readonly url: string;
    readonly rootKey: string;
    /** Stops it and waits for its end; `SIGKILL` gives it no chance to put anything in order. */
    readonly stop: (signal?: "SIGTERM" | "SIGKILL") => Promise<void>;
    /** Sends a signal to every process of it. */
    readonly signal: (signal: NodeJS.Signals) => void;
    readonly exited: Promise<number | null>;
    readonly logFile: string;
}
export declare const startGateway: (options: GatewayOptions) => Promise<Gateway>;
