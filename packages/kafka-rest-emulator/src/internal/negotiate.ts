/** What the proxy takes and gives: `application/json` only (§2). */

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const PARAMETERS = new RegExp(`^(?:;\\s*(?:${TOKEN}\\s*=\\s*(?:${TOKEN}|"(?:[^"\\\\]|\\\\.)*"))?\\s*)*$`)
const MEDIA = new RegExp(`^(${TOKEN})/(${TOKEN})\\s*(;.*)?$`)

/** A media type of a header: in lower case, with its parameters; `undefined` where it is none. */
const media = (text: string) => {
  const match = MEDIA.exec(text.trim())
  const parameters = match?.[3] ?? ""
  if (match === null || !PARAMETERS.test(parameters)) return undefined
  const parameter = (name: string): string | undefined => {
    const found = parameters
      .split(";")
      .map((one) => one.split("="))
      .find(([key]) => key?.trim().toLowerCase() === name)
    return found?.[1]?.trim().replace(/^"(.*)"$/, "$1")
  }
  return { type: `${match[1]}/${match[2]}`.toLowerCase(), parameter }
}

/** `malformed`: no media type at all, which the server before the proxy refuses. */
export const contentType = (header: string | undefined): "ok" | "missing" | "charset" | "other" | "malformed" => {
  if (header === undefined || header.trim() === "") return "missing"
  const given = media(header)
  if (given === undefined) return "malformed"
  if (given.type !== "application/json") return "other"
  const charset = given.parameter("charset")
  return charset === undefined || /^(?:utf-8|iso-8859-1)$/i.test(charset) ? "ok" : "charset"
}

/** Whether a client that sends this `Accept` takes the type. */
export const accepts = (header: string | undefined, type: string): boolean => {
  if (header === undefined || header.trim() === "") return true
  const [main] = type.split("/")
  return header.split(",").some((one) => {
    const given = media(one)
    return [type, `${main}/*`, "*/*"].includes(given?.type ?? "") && Number(given?.parameter("q") ?? 1) > 0
  })
}
