/* A page of the tests: opens streams when it is told to, and remembers all that came. */

import { connect } from './rowcast.js';

window.begin = (options) => {
  window.stream = connect(options);
  window.ids = [];
  window.states = [];
  window.gaps = [];
  stream.addEventListener('message', (e) => ids.push(e.id));
  stream.addEventListener('state', () => states.push(stream.state));
  stream.addEventListener('gap', (e) => gaps.push(e.reason));
};
window.work = (options) => {
  const worker = new Worker('worker.js', { type: 'module' });
  window.seen = [];
  worker.onmessage = (e) => {
    if (e.data.id) window.seen.push(e.data.id);
    Object.assign(window, { workState: e.data.state ?? window.workState, workShared: e.data.shared });
  };
  worker.postMessage(options);
};
/* Counts the messages that come in one turn of the event loop. Each takes its
 * handler 50 ms by the page's clock, whatever it takes this machine. What another
 * tab has posted is a turn by itself (HTML 9.5). */
let inTurn = 0;
window.BroadcastChannel = class extends BroadcastChannel {
  constructor(name) {
    super(name);
    this.addEventListener('message', () => { inTurn = 0; });
  }
};
window.countTurns = () => {
  const { port1, port2 } = new MessageChannel();
  let clock = 0;
  window.most = 0;
  port1.onmessage = () => { inTurn = 0; port2.postMessage(0); };
  port2.postMessage(0);
  performance.now = () => clock;
  stream.addEventListener('message', () => { clock += 50; window.most = Math.max(window.most, ++inTurn); });
  return () => { port1.close(); delete performance.now; };
};
window.ready = true;
