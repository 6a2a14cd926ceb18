/* A tab: a worker with a stream of its own, told what to do and telling what came. */

import { parentPort } from 'node:worker_threads';
import { locksOver } from './locks.mjs';
import { token } from './server.mjs';

Object.defineProperty(globalThis, 'navigator', { value: { locks: locksOver(parentPort) }, configurable: true });
const { connect } = await import('../../public/rowcast.js');

let stream;
const say = (what, fields) => parentPort.postMessage({ what, ...fields });

parentPort.on('message', async ({ act, options, ms, fields }) => {
  if (act === 'open') {
    if (options.tokens || options.life) {
      options.getToken = async ({ reason }) => {
        say('asked', { reason });
        const now = Date.now() / 1000;      // it is renewed long before its end, so that a slow machine does not matter
        return options.tokens?.shift() ?? token({ sub: '42', iat: now + 60 - options.life, exp: now + 60, jti: String(Math.random()) });
      };
    }
    stream = connect(options);
    stream.addEventListener('state', () => say('state', { state: stream.state, reason: stream.reason, shared: stream.shared, user: stream.user }));
    stream.addEventListener('message', (e) => say('message', { id: Number(e.lastEventId), data: e.data, topic: e.topic }));
    stream.addEventListener('gap', (e) => say('gap', { reason: e.reason, id: e.lastEventId }));
  } else if (act === 'close') {
    stream.close();
  } else if (act === 'freeze') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  } else if (act === 'send') {
    say('sent', await stream.send(fields));
  } else if (act === 'look') {
    say('look', { shared: stream.shared, state: stream.state, user: stream.user });
  }
});
say('ready');
