/** Names of headers in settings. */
import * as Schema from "effect/Schema"

/** RFC 9110 §5.6.2: a token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/

export const isHeaderName = (text: string): boolean => TOKEN.test(text)

export const headerName = (form: { readonly title: string; readonly description: string }) =>
  Schema.String.annotate(form).check(
    Schema.isPattern(TOKEN, {
      message: "must be a header name: 1 to 128 letters, digits and hyphens, without spaces or colons"
    })
  )
