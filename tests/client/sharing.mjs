/* Tabs that share one stream: threads with Node's own BroadcastChannel. Real Web
 * Locks are met in the browser (tests/e2e/suites/client.py). */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { Locks } from './locks.mjs';
import { Server, token } from './server.mjs';
import { dice, until } from './wait.mjs';

const now = () => Date.now() / 1000;
const mine = (claims) => token({ sub: '42', ...claims });

class Tab {
  got = [];
  states = [];
  gaps = [];
  asked = [];
  state = 'connecting';
  looks = 0;

  constructor(locks, options) {
    this.topics = options.topics ?? [];
    this.worker = new Worker(new URL('tab.mjs', import.meta.url));
    locks.attach(this.worker);
    this.worker.on('message', (m) => {
      if (m.what === 'message') this.got.push(m);
      else if (m.what === 'gap') this.gaps.push(m);
      else if (m.what === 'asked') this.asked.push(m.reason);
      else if (m.what === 'sent') this.sent = m.id;
      else if (m.what === 'state' || m.what === 'look') Object.assign(this, m);
      if (m.what === 'state') this.states.push(m.state);
      if (m.what === 'look') this.looks++;
    });
    this.ready = new Promise((ready) => { this.worker.on('message', (m) => m.what === 'ready' && ready()); });
    this.do('open', { options });
  }

  do(act, more) { this.ready.then(() => this.worker.postMessage({ act, ...more })); }

  async look() {
    const { looks } = this;
    this.do('look');
    await until(() => this.looks > looks, 'an answer');
    return this;
  }

  end() { return this.worker.terminate(); }

  get ids() { return this.got.map((m) => m.id); }
}

function sharing(name, fields, act) {
  test(`sharing: ${name}`, async () => {
    const server = await Server.start(fields);
    const locks = new Locks();
    const tabs = [];
    const open = (options) => {
      const tab = new Tab(locks, { url: server.url, token: mine(), ...options });
      tabs.push(tab);
      return tab;
    };
    open.live = async (options) => {
      const tab = open(options);
      await until(() => tab.state === 'live', () => `live, not ${tab.state}: ${tab.reason}`);
      return tab;
    };
    open.leader = () => tabs.find((tab) => tab.worker === locks.holder('rowcast'));
    try {
      await act(server, open);
    } finally {
      await Promise.all(tabs.map((tab) => tab.end()));
      await server.stop();
    }
  });
}

const wanted = (server, tab, after = 0) => server.messages.filter((m) => m.id > after
  && (m.user === undefined || m.user === '42') && (m.topic === undefined || tab.topics.includes(m.topic))).map((m) => m.id);

async function exactly(server, tab, after = 0) {
  const ids = wanted(server, tab, after);
  await until(() => tab.got.length >= ids.length, () => `${ids.length} messages, not ${tab.got.length} (${tab.state}, ${tab.reason})`);
  await tab.look();
  assert.deepEqual(tab.ids, ids);
}

sharing('twenty tabs hold one stream, and each has its own topics alone', {}, async (server, open) => {
  const tabs = Array.from({ length: 20 }, (_, i) => open({ topics: [`t${i % 7}`], lastEventId: 0 }));
  await until(() => tabs.every((tab) => tab.state === 'live'), 'all are live');
  for (let i = 0; i < 200; i++) server.publish({ data: 'x', topic: i % 9 < 7 ? `t${i % 9}` : undefined });
  await Promise.all(tabs.map((tab) => exactly(server, tab)));
  await until(() => server.streams.size === 1, 'one stream');
  for (const tab of tabs) assert.equal((await tab.look()).shared, true);
  assert.equal(tabs[19].user, '42');
});

sharing('a tab that joins late gets what it missed, and nobody anything twice', {}, async (server, open) => {
  server.burst(10);
  const first = await open.live({ lastEventId: 0, topics: ['a'] });
  await exactly(server, first);
  server.burst(5, { topic: 'b' });
  server.burst(5, { topic: 'a' });
  const late = await open.live({ lastEventId: 4, topics: ['a', 'b'] });
  server.burst(5);
  await exactly(server, late, 4);
  await exactly(server, first);
  assert.ok((await late.look()).shared);
  await until(() => server.streams.size === 1, 'one stream');
});

sharing('a tab without a cursor begins now', {}, async (server, open) => {
  const first = await open.live({ lastEventId: 0 });
  server.burst(10);
  await exactly(server, first);
  const late = await open.live({});
  server.burst(3);
  await exactly(server, late, 10);
  assert.equal(server.opened.length, 1);
});

sharing('since and last are a tab\'s own', {}, async (server, open) => {
  server.burst(10);
  const first = await open.live({});
  const late = await open.live({ last: 3 });
  server.burst(2);
  await exactly(server, late, 7);
  await exactly(server, first, 10);
  await until(() => server.streams.size === 1, 'one stream');
});

for (const [how, act] of [['is killed', (tab) => tab.end()], ['closes', (tab) => tab.do('close')]]) {
  sharing(`nothing is lost or doubled when the leader ${how}, again and again under load`, {}, async (server, open) => {
    const tabs = Array.from({ length: 10 }, (_, i) => open({ topics: [`t${i % 3}`], lastEventId: 0 }));
    await until(() => tabs.every((tab) => tab.state === 'live'), 'all are live');
    let n = 0;
    const load = setInterval(() => server.publish({ data: 'x', topic: n % 4 < 3 ? `t${n++ % 4}` : n++ && undefined }), 2);
    let left = tabs;
    while (left.length > 2) {
      const leader = await until(open.leader, 'a leader');
      left = left.filter((tab) => tab !== leader);
      act(leader);
      const before = left.map((tab) => tab.got.length);
      await until(() => left.every((tab, i) => tab.got.length > before[i]), 'the others go on');
    }
    clearInterval(load);
    await Promise.all(left.map((tab) => exactly(server, tab)));
    await until(() => server.streams.size === 1, 'one stream');
  });
}

sharing('twenty tabs open, close and die at random under load', {}, async (server, open) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  console.log(`# SEED=${seed}`);
  const roll = dice(seed);
  const alive = new Set();
  let n = 0;
  const load = setInterval(() => server.publish({ data: 'x', topic: roll() < 0.7 ? `t${n++ % 5}` : undefined }), 3);
  for (let i = 0; i < 60; i++) {
    if (alive.size < 20 && roll() < 0.65) {
      const after = Math.floor(roll() * server.newest);
      const tab = open({ topics: [`t${Math.floor(roll() * 5)}`, `t${Math.floor(roll() * 5)}`], lastEventId: after });
      tab.after = after;
      alive.add(tab);
    } else {
      const tab = roll() < 0.4 ? open.leader() : [...alive][Math.floor(roll() * alive.size)];
      if (!tab) continue;
      alive.delete(tab);
      if (roll() < 0.5) tab.end(); else tab.do('close');
    }
    const { newest } = server;
    await until(() => server.newest > newest + roll() * 20, 'time');
  }
  clearInterval(load);
  assert.ok(alive.size > 2);
  await Promise.all([...alive].map((tab) => exactly(server, tab, tab.after)));
  await until(() => server.streams.size === 1, 'one stream');
  assert.deepEqual([...alive].flatMap((tab) => tab.gaps), []);
});

sharing('a leader that stands still is replaced, and comes back as one of the others', { heartbeat: 0.2 }, async (server, open) => {
  const first = await open.live({ lastEventId: 0 });
  const second = await open.live({ lastEventId: 0 });
  await until(() => open.leader() === first, 'the first leads');
  first.do('freeze', { ms: 4000 });
  server.burst(5);
  await until(() => open.leader() === second, 'the second leads');
  server.burst(5);
  await exactly(server, second);
  await exactly(server, first);
  server.burst(5);
  await exactly(server, second);
  await exactly(server, first);
  await until(() => server.streams.size === 1, 'one stream');
});

sharing('two users of one origin never share', {}, async (server, open) => {
  const one = await open.live({ lastEventId: 0 });
  const other = await open.live({ token: token({ sub: '43' }), lastEventId: 0 });
  assert.equal(server.streams.size, 2);
  server.publish({ data: 'for 42', user: '42' });
  server.publish({ data: 'for 43', user: '43' });
  server.publish({ data: 'for all' });
  await exactly(server, one);
  await until(() => other.got.length === 2, 'its own');
  assert.deepEqual(other.got.map((m) => m.data), ['for 43', 'for all']);
});

sharing('with a cookie the server says whose stream it is', { visitor: '42' }, async (server, open) => {
  const one = await open.live({ token: undefined, lastEventId: 0 });
  const two = await open.live({ token: undefined, lastEventId: 0 });
  await until(() => server.streams.size === 1, 'one stream');
  server.visitor = '43';
  const other = await open.live({ token: undefined, lastEventId: 0 });
  server.publish({ data: 'for 42', user: '42' });
  server.publish({ data: 'for 43', user: '43' });
  await Promise.all([one, two].map((tab) => exactly(server, tab)));
  await until(() => other.got.length, 'its own');
  assert.deepEqual(other.got.map((m) => m.data), ['for 43']);
  assert.equal(server.streams.size, 2);
});

sharing('a topic that is refused refuses the tab that asked for it, and no other', { refuses: (topic) => topic === 'secret' && [403, 'not yours'] }, async (server, open) => {
  const first = await open.live({ lastEventId: 0, topics: ['a'] });
  const bad = open({ topics: ['secret'] });
  await until(() => bad.state === 'refused', 'refused');
  assert.equal(bad.reason, 'not yours');
  server.burst(3, { topic: 'a' });
  const second = await open.live({ lastEventId: 0, topics: ['b'] });
  server.burst(3, { topic: 'b' });
  await exactly(server, first);
  await exactly(server, second);
  assert.deepEqual(first.states, ['live']);
});

sharing('more topics than a stream can have get another one', {}, async (server, open) => {
  const topics = (n) => Array.from({ length: 20 }, (_, i) => `t${n}-${i}`);
  const first = await open.live({ lastEventId: 0, topics: topics(1) });
  const second = await open.live({ lastEventId: 0, topics: topics(2) });
  for (const n of [1, 2]) server.burst(2, { topic: `t${n}-19` });
  await exactly(server, first);
  await exactly(server, second);
  assert.equal((await second.look()).shared, false);
  assert.equal(server.streams.size, 2);
});

sharing('while the leader gets no answer one other at a time has a line of its own', {}, async (server, open) => {
  await open.live({ lastEventId: 0 });
  let answer;
  server.answers.push((request, response) => {
    answer = () => server.hold(request, response, new URL(request.url, server.origin).searchParams);
  });
  const others = Array.from({ length: 8 }, (_, i) => open({ topics: [`t${i}`], lastEventId: 0 }));
  await until(() => answer && others.some((tab) => tab.state === 'live'), 'one that would not wait');
  for (let i = 0; i < 20; i++) await Promise.all(others.map((tab) => tab.look()));
  assert.ok(server.most <= 2, `${server.most} streams at once`);
  answer();
  await until(() => others.every((tab) => tab.state === 'live'), 'all are live');
  server.burst(2);
  await Promise.all(others.map((tab) => exactly(server, tab)));
  await until(() => server.streams.size === 1, 'one stream');
});

sharing('a tab whose cursor is ahead of the ids is told, and joins', {}, async (server, open) => {
  const first = await open.live({ lastEventId: 0 });
  server.burst(3);
  await exactly(server, first);
  const ahead = open({ lastEventId: 500 });
  await until(() => ahead.gaps.length, 'the gap');
  server.burst(3);
  await exactly(server, ahead, 3);
  await exactly(server, first);
  assert.deepEqual(first.gaps, []);
  await until(() => server.streams.size === 1, 'one stream');
});

sharing('ids that begin anew are told to all', {}, async (server, open) => {
  const tabs = [await open.live({}), await open.live({}), await open.live({})];
  server.burst(5);
  await Promise.all(tabs.map((tab) => exactly(server, tab)));
  server.beginAnew();
  await until(() => tabs.every((tab) => tab.gaps.length === 1 && tab.gaps[0].reason === 'ahead'), 'the gap');
  tabs.forEach((tab) => { tab.got = []; });
  server.burst(2);
  await Promise.all(tabs.map((tab) => exactly(server, tab)));
});

sharing('a tab ahead of the leader by what is not for the leader is carried', { heartbeat: 3600 }, async (server, open) => {
  const first = await open.live({ lastEventId: 0, topics: ['a'] });
  server.burst(3, { topic: 'b' });
  const ahead = await open.live({ lastEventId: 3, topics: ['b'] });
  await until(() => server.streams.size === 1 && server.opened.at(-1).includes('topic=b'), 'one stream');
  server.burst(2, { topic: 'b' });
  server.burst(2, { topic: 'a' });
  await exactly(server, ahead, 3);
  await exactly(server, first);
  assert.ok((await ahead.look()).shared);
  await until(() => server.streams.size === 1, 'one stream');
});

sharing('the gap of one is not told to others', {}, async (server, open) => {
  server.burst(10);
  server.messages.splice(0, 5);
  server.trimmed = 5;
  const first = await open.live({ lastEventId: 8 });
  await exactly(server, first, 8);
  const late = await open.live({ lastEventId: 2 });
  await exactly(server, late);
  await until(() => late.gaps.length, 'the gap');
  assert.deepEqual(first.gaps, []);
  await exactly(server, first, 8);
});

sharing('the state of the stream is that of all', {}, async (server, open) => {
  const tabs = [await open.live({ lastEventId: 0 }), await open.live({ lastEventId: 0 })];
  server.away = true;
  server.cut();
  await until(() => tabs.every((tab) => tab.state === 'reconnecting'), 'reconnecting');
  server.burst(3);
  server.away = false;
  await until(() => tabs.every((tab) => tab.state === 'live'), 'live');
  await Promise.all(tabs.map((tab) => exactly(server, tab)));
});

sharing('a leader whose token has run out gives way to one who has another', {}, async (server, open) => {
  // Long enough for a busy machine to open a tab in.
  const first = await open.live({ token: mine({ exp: now() + 5 }), lastEventId: 0 });
  const second = await open.live({ tokens: [mine(), mine()], lastEventId: 0 });
  const load = setInterval(() => server.burst(1), 5);
  await until(() => first.state === 'expired', 'expired');
  await until(() => open.leader() === second && second.state === 'live', 'the other leads');
  clearInterval(load);
  await exactly(server, second);
});

sharing('the leader\'s new token is for all, without a gap', {}, async (server, open) => {
  const tabs = await Promise.all([1, 2, 3].map(() => open.live({ token: undefined, life: 0.5, lastEventId: 0 })));
  const load = setInterval(() => server.burst(1), 5);
  await until(() => open.leader()?.asked.length > 5, 'renewals');
  clearInterval(load);
  await Promise.all(tabs.map((tab) => exactly(server, tab)));
  assert.deepEqual([...new Set(open.leader().asked)], ['connect', 'renew']);
  for (const tab of tabs) assert.deepEqual(tab.states, ['live']);
  assert.ok(server.most > 1);              // and more than 2 where the server hears late that one is let go
  await until(() => server.streams.size === 1, 'one stream');
});

sharing('every tab sends by itself', {}, async (server, open) => {
  const tabs = [await open.live({ lastEventId: 0 }), await open.live({ lastEventId: 0 })];
  tabs[1].do('send', { fields: { msg: 'a' } });
  await until(() => tabs[1].sent === 1, 'the id');
  await Promise.all(tabs.map((tab) => exactly(server, tab)));
});

sharing('shared: false is a stream of one\'s own', {}, async (server, open) => {
  const tabs = [await open.live({ shared: false, lastEventId: 0 }), await open.live({ shared: false, lastEventId: 0 })];
  assert.equal(server.streams.size, 2);
  assert.equal((await tabs[0].look()).shared, false);
});
