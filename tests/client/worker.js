/* A stream within a worker of a page. */

import { connect } from './rowcast.js';

onmessage = ({ data }) => {
  const stream = connect(data);
  stream.addEventListener('state', () => postMessage({ state: stream.state, shared: stream.shared }));
  stream.addEventListener('message', (e) => postMessage({ id: e.id, shared: stream.shared }));
};
