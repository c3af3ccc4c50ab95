/** Limits that a server keeps for each cluster (§7). Nothing is limited unless said. */
export interface Limits {
  /** Over it: HTTP 429 with an HTML page. */
  readonly requestsPerSecond?: number
  /** Over it: receipt 429, the record is not produced and the next goes on. */
  readonly recordsPerSecond?: number
  /** Of the records' JSON, base64 and all. Over it: receipt 429. */
  readonly bytesPerSecond?: number
  /** Of one record's JSON. Over it: receipt 413. */
  readonly messageBytes?: number
}

/**
 * Named limits. `confluent_cloud_shared`: Confluent Cloud Basic, Standard, Enterprise and Freight (§7). Its megabytes
 * are taken as 10^6 bytes, the stricter reading: a client that keeps to them keeps to either.
 */
export const LIMIT_PRESETS = {
  confluent_cloud_shared: {
    requestsPerSecond: 25,
    recordsPerSecond: 1000,
    bytesPerSecond: 10_000_000,
    messageBytes: 8_000_000
  }
} as const satisfies Record<string, Limits>

export type LimitPreset = keyof typeof LIMIT_PRESETS
