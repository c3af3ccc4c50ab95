/** A receipt instead of a record: `{"error_code", "message"}`. */
export class RecordError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}
