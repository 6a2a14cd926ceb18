/* One stream by itself, against a server that speaks as rowcast does. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../../public/rowcast.js';
import { Server, token } from './server.mjs';
import { dice, until } from './wait.mjs';

const now = () => Date.now() / 1000;
const mine = (claims) => token({ sub: '42', ...claims });

/** A test with a server and the means to open streams, both ended after it. */
function streaming(name, fields, act) {
  test(`stream: ${name}`, async () => {
    const server = await Server.start(fields);
    const streams = [];
    const open = (options) => {
      const stream = connect({ url: server.url, token: mine(), ...options });
      stream.got = [];
      stream.states = [];
      stream.gaps = [];
      stream.addEventListener('message', (e) => stream.got.push(e.data));
      stream.addEventListener('state', () => stream.states.push(stream.state));
      stream.addEventListener('gap', (e) => stream.gaps.push(e));
      streams.push(stream);
      return stream;
    };
    open.live = async (options) => {
      const stream = open(options);
      await until(() => stream.state === 'live', () => `live, not ${stream.state}: ${stream.reason}`);
      return stream;
    };
    try {
      await act(server, open);
    } finally {
      streams.forEach((stream) => stream.close());
      await server.stop();
    }
  });
}

/* How long the client waits, counted from when it looked at the clock: this machine
 * may take its time before we do. */
let looked = 0;
const { now: clock } = Date;
Date.now = () => (looked = clock());

function noteWaits(stream) {
  const waits = [];
  stream.addEventListener('state', () => { if (stream.retryAt) waits.push(stream.retryAt - looked); });
  return waits;
}

const has = (stream, ...data) => until(() => stream.got.length >= data.length, () => `${data}, not ${stream.got}`)
  .then(() => assert.deepEqual(stream.got, data));

streaming('a message has its data, topic, event and id, and the stream its user', {}, async (server, open) => {
  const stream = open({ topics: ['t'] });
  assert.deepEqual([stream.state, stream.reason, stream.retryAt, stream.lastEventId, stream.user, stream.shared],
    ['connecting', null, null, '', null, false]);
  await until(() => stream.state === 'live', 'live');
  assert.equal(stream.user, '42');
  assert.equal(stream.lastEventId, '0');
  const named = new Promise((come) => { stream.addEventListener('price', come); });
  server.publish({ data: 'é\n2' });
  const id = server.publish({ data: 'b', topic: 't', event: 'price', user: '42' });
  const e = await named;
  assert.ok(e instanceof Event);
  assert.deepEqual([e.data, e.topic, e.event, e.lastEventId, e.user, e.created_at],
    ['b', 't', 'price', String(id), '42', server.messages[1].created_at]);
  assert.equal(stream.lastEventId, String(id));
  await has(stream, 'é\n2');
  assert.deepEqual(server.opened, ['format=json&cursor=event&topic=t']);
});

streaming('when it is live its user and its cursor are known', {}, async (server, open) => {
  server.burst(3);
  const stream = open({ topics: ['t'] });
  const known = [];
  stream.addEventListener('state', () => known.push([stream.state, stream.user, stream.lastEventId]));
  await until(() => known.length, 'live');
  assert.deepEqual(known, [['live', '42', '3']]);
});

streaming('names of its own events do not come under them', {}, async (server, open) => {
  const stream = await open.live();
  for (const event of ['state', 'gap', 'expired', 'end']) server.publish({ data: event, event });
  await has(stream, 'state', 'gap', 'expired', 'end');
  assert.equal(stream.gaps.length, 0);
});

streaming('the end of a topic is its own event', {}, async (server, open) => {
  const stream = await open.live({ topics: ['t'] });
  const end = new Promise((come) => { stream.addEventListener('end', come); });
  server.publish({ data: '{"reason":"done"}', event: 'rowcast.end', topic: 't' });
  const e = await end;
  assert.deepEqual([e.topic, e.data], ['t', '{"reason":"done"}']);
  assert.equal(stream.got.length, 0);
});

streaming('the iterator gives every message in order, whatever its name, and ends with the stream', {}, async (server, open) => {
  const stream = await open.live();
  const seen = [];
  const over = (async () => { for await (const e of stream) seen.push(e.lastEventId); })();
  for (let i = 0; i < 50; i++) server.publish({ data: 'x', event: i % 2 ? 'odd' : undefined });
  await until(() => seen.length === 50, 'all');
  stream.close();
  await over;
  assert.deepEqual(seen, Array.from({ length: 50 }, (_, i) => String(i + 1)));
  for await (const e of stream) assert.fail(`${e} after the end`);
});

streaming('an iterator of a refused stream throws the reason', { refuses: () => [403, 'no'] }, async (server, open) => {
  const stream = open({ topics: ['t'] });
  await assert.rejects(async () => { for await (const e of stream) assert.fail(e); }, /^Error: no$/);
});

streaming('a cut is followed by what was missed, once', {}, async (server, open) => {
  const stream = await open.live();
  server.publish({ data: 'a' });
  await has(stream, 'a');
  server.away = true;
  server.cut();
  await until(() => stream.state === 'reconnecting', 'reconnecting');
  assert.ok(stream.reason && stream.retryAt > 0);
  server.publish({ data: 'b' });
  server.publish({ data: 'other', user: '43' });
  server.away = false;
  await until(() => stream.state === 'live', 'live again');
  assert.deepEqual([stream.reason, stream.retryAt], [null, null]);
  server.publish({ data: 'c' });
  await has(stream, 'a', 'b', 'c');
  assert.match(server.opened.at(-1), /lastEventId=1$/);
});

streaming('a cut before any message loses nothing', {}, async (server, open) => {
  server.publish({ data: 'before' });
  const stream = await open.live();
  server.away = true;
  server.cut();
  server.publish({ data: 'a' });
  server.away = false;
  await has(stream, 'a');
});

streaming('a hundred cuts under load, each id once', {}, async (server, open) => {
  const stream = await open.live();
  const roll = dice(7);
  const seen = [];
  stream.addEventListener('message', (e) => seen.push(Number(e.lastEventId)));
  for (let i = 0; i < 100; i++) {
    server.burst(1 + Math.floor(roll() * 20));
    if (roll() < 0.7) server.cut();
    else server.say('data: tor', true);
    server.burst(2);
    if (roll() < 0.5) await until(() => stream.state === 'live' && server.streams.size, 'live');
  }
  await until(() => seen.length >= server.newest, 'all');
  assert.deepEqual(seen, server.messages.map((m) => m.id));
});

streaming('since and last begin in the past, once', {}, async (server, open) => {
  server.burst(5);
  const stream = open({ last: 2 });
  await has(stream, '3', '4');
  server.cut();
  server.publish({ data: 'x' });
  await has(stream, '3', '4', 'x');
  await has(open({ since: 'all', storage: null, topics: ['own'] }), '0', '1', '2', '3', '4', 'x');
  assert.equal(server.opened.filter((query) => /last=2/.test(query)).length, 1);
});

streaming('lastEventId begins after it', {}, async (server, open) => {
  server.burst(5);
  await has(open({ lastEventId: '3', last: 5 }), '3', '4');
});

streaming('gaps are told with their reason, and the stream goes on', {}, async (server, open) => {
  server.burst(10);
  server.messages.splice(0, 5);
  server.trimmed = 5;
  const late = open({ lastEventId: 2, topics: ['late'] });
  await has(late, '5', '6', '7', '8', '9');
  assert.deepEqual(late.gaps.map((e) => [e.reason, e.requested, e.oldest, e.newest, e.lastEventId]), [['expired', '2', 6, 10, '5']]);
  const odd = open({ lastEventId: 'x', topics: ['odd'] });
  await until(() => odd.gaps.length, 'the gap');
  assert.deepEqual([odd.gaps[0].reason, odd.gaps[0].requested, odd.lastEventId], ['invalid', 'x', '10']);
  server.beginAnew();
  await until(() => late.gaps.length === 2, 'the second gap');
  assert.equal(late.gaps[1].reason, 'ahead');
  server.publish({ data: 'new' });
  await has(late, '5', '6', '7', '8', '9', 'new');
  assert.equal(late.lastEventId, '1');
});

streaming('what is remembered of one user is not for another', {}, async (server, open) => {
  const topics = ['mine'];
  const first = await open.live({ topics });
  server.burst(3);
  await has(first, '0', '1', '2');
  first.close();
  server.burst(2);
  const other = await open.live({ topics, token: token({ sub: '43' }), last: 1 });
  await has(other, '1');                   // it begins as it was asked to, not at the other's cursor
  server.publish({ data: 'a' });
  await has(other, '1', 'a');
  other.close();
  const again = await open.live({ topics, token: token({ sub: '43' }) });
  server.publish({ data: 'b' });
  await has(again, 'b');
  again.close();
  server.publish({ data: 'c' });
  await has(await open.live({ topics, token: token({ sub: '43' }) }), 'c');
});

streaming('with a cookie the server says whose cursor it was', { visitor: '42' }, async (server, open) => {
  const topics = ['cookie'];
  const first = await open.live({ topics, token: undefined });
  server.burst(3);
  await has(first, '0', '1', '2');
  first.close();
  server.burst(2);
  server.visitor = '43';
  const other = await open.live({ topics, token: undefined });
  server.publish({ data: 'a' });
  await has(other, 'a');
  assert.equal(other.user, '43');
});

streaming('storage: null remembers nothing', {}, async (server, open) => {
  const kept = {};
  globalThis.sessionStorage = kept;
  try {
    const forgetful = { topics: ['forgotten'], storage: null };
    const first = await open.live(forgetful);
    server.burst(2);
    await has(first, '0', '1');
    first.close();
    server.publish({ data: 'missed' });
    const second = await open.live(forgetful);
    server.publish({ data: 'a' });
    await has(second, 'a');
    assert.deepEqual(kept, {});
    const third = await open.live({ topics: ['kept'] });
    server.publish({ data: 'b' });
    await has(third, 'b');
    await until(() => Object.values(kept).length, 'what is kept');
    assert.deepEqual(Object.values(kept), ['5 42']);
  } finally {
    delete globalThis.sessionStorage;
  }
});

streaming('a burst in one piece is given out in turns', {}, async (server, open) => {
  const stream = await open.live();
  const { port1, port2 } = new MessageChannel();
  let inTurn = 0;
  let most = 0;
  let seen = 0;
  let clock = performance.now();           // and the handler's time, whatever this machine takes for it
  port1.onmessage = () => { inTurn = 0; };
  performance.now = () => clock;
  try {
    stream.addEventListener('message', () => {
      if (inTurn++ === 0) port2.postMessage(0);      // others wait for a turn, too
      most = Math.max(most, inTurn);
      seen++;
      clock += 1;
    });
    for (const { response } of server.streams) response.cork();
    server.burst(5000);
    for (const { response } of server.streams) response.uncork();
    await until(() => seen === 5000, 'all');
  } finally {
    delete performance.now;
    port1.close();
  }
  // None takes less than 40 bytes of the 4096 of a turn; and node gives a port its turn after some of another's.
  assert.ok(most <= 4 * 4096 / 40, `${most} messages in one turn`);
});

streaming('400 and 403 stop it with the server\'s sentence', { refuses: (topic) => [Number(topic), 'because of that'] }, async (server, open) => {
  for (const status of ['400', '403', '404']) {
    const stream = open({ topics: [status] });
    await until(() => stream.state === 'refused', 'refused');
    assert.equal(stream.reason, 'because of that');
    assert.equal(stream.retryAt, null);
  }
});

streaming('a bad token without another is refused', {}, async (server, open) => {
  const stream = open({ token: 'x.y.z' });
  await until(() => stream.state === 'refused', 'refused');
  assert.equal(stream.reason, 'token is invalid');
});

streaming('204 ends it', {}, async (server, open) => {
  server.answers.push((_, response) => response.writeHead(204).end());
  const stream = open();
  await until(() => stream.state === 'ended', 'ended');
});

/* What /events takes and the client has no option for. */
streaming('the query of url is kept, and the stream ends with its topic', {}, async (server, open) => {
  server.publish({ topic: 'run:7', data: 'a' });
  const url = `${server.url}?inbox=off&join=token&until=end`;
  const stream = await open.live({ url, topics: ['run:7'], since: 'all' }), ends = [];
  stream.addEventListener('end', (e) => ends.push([e.topic, e.data]));
  await has(stream, 'a');
  server.publish({ topic: 'run:7', event: 'rowcast.end', data: '{"reason":"done"}' });
  await until(() => ends.length, 'the end');
  server.answers.push((request, response) => {
    assert.match(request.url, /\?inbox=off&join=token&until=end&.*&lastEventId=2$/);
    response.writeHead(204).end();
  });
  server.cut();
  await until(() => stream.state === 'ended', 'ended');
  assert.match(server.opened[0], /^inbox=off&join=token&until=end&.*topic=run%3A7&since=all$/);
  assert.deepEqual(ends, [['run:7', '{"reason":"done"}']]);
  assert.deepEqual([stream.states.at(-1), stream.reason, stream.retryAt, stream.got], ['ended', null, null, ['a']]);
  await stream.send({ topic: 'run:8', msg: 'x' });   // that is over, and this page may write elsewhere
});

for (const status of [408, 429, 500, 502, 503]) {
  streaming(`${status} is tried again`, {}, async (server, open) => {
    server.answers.push((_, response) => response.writeHead(status).end('<html>'));
    const stream = await open.live();
    assert.deepEqual(stream.states, ['reconnecting', 'live']);
  });
}

streaming('an answer that is no stream is tried again', {}, async (server, open) => {
  for (const type of ['text/html', 'text/event-stream-not', 'x/text/event-stream']) {
    server.answers.push((_, response) => response.writeHead(200, { 'Content-Type': type }).end('id: 1\ndata: {}\n\n'));
  }
  assert.deepEqual((await open.live()).states.at(-1), 'live');
  assert.equal(server.opened.length, 1);
});

for (const type of ['text/event-stream;', 'text/event-stream; charset=utf-8', 'text/event-stream;charset=x', 'Text/Event-Stream', 'text/event-stream ;x']) {
  streaming(`${type} is one`, {}, async (server, open) => {
    server.answers.push((request, response) => {
      const write = response.writeHead;
      response.writeHead = function (status) { return write.call(this, status, { 'Content-Type': type }); };
      server.hold(request, response, new URL(request.url, server.origin).searchParams);
    });
    assert.deepEqual((await open.live()).states, ['live']);
  });
}

streaming('Retry-After and busy are kept to', {}, async (server, open) => {
  server.answers.push((_, response) => response.writeHead(503, { 'Retry-After': '2' }).end('{"error":"wait"}'));
  const stream = open();
  const waits = noteWaits(stream);
  await until(() => stream.state === 'reconnecting', 'reconnecting');
  assert.deepEqual(waits, [2000]);
  assert.equal(stream.reason, 'wait');
  const busy = open({ topics: ['t'] });
  const busyWaits = noteWaits(busy);
  server.answers.push((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      .end('retry: 1500\nid: 3\nevent: rowcast.busy\ndata: {"reason":"too many streams"}\n\n');
  });
  await until(() => busy.state === 'reconnecting', 'reconnecting');
  assert.equal(busy.reason, 'too many streams');
  assert.deepEqual(busyWaits, [1500]);
  server.burst(5);
  await has(busy, '3', '4');             // it begins where the refused one would have
});

streaming('a wait grows with every failure, at random, to 30 s at most', {}, async (server, open) => {
  const random = Math.random;
  try {
    Math.random = () => 1;
    const stream = await open.live();
    const waits = noteWaits(stream);
    for (let n = 0; n < 4; n++) server.answers.push((_, response) => response.writeHead(503).end());
    server.cut();
    await until(() => server.opened.length === 2 && stream.state === 'live', 'live again');
    assert.deepEqual(waits.splice(0), [20, 40, 80, 160, 320]);
    Math.random = () => 0.5;
    server.say('retry: 100000\n\n', true);
    await until(() => waits.length, 'a wait');
    assert.deepEqual(waits, [15000]);
  } finally {
    Math.random = random;
  }
});

/* What a page tells, in Node where nobody does. */
async function withPage(act) {
  const { addEventListener } = globalThis;
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  try {
    await act((type) => target.dispatchEvent(new Event(type)));
  } finally {
    globalThis.addEventListener = addEventListener;
  }
}

streaming('when the network is back it is tried at once, but not where the server said when', { retry: 10000 }, async (server, open) => {
  await withPage(async (tell) => {
    const stream = await open.live();
    server.cut();
    await until(() => stream.state === 'reconnecting', 'reconnecting');
    tell('online');
    await until(() => stream.state === 'live', 'live');
    tell('online');                        // live: another line, and the old one goes when it is there
    await until(() => server.opened.length === 3, 'another line');
    server.answers.push((_, response) => response.writeHead(503, { 'Retry-After': '3000' }).end());
    server.cut();
    await until(() => stream.state === 'reconnecting' && stream.retryAt > Date.now() + 60000, 'the wait');
    tell('online');
    server.publish({ data: 'a' });
    assert.equal(server.opened.length, 3);
  });
});

streaming('a page that is put away holds nothing, and comes back where it stopped', {}, async (server, open) => {
  await withPage(async (tell) => {
    const stream = await open.live();
    tell('pagehide');
    await until(() => !server.streams.size, 'the end of the response');
    server.publish({ data: 'a' });
    tell('pageshow');
    await has(stream, 'a');
  });
});

streaming('a stream that falls silent is dead after 2.5 heartbeats', { heartbeat: 0.2 }, async (server, open) => {
  const stream = await open.live();
  server.mute = true;
  await until(() => stream.state === 'reconnecting', 'reconnecting');
  assert.match(stream.reason, /silent/);
  server.mute = false;
  await until(() => stream.state === 'live', 'live');
  server.publish({ data: 'a' });
  await has(stream, 'a');
});

streaming('an answer that does not come is given up after as long', { heartbeat: 0.2 }, async (server, open) => {
  const stream = await open.live();
  server.answers.push(() => {});
  server.cut();
  await until(() => server.opened.length === 2 && stream.state === 'live', 'live again');
});

streaming('heartbeats alone keep it', { heartbeat: 0.1 }, async (server, open) => {
  const stream = await open.live();
  let beats = 0;
  const beat = server.beat;
  server.beat = function () { beats++; for (const { response } of this.streams) response.write(':\n\n'); };
  await until(() => beats > 10, 'heartbeats');
  server.beat = beat;
  assert.deepEqual(stream.states, ['live']);
});

streaming('a cursor moves it past what was for others', { heartbeat: 0.1 }, async (server, open) => {
  const stream = await open.live();
  server.publish({ data: 'x', user: 'other' });
  await until(() => stream.lastEventId === '1', 'the cursor');
});

streaming('closed is closed', {}, async (server, open) => {
  const stream = await open.live();
  stream.close();
  assert.equal(stream.state, 'closed');
  await until(() => !server.streams.size, 'the end of the response');
  server.publish({ data: 'a' });
  stream.close();
  assert.deepEqual(stream.states, ['live', 'closed']);
  assert.deepEqual(stream.got, []);
});

streaming('closed by a handler, it gives nothing more', {}, async (server, open) => {
  server.burst(5);
  const stream = open({ lastEventId: 0 });
  stream.addEventListener('message', () => stream.close());
  await until(() => stream.state === 'closed', 'closed');
  assert.deepEqual(stream.got, ['0']);
});

streaming('a handler that throws loses nothing', {}, async (server, open) => {
  const stream = await open.live();
  const thrown = [];
  const catcher = (e) => thrown.push(e.message);
  process.setUncaughtExceptionCaptureCallback?.(catcher);
  try {
    stream.addEventListener('message', (e) => { if (e.data === 'a') throw new Error('mine'); });
    server.publish({ data: 'a' });
    server.publish({ data: 'b' });
    await has(stream, 'a', 'b');
    await until(() => thrown.length, 'the error');
  } finally {
    process.setUncaughtExceptionCaptureCallback?.(null);
  }
});

/* ---- tokens ---- */

streaming('a token is renewed ahead of its end, the new stream is there before the old one goes: 20 times under load', {}, async (server, open) => {
  const reasons = [];
  const seen = [];
  const stream = await open.live({
    getToken: async ({ reason }) => {
      reasons.push(reason);
      return mine({ iat: now() + 59.5, exp: now() + 60, jti: String(reasons.length) });      // a life of 500 ms that a slow machine may overdraw
    },
  });
  stream.addEventListener('message', (e) => seen.push(Number(e.lastEventId)));
  let least = 1;
  const load = setInterval(() => {
    least = Math.min(least, server.streams.size);
    server.publish({ data: 'x' });
  }, 5);
  await until(() => reasons.length > 20, '20 renewals');
  clearInterval(load);
  await until(() => seen.length >= server.newest, 'all');
  assert.deepEqual(seen, server.messages.map((m) => m.id));
  assert.deepEqual(stream.states, ['live']);
  assert.deepEqual([...new Set(reasons)], ['connect', 'renew']);
  assert.equal(least, 1);
  assert.ok(server.most > 1);              // and more than 2 where the server hears late that one is let go
  await until(() => server.streams.size === 1, 'one stream');
});

streaming('rowcast.expired asks anew, and nothing is missed', {}, async (server, open) => {
  const reasons = [];
  const stream = await open.live({ getToken: ({ reason }) => reasons.push(reason) && mine({ exp: now() + 60 }) });
  server.say('event: rowcast.expired\ndata: {"reason":"token is expired"}\n\n', true);
  server.publish({ data: 'a' });
  await has(stream, 'a');
  assert.deepEqual(reasons, ['connect', 'expired']);
});

streaming('rowcast.expired ends it where there is no other token', {}, async (server, open) => {
  const stream = await open.live();
  let told;
  stream.addEventListener('expired', (e) => { told = e.reason; });
  server.say('event: rowcast.expired\ndata: {"reason":"token is expired"}\n\n', true);
  await until(() => stream.state === 'expired', 'expired');
  assert.deepEqual([stream.reason, told], ['token is expired', 'token is expired']);
});

streaming('401 asks once more, then is refused', {}, async (server, open) => {
  const reasons = [];
  const bad = ['x', 'y'];
  const stream = await open.live({ getToken: async ({ reason }) => reasons.push(reason) && (reasons.length === 1 ? mine() : bad.shift() ?? mine()) });
  server.answers.push((_, response) => server.refuse(response, 401, 'token was revoked'));
  server.cut();
  await until(() => stream.state === 'refused', 'refused');
  assert.equal(stream.reason, 'token is invalid');
  assert.deepEqual(reasons, ['connect', 'refused']);
});

streaming('rowcast.revoked asks anew, else it is refused', {}, async (server, open) => {
  const reasons = [];
  const stream = await open.live({ getToken: async ({ reason }) => reasons.push(reason) && mine() });
  const fixed = await open.live({ topics: ['t'] });
  server.say('event: rowcast.revoked\ndata: {"reason":"token was revoked"}\n\n', true);
  await until(() => fixed.state === 'refused', 'refused');
  await until(() => reasons.length === 2 && stream.state === 'live', 'live again');
  assert.deepEqual(reasons, ['connect', 'revoked']);
});

streaming('a getToken that fails is asked again', {}, async (server, open) => {
  let failures = 2;
  const stream = open({ getToken: async () => { if (failures--) throw new Error('no login'); return mine(); }, });
  await until(() => stream.state === 'reconnecting', 'reconnecting');
  assert.equal(stream.reason, 'no login');
  globalThis.dispatchEvent?.(new Event('online'));
  await until(() => stream.state === 'live', 'live');
});

streaming('a wrong clock renews as often as a right one', {}, async (server, open) => {
  const real = Date.now;
  for (const wrong of [-3600000, 3600000]) {
    let asked = 0;
    const began = real();
    try {
      const stream = await open.live({ getToken: () => { asked++; return mine({ iat: now(), exp: now() + 600 }); }, storage: null, topics: [`${wrong}`] });
      Date.now = () => real() + wrong;
      server.cut();
      await until(() => server.opened.length > 1 && server.streams.size, 'back');
      assert.ok(asked <= 2, `${asked} tokens in ${real() - began} ms`);
      Date.now = real;
      stream.close();
    } finally {
      Date.now = real;
    }
  }
});

/* ---- sending ---- */

streaming('send() resolves to the id, and keeps the order', {}, async (server, open) => {
  const stream = await open.live();
  const sent = await Promise.all(Array.from({ length: 20 }, (_, i) => stream.send({ msg: String(i) })));
  assert.deepEqual(sent.map((answer) => answer.id), Array.from({ length: 20 }, (_, i) => i + 1));
  await has(stream, ...Array.from({ length: 20 }, (_, i) => String(i)));
});

streaming('send() is repeated until it is known, stored once, in order', {}, async (server, open) => {
  const stream = await open.live();
  const take = server.take.bind(server);
  let n = 0;
  server.take = (request, response) => {
    if (++n === 1) return request.socket.destroy();
    if (n === 2) return server.refuse(response, 503, 'locked');
    if (n === 3) response.writeHead = () => { request.socket.destroy(); return response; };    // stored, and not answered
    return take(request, response);
  };
  const sent = await Promise.all([stream.send({ msg: 'a' }), stream.send({ msg: 'b' })]);
  assert.deepEqual(sent, [{ id: 1 }, { id: 2 }]);
  await has(stream, 'a', 'b');
});

streaming('send() rejects with the status and the server\'s sentence', {}, async (server, open) => {
  const stream = await open.live();
  await assert.rejects(stream.send({ msg: '' }), (e) => e instanceof Error && e.status === 400 && e.message === 'msg is missing');
  assert.deepEqual(await stream.send({ msg: 'after it' }), { id: 1 });
});

streaming('send() with a token that has run out asks for another', {}, async (server, open) => {
  const reasons = [];
  const stream = await open.live({ getToken: async ({ reason }) => reasons.push(reason) && mine() });
  server.answers.push((_, response) => server.refuse(response, 401, 'token is expired'));
  assert.deepEqual(await stream.send({ msg: 'a' }), { id: 1 });
  assert.deepEqual(reasons, ['connect', 'refused']);
  server.answers.push((_, r) => server.refuse(r, 401, 'no'), (_, r) => server.refuse(r, 401, 'no'));
  await assert.rejects(stream.send({ msg: 'b' }), { status: 401, message: 'no' });
});

streaming('send() ends with the stream', {}, async (server, open) => {
  const stream = await open.live();
  server.take = (request) => request.socket.destroy();
  const sent = stream.send({ msg: 'a' });
  await until(() => server.http.listening, 'listening');
  stream.close();
  await assert.rejects(sent, { status: 0 });
});
