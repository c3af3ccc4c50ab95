/** Says in one line each what goes wrong in a workspace, as its API tells it. */
import type { Client } from "@hookstream/devkit/ApiClient"

interface Destination {
  readonly id: string
  readonly name: string
  readonly status: "active" | "paused"
  readonly paused_reason: string | null
  readonly circuit: { readonly state: "closed" | "open" | "half_open"; readonly next_probe_at: string | null }
  readonly dead: number
  readonly last_error: string | null
  readonly next_attempt_at: string | null
}

interface DeadLetter {
  readonly event_id: string | null
  readonly connection_id: string
  readonly replay_id: string | null
  readonly attempts: number
  readonly reason: string
  readonly error: string
}

/** What was said of a destination last. */
interface Said {
  readonly paused: string | null
  readonly isOpen: boolean
  readonly error: string | null
  readonly dead: number
  readonly letters: ReadonlySet<string>
}
const NOTHING: Said = { paused: null, isOpen: false, error: null, dead: 0, letters: new Set() }

const POLL_MS = 1000
/** Dead letters of a destination that are told one by one; of more at once, their number. */
const LETTERS = 10
const LINE = 160

/** Without what would move a terminal's cursor, and short. */
export const plain = (text: string): string => {
  const one = text.replaceAll(/\p{Cc}+/gu, " ")
  return one.length > LINE ? `${one.slice(0, LINE - 1)}…` : one
}

const idOf = ({ event_id, connection_id, replay_id }: DeadLetter) => `${event_id} ${connection_id} ${replay_id}`

const destinationsOf = async (client: Client): Promise<ReadonlyArray<Destination>> => {
  const all: Array<Destination> = []
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page = await client.need("GET", `/v1/destinations?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`)
    all.push(...page.destinations)
    cursor = page.cursor
  }
  return all
}

/** The dead letters are read only when their number has changed: newest first, the first page. */
const lettersOf = async (client: Client, { id, dead }: Destination, said: Said): Promise<ReadonlyArray<DeadLetter>> => {
  if (dead === 0 || dead === said.dead) return []
  return (await client.need("GET", `/v1/destinations/${id}/dlq?limit=100`)).dead_letters
}

/** The lines that a destination gives reason for, and what has been said of it then. */
export const linesOf = (
  one: Destination,
  letters: ReadonlyArray<DeadLetter>,
  said: Said
): { readonly lines: ReadonlyArray<string>; readonly said: Said } => {
  const name = plain(`"${one.name}" (${one.id})`)
  const lines: Array<string> = []
  const paused = one.status === "paused" ? (one.paused_reason ?? "by its user") : null
  if (paused !== said.paused) lines.push(paused === null ? `resumed  ${name}` : `paused  ${name}: ${plain(paused)}`)
  const isOpen = one.circuit.state !== "closed"
  if (isOpen && !said.isOpen) {
    const why = one.last_error === null ? "" : `: ${plain(one.last_error)}`
    lines.push(`circuit opened  ${name}${why}; next probe at ${one.circuit.next_probe_at}`)
  }
  if (!isOpen && said.isOpen) lines.push(`circuit closed  ${name}`)
  const fresh = letters.filter((letter) => !said.letters.has(idOf(letter)))
  for (const { event_id, attempts, reason, error } of fresh.slice(0, LETTERS)) {
    const event = event_id ?? "an event that is no longer stored"
    lines.push(`dead letter  ${event} at ${name}, tries ${attempts}: ${plain(`${reason}: ${error}`)}`)
  }
  // One page of them is read, a connection at a time: the number tells of those beyond it.
  const more = Math.max(fresh.length, one.dead - said.dead) - Math.min(fresh.length, LETTERS)
  if (more > 0) lines.push(`dead letters  ${more} more at ${name}; in all ${one.dead}`)
  const error = one.last_error
  // Of what has its own line already that line is enough.
  if (lines.length === 0 && error !== null && error !== said.error && one.next_attempt_at !== null) {
    lines.push(`failed  ${name}: ${plain(error)}; tried again at ${one.next_attempt_at}`)
  }
  const known = one.dead === said.dead ? said.letters : new Set(letters.map(idOf))
  return { lines, said: { paused, isOpen, error, dead: one.dead, letters: known } }
}

/** Asks for as long as the process lives. What cannot be asked now is asked the next time. */
export const watch = (client: Client, say: (line: string) => void): void => {
  let all: ReadonlyMap<string, Said> = new Map()
  const round = async () => {
    const now = new Map<string, Said>()
    for (const one of await destinationsOf(client)) {
      const before = all.get(one.id) ?? NOTHING
      const { lines, said } = linesOf(one, await lettersOf(client, one, before), before)
      for (const line of lines) say(line)
      now.set(one.id, said)
    }
    all = now
  }
  const again = () =>
    round()
      .catch(() => {})
      .finally(() => setTimeout(again, POLL_MS))
  void again()
}
