/** Speaks to the inspector of the isolate: workerd's `--inspector-addr`. */
export const inspect = async (port: number) => {
  const [isolate] = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as ReadonlyArray<{
    readonly webSocketDebuggerUrl: string
  }>
  const socket = new WebSocket(isolate!.webSocketDebuggerUrl)
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }))
  const waiting = new Map<number, (result: unknown) => void>()
  socket.addEventListener("message", ({ data }) => {
    const { id, result } = JSON.parse(String(data))
    waiting.get(id)?.(result)
  })
  let ids = 0
  const call = <A>(method: string, params: object = {}): Promise<A> =>
    new Promise((resolve) => {
      const id = ++ids
      waiting.set(id, (result) => resolve(result as A))
      socket.send(JSON.stringify({ id, method, params }))
    })
  return { call, close: () => socket.close() }
}

/** MiB of the isolate's heap after a collection. */
export const heapOf = async ({ call }: Pick<Awaited<ReturnType<typeof inspect>>, "call">): Promise<number> => {
  await call("HeapProfiler.collectGarbage")
  const { usedSize } = await call<{ readonly usedSize: number }>("Runtime.getHeapUsage")
  return usedSize / 1024 / 1024
}
