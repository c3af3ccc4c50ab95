import { describe, expect, it } from "vitest"
import { routeOf } from "../src/internal/routes.ts"

describe("a path", () => {
  it.each([
    ["/v3/clusters/c/topics/t/records", { _tag: "Records", prefix: "v3", cluster: "c", topic: "t" }],
    ["/v3/clusters/c/topics/t/records/", { _tag: "Records", prefix: "v3", cluster: "c", topic: "t" }],
    ["/v3/clusters/c;x=1/topics/t/records;y", { _tag: "Records", prefix: "v3", cluster: "c", topic: "t" }],
    ["/v3/clusters/a%2Fb%20c/topics/%C3%A9/records", { _tag: "Records", prefix: "v3", cluster: "a/b c", topic: "é" }],
    ["/kafka/v3/clusters/c/topics/t/records:batch", { _tag: "Batch", prefix: "kafka/v3", cluster: "c", topic: "t" }],
    ["/v3/clusters", { _tag: "Clusters", prefix: "v3" }],
    ["/v3/clusters/c", { _tag: "Cluster", prefix: "v3", cluster: "c" }],
    ["/v3/clusters/c/topics", { _tag: "Topics", prefix: "v3", cluster: "c" }],
    ["/v3/clusters/c/topics/t", { _tag: "Topic", prefix: "v3", cluster: "c", topic: "t" }],
    ["/", { _tag: "Root" }],
    ["/v3", { _tag: "Missing" }],
    ["/v2/clusters/c", { _tag: "Missing" }],
    ["/v3/Clusters", { _tag: "Missing" }],
    ["/v3/clusters/c/topics/t/records/1", { _tag: "Missing" }],
    ["/v3/clusters/c/topics/t/partitions", { _tag: "Missing" }],
    ["/v3/clusters/%zz", { _tag: "Ambiguous" }]
  ])("%s leads where it does in both versions", (path, route) => {
    expect(routeOf(path, "7.9")).toEqual(route)
    expect(routeOf(path, "8.3")).toEqual(route)
  })
  it.each([
    ["/v3//clusters", "Missing"],
    ["/v3/clusters//topics/t/records", "Missing"],
    ["/v3/clusters/c/topics/%2e/records", "Records"],
    ["/v3/clusters/c/topics/%2E%2e/records", "Records"]
  ])("%s is ambiguous to Jetty 12 alone", (path, tag) => {
    expect(routeOf(path, "7.9")._tag).toBe(tag)
    expect(routeOf(path, "8.3")._tag).toBe("Ambiguous")
  })
})
