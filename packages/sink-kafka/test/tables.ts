/** The tables of kafka-rest-v3 §6, with what each line is to a delivery. */

// kafka-rest-v3 §6a, a row for each line; then what the table does not have.
export const statuses = [
  [400, "Rejected"],
  [401, "Unauthorized"],
  [403, "Unauthorized"],
  [404, "Misconfigured"],
  [405, "Misconfigured"],
  [406, "Misconfigured"],
  [415, "Misconfigured"],
  [413, "TooLarge"],
  [422, "Rejected"],
  [429, "Throttled"],
  [500, "Unavailable"],
  [502, "Unknown"],
  [503, "Unknown"],
  [504, "Unknown"],
  [204, "Misconfigured"],
  [207, "Misconfigured"],
  [301, "Misconfigured"],
  [307, "Misconfigured"],
  [407, "Misconfigured"],
  [408, "Unknown"],
  [418, "Rejected"],
  [599, "Unknown"]
] as const
// kafka-rest-v3 §6b, a row for each line (200, and the 400 of a broken stream, are ReceiptReader's).
export const codes = [
  [400, "Malformed"],
  [40002, "Rejected"],
  [40101, "Unauthorized"],
  [40301, "Unauthorized"],
  [40401, "Misconfigured"],
  [40402, "Malformed"],
  [40403, "Misconfigured"],
  [408, "Unknown"],
  [413, "TooLarge"],
  [422, "Malformed"],
  [429, "Throttled"],
  [42901, "Throttled"],
  [500, "Unavailable"],
  [50002, "Rejected"],
  [50003, "Unknown"],
  [50302, "Unavailable"],
  // Not in the table: by the status that the code begins with.
  [401, "Unauthorized"],
  [403, "Unauthorized"],
  [404, "Misconfigured"],
  [40399, "Unauthorized"],
  [40801, "Unknown"],
  [41801, "Rejected"],
  [42206, "Malformed"],
  [42999, "Throttled"],
  [503, "Unknown"],
  [50399, "Unknown"]
] as const
