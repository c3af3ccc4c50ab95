import * as Schema from "effect/Schema"

/** Settings of the deployment are missing or wrong. No value of one is in it. */
export class SettingsError extends Schema.TaggedError<SettingsError>()("SettingsError", {
  issues: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    return this.issues.map(({ path, message }) => `${path} ${message}`).join("; ")
  }
}
