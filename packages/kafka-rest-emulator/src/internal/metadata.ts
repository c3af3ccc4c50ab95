/** What `GET` of clusters and topics answers: the shapes of the v3 API, without what hangs below them. */
import { isTopicName, type Topic } from "../Topic.ts"
import { errorOf } from "./answers.ts"
import type { Route } from "./routes.ts"

/** As Confluent Cloud replicates. */
const REPLICATION_FACTOR = 3

/** `base`: `http://host:port/v3`, under which everything names itself. */
const clusterResource = (base: string, cluster: string) => {
  const self = `${base}/clusters/${encodeURIComponent(cluster)}`
  return {
    kind: "KafkaCluster",
    metadata: { self, resource_name: `crn:///kafka=${cluster}` },
    cluster_id: cluster,
    topics: { related: `${self}/topics` }
  }
}

const topicResource = (base: string, cluster: string, name: string, partitions: number) => {
  const self = `${base}/clusters/${encodeURIComponent(cluster)}/topics/${encodeURIComponent(name)}`
  return {
    kind: "KafkaTopic",
    metadata: { self, resource_name: `crn:///kafka=${cluster}/topic=${name}` },
    cluster_id: cluster,
    topic_name: name,
    is_internal: false,
    replication_factor: REPLICATION_FACTOR,
    partitions_count: partitions,
    partitions: { related: `${self}/partitions` },
    configs: { related: `${self}/configs` },
    partition_reassignments: { related: `${self}/partitions/-/reassignment` },
    authorized_operations: []
  }
}

const listResource = (kind: string, self: string, data: ReadonlyArray<object>) => ({
  kind,
  metadata: { self, next: null },
  data
})

/** An answer of JSON. */
export interface Answer {
  readonly status: number
  readonly body: object
}

/**
 * What a `GET` is answered. `known` is the one cluster there is, which the proxy looks at here, though it does not when
 * records are produced.
 */
export const metadataAnswer = (
  route: Extract<Route, { readonly _tag: "Clusters" | "Cluster" | "Topics" | "Topic" }>,
  base: string,
  known: string,
  topics: ReadonlyMap<string, Topic>
): Answer => {
  if (route._tag === "Clusters") {
    const body = listResource("KafkaClusterList", `${base}/clusters`, [clusterResource(base, known)])
    return { status: 200, body }
  }
  const { cluster } = route
  if (cluster !== known) return { status: 404, body: errorOf(404, `Cluster ${cluster} cannot be found.`) }
  const resource = clusterResource(base, cluster)
  if (route._tag === "Cluster") return { status: 200, body: resource }
  if (route._tag === "Topics") {
    const all = [...topics.values()].map((one) => topicResource(base, cluster, one.name, one.partitions))
    return { status: 200, body: listResource("KafkaTopicList", resource.topics.related, all) }
  }
  const topic = topics.get(route.topic)
  if (topic !== undefined) return { status: 200, body: topicResource(base, cluster, route.topic, topic.partitions) }
  return isTopicName(route.topic)
    ? { status: 404, body: errorOf(40403) }
    : { status: 400, body: errorOf(40002, `Topic name "${route.topic}" is illegal.`) }
}
