/**
 * A real nginx of the test's own, from the Debian package: on a free port, in a temporary directory, as the current
 * user.
 */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const BINARY = "/usr/sbin/nginx"

/** Installs the package when it is absent: as root, or by a sudo that asks nothing. */
const install = (): void => {
  if (existsSync(BINARY)) return
  const sudo = process.getuid!() === 0 ? [] : ["sudo", "-n"]
  const [command, ...first] = [...sudo, "apt-get"]
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  execFileSync(command!, [...first, "update", "-qq"], { env, stdio: "ignore" })
  execFileSync(command!, [...first, "install", "-y", "-qq", "--no-install-recommends", "nginx"], {
    env,
    stdio: "ignore"
  })
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })

// `$request_body` is there only where nginx reads the body itself, to pass it on: hence the proxy before /ok.
const configOf = (dir: string, port: number): string => `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events {}
http {
  log_format wire escape=json
    '{"method":"$request_method","uri":"$request_uri","status":$status,"length":"$content_length",'
    '"type":"$content_type","body":"$request_body","event":"$http_x_hookstream_event_id",'
    '"attempt":"$http_x_hookstream_delivery_attempt","time":"$http_x_hookstream_timestamp",'
    '"signature":"$http_webhook_signature","auth":"$http_authorization"}';
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  client_body_buffer_size 64k;
  server {
    listen 127.0.0.1:${port};
    location = /ok { access_log ${dir}/wire.log wire; proxy_pass http://127.0.0.1:${port}/accepted; }
    location = /accepted { return 200 "accepted\\n"; }
    location = /moved { return 301 /accepted; }
    location = /gone { return 410; }
    location = /busy { add_header Retry-After 7 always; return 429; }
    location = /down { return 503; }
    location = /small { client_max_body_size 1k; proxy_pass http://127.0.0.1:${port}/accepted; }
    location = /closed { return 444; }
    location = /no-backend { proxy_pass http://127.0.0.1:1; }
  }
}
`

export interface Nginx {
  readonly url: string
  /** What nginx logged of the requests to /ok, in order. */
  readonly log: () => ReadonlyArray<Record<string, unknown>>
  readonly stop: () => Promise<void>
}

export const startNginx = async (): Promise<Nginx> => {
  install()
  const dir = mkdtempSync(join(tmpdir(), "hookstream-nginx-"))
  const port = await freePort()
  writeFileSync(join(dir, "nginx.conf"), configOf(dir, port))
  const child = spawn(BINARY, ["-p", dir, "-e", join(dir, "error.log"), "-c", join(dir, "nginx.conf")])
  let output = ""
  child.stderr.on("data", (chunk) => {
    output += chunk
  })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  for (let tries = 0; !(await listens(port)); tries++) {
    if (child.exitCode !== null || tries > 100) throw new Error(`nginx did not start: ${output}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    url: `http://127.0.0.1:${port}`,
    log: () =>
      readFileSync(join(dir, "wire.log"), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line)),
    stop: async () => {
      child.kill()
      await ended
      rmSync(dir, { recursive: true })
    }
  }
}
