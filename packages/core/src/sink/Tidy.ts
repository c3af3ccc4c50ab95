/**
 * What users paste, in the form in which it is stored: without the white space that comes along from a web page, and
 * each URL as the URL parser writes it, so that what is shown is what is called. For a sink's `tidy`.
 */

/** White space of any script, and what has no width at all. */
const AROUND = /^[\s\u200b\u2060]+|[\s\u200b\u2060]+$/g

/** A text without the white space around it. */
export const text = (value: string): string => value.replace(AROUND, "")

/** A config nests less; what is deeper is refused by its Schema, and would be too deep for recursion. */
const DEPTH_MAX = 8

/** JSON with all its texts trimmed, except those at one of these dotted paths. */
export const texts = (value: unknown, keep: ReadonlyArray<string> = []): unknown => {
  const go = (one: unknown, path: ReadonlyArray<string>): unknown => {
    if (path.length > DEPTH_MAX || keep.includes(path.join("."))) return one
    if (typeof one === "string") return text(one)
    if (typeof one !== "object" || one === null) return one
    if (Array.isArray(one)) return one.map((item, i) => go(item, [...path, String(i)]))
    return Object.fromEntries(Object.entries(one).map(([name, item]) => [name, go(item, [...path, name])]))
  }
  return go(value, [])
}

/** JSON whose member `name` is rewritten, where it is a text. */
export const member = (value: unknown, name: string, rewrite: (text: string) => string): unknown => {
  if (typeof value !== "object" || value === null || !(name in value)) return value
  const before: unknown = Reflect.get(value, name)
  return typeof before === "string" ? { ...value, [name]: rewrite(before) } : value
}

/** A URL as the URL parser writes it, without its fragment, which is never sent. What is no URL stays as it is. */
export const url = (value: string): string => {
  const parsed = URL.parse(value)
  if (parsed === null) return value
  parsed.hash = ""
  return parsed.href
}
