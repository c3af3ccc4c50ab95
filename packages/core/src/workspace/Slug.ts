/** Slugs: the short names of sources and destinations, each once among the live ones of its kind. */

export const MAX_LENGTH = 100

const cut = (slug: string, length: number): string => slug.slice(0, length).replace(/-+$/, "")

/** The letters and digits of a name in lower case without accents, joined by `-`; empty when none of them is Latin. */
export const fromName = (name: string): string => {
  const words =
    name
      .normalize("NFKD")
      .replace(/\p{M}+/gu, "")
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  return cut(words.join("-"), MAX_LENGTH)
}

/** `base`, or `base-2`, `base-3` … where that is taken. */
export const free = (base: string, taken: ReadonlySet<string>): string => {
  let slug = base
  for (let n = 2; taken.has(slug); n++) slug = `${cut(base, MAX_LENGTH - `-${n}`.length)}-${n}`
  return slug
}
