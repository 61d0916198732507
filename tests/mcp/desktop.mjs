// A client of the TypeScript SDK, with a person before it: what it is and where everything listens comes
// as JSON in the first argument, what it did and saw goes to standard output as JSON.
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const { url, ports, client_id, callback, person, password } = JSON.parse(process.argv[2])
const seen = []

// Leads every host to its port on this machine. The host stays in the header, which `fetch` would not allow.
async function lead(to, { method = 'GET', headers, body, signal } = {}) {
  const at = new URL(to)
  const port = ports[at.hostname]
  if (!port) throw new TypeError(`no such host: ${at.hostname}`)
  const lines = { ...Object.fromEntries(new Headers(headers)), host: at.hostname, 'x-forwarded-proto': 'https' }
  const path = at.pathname + at.search
  const answer = await new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method, path, headers: lines, signal }, resolve)
    asked.on('error', reject)
    asked.end(body === undefined ? undefined : String(body))
  })
  seen.push(`${method} ${at.origin}${at.pathname} ${answer.statusCode}`)
  const content = [204, 304].includes(answer.statusCode) ? null : Readable.toWeb(answer)
  return new Response(content, { status: answer.statusCode, headers: answer.headers })
}

const kept = {}
let asked, back
const provider = {
  redirectUrl: callback,
  clientMetadata: { redirect_uris: [callback], client_name: 'tests' },
  clientInformation: () => ({ client_id, token_endpoint_auth_method: 'none' }),
  tokens: () => kept.tokens,
  saveTokens: tokens => { kept.tokens = tokens },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: verifier => { kept.verifier = verifier },
  discoveryState: () => kept.discovery,
  saveDiscoveryState: discovery => { kept.discovery = discovery },
  async redirectToAuthorization(to) {
    asked = Object.fromEntries(to.searchParams)
    const page = await (await lead(to)).text()
    const fields = page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)
    const form = new URLSearchParams([...fields].map(([, name, value]) => [name, value]))
    form.set('username', person)
    form.set('password', password)
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const sent = await lead(new URL('/login', to), { method: 'POST', headers, body: form })
    back = new URL(sent.headers.get('location')).searchParams
  },
}

const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: provider, fetch: lead })
const client = new Client({ name: 'tests', version: '1' })
const first = transport()
try {
  await client.connect(first)
} catch (error) {
  // It has sent the person away, and goes on with what they bring.
  if (!back) throw error
  await first.finishAuth(back)
  await client.connect(transport())
}
const { content: [{ text }] } = await client.callTool({ name: 'whoami', arguments: {} })
console.log(JSON.stringify({ seen, asked, text }))
process.exit(0)
