import { type Line, line } from "@hookstream/core/LogLine"
import * as Logger from "effect/Logger"

/** One line of JSON on the console: Cloudflare's logs read its fields, and so does whoever follows a file. */
export const print = ({ level, message, fields }: Line): void => {
  console[level](JSON.stringify({ message, level, ...fields }))
}

const levelOf = (level: string) =>
  level === "Error" || level === "Fatal" ? "error" : level === "Warn" ? "warn" : "info"

/** Effect's log lines in the same form. Core's have a message and fields; of anything else the words are shown. */
export const layerLogger = Logger.layer([
  Logger.make(({ message, logLevel, cause }) => {
    const [words, fields] = [message].flat()
    const error = cause.reasons.length === 0 ? undefined : cause
    print(line(levelOf(logLevel), String(words), Object(fields), error))
  })
])
