/* What rowcast says to the client, in the words of its contract, with handles to
 * make it fail: cut(), away, answers. Tokens are not verified, only read. A page
 * and the client itself are served beside it; `node server.mjs` serves a browser. */

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const PUBLIC = new URL('../../public/', import.meta.url);
const PAGE = '<!DOCTYPE html><meta charset="utf-8"><title>client</title><script type="module" src="page.js"></script>';

const seconds = () => Date.now() / 1000;

/** A token with these claims. */
export function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(claims)}.x`;
}

function claimsOf(request) {
  const text = /^Bearer (.+)/.exec(request.headers.authorization ?? '')?.[1]
    ?? /rowcast_token=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  if (!text) return null;
  try { return JSON.parse(Buffer.from(text.split('.')[1], 'base64url')); } catch { return {}; }
}

export class Server {
  retry = 20;
  heartbeat = 15;
  away = false;             // connections are cut before an answer
  mute = false;             // heartbeats and messages are kept back
  answers = [];             // functions (request, response) that answer the next requests in our place
  refuses = () => null;     // a topic's [status, sentence]
  visitor = null;           // who comes without a token, as with a cookie
  trimmed = 0;
  newest = 0;
  messages = [];
  streams = new Set();      // those open now: {response, user, topics}
  opened = [];              // the query of each stream there ever was
  most = 0;                 // open at once
  keys = new Map();
  posted = [];
  ended = [];               // topics

  static async start(fields) {
    const server = Object.assign(new Server(), fields);
    server.http = createServer((request, response) => server.serve(request, response));
    await new Promise((listening) => { server.http.listen(fields?.port ?? 0, '127.0.0.1', listening); });
    server.origin = `http://127.0.0.1:${server.http.address().port}`;
    server.url = `${server.origin}/events`;
    server.timer = setInterval(() => server.beat(), server.heartbeat * 1000);
    return server;
  }

  stop() {
    clearInterval(this.timer);
    this.cut();
    this.http.closeAllConnections();
    return new Promise((stopped) => { this.http.close(stopped); });
  }

  async serve(request, response) {
    const url = new URL(request.url, this.origin);
    if (this.away) return request.socket.destroy();
    if (/\/(events|msg)$/.test(url.pathname)) {
      const answer = this.answers.shift();
      if (answer) return answer(request, response);
      if (url.pathname.endsWith('msg')) return this.take(request, response);
      return this.hold(request, response, url.searchParams);
    }
    if (url.pathname === '/control') {       // a test in another language calls, sets or reads what is here
      const { name, args } = JSON.parse(url.searchParams.get('do'));
      let value = this[name];
      if (typeof value === 'function') value = this[name](...args);
      else if (args.length) [value] = [this[name]] = args;
      return response.end(JSON.stringify(value instanceof Set ? value.size : value ?? null));
    }
    try {
      const file = new URL(`.${url.pathname}`, /^\/(page|worker)\.js$/.test(url.pathname) ? import.meta.url : PUBLIC);
      const meta = url.searchParams.has('meta') ? `<meta name="rowcast-cursor" content="${Number(url.searchParams.get('meta'))}">` : '';
      const text = url.pathname === '/' ? PAGE + meta : await readFile(file);
      response.writeHead(200, {
        'Content-Type': url.pathname.endsWith('.js') ? 'text/javascript' : 'text/html',
        'Content-Security-Policy': "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'",
      }).end(text);
    } catch {
      response.writeHead(404).end();
    }
  }

  refuse(response, status, error, headers) {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify({ error }));
  }

  hold(request, response, query) {
    const claims = claimsOf(request) ?? (this.visitor && { sub: this.visitor });
    const topics = query.getAll('topic');
    if (!claims) return this.refuse(response, 400, 'token is required');
    if (!claims.sub) return this.refuse(response, 401, 'token is invalid');
    if (topics.length > 32) return this.refuse(response, 400, 'at most 32 topics');
    for (const topic of topics) {
      const refused = this.refuses(topic, claims);
      if (refused) return this.refuse(response, ...refused);
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    if (claims.exp <= seconds()) {
      return response.end(`retry: ${this.retry}\nevent: rowcast.expired\ndata: {"reason":"token is expired"}\n\n`);
    }
    const stream = { response, user: String(claims.sub), topics };
    const raw = request.headers['last-event-id'] ?? query.get('lastEventId');
    let cursor = /^\d+$/.test(raw) ? Number(raw) : this.newest;
    if (raw === null) {
      const since = query.get('since');
      let from = this.messages.filter((m) => this.concerns(stream, m));
      if (since && since !== 'all') from = from.filter((m) => m.created_at >= since);
      if (query.has('last')) from = from.slice(-query.get('last'));
      if ((since || query.has('last')) && from.length) cursor = from[0].id - 1;
    }
    this.opened.push(query.toString());
    this.streams.add(stream);
    this.most = Math.max(this.most, this.streams.size);
    const ends = claims.exp && setTimeout(() => {
      response.end('event: rowcast.expired\ndata: {"reason":"token is expired"}\n\n');
      this.streams.delete(stream);
    }, Math.max(1, (claims.exp - seconds()) * 1000));
    response.on('close', () => {
      clearTimeout(ends);
      this.streams.delete(stream);
    });
    response.write(`retry: ${this.retry}\n` + this.block('rowcast.cursor', cursor, { id: cursor, user: stream.user, heartbeat: this.heartbeat }));
    let gap = raw !== null && !/^\d+$/.test(raw) ? ['invalid', cursor] : null;
    if (cursor > this.newest) gap = ['ahead', this.newest];
    else if (cursor < this.trimmed) gap = ['expired', this.trimmed];
    if (gap) {
      cursor = gap[1];
      response.write(this.block('rowcast.gap', cursor, { reason: gap[0], requested: raw, oldest: this.trimmed + 1, newest: this.newest }));
    }
    for (const m of this.messages) if (m.id > cursor && this.concerns(stream, m)) response.write(this.said(m));
  }

  concerns({ user, topics }, m) {
    return (m.user === undefined || m.user === user) && (m.topic === undefined || topics.includes(m.topic));
  }

  block(event, id, data) { return `id: ${id}\n${event ? `event: ${event}\n` : ''}data: ${JSON.stringify(data)}\n\n`; }

  said(m) { return this.block(/^rowcast\./.test(m.event) ? m.event : '', m.id, m); }

  publish(fields) {
    const m = { id: ++this.newest, created_at: Math.floor(seconds()), ...fields };
    this.messages.push(m);
    if (!this.mute) for (const stream of this.streams) if (this.concerns(stream, m)) stream.response.write(this.said(m));
    return m.id;
  }

  burst(n, fields) {
    for (let i = 0; i < n; i++) this.publish({ data: String(i), ...fields });
    return this.newest;
  }

  beat() {
    if (this.mute) return;
    for (const { response } of this.streams) response.write(this.block('rowcast.cursor', this.newest, { id: this.newest }));
  }

  say(text, end) {
    for (const stream of this.streams) {
      if (end) this.streams.delete(stream);
      stream.response[end ? 'end' : 'write'](text);
    }
  }

  cut() { for (const { response } of this.streams) response.destroy(); }

  /** As after another data set was put under it. */
  beginAnew() {
    this.cut();
    this.messages = [];
    this.newest = this.trimmed = 0;
  }

  async take(request, response) {
    const claims = claimsOf(request);
    let body = '';
    for await (const chunk of request) body += chunk;
    if (!(claims?.exp > seconds() || claims?.exp === undefined) || !claims?.sub) return this.refuse(response, 401, 'token is expired');
    const { key, msg, user = String(claims.sub), topic, event } = Object.fromEntries(new URLSearchParams(body));
    this.posted.push(msg);
    if (!msg) return this.refuse(response, 400, 'msg is missing');
    const known = this.keys.get(key);
    const id = known ?? this.publish({ user, topic, event, data: msg });
    this.keys.set(key, id);
    response.writeHead(known ? 200 : 201, { 'Content-Type': 'application/json' }).end(JSON.stringify({ id }));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await Server.start({ heartbeat: 1, port: Number(process.argv[2] ?? 0) });
  console.log(server.origin);
  process.stdin.on('end', () => process.exit()).resume();
}
