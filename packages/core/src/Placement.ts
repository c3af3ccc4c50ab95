/**
 * Where objects are made. Both parts of a placement stand in the name of an object, and so in every id, ingest URL and
 * API key that leads to it: whoever asks it knows where it is without asking another, and the first to ask it, who has
 * it made, gives the region.
 *
 * A name without a placement is hex digits. Where there is one, its first two digits are letters past `f` instead:
 *
 * | letter | `g` | `h` | `i` | `j` | `k` | `l` | `m` | `n` | `o` | `p` |
 * |---|---|---|---|---|---|---|---|---|---|---|
 * | first, the jurisdiction | none | eu | us | fedramp | | | | | | |
 * | second, the region | none | wnam | enam | sam | weur | eeur | apac | oc | afr | me |
 *
 * See https://developers.cloudflare.com/durable-objects/reference/data-location/.
 */

/** Objects run and store what they hold within it. Ids hold positions in this list: it only grows at its end. */
export const JURISDICTIONS = ["eu", "us", "fedramp"] as const
export type Jurisdiction = (typeof JURISDICTIONS)[number]

/** Objects are made near it, as far as Cloudflare can. Ids hold positions in this list: it only grows at its end. */
export const REGIONS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const
export type Region = (typeof REGIONS)[number]

export interface Placement {
  readonly jurisdiction: Jurisdiction | null
  readonly region: Region | null
}

export const ANYWHERE: Placement = { jurisdiction: null, region: null }

const WITHIN: Readonly<Record<Jurisdiction, ReadonlyArray<Region>>> = {
  eu: ["weur", "eeur"],
  us: ["wnam", "enam"],
  fedramp: ["wnam", "enam"]
}

/** The regions that lie within a jurisdiction. */
export const regionsIn = (jurisdiction: Jurisdiction | null): ReadonlyArray<Region> =>
  jurisdiction === null ? REGIONS : WITHIN[jurisdiction]

const LETTERS = "ghijklmnop"

/** The letters at the begin of a name; none without a placement. */
export const markOf = ({ jurisdiction, region }: Placement): string =>
  jurisdiction === null && region === null
    ? ""
    : LETTERS.charAt(jurisdiction === null ? 0 : JURISDICTIONS.indexOf(jurisdiction) + 1) +
      LETTERS.charAt(region === null ? 0 : REGIONS.indexOf(region) + 1)

/** A regular expression for so many digits with or without a placement. */
export const digits = (count: number): string => {
  const [lastJurisdiction, lastRegion] = [LETTERS[JURISDICTIONS.length], LETTERS[REGIONS.length]]
  return `(?:[0-9a-f]{2}|[g-${lastJurisdiction}][g-${lastRegion}])[0-9a-f]{${count - 2}}`
}

/** The placement that the name of an object begins with, behind a prefix such as `dst_`. */
export const placementOf = (name: string): Placement => {
  const at = name.indexOf("_") + 1
  const first = LETTERS.indexOf(name.charAt(at) || "0")
  if (first === -1) return ANYWHERE
  const second = LETTERS.indexOf(name.charAt(at + 1) || "0")
  return { jurisdiction: JURISDICTIONS[first - 1] ?? null, region: REGIONS[second - 1] ?? null }
}
