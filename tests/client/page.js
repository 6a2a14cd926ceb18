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
window.longest = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({ entryTypes: ['longtask'] });
window.ready = true;
