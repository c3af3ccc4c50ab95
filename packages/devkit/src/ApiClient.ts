/** The few calls of the API that scripts and end-to-end tests make, as a user would with curl. */
import { RequestFailed } from "./Errors.ts"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the gateway answers
  readonly body: any
}

export interface Client {
  readonly call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
  /** The same, but anything other than 2xx throws. */
  readonly need: (method: string, path: string, body?: unknown) => Promise<Answer["body"]>
}

export const apiClient = (url: string, headers: Record<string, string>): Client => {
  const call: Client["call"] = async (method, path, body, extra = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers, ...extra },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) }
  }
  return {
    call,
    need: async (method, path, body) => {
      const answer = await call(method, path, body)
      if (answer.status >= 300) throw new RequestFailed(`${method} ${path}`, answer.status, answer.body)
      return answer.body
    }
  }
}

/** Makes a workspace and answers a client with its first key. */
export const newWorkspace = async (url: string, rootKey: string, settings: object = {}) => {
  const { api_key } = await apiClient(url, { "X-Root-Key": rootKey }).need("POST", "/v1/workspaces", settings)
  const key: string = api_key.key
  return { key, client: apiClient(url, { "X-API-Key": key }) }
}
