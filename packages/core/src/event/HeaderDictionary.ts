/**
 * Headers repeat from event to event. The metas of a segment leave out what its dictionary has: the first value that
 * came under each name.
 */

/** Headers by their place. It only grows, so places stay what they are. */
export type HeaderDictionary = ReadonlyArray<readonly [name: string, value: string]>

/** A header as a meta has it: whole, or its place, or the place of its name with another value. */
export type StoredHeader = readonly [name: string, value: string] | number | readonly [place: number, value: string]

export const EMPTY: HeaderDictionary = []

/** More names than this are somebody's noise. */
const MAX_HEADERS = 64
/** UTF-16 code units of a name with its value. */
const MAX_LENGTH = 512

export const restore = (headers: ReadonlyArray<StoredHeader>, dictionary: HeaderDictionary) =>
  headers.map((header) => {
    if (typeof header === "number") return dictionary[header]!
    const [name, value] = header
    return [typeof name === "number" ? dictionary[name]![0] : name, value] as const
  })

/** A meta that left out what the dictionary has, as it came. */
export const whole = (meta: string, dictionary: HeaderDictionary): string => {
  const [method, headers, ...rest] = JSON.parse(meta)
  return JSON.stringify([method, restore(headers, dictionary), ...rest])
}

/** Leaves out of metas what the dictionary has, and adds to it what is new to it. */
export interface Shortener {
  readonly shorten: (meta: string) => string
  /** The dictionary as it is now: the same as at first while nothing was added. */
  readonly dictionary: () => HeaderDictionary
}

export const shortener = (first: HeaderDictionary): Shortener => {
  const places = new Map(first.map(([name], place) => [name, place]))
  let dictionary = first
  const short = (header: readonly [string, string]): StoredHeader => {
    const [name, value] = header
    const place = places.get(name)
    if (place !== undefined) return dictionary[place]![1] === value ? place : [place, value]
    if (dictionary.length >= MAX_HEADERS || name.length + value.length > MAX_LENGTH) return header
    places.set(name, dictionary.length)
    dictionary = [...dictionary, header]
    return dictionary.length - 1
  }
  return {
    shorten: (meta) => {
      const [method, headers, ...rest] = JSON.parse(meta)
      return JSON.stringify([method, headers.map(short), ...rest])
    },
    dictionary: () => dictionary
  }
}
