/** Imports a bundle and says how many milliseconds that took: what V8 needs to compile and evaluate it. */
import { registerHooks } from "node:module"
import { pathToFileURL } from "node:url"

/** Of the platform's own module a bundle needs a class to extend. */
const PLATFORM = "data:text/javascript,export class DurableObject {}; export class WorkerEntrypoint {}"

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "cloudflare:workers" ? { url: PLATFORM, shortCircuit: true } : next(specifier, context)
})

const startedAt = performance.now()
await import(pathToFileURL(process.argv[2]!).href)
console.log(performance.now() - startedAt)
