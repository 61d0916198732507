// What stands behind Envoy: the application's files, and an API that answers with what it was sent, over a
// WebSocket too.

import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const listening = (server) =>
  new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)))

/** Serves these texts by path, and makes a session's cookie of the token of a request to /session. */
export async function application(files) {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://host').pathname
    if (path === '/session') {
      const token = request.headers.authorization.replace('Bearer ', '')
      response.setHeader('set-cookie', `access_token=${token}; Path=/; HttpOnly; Secure; SameSite=Lax`)
      return response.end()
    }
    const [type, text] = files(path) ?? []
    if (!type) return response.writeHead(404).end()
    response.setHeader('content-type', type)
    response.end(text)
  })
  return { server, port: await listening(server) }
}

/** Answers with method, path and headers as they arrived; `seen` has them all. */
export async function api() {
  const seen = []
  const server = createServer((request, response) => {
    const { method, url: path, headers } = request
    seen.push({ method, path, headers })
    response.setHeader('content-type', 'application/json')
    request.resume().on('end', () => response.end(JSON.stringify({ method, path, headers })))
  })
  server.on('upgrade', (request, socket) => {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim())
    seen.push({ method: 'socket', path: request.url, headers: request.headers })
    const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
    const accept = createHash('sha1').update(key).digest('base64')
    const chosen = ['chat.v2', 'bearer'].find((one) => offered.includes(one))
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
        `sec-websocket-accept: ${accept}\r\n${chosen ? `sec-websocket-protocol: ${chosen}\r\n` : ''}\r\n`,
    )
    socket.on('error', () => {})
    socket.on('data', (frame) => echo(socket, frame))
  })
  return { server, port: await listening(server), seen }
}

/** A short text frame goes back, unmasked; a close frame is answered by an end (RFC 6455). */
function echo(socket, frame) {
  if ((frame[0] & 0x0f) === 8) return socket.end(Buffer.from([0x88, 0]))
  const length = frame[1] & 0x7f
  const [mask, masked] = [frame.subarray(2, 6), frame.subarray(6, 6 + length)]
  socket.write(Buffer.from([0x81, length, ...masked.map((byte, index) => byte ^ mask[index % 4])]))
}
