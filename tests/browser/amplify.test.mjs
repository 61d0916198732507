// Amplify and its predecessor in a browser, before an Envoy of envoy/BROWSER.md: signing in, calls across
// origins, sockets, cookies, and pages that lead to the sign-in.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { table } from './page.mjs'
import { PATIENCE, Stage } from './stage.mjs'

let stage
before(async () => (stage = await Stage.start()))
after(() => stage?.stop())

const APP = 'https://app.example.com'
const API = 'https://api.example.com'
const LATE = 'https://late.example.com'
const PASS = 'https://pass.example.com'

/** A page of the application, of that app client. */
async function opened(client = 'web', origin = APP) {
  const page = await stage.window()
  await page.goto(`${origin}/app/${client}`)
  return page
}

const signIn = (page, username, password = stage.password) =>
  page.evaluate((who) => application.auth.signIn(who).then((done) => done.nextStep.signInStep, (error) => error.name), { username, password })

/** The application's own call, as the page's snippet makes it. */
const call = (page, path) =>
  page.evaluate((path) => application.amplify.call(path).then(async (answer) => ({ status: answer.status, body: await answer.json() })), path)

const tokens = (page, options = {}) =>
  page.evaluate(async (options) => {
    const { tokens } = await application.auth.fetchAuthSession(options)
    return { id: `${tokens.idToken}`, access: `${tokens.accessToken}` }
  }, options)

/** A fetch by hand: all that the script learns. */
const ask = (page, url, token, init = {}) =>
  page.evaluate(
    async ({ url, token, init }) => {
      try {
        const answer = await fetch(url, { headers: token ? { authorization: `Bearer ${token}` } : {}, ...init })
        const { status, headers } = answer
        return {
          status,
          body: await answer.text(),
          challenge: headers.get('www-authenticate'),
          retry: headers.get('retry-after'),
        }
      } catch (error) {
        return { error: `${error}` }
      }
    },
    { url, token, init },
  )

/** What becomes of a socket that says a word once it is open. */
const socket = (page, token) =>
  page.evaluate(
    (token) =>
      new Promise((done) => {
        const socket = application.connect(token)
        socket.onopen = () => socket.send('hello')
        socket.onmessage = ({ data }) => done({ protocol: socket.protocol, data })
        socket.onclose = ({ code }) => done({ code })
      }),
    token,
  )

const BLOCKED = { error: 'TypeError: Failed to fetch' }

describe('signing in', () => {
  test('Amplify, by SRP: calls pass, and the upstream is told who it is', async () => {
    const page = await opened()
    assert.equal(await signIn(page, 'alice', 'Wrong-horse-7'), 'NotAuthorizedException')
    assert.equal((await call(page, '/orders')).status, 401)
    assert.equal(await signIn(page, 'alice'), 'DONE')
    const answer = await call(page, '/orders')
    assert.deepEqual([answer.status, answer.body.headers['x-cognito-sub']], [200, stage.people.alice])
    await page.context().close()
  })

  test('Amplify refreshes, and the new token passes', async () => {
    const page = await opened()
    await signIn(page, 'bob')
    const first = await tokens(page)
    const second = await tokens(page, { forceRefresh: true })
    assert.notEqual(second.access, first.access)
    assert.equal((await ask(page, `${API}/`, second.access)).status, 200)
    await page.context().close()
  })

  test('a token that has expired here and not there is refreshed on the refusal, once', async () => {
    const page = await stage.window()
    // A computer whose clock is a minute behind: for Amplify the token is good for long.
    await page.addInitScript(() => {
      const now = Date.now
      Date.now = () => now() - 60_000
    })
    await page.goto(`${APP}/app/hasty`)
    await signIn(page, 'alice')
    const { access } = await tokens(page)
    await expired(page, access)
    const calls = []
    page.on('response', (answer) => {
      if (answer.url() === `${API}/orders` && answer.request().method() === 'GET') calls.push(answer.status())
    })
    assert.equal((await call(page, '/orders')).status, 200)
    assert.deepEqual(calls, [401, 200])
    assert.notEqual((await tokens(page)).access, access)
    await page.context().close()
  })

  test('amazon-cognito-identity-js, by SRP, and its refresh', async () => {
    const page = await opened()
    const signedIn = (password) =>
      page.evaluate((password) => application.identity.signIn('bob', password).then(() => 'done', (error) => error.code), password)
    assert.equal(await signedIn('Wrong-horse-7'), 'NotAuthorizedException')
    assert.equal(await signedIn(stage.password), 'done')
    const token = () => page.evaluate(() => application.identity.accessToken())
    const first = await token()
    const answer = await ask(page, `${API}/`, first)
    assert.deepEqual([answer.status, JSON.parse(answer.body).headers['x-cognito-sub']], [200, stage.people.bob])
    await page.evaluate(() => application.identity.refresh())
    const second = await token()
    assert.notEqual(second, first)
    assert.equal((await ask(page, `${API}/`, second)).status, 200)
    await page.context().close()
  })

  test("the pool's own page: code, PKCE, and back", async () => {
    const page = await stage.window()
    const sent = []
    page.on('request', (request) => sent.push(request.url()))
    // For the emulator COGNITO is the name of some other provider, and not of its own page.
    await page.route('**/oauth2/authorize?*', (route) =>
      route.continue({ url: route.request().url().replace('identity_provider=COGNITO&', '') }),
    )
    await page.goto(`${APP}/`)
    await page.evaluate(() => void application.auth.signInWithRedirect())
    await page.locator('[name=username]').first().fill('alice')
    await page.locator('[name=password]').first().fill(stage.password)
    await page.locator('[name=password]').first().press('Enter')
    await page.waitForURL(`${APP}/**`)
    await page.waitForFunction(() => application.auth.getCurrentUser().then(() => true, () => false))
    const asked = new URL(sent.find((url) => url.includes('/oauth2/authorize')))
    assert.equal(asked.searchParams.get('response_type'), 'code')
    assert.equal(asked.searchParams.get('code_challenge_method'), 'S256')
    const { access, id } = await tokens(page)
    const answer = await ask(page, `${API}/`, access)
    assert.deepEqual([answer.status, JSON.parse(answer.body).headers['x-cognito-sub']], [200, stage.people.alice])
    // The API takes access tokens: an id token is for the application.
    assert.equal((await ask(page, `${API}/`, id)).status, 401)
    await page.context().close()
  })
})

/** Waits until Envoy no longer takes the token. */
async function expired(page, token) {
  const deadline = Date.now() + PATIENCE
  while ((await ask(page, `${API}/`, token)).status !== 401) assert.ok(Date.now() < deadline, 'the token does not expire')
}

describe('across origins', () => {
  test('the script reads every refusal: the table', async () => {
    const page = await opened()
    await signIn(page, 'bob')
    const { access } = await tokens(page)
    const hasty = await opened('hasty')
    await signIn(hasty, 'bob')
    const { access: old } = await tokens(hasty)
    await expired(hasty, old)
    await hasty.context().close()
    const unauthorized = '{"message":"Unauthorized"}'
    const forbidden = '{"message":"Forbidden"}'
    const answers = []
    for (const [url, token, body] of [
      [`${API}/`, null, unauthorized],
      [`${API}/`, old, '{"message":"The incoming token has expired"}'],
      [`${API}/`, 'not-a-token', unauthorized],
      [`${API}/orders/new`, access, forbidden],
      [`${API}/admin`, access, forbidden],
      [`${API}/files/50%2525`, access, '{"message":"Bad Request"}'],
      ['https://down.example.com/', access, '{"message":"Service Unavailable"}'],
    ]) {
      const answer = await ask(page, url, token)
      assert.equal(answer.body, body, url)
      assert.equal(answer.retry !== null, answer.status === 503, url)
      answers.push([`${answer.status}`, answer.challenge ? `\`${answer.challenge}\`` : 'none'])
    }
    assert.deepEqual(answers, table("refusals").map((row) => row.slice(0, 2)))
    assert.equal((await ask(page, `${API}/`, access)).status, 200)
    await page.context().close()
  })

  test('what the console says, and the cause: the table', async () => {
    const page = await opened()
    await signIn(page, 'alice')
    const { access } = await tokens(page)
    const foreign = await stage.window()
    await foreign.goto('https://cookies.example.com/app/web')
    const rows = new Map(table("console").map(([says, cause]) => [/^\*\*(.*)\*\*:/.exec(cause)[1], says.replaceAll('`', '')]))
    /** What makes the console say what the row has. */
    const says = async (window, row, ask) => {
      window.console.length = 0
      await ask()
      const deadline = Date.now() + PATIENCE
      const parts = rows.get(row).split('…').map((one) => one.trim())
      const heard = () => window.console.some((said) => parts.every((part) => said.includes(part)))
      while (!heard()) {
        assert.ok(Date.now() < deadline, `${row}: ${window.console.join('\n')}`)
        await new Promise((done) => setTimeout(done, 20))
      }
      rows.delete(row)
    }
    const blocked = (window, row, url, init = {}) =>
      says(window, row, async () => assert.deepEqual(await ask(window, url, access, init), BLOCKED, row))
    // A good token, and yet no answer: the preflight has none.
    await blocked(page, 'CORS stands behind the authorizer', `${LATE}/`)
    // With preflights passed on, good calls work, and no refusal can be read.
    assert.equal((await ask(page, `${PASS}/`, access)).status, 200)
    await blocked(page, 'Preflights pass, and CORS stands behind the authorizer all the same', `${PASS}/orders`, { headers: {} })
    await blocked(foreign, 'The origin is not among the allowed', `${API}/`)
    await blocked(page, 'Envoy refuses the path before any filter', `${API}/orders%2F7`)
    const more = { authorization: `Bearer ${access}`, 'x-request-source': 'app' }
    await blocked(page, 'The header is not among the allowed', `${API}/`, { headers: more })
    await blocked(page, 'The method is not among the allowed', `${API}/`, { method: 'PROPFIND' })
    await says(page, "The socket's token is refused", () => socket(page, 'not-a-token'))
    await says(page, 'The upstream chose no protocol', () =>
      page.evaluate((token) => {
        const encoded = btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
        new WebSocket('wss://api.example.com/live', [`base64url.bearer.authorization.k8s.io.${encoded}`])
      }, access),
    )
    await says(page, 'The sign-in page asks for a token', () =>
      page.goto('https://loop.example.com/').catch((error) => page.console.push(error.message)),
    )
    assert.deepEqual([...rows.keys()], [], 'no other rows')
    await page.context().close()
    await foreign.context().close()
  })
})

describe('sockets', () => {
  test('the token is a protocol that the upstream never sees', async () => {
    const page = await opened()
    await signIn(page, 'alice')
    const { access } = await tokens(page)
    assert.deepEqual(await socket(page, access), { protocol: 'chat.v2', data: 'hello' })
    const seen = stage.api.seen.findLast(({ method }) => method === 'socket').headers
    assert.equal(seen['sec-websocket-protocol'], 'bearer, chat.v2')
    assert.equal(seen['x-cognito-sub'], stage.people.alice)
    assert.ok(!JSON.stringify(seen).includes(access))
    await page.context().close()
  })

  test('without a good token it does not open, and a script is not told why', async () => {
    const page = await opened()
    const before = stage.api.seen.length
    assert.deepEqual(await socket(page, 'not-a-token'), { code: 1006 })
    assert.equal(stage.api.seen.length, before)
    await page.context().close()
  })

  test('it ends with its token, and not before', async () => {
    const other = await opened()
    await signIn(other, 'alice')
    const page = await opened('hasty')
    await signIn(page, 'bob')
    const [long, short] = [await tokens(other), await tokens(page)]
    const ended = await page.evaluate(
      ([long, short]) =>
        new Promise((done) => {
          const lasting = application.connect(long)
          lasting.onopen = () => {
            const socket = application.connect(short)
            let opened = false
            socket.onopen = () => (opened = true)
            socket.onclose = ({ code }) => done({ opened, code, other: lasting.readyState === WebSocket.OPEN })
          }
        }),
      [long.access, short.access],
    )
    assert.deepEqual(ended, { opened: true, code: 1006, other: true })
    await other.context().close()
    await page.context().close()
  })
})

describe('cookies', () => {
  const COOKIES = 'https://cookies.example.com'

  test("Amplify's own are read, and taken off", async () => {
    const page = await opened('web-cookies-page', COOKIES)
    assert.equal((await ask(page, `${COOKIES}/orders`)).status, 401)
    assert.equal(await signIn(page, 'alice'), 'DONE')
    const kept = (await page.context().cookies()).map(({ name }) => name)
    const ours = `CognitoIdentityServiceProvider.${stage.clients.web}`
    assert.ok(kept.includes(`${ours}.LastAuthUser`) && kept.includes(`${ours}.alice.accessToken`), kept)
    const answer = await ask(page, `${COOKIES}/orders`)
    assert.equal(answer.status, 200)
    const { headers } = JSON.parse(answer.body)
    assert.equal(headers['x-cognito-sub'], stage.people.alice)
    assert.ok(!(headers.cookie ?? '').includes('.accessToken='), headers.cookie)
    // A navigation brings cookies as well.
    assert.equal((await page.goto(`${COOKIES}/orders`)).status(), 200)
    await page.context().close()
  })

  test('signing out takes them away; two users at once are refused', async () => {
    const page = await opened('web-cookies-page', COOKIES)
    await signIn(page, 'alice')
    const alices = (await page.context().cookies()).filter(({ name }) => name.includes('.alice.'))
    await page.evaluate(() => application.auth.signOut())
    assert.equal((await ask(page, `${COOKIES}/`)).status, 401)
    await signIn(page, 'bob')
    assert.equal((await ask(page, `${COOKIES}/`)).status, 200)
    await page.context().addCookies(alices)
    assert.equal((await ask(page, `${COOKIES}/`)).status, 401)
    // The twin: without them it is bob's again.
    await page.context().clearCookies({ name: /[.]alice[.]/ })
    assert.equal((await ask(page, `${COOKIES}/`)).status, 200)
    await page.context().close()
  })
})

describe('pages', () => {
  test('a navigation is sent to the sign-in and comes back; a fetch gets its 401', async () => {
    const page = await stage.window()
    await page.goto(`${APP}/reports/7?y=2`)
    assert.equal(page.url(), `${APP}/login?to=%2Freports%2F7%3Fy%3D2`)
    const fetched = await ask(page, '/reports/7')
    assert.deepEqual([fetched.status, fetched.challenge], [401, 'Bearer'])
    await page.evaluate((password) => void go('alice', password), stage.password)
    await page.waitForURL(`${APP}/reports/7?y=2`)
    const seen = JSON.parse(await page.locator('body').innerText())
    assert.equal(seen.headers['x-cognito-sub'], stage.people.alice)
    assert.equal((await ask(page, '/reports/7')).status, 200)
    await page.context().close()
  })

  test('a form that is sent gets the 401: its content would be lost on the way', async () => {
    const page = await opened()
    const answered = page.waitForResponse(`${APP}/reports/7`)
    await page.evaluate(() => {
      const form = document.body.appendChild(document.createElement('form'))
      Object.assign(form, { method: 'POST', action: '/reports/7' }).submit()
    })
    assert.equal((await answered).status(), 401)
    await page.context().close()
  })

  test('the login page returns to its own site alone', async () => {
    const page = await stage.window()
    for (const [to, target] of [
      ['/reports/7', `${APP}/reports/7`],
      ['//evil.example.com/x', `${APP}/`],
      ['/\\evil.example.com/x', `${APP}/`],
      ['https://evil.example.com/x', `${APP}/`],
      ['javascript:alert(1)', `${APP}/`],
      ['/login?to=/login', `${APP}/`],
      ['/\t/evil.example.com', `${APP}/`],
    ]) {
      await page.goto(`${APP}/login?to=${encodeURIComponent(to)}`)
      assert.equal(await page.evaluate(() => target), target, to)
    }
    await page.context().close()
  })
})
