// The page of `make run`, used as a person would: with its buttons, and what it then shows.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { resolve } from 'node:path'

import { ROOT } from './page.mjs'
import { PATIENCE, WORK, browse, line, start, stop } from './stage.mjs'

let demo, url, browser

before(async () => {
  const words = [resolve(ROOT, 'envoy/demo/demo.py'), 'run']
  demo = start('demo', resolve(ROOT, 'target/venv/bin/python'), ...words)
  url = await line(demo, 'open ')
  browser = await browse()
})

after(async () => {
  await browser?.close()
  await stop(demo)
})

/** The page in a new window; what its console said that is no refused request is wrong. */
async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(PATIENCE)
  const page = await context.newPage()
  page.wrong = []
  page.on('pageerror', (error) => page.wrong.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML/.test(message.text())) page.wrong.push(message.text())
  })
  await page.goto(url)
  await page.waitForSelector('body[data-ready]')
  return page
}

async function signIn(page, name) {
  await page.getByRole('button', { name: `Sign in as ${name}` }).click()
  await page.getByRole('heading', { name: `Signed in as ${name}` }).waitFor()
}

/** Presses the button of a row, and reads what is shown below it. */
async function send(page, what) {
  const row = page.locator(`[data-row="${what}"]`)
  await row.getByRole('button', { name: `Send: ${what}` }).click()
  // What another person was shown before is there still.
  await row.locator('button:not([aria-busy])').waitFor()
  await row.locator('.pill').waitFor()
  const all = (selector) => row.locator(selector).allInnerTexts()
  const [title] = await all('.pill')
  const [reason = null] = await all('p > code')
  const details = Object.fromEntries(
    await row.locator('dt').evaluateAll((terms) =>
      terms.map((term) => {
        const values = []
        for (let next = term.nextElementSibling; next?.tagName === 'DD'; next = next.nextElementSibling) values.push(next.innerText)
        return [term.innerText, values]
      }),
    ),
  )
  const told = details['the upstream was told']?.filter((one) => !one.startsWith('x-cognito-sub: '))
  return { title, reason, challenge: details['www-authenticate']?.[0] ?? null, told: told ?? null }
}

const stops = (page) => page.locator('#way li').evaluateAll((all) => all.map(({ dataset }) => dataset.state))
const refused = (title, reason, challenge = null) => ({ title, reason, challenge, told: null })
const served = (...told) => ({ title: '200 OK', reason: null, challenge: null, told })
const INVALID = 'Bearer error="invalid_token", error_description="the token is not valid"'
const invalid = (reason) => refused('401 Unauthorized', reason, INVALID)
const forbidden = (reason) => refused('403 Forbidden', reason)

const ALICE = ['x-cognito-username: alice', 'x-cognito-email: alice@example.com', 'x-cognito-groups: admin']
const BOB = ['x-cognito-username: bob', 'x-cognito-email: bob@example.com']
/** What alice sees, and bob, where that is another thing. */
const ROWS = [
  ['No token', refused('401 Unauthorized', 'missing_token', 'Bearer')],
  ['Garbage for a token', invalid('malformed_token')],
  ['The id token', served(...ALICE), served(...BOB)],
  ['The access token', served(ALICE[0], ALICE[2]), served(BOB[0])],
  ['The id token, with “admin” forged into it', invalid('invalid_signature')],
  ['The same claims under “alg: none”', invalid('unsupported_algorithm')],
  ['An admin path', served(...ALICE), forbidden('insufficient_group')],
  ['The same path, written otherwise', served(...ALICE), forbidden('insufficient_group')],
  ['The same path, behind an open one', refused('400 Bad Request', 'unsafe_path')],
  ['The id token where access is asked for', invalid('wrong_token_use')],
  ['The access token there', served(ALICE[0], ALICE[2]), served(BOB[0])],
  ['Alice’s record', served(...ALICE), forbidden('claim_mismatch')],
  ['Bob’s record', forbidden('claim_mismatch'), served(...BOB)],
  ['A role of an AWS account', served('x-aws-principal: arn:aws:iam::123456789012:role/billing')],
  ['A person, for a role’s path', invalid('unknown_issuer')],
  ['A partner whom your own function knows', served('x-tenant: north')],
  ['The same partner, elsewhere', forbidden('authorizer_denied')],
  ['Anyone', served('nothing about a caller')],
  ['A claim header of one’s own', refused('Not sent', null)],
  ['The access token where Cognito is asked', served(ALICE[0], ALICE[2]), served(BOB[0])],
  ['The access token, elsewhere', served(ALICE[0], ALICE[2]), served(BOB[0])],
]

test('every button shows what became of its request', async () => {
  const page = await opened()
  assert.equal(await page.locator('[data-row]').count(), ROWS.length)
  for (const [name, place] of [['alice', 1], ['bob', 2]]) {
    await signIn(page, name)
    const claims = await page.locator('[data-token="id"] tr').allInnerTexts()
    assert.ok(claims.some((claim) => /^cognito:username\s+/.test(claim) && claim.endsWith(name)), claims)
    for (const row of ROWS) {
      assert.deepEqual(await send(page, row[0]), row[place] ?? row[1], `${name}: ${row[0]}`)
      const { title, reason } = row[place] ?? row[1]
      const way = title === 'Not sent' ? ['stopped', '', '', ''] : reason ? ['passed', 'passed', 'stopped', ''] : ['passed', 'passed', 'passed', 'arrived']
      assert.deepEqual(await stops(page), way, row[0])
    }
  }
  assert.deepEqual(page.wrong, [])
  await page.context().close()
})

test('who signs out everywhere is refused everywhere, and signs in again', async () => {
  const page = await opened()
  await signIn(page, 'alice')
  assert.equal((await send(page, 'The access token where Cognito is asked')).title, '200 OK')
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByRole('heading', { name: 'Signed out: alice' }).waitFor()
  const told = (await page.locator('#revocation li').allInnerTexts()).map((step) => step.replace(/^[\d.]+ s/, '').replace(/\s+/g, ' ').trim())
  assert.deepEqual(told, [
    'Cognito has ended every sign-in of alice.',
    'GET /payments 401 Unauthorized Cognito was asked, and no longer stands by the token.',
    'GET / 401 Unauthorized The deny list has come: the token is refused everywhere.',
  ])
  assert.equal(await page.locator('[aria-pressed=true]').count(), 0)
  await page.screenshot({ path: `${WORK}/signed-out.png` })
  for (const what of ['The access token where Cognito is asked', 'The access token, elsewhere', 'The id token']) {
    assert.deepEqual(await send(page, what), invalid('token_revoked'), what)
  }
  // Whom Envoy no longer believes can sign nobody out.
  await page.evaluate(() => document.getElementById('everywhere').removeAttribute('disabled'))
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByText('POST /sign-out 401 Unauthorized').waitFor()
  await signIn(page, 'alice')
  assert.deepEqual(await send(page, 'The id token'), served(...ALICE))
  assert.deepEqual(page.wrong, [])
  await page.context().close()
})

test('who is not signed in can send what needs no sign-in, and nothing else', async () => {
  const page = await opened()
  const enabled = await page.locator('.rows button:enabled').evaluateAll((all) => all.map((one) => one.closest('li').dataset.row))
  assert.deepEqual(enabled, [
    'No token',
    'Garbage for a token',
    'A role of an AWS account',
    'A partner whom your own function knows',
    'The same partner, elsewhere',
    'Anyone',
    'A claim header of one’s own',
  ])
  await page.getByRole('button', { name: 'Send them all' }).click()
  await page.waitForFunction((count) => document.querySelectorAll('.rows .pill').length === count, enabled.length)
  await signIn(page, 'bob')
  await page.getByRole('button', { name: 'Forget the tokens' }).click()
  await page.getByRole('heading', { name: 'Nobody is signed in' }).waitFor()
  assert.equal(await page.locator('.rows button:enabled').count(), enabled.length)
  await page.context().close()
})

test('it works by keyboard, and everything that can be pressed has a name of its own', async () => {
  const page = await opened()
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the requests')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Signed in as alice' }).waitFor()
  const names = await page.getByRole('button').evaluateAll((all) => all.map((one) => one.ariaLabel ?? one.textContent))
  assert.equal(new Set(names).size, names.length)
  const tree = await page.locator('body').ariaSnapshot()
  for (const landmark of ['- banner', '- main', '- contentinfo', '- region "Requests"', '- status']) {
    assert.ok(tree.includes(landmark), `${landmark} in ${tree.slice(0, 2000)}`)
  }
  await page.context().close()
})

test('it is fit to be looked at: light, dark and narrow, and readable in each', async () => {
  for (const [name, options] of [
    ['light', {}],
    ['dark', { colorScheme: 'dark' }],
    ['narrow', { viewport: { width: 360, height: 780 } }],
  ]) {
    const page = await opened(options)
    await signIn(page, 'alice')
    await page.getByRole('button', { name: 'Send them all' }).click()
    await page.waitForFunction((count) => document.querySelectorAll('.rows .pill').length === count, ROWS.length)
    await page.screenshot({ path: `${WORK}/${name}.png` })
    await page.screenshot({ path: `${WORK}/${name}-whole.png`, fullPage: true })
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${name}: nothing is cut off`)
    const faint = await page.evaluate(contrasts)
    assert.deepEqual(faint, [], name)
    await page.context().close()
  }
})

/** Texts with less contrast than WCAG's 4.5 (1.4.3), of what is enabled. Runs in the page. */
function contrasts() {
  const channels = (color) => color.match(/[\d.]+/g).map(Number)
  const luminance = (color) => {
    const [red, green, blue] = channels(color)
      .slice(0, 3)
      .map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const ground = (element) => {
    const own = getComputedStyle(element).backgroundColor
    return (channels(own)[3] ?? 1) === 0 && element.parentElement ? ground(element.parentElement) : own
  }
  const faint = []
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    if (!text || element.closest(':disabled, noscript, [hidden]')) continue
    const [one, other] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => b - a)
    const contrast = (one + 0.05) / (other + 0.05)
    if (contrast < 4.5) faint.push(`${element.tagName} ${element.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`)
  }
  return faint
}
