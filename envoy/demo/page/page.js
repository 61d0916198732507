// The demo's page: signs in as an application does, sends requests to Envoy across origins, and shows
// what became of each. No libraries; the tokens are in this page's memory, and nowhere else.

const settings = await (await fetch('settings.json')).json()
let session = null

const at = (id) => document.getElementById(id)

/** An element with these properties and children; text stays text. */
function make(name, properties = {}, ...children) {
  const { data = {}, ...others } = properties
  const element = Object.assign(document.createElement(name), others)
  Object.assign(element.dataset, data)
  element.append(...children)
  return element
}

// Tokens, as far as somebody without the key can read and write them.

function decoded(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
  return JSON.parse(new TextDecoder().decode(bytes))
}

function encoded(value) {
  const text = String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value)))
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function forged(token) {
  const [header, claims, signature] = token.split('.')
  return [header, encoded({ ...decoded(claims), 'cognito:groups': ['admin', 'forged'] }), signature].join('.')
}

function unsigned(token) {
  return [encoded({ alg: 'none', kid: decoded(token.split('.')[0]).kid }), token.split('.')[1], ''].join('.')
}

// What can be sent. A row with `needs` waits for a sign-in.

const id = () => session.id
const access = () => session.access
const ROWS = {
  'Who are you?': [
    { what: 'No token', path: '/', why: 'Everything asks for one that no rule opens.' },
    { what: 'Garbage for a token', path: '/', token: () => 'not-a-token', why: 'The answer is that of any bad token.' },
    { what: 'The id token', path: '/', token: id, needs: true, why: 'The upstream is told who calls, in headers.' },
    { what: 'The access token', path: '/', token: access, needs: true, why: 'Has no email, so the upstream gets none.' },
    {
      what: 'The id token, with “admin” forged into it',
      path: '/admin',
      token: () => forged(session.id),
      needs: true,
      why: 'The signature is of other claims.',
    },
    {
      what: 'The same claims under “alg: none”',
      path: '/',
      token: () => unsigned(session.id),
      needs: true,
      why: 'Only RS256 is a signature.',
    },
  ],
  'What may you do?': [
    { what: 'An admin path', path: '/admin', token: id, needs: true, why: 'Alice is in the group admin, bob is not.' },
    {
      what: 'The same path, written otherwise',
      path: '/%61dmin',
      token: id,
      needs: true,
      why: 'Rules see what the upstream will see.',
    },
    {
      what: 'The same path, behind an open one',
      path: '/health%2F..%2Fadmin',
      token: id,
      needs: true,
      why: 'What servers read in two ways is refused.',
    },
    {
      what: 'The id token where access is asked for',
      method: 'POST',
      path: '/orders',
      token: id,
      needs: true,
      why: 'A rule may ask for one use.',
    },
    { what: 'The access token there', method: 'POST', path: '/orders', token: access, needs: true, why: 'With the scope that the rule names.' },
    { what: 'Alice’s record', path: '/users/alice', token: id, needs: true, why: 'A claim is compared with the path.' },
    { what: 'Bob’s record', path: '/users/bob', token: id, needs: true, why: 'Everyone may read their own.' },
  ],
  'Who else may call?': [
    {
      what: 'A role of an AWS account',
      path: '/billing',
      token: () => settings.role,
      why: 'With a token that AWS signs for it.',
    },
    { what: 'A person, for a role’s path', path: '/billing', token: id, needs: true, why: 'The rule names a role.' },
    {
      what: 'A partner whom your own function knows',
      path: '/partners/orders',
      token: () => 'north-key',
      why: 'A Lambda authorizer, as in API Gateway.',
    },
    {
      what: 'The same partner, elsewhere',
      path: '/partners/admin',
      token: () => 'north-key',
      why: 'Its policy was remembered, and does not name this.',
    },
    { what: 'Anyone', path: '/health', why: 'A rule says so, in as many words.' },
  ],
  'What does the browser itself refuse?': [
    {
      what: 'A claim header of one’s own',
      path: '/',
      headers: { 'x-cognito-username': 'alice' },
      why: 'CORS does not allow it; from elsewhere than a browser the authorizer takes it off.',
    },
  ],
  'Who was signed out?': [
    {
      what: 'The access token where Cognito is asked',
      path: '/payments',
      token: access,
      needs: true,
      why: 'At most a second after the sign-out.',
    },
    {
      what: 'The access token, elsewhere',
      path: '/',
      token: access,
      needs: true,
      why: 'Once the deny list has come: every five seconds here.',
    },
  ],
}

/** What became of a request: where it stopped, the answer if a script may read it, and what to call that. */
async function send({ method = 'GET', path, token, headers = {} }) {
  const begun = performance.now()
  const sent = { ...headers }
  if (token) sent.authorization = `Bearer ${token()}`
  let answer
  try {
    answer = await fetch(settings.api + path, { method, headers: sent, cache: 'no-store' })
  } catch {
    // A script is not told why. If a plain request gets through, it was CORS.
    const up = await fetch(`${settings.api}/health`, { cache: 'no-store' }).then(() => true, () => false)
    const why = up
      ? 'The browser asked first, and CORS said no: its console has the details.'
      : 'Nothing answered. Is “make run” still up?'
    return { stop: 'browser', title: up ? 'Not sent' : 'No answer', why }
  }
  const text = await answer.text()
  const reason = answer.headers.get('x-cognito-reason')
  return {
    stop: reason ? 'authorizer' : 'upstream',
    title: `${answer.status} ${answer.statusText}`.trim(),
    status: answer.status,
    reason,
    challenge: answer.headers.get('www-authenticate'),
    headers: [...answer.headers],
    text,
    seen: answer.status === 200 ? JSON.parse(text).headers : null,
    took: Math.round(performance.now() - begun),
  }
}

/** The headers about the caller that the upstream was sent. */
function told(seen) {
  const names = Object.keys(seen).filter((name) => /^x-(cognito|aws|tenant)/.test(name))
  return names.map((name) => `${name}: ${seen[name].join(', ')}`)
}

function definition(term, ...lines) {
  const values = lines.map((line) => make('dd', {}, make('code', {}, line)))
  return lines.length ? [make('dt', {}, term), ...values] : []
}

function shown(got) {
  const kind = got.stop === 'browser' ? 'blocked' : got.status < 300 ? 'good' : 'refused'
  const pill = make('strong', { className: `pill ${kind}` }, got.title)
  if (got.stop === 'browser') return [make('p', {}, pill, ' ', got.why)]
  const reason = got.reason ? [make('code', { title: 'x-cognito-reason' }, got.reason)] : []
  const took = make('span', { className: 'took' }, `${got.took} ms`)
  const parts = make('dl', {}, ...definition('www-authenticate', ...(got.challenge ? [got.challenge] : [])))
  if (got.seen) {
    const lines = told(got.seen)
    parts.append(...definition('the upstream was told', ...(lines.length ? lines : ['nothing about a caller'])))
  }
  const whole = [...got.headers.map(([name, value]) => `${name}: ${value}`), '', got.text.trim()].join('\n')
  const raw = make(
    'details',
    {},
    make('summary', {}, 'The answer, as far as a script may read it'),
    make('pre', { tabIndex: 0 }, whole),
  )
  return [make('p', {}, pill, ' ', ...reason, ' ', took), parts, raw]
}

/** Lights the way up to where the request came. */
function light(request, got) {
  const stops = [...at('way').children]
  const last = stops.findIndex((stop) => stop.dataset.stop === got.stop)
  stops.forEach((stop, index) => {
    stop.dataset.state = index < last ? 'passed' : index > last ? '' : got.stop === 'upstream' ? 'arrived' : 'stopped'
  })
  const where = { browser: 'stopped in the browser', authorizer: 'stopped at the authorizer', upstream: 'served' }
  const reason = got.reason ? `, ${got.reason}` : ''
  at('last').textContent = `${request.method ?? 'GET'} ${request.path}: ${got.title}${reason}, ${where[got.stop]}.`
}

const rows = []

function row(request) {
  const line = `${request.method ?? 'GET'} ${request.path}`
  const button = make('button', { type: 'button' }, 'Send')
  button.setAttribute('aria-label', `Send: ${request.what}, ${line}`)
  const result = make('div', { className: 'result' })
  const item = make(
    'li',
    { data: { row: request.what } },
    make(
      'div',
      { className: 'row' },
      button,
      make('div', {}, make('span', { className: 'what' }, request.what), ' ', make('code', {}, line)),
      make('p', { className: 'why' }, request.why),
    ),
    result,
  )
  const run = async () => {
    button.ariaBusy = 'true'
    const got = await send(request)
    button.ariaBusy = null
    result.replaceChildren(...shown(got))
    light(request, got)
  }
  button.addEventListener('click', run)
  rows.push({ request, button, result, run })
  return item
}

// Signing in and out.

async function cognito(action, body) {
  const answer = await fetch(settings.cognito, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `AWSCognitoIdentityProviderService.${action}` },
    body: JSON.stringify(body),
  })
  const said = await answer.json()
  if (!answer.ok) throw new Error(said.message ?? said.__type ?? answer.status)
  return said
}

async function signIn(name) {
  try {
    // Amplify and its like sign in by SRP, which the emulator does not know.
    const { AuthenticationResult: got } = await cognito('InitiateAuth', {
      AuthFlow: 'USER_PASSWORD_AUTH',
      ClientId: settings.client,
      AuthParameters: { USERNAME: name, PASSWORD: settings.password },
    })
    session = { name, id: got.IdToken, access: got.AccessToken }
    at('revocation').hidden = true
    draw(`Signed in as ${name}`, `User pool ${settings.pool}`)
  } catch (error) {
    draw('Nobody is signed in', `Cognito did not sign ${name} in: ${error.message}`)
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** The application's server ends all sign-ins of its caller; then two paths are asked until both refuse. */
async function signOutEverywhere() {
  const { name, access: token } = session
  const held = () => token
  at('everywhere').disabled = true
  const begun = performance.now()
  const since = () => `${((performance.now() - begun) / 1000).toFixed(1)} s`
  const steps = at('revocation')
  steps.replaceChildren()
  steps.hidden = false
  const note = (...words) => {
    const step = make('li', {}, ...words)
    steps.append(step)
    return step
  }
  const asked = await send({ method: 'POST', path: '/sign-out', token: held })
  if (asked.status !== 200) {
    at('everywhere').disabled = false
    note(make('time', {}, since()), make('code', {}, 'POST /sign-out'), ` ${asked.title}`)
    return
  }
  note(make('time', {}, since()), `Cognito has ended every sign-in of ${name}.`)
  for (const [path, before, after] of [
    ['/payments', 'is asking Cognito', 'Cognito was asked, and no longer stands by the token.'],
    ['/', 'awaits the deny list', 'The deny list has come: the token is refused everywhere.'],
  ]) {
    const step = note(make('time', {}, '…'), make('code', {}, `GET ${path}`), ` ${before}`)
    const request = { what: 'The access token', path, token: held }
    // One worker knows before the other: until none serves it any more.
    for (let refusals = 0; refusals < 3; await pause(300)) {
      const got = await send(request)
      if (got.stop === 'browser') return step.append(`: ${got.why}`)
      refusals = got.status === 401 ? refusals + 1 : 0
      if (refusals === 1) {
        light(request, got)
        const pill = make('strong', { className: 'pill refused' }, got.title)
        step.replaceChildren(make('time', {}, since()), make('code', {}, `GET ${path}`), ' ', pill, ` ${after}`)
      }
    }
  }
  if (session?.access !== token) return
  at('who').textContent = `Signed out: ${name}`
  at('hint').textContent = 'The tokens below have not expired, and yet nobody takes them.'
  for (const button of at('people').children) button.ariaPressed = 'false'
}

function value(claim, content) {
  if (['exp', 'iat', 'auth_time', 'nbf'].includes(claim)) return new Date(content * 1000).toLocaleTimeString()
  return typeof content === 'string' ? content : JSON.stringify(content)
}

function token(title, text) {
  const [header, claims] = text.split('.').slice(0, 2).map(decoded)
  const lines = Object.entries(claims).map(([name, content]) =>
    make('tr', {}, make('th', { scope: 'row' }, name), make('td', {}, value(name, content))),
  )
  return make(
    'details',
    // On a telephone they would push everything else out of sight.
    { open: matchMedia('(min-width: 52rem)').matches, data: { token: claims.token_use } },
    make('summary', {}, title, ' ', make('span', { className: 'took' }, `${header.alg}, kid ${header.kid}`)),
    make('table', {}, make('tbody', {}, ...lines)),
  )
}

/** Shows who is signed in, and opens what that makes possible. */
function draw(who, hint) {
  at('who').textContent = who
  at('hint').textContent = hint
  at('leave').hidden = !session
  at('everywhere').disabled = false
  at('tokens').replaceChildren(
    ...(session ? [token('Id token', session.id), token('Access token', session.access)] : []),
  )
  for (const button of at('people').children) button.ariaPressed = String(button.dataset.name === session?.name)
  for (const { request, button, result } of rows) {
    button.disabled = Boolean(request.needs && !session)
    button.title = button.disabled ? 'Sign in first' : ''
    if (request.needs) result.replaceChildren()
  }
}

for (const { name, note } of settings.people) {
  const button = make('button', { type: 'button', className: 'primary', data: { name } }, `Sign in as ${name}`, make('small', {}, note))
  button.addEventListener('click', () => signIn(name))
  at('people').append(button)
}
for (const [question, requests] of Object.entries(ROWS)) {
  at('questions').append(make('h3', {}, question), make('ol', { className: 'rows' }, ...requests.map(row)))
}
at('everywhere').addEventListener('click', signOutEverywhere)
at('forget').addEventListener('click', () => {
  session = null
  at('revocation').hidden = true
  draw('Nobody is signed in', 'The tokens are good until they expire: nobody was told.')
})
at('all').addEventListener('click', async () => {
  for (const { button, run } of rows) if (!button.disabled) await run()
})
draw('Nobody is signed in', 'The emulator of Cognito knows two people.')
document.body.dataset.ready = 'true'
