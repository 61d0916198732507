// What the tests run on: an emulator of Cognito, the servers, and an Envoy of envoy/production.yaml with a
// listener for every host that envoy/BROWSER.md names. The browser is led to them by name, so that the
// page's snippets run as they stand.
//
// Everything listens on loopback, on free ports, and is ended by its process id.

import { execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

import { buildSync } from 'esbuild'
import { chromium } from 'playwright-core'
import { parse } from 'yaml'

import { ROOT, snippet } from './page.mjs'
import { api, application } from './servers.mjs'

export const WORK = resolve(ROOT, 'target/browser')
const PYTHON = resolve(ROOT, 'target/venv/bin/python')
const MODULE = process.env.COGNITO_AUTHORIZER_WASM ?? resolve(ROOT, 'target/wasm32-wasip1/release/cognito_authorizer.wasm')
const ENVOY = process.env.ENVOY ?? resolve(ROOT, 'target/venv/bin/envoy')
const COGNITO = 'cognito-idp.us-east-1.amazonaws.com'
const DOMAIN = 'example.auth.us-east-1.amazoncognito.com'

/** How long anything that must happen may take, on a machine that has much else to do. */
export const PATIENCE = 60_000

/** Without what this machine has for the AWS SDK and for proxies. */
export const environment = Object.fromEntries([
  ...Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_') && !/_proxy$/i.test(name)),
  ['AWS_CONFIG_FILE', '/dev/null'],
  ['AWS_SHARED_CREDENTIALS_FILE', '/dev/null'],
  ['TMPDIR', WORK],
])

// However the run ends, what it started ends with it; the demo has children of its own to end.
const children = []
process.on('exit', () => children.forEach((child) => child.kill('SIGTERM')))
for (const [name, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]]) process.on(name, () => process.exit(128 + number))

/** Starts a program whose standard output can be read; what it complains of is in a file of its name. */
export function start(name, command, ...words) {
  const log = openSync(`${WORK}/${name}.log`, 'w')
  const child = spawn(command, words, { stdio: ['ignore', name === 'envoy' ? log : 'pipe', log], env: environment })
  closeSync(log)
  children.push(child)
  return child
}

/** Asks it to end, and waits until it has. */
export async function stop(child) {
  children.splice(children.indexOf(child), 1)
  if (child.exitCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  const impatient = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(impatient)
}

/** The rest of the first line that begins so. */
export async function line(child, beginning = '') {
  for await (const said of createInterface({ input: child.stdout })) {
    if (said.startsWith(beginning)) {
      child.stdout.resume()
      return said.slice(beginning.length)
    }
  }
  throw new Error(`${child.spawnargs.join(' ')} ended without "${beginning}": see ${WORK}`)
}

export const browse = (...words) =>
  chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-proxy-server', ...words] })

async function freePort() {
  const probe = createServer()
  await new Promise((done) => probe.listen(0, '127.0.0.1', done))
  const { port } = probe.address()
  await new Promise((done) => probe.close(done))
  return port
}

const address = (port) => ({ socket_address: { address: '127.0.0.1', port_value: port } })

export class Stage {
  static async start() {
    const stage = new Stage()
    mkdirSync(WORK, { recursive: true })
    const account = start('emulator', PYTHON, resolve(ROOT, 'tests/harness/account.py'), 'serve')
    stage.children = [account]
    stage.cognito = Number(await line(account))
    stage.api = await api()
    const variants = stage.variants()
    const hosts = [...Object.keys(variants), COGNITO, DOMAIN]
    const furnish = [resolve(ROOT, 'tests/browser/furnish.py'), `http://127.0.0.1:${stage.cognito}`, WORK, ...hosts]
    Object.assign(stage, JSON.parse(execFileSync(PYTHON, furnish, { env: environment })))
    stage.application = await application(stage.files())
    stage.ports = {}
    for (const host of hosts) stage.ports[host] = await freePort()
    stage.ports.down = await freePort()
    stage.admin = await freePort()
    writeFileSync(`${WORK}/envoy.json`, JSON.stringify(stage.bootstrap(variants), null, 1))
    const words = ['-c', `${WORK}/envoy.json`, '--concurrency', '2', '--disable-hot-restart', '--log-level', 'warning']
    const envoy = start('envoy', ENVOY, ...words)
    stage.children.push(envoy)
    await stage.ready(envoy)
    const rules = hosts.map((host) => `MAP ${host}:443 127.0.0.1:${stage.ports[host]}`).join(', ')
    stage.browser = await browse(`--host-resolver-rules=${rules}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`)
    return stage
  }

  async stop() {
    await this.browser?.close()
    for (const child of this.children.reverse()) await stop(child)
    for (const { server } of [this.api, this.application]) {
      server.closeAllConnections()
      server.close()
    }
  }

  async ready(envoy) {
    const deadline = Date.now() + PATIENCE
    while (true) {
      const answer = await fetch(`http://127.0.0.1:${this.admin}/ready`).catch(() => null)
      if (answer?.ok) return
      if (envoy.exitCode !== null || Date.now() > deadline) {
        throw new Error(`Envoy did not start: ${readFileSync(`${WORK}/envoy.log`, 'utf8').slice(-3000)}`)
      }
      await new Promise((done) => setTimeout(done, 50))
    }
  }

  /** A new browser's window, which nobody has used before. */
  async window(options = {}) {
    const context = await this.browser.newContext({ ignoreHTTPSErrors: true, ...options })
    context.setDefaultTimeout(PATIENCE)
    const page = await context.newPage()
    page.console = []
    page.on('console', (message) => page.console.push(message.text()))
    return page
  }

  /** The snippet with this run's ids in the place of the page's. */
  placed(text, client = 'web') {
    return text
      .replaceAll('us-east-1_AbCdEf123', this.pool)
      .replaceAll('4hq8abcd0123456789abcdefgh', this.clients[client])
  }

  /** The configurations of the page for each host, and the order of the filters there. */
  variants() {
    const configuration = (marker) => () => {
      const document = parse(this.placed(snippet(marker)))
      document.user_pools[0].client_ids = Object.values(this.clients)
      document.token.clock_skew = '0s'
      document.claim_headers = [{ header: 'x-cognito-sub', claim: 'sub' }]
      return document
    }
    const also = (marker, change) => () => {
      const document = configuration(marker)()
      change(document)
      return document
    }
    const calls = also('configuration sockets', (document) => {
      document.rules = [
        { match: { prefix: '/admin' }, require: { groups: ['admin'] } },
        { match: { prefix: '/orders/new' }, require: { scopes: ['orders/write'] } },
      ]
      document.default = 'authenticated'
    })
    const open = (document) => {
      document.rules = [...(document.rules ?? []), { match: { prefix: '/app' }, allow: 'anyone' }]
      document.default = 'authenticated'
    }
    const right = ['envoy.filters.http.cors', 'cognito_authorizer']
    const wrong = right.toReversed()
    return {
      'api.example.com': { order: right, authorizer: calls },
      // Nobody answers for its keys.
      'down.example.com': {
        order: right,
        authorizer: () => {
          const document = calls()
          document.user_pools[0].jwks = { cluster: 'down' }
          return document
        },
      },
      'late.example.com': { order: wrong, authorizer: calls },
      'pass.example.com': { order: wrong, authorizer: () => ({ ...calls(), cors_preflight: 'pass' }) },
      'app.example.com': {
        order: right,
        files: [{ prefix: '/app' }, { path: '/login' }, { path: '/session' }, { path: '/' }],
        authorizer: also('configuration pages', (document) => {
          open(document)
          document.rules.push({ match: { path: '/session' } }, { match: { path: '/' }, allow: 'anyone' })
        }),
      },
      'loop.example.com': {
        order: right,
        authorizer: also('configuration pages', (document) => {
          const { headers } = document.responses.unauthorized.navigation
          headers.location = headers.location.replace('app.', 'loop.')
          delete document.rules
        }),
      },
      'cookies.example.com': {
        order: right,
        files: [{ prefix: '/app' }],
        authorizer: also('configuration amplify', open),
      },
    }
  }

  bootstrap(variants) {
    const document = parse(readFileSync(resolve(ROOT, 'envoy/production.yaml'), 'utf8'))
    document.admin.address = address(this.admin)
    const resources = document.static_resources
    const ingress = resources.listeners.find(({ name }) => name === 'ingress')
    const cluster = (name) => resources.clusters.find((one) => one.name === name)
    const [keys, upstream] = [cluster('cognito_us_east_1'), cluster('upstream')]
    delete keys.transport_socket
    resources.listeners = [
      ...Object.entries(variants).map(([host, variant]) => this.listener(ingress, host, variant)),
      ...[COGNITO, DOMAIN].map((host) => this.listener(ingress, host)),
    ]
    resources.clusters = [
      led(keys, this.cognito),
      led(upstream, this.api.port),
      led(upstream, this.application.port, 'application'),
      led(upstream, this.cognito, 'cognito'),
      led(upstream, this.ports.down, 'down'),
    ]
    return document
  }

  /** Production's listener for one host; without a variant, the emulator is behind it. */
  listener(ingress, host, variant) {
    const listener = structuredClone(ingress)
    Object.assign(listener, { name: host, address: address(this.ports[host]) })
    const [chain] = listener.filter_chains
    const certificate = { certificate_chain: { filename: `${WORK}/hosts.crt` }, private_key: { filename: `${WORK}/hosts.key` } }
    chain.transport_socket.typed_config.common_tls_context.tls_certificates = [certificate]
    const manager = chain.filters[0].typed_config
    delete manager.access_log
    manager.upgrade_configs = [{ upgrade_type: 'websocket' }]
    const [virtual] = manager.route_config.virtual_hosts
    const filters = manager.http_filters
    if (!variant) {
      virtual.routes = [{ match: { prefix: '/' }, route: { cluster: 'cognito' } }]
      delete virtual.typed_per_filter_config
      // The hosted page's own cookies and headers are none of the tests' business.
      delete manager.common_http_protocol_options.headers_with_underscores_action
      manager.http_filters = filters.slice(-1)
      return listener
    }
    for (const match of variant.files ?? []) virtual.routes.unshift({ match, route: { cluster: 'application' } })
    const named = (name) => filters.find((one) => one.name === name)
    manager.http_filters = [...variant.order.map(named), filters.at(-1)]
    const { config } = named('cognito_authorizer').typed_config
    config.vm_config.vm_id = host
    config.vm_config.code.local.filename = MODULE
    config.configuration.value = variant.authorizer()
    return listener
  }

  /** The application: the page's snippets, bundled with the real libraries. */
  files() {
    const directory = `${WORK}/node/application`
    mkdirSync(directory, { recursive: true })
    for (const client of Object.keys(this.clients)) {
      for (const name of ['amplify', 'hosted', 'cookies', 'identity-js', 'socket']) {
        writeFileSync(`${directory}/${client}-${name}.mjs`, this.placed(snippet(`client ${name}`), client))
      }
      const main = `export * as amplify from './${client}-amplify.mjs'
export * as identity from './${client}-identity-js.mjs'
export * as auth from 'aws-amplify/auth'
export { connect } from './${client}-socket.mjs'
`
      writeFileSync(`${directory}/${client}.mjs`, main)
      for (const name of ['hosted', 'cookies']) {
        const page = `import './${client}-${name}.mjs'\nexport * as auth from 'aws-amplify/auth'\n`
        writeFileSync(`${directory}/${client}-${name}-page.mjs`, page)
      }
    }
    const bundled = Object.keys(this.clients).flatMap((client) => [client, `${client}-hosted-page`, `${client}-cookies-page`])
    buildSync({
      entryPoints: bundled.map((name) => `${directory}/${name}.mjs`),
      bundle: true,
      format: 'iife',
      globalName: 'application',
      define: { global: 'globalThis' },
      outdir: `${directory}/bundled`,
      logLevel: 'error',
    })
    const script = (name) => readFileSync(`${directory}/bundled/${name}.js`, 'utf8')
    const page = (name) => `<!DOCTYPE html><title>${name}</title><script src="/app/${name}.js"></script>`
    // The page that the login's snippet is part of.
    const login = `${page('web')}<script type="module">${snippet('client return')}
      window.target = target
      window.go = async (name, password) => {
        await application.auth.signIn({ username: name, password })
        const { tokens } = await application.auth.fetchAuthSession()
        await fetch('/session', { headers: { authorization: 'Bearer ' + tokens.accessToken } })
        location.replace(target)
      }</script>`
    return (path) => {
      if (path === '/login') return ['text/html', login]
      if (path === '/') return ['text/html', page('web-hosted-page')]
      const [, name, kind] = /^\/app\/([a-z-]+?)(\.js)?$/.exec(path) ?? []
      if (!bundled.includes(name)) return null
      return kind ? ['text/javascript', script(name)] : ['text/html', page(name)]
    }
  }
}

function led(cluster, port, name = cluster.name) {
  return {
    ...structuredClone(cluster),
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
  }
}
