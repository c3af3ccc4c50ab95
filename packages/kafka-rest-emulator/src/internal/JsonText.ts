/** Finds where JSON values begin and end in a text, so that a value can be kept as the text that came. */

const isSpace = (char: string | undefined) => char === " " || char === "\n" || char === "\r" || char === "\t"

export const skipSpace = (text: string, at: number): number => {
  let i = at
  while (isSpace(text[i])) i++
  return i
}

/** The position after the string that begins at `at`; the text's length when it does not end. */
const endOfString = (text: string, at: number): number => {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === "\\") i++
    else if (text[i] === '"') return i + 1
  }
  return text.length
}

/** The position after the value that begins at `at`, by its brackets and quotes alone; `undefined` when it does not end. */
export const endOfValue = (text: string, at: number): number | undefined => {
  const first = text[at]
  if (first === '"') {
    const end = endOfString(text, at)
    return text[end - 1] === '"' && end > at + 1 ? end : undefined
  }
  if (first !== "{" && first !== "[") {
    let i = at
    while (i < text.length && !isSpace(text[i]) && !",]}".includes(text[i]!)) i++
    return i > at ? i : undefined
  }
  let depth = 0
  for (let i = at; i < text.length; i++) {
    const char = text[i]
    if (char === '"') i = endOfString(text, i) - 1
    else if (char === "{" || char === "[") depth++
    else if ((char === "}" || char === "]") && --depth === 0) return i + 1
  }
  return undefined
}

/** The text of a member's value in the text of one valid JSON object; of a repeated name the last one, as parsers take it. */
export const memberText = (object: string, name: string): string | undefined => {
  let found: string | undefined
  let i = skipSpace(object, 1)
  while (object[i] === '"') {
    const afterName = endOfString(object, i)
    const key: unknown = JSON.parse(object.slice(i, afterName))
    const start = skipSpace(object, skipSpace(object, afterName) + 1)
    const end = endOfValue(object, start)!
    if (key === name) found = object.slice(start, end)
    const next = skipSpace(object, end)
    if (object[next] !== ",") break
    i = skipSpace(object, next + 1)
  }
  return found
}
