/** By hand, because the Node that `package.json` pins has no `Uint8Array.prototype.toBase64` and `toHex` (ES2026). */

/** Standard base64 with padding. */
export const toBase64 = (bytes: Uint8Array): string => {
  let binary = ""
  // fromCharCode takes its bytes as arguments: in slices, because engines limit their number.
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(binary)
}

/** Standard or URL-safe base64, or `undefined` when the text is neither. */
export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> | undefined => {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"))
    return Uint8Array.from(binary, (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}
