/**
 * The hash of Kafka's default partitioner: `org.apache.kafka.common.utils.Utils.murmur2`, as a signed 32-bit integer.
 */
export const murmur2 = (bytes: Uint8Array): number => {
  const M = 0x5bd1e995
  const length = bytes.length
  let h = 0x9747b28c ^ length
  const whole = length & ~3
  for (let i = 0; i < whole; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    k = Math.imul(k, M)
    k ^= k >>> 24
    k = Math.imul(k, M)
    h = Math.imul(h, M) ^ k
  }
  const rest = length - whole
  if (rest === 3) h ^= bytes[whole + 2]! << 16
  if (rest >= 2) h ^= bytes[whole + 1]! << 8
  if (rest >= 1) h = Math.imul(h ^ bytes[whole]!, M)
  h ^= h >>> 13
  h = Math.imul(h, M)
  return (h ^ (h >>> 15)) | 0
}

/** The partition of a record with this key, of `count` partitions. */
export const partitionOf = (key: Uint8Array, count: number): number => (murmur2(key) & 0x7fffffff) % count
