/** What `GET` of clusters and topics answers: the shapes of the v3 API, without what hangs below them. */

/** As Confluent Cloud replicates. */
const REPLICATION_FACTOR = 3

/** `base`: `http://host:port/v3`, under which everything names itself. */
export const clusterResource = (base: string, cluster: string) => {
  const self = `${base}/clusters/${encodeURIComponent(cluster)}`
  return {
    kind: "KafkaCluster",
    metadata: { self, resource_name: `crn:///kafka=${cluster}` },
    cluster_id: cluster,
    topics: { related: `${self}/topics` }
  }
}

export const topicResource = (base: string, cluster: string, name: string, partitions: number) => {
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

export const listResource = (kind: string, self: string, data: ReadonlyArray<object>) => ({
  kind,
  metadata: { self, next: null },
  data
})
