/** An object of JSON read into the fields that a class of Java declares, as Jackson does by the class's creator. */
import { property } from "./coerce.ts"
import type { JsonReader } from "./JsonReader.ts"
import { RecordError } from "./RecordError.ts"

type Read = (reader: JsonReader) => unknown
export interface Bean<F extends Readonly<Record<string, Read>>, T> {
  readonly what: string
  readonly fields: F
  /** Makes it of what has been read. May throw {@link RecordError}. */
  readonly build: (values: { readonly [K in keyof F]?: ReturnType<F[K]> }) => T
  /**
   * Further names of the class that is made. They are set in place of what the creator was given; the names of `fields`
   * count only if they are here too, once every field has been read.
   */
  readonly setters: Readonly<Record<string, (reader: JsonReader) => (made: T) => T>>
}

const unknownField = (name: string, what: string): RecordError =>
  new RecordError(400, `Unrecognized field "${name}" (class ${what}), not marked as ignorable`)

/** Another token where an object or an array is wanted. A text is read before it is refused. */
export const mismatch = (reader: JsonReader, what: string): never => {
  if (reader.unread) reader.text()
  throw new RecordError(400, `Cannot construct instance of ${what} from token ${reader.token}`)
}

/** What follows once all fields are known: only setters count. */
const readRest = <T>(reader: JsonReader, { what, setters }: Pick<Bean<never, T>, "what" | "setters">, begun: T): T => {
  let made = begun
  for (; reader.token === "name"; reader.next()) {
    const { name } = reader
    const setter = Object.hasOwn(setters, name) ? setters[name]! : undefined
    reader.next()
    if (setter === undefined) throw unknownField(name, what)
    made = property(() => setter(reader)(made))
  }
  return made
}

/** Reads the present object. Throws {@link RecordError} and {@link JsonError}. */
export const readBean = <F extends Readonly<Record<string, Read>>, T>(reader: JsonReader, bean: Bean<F, T>): T => {
  const { fields, setters, what } = bean
  if (reader.token !== "{") return mismatch(reader, what)
  const wanted = Object.keys(fields).length
  const values = new Map<string, unknown>()
  const later: Array<(made: T) => T> = []
  const make = (): T => later.reduce((made, set) => set(made), bean.build(Object.fromEntries(values) as never))
  while (reader.next() === "name") {
    const { name } = reader
    reader.next()
    if (Object.hasOwn(fields, name)) {
      values.set(
        name,
        property(() => fields[name]!(reader))
      )
      if (values.size < wanted) continue
      reader.next()
      return readRest(reader, bean, make())
    }
    if (Object.hasOwn(setters, name)) later.push(property(() => setters[name]!(reader)))
    else {
      // What is unknown is reported once the rest is read.
      reader.skip()
      if (reader.unread) reader.text()
      later.push(() => {
        throw unknownField(name, what)
      })
    }
  }
  return make()
}
