import * as Schema from "effect/Schema"

/** An object was asked before anyone claimed it: it holds nothing and writes nothing. */
export class NotClaimed extends Schema.TaggedError<NotClaimed>()("NotClaimed", { object: Schema.String }) {}
