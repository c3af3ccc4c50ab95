/**
 * Epochs of a log. Each instance of a log's object appends under an epoch of its own, whose id is random. A log that is
 * restored to an earlier time is opened by another instance, so that what it gives out again stands under an epoch that
 * nobody has seen. Who reads a log remembers how far it has read under which epoch, and so notices. Pure.
 */

/** It begins with event `first` and ends before the next one begins. */
export interface Epoch {
  readonly id: string
  readonly first: number
}

/** Events up to `through` were read, the last of them under this epoch. */
export interface Mark {
  readonly epoch: string
  readonly through: number
}

/** What a log tells of itself. One of an older release tells no epochs. */
export interface Told {
  readonly head: number
  /** Some of its epochs in a row, in order. */
  readonly epochs?: ReadonlyArray<Epoch> | undefined
}

/** All that a log knows of its epochs. Those of events that it has dropped for long may be forgotten. */
export interface History extends Told {
  readonly epochs: ReadonlyArray<Epoch>
}

/** The epoch of what was appended before logs had epochs, and of an empty log. */
export const NONE: Epoch = { id: "", first: 0 }

/** Marks that are kept of a log: of the newer half all. */
const MARKS_MAX = 16

/** As many as are kept: of the older half every second goes, so that they are the sparser the older they are. */
const thinned = (marks: ReadonlyArray<Mark>): ReadonlyArray<Mark> =>
  marks.length <= MARKS_MAX ? marks : thinned(marks.filter((_, i) => i >= marks.length / 2 || i % 2 === 0))

/** Marks after more was read, up to `through`: these epochs begin behind them. */
export const advanced = (
  marks: ReadonlyArray<Mark>,
  epochs: ReadonlyArray<Epoch>,
  through: number
): ReadonlyArray<Mark> => {
  const out = [...marks]
  for (const { id, first } of epochs) {
    const last = out.at(-1)
    if (first > through || last?.epoch === id) continue
    if (last !== undefined) out[out.length - 1] = { ...last, through: first - 1 }
    out.push({ epoch: id, through })
  }
  return thinned(out)
}

/** Marks of who has read all of a log. */
export const marksOf = ({ head, epochs = [NONE] }: Told): ReadonlyArray<Mark> => advanced([], epochs, head)

/** Marks of who has read up to `cursor`: the last one goes on with it. */
export const upTo = (marks: ReadonlyArray<Mark>, cursor: number): ReadonlyArray<Mark> =>
  marks.map((mark, i) => (i === marks.length - 1 ? { ...mark, through: cursor } : mark))

/**
 * Whether a log, as far as it tells, still has what was read of it up to `cursor`. Who has read nothing yet takes it as
 * it is.
 */
export const continues = ({ head, epochs }: Told, marks: ReadonlyArray<Mark>, cursor: number): boolean => {
  const last = marks.at(-1)
  if (epochs === undefined || last === undefined) return true
  if (head < cursor) return false
  const at = epochs.findLast(({ first }) => first <= cursor)
  return at === undefined || at.id === last.epoch
}

/** The last event of an epoch that is in the log; `undefined`: it does not know the epoch. */
const endOf = ({ head, epochs }: History, epoch: string): number | undefined => {
  const i = epochs.findIndex(({ id }) => id === epoch)
  return i === -1 ? undefined : (epochs[i + 1]?.first ?? head + 1) - 1
}

/** Whether a log has what was read of it. */
export const has = (history: History, { epoch, through }: Mark): boolean => (endOf(history, epoch) ?? -1) >= through

/**
 * The last event that a log and its reader have in common: the end of the latest epoch that both know. What was read
 * before the epochs that the log still knows counts as common: of that it has nothing that could be passed over.
 */
export const common = (history: History, marks: ReadonlyArray<Mark>): Mark => {
  const { epochs } = history
  const known = epochs[0]?.first ?? 0
  const ends = marks.map(({ epoch, through }) =>
    through < known ? through : Math.min(through, endOf(history, epoch) ?? 0)
  )
  const through = Math.max(0, ...ends)
  const epoch = epochs.findLast(({ first }) => first <= through)?.id ?? marks[ends.indexOf(through)]?.epoch ?? NONE.id
  return { epoch, through }
}

/** Marks of a reader that goes back to an event it has in common with its log. */
export const backTo = (marks: ReadonlyArray<Mark>, to: Mark): ReadonlyArray<Mark> => [
  ...marks.filter(({ epoch, through }) => through < to.through && epoch !== to.epoch),
  to
]
