/** Where records are produced to (kafka-rest-v3 §1, and the seed's URL rule). */
import { firstHost, type KafkaConfig } from "./KafkaConfig.ts"

/**
 * `https://{first bootstrap host}/kafka/v3`, on port 443 whatever port the bootstrap server has; with `rest_endpoint`
 * that URL and `/v3` (an endpoint that already ends in `/v3` is taken as it is).
 */
export const restBase = (config: Pick<KafkaConfig, "bootstrap_servers" | "rest_endpoint">): string => {
  if (config.rest_endpoint === undefined) return `https://${firstHost(config.bootstrap_servers)}/kafka/v3`
  const base = config.rest_endpoint.trim().replace(/\/+$/, "")
  return base.endsWith("/v3") ? base : `${base}/v3`
}

type Place = Pick<KafkaConfig, "bootstrap_servers" | "rest_endpoint" | "cluster_id" | "topic">

/** `{base}/clusters/{cluster_id}` */
export const clusterUrl = (config: Omit<Place, "topic">): string =>
  `${restBase(config)}/clusters/${encodeURIComponent(config.cluster_id)}`

/** `{base}/clusters/{cluster_id}/topics/{topic}` */
export const topicUrl = (config: Place): string => `${clusterUrl(config)}/topics/${encodeURIComponent(config.topic)}`

/** `{base}/clusters/{cluster_id}/topics/{topic}/records` */
export const produceUrl = (config: Place): string => `${topicUrl(config)}/records`
