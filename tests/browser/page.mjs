// What envoy/BROWSER.md shows: the tests run its snippets, not copies of them.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export const ROOT = process.cwd()
const PAGE = resolve(ROOT, 'envoy/BROWSER.md')
const text = readFileSync(PAGE, 'utf8')

/** The text of the only snippet below this comment. */
export function snippet(marker) {
  const parts = text.split(`<!-- ${marker} -->\n\`\`\``)
  if (parts.length !== 2) throw new Error(`${PAGE}: ${parts.length - 1} snippets are marked "${marker}"`)
  const begin = parts[1].indexOf('\n') + 1
  return parts[1].slice(begin, parts[1].indexOf('\n```\n') + 1)
}

/** The rows of the only table below this comment, without its head. */
export function table(marker) {
  const parts = text.split(`<!-- ${marker} -->\n|`)
  if (parts.length !== 2) throw new Error(`${PAGE}: ${parts.length - 1} tables are marked "${marker}"`)
  const [whole] = `|${parts[1]}`.split('\n\n', 1)
  return whole.trim().split('\n').slice(2).map((row) => row.slice(1, -1).split('|').map((cell) => cell.trim()))
}
