/** Some rounds of one measure. */
export interface Sample {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const sampleOf = (values: ReadonlyArray<number>): Sample => {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: sorted[Math.floor(sorted.length / 2)]!, min: sorted[0]!, max: sorted.at(-1)! }
}

/** Round by round, so that what disturbs a round disturbs both sides of its ratio. */
export const ratios = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): Sample =>
  sampleOf(a.map((value, i) => value / b[i]!))

const digits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)

/** `1.83 (1.75 to 1.90)`, or of one round `1.83`. */
export const shown = ({ median, min, max }: Sample): string =>
  min === max ? digits(median) : `${digits(median)} (${digits(min)} to ${digits(max)})`

/** The value below which this part of them lies. */
export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
