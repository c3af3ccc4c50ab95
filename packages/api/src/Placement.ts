/** Where the objects of workspaces, sources and destinations are, as fields of the API. */
import {
  JURISDICTIONS,
  type Jurisdiction as JurisdictionName,
  REGIONS,
  type Region as RegionName,
  regionsIn
} from "@hookstream/core/Placement"
import * as Schema from "effect/Schema"
import type { Issue } from "./ApiError.ts"

const oneOf = (values: ReadonlyArray<string>): string => `must be one of ${values.join(", ")}`

export const Region = Schema.Literals(REGIONS).annotate({
  description:
    "Near which it is made, as far as Cloudflare can (its location hint; within a jurisdiction it may be ignored). " +
    "It cannot be changed later. Default: near who creates it, or the region of its workspace",
  message: oneOf(REGIONS)
})

export const Jurisdiction = Schema.Literals(JURISDICTIONS).annotate({
  description:
    "Within which the workspace, its sources and its destinations run and store what they hold. " +
    "It cannot be changed later. Default: none",
  message: oneOf(JURISDICTIONS)
})

export const placementView = {
  jurisdiction: Schema.NullOr(Jurisdiction),
  region: Schema.NullOr(Region)
}

/** Of a source or a destination that is to be made. */
export const RegionInput = Schema.optionalKey(Region)
export const RegionPatch = Schema.optionalKey(
  Schema.NullOr(Region).annotate({ description: "Cannot be changed: only the present region is accepted" })
)

/** What is wrong with a region within this jurisdiction. */
export const regionIssues = (
  jurisdiction: JurisdictionName | null,
  region: RegionName | null | undefined
): ReadonlyArray<Issue> => {
  const within = regionsIn(jurisdiction)
  if (region == null || within.includes(region)) return []
  return [{ path: "region", message: `${oneOf(within)}: ${region} is outside the jurisdiction ${jurisdiction}` }]
}

/** What is wrong with a jurisdiction, of those that there are. */
export const jurisdictionIssues = (
  jurisdiction: JurisdictionName | undefined,
  available: ReadonlyArray<JurisdictionName>
): ReadonlyArray<Issue> => {
  if (jurisdiction === undefined || available.includes(jurisdiction)) return []
  const wanted = available.length === 0 ? "must be left out" : oneOf(available)
  return [{ path: "jurisdiction", message: `${wanted}: this platform has no ${jurisdiction} (Cloudflare has)` }]
}

/** What is wrong with a change of the region, and what to do instead. */
export const moveIssues = (
  before: RegionName | null,
  region: RegionName | null | undefined,
  instead: string
): ReadonlyArray<Issue> =>
  region === undefined || region === before
    ? []
    : [{ path: "region", message: `cannot be changed from ${before}, what is stored stays where it is: ${instead}` }]
