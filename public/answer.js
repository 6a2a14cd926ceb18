/* An answer that grows: the rows of one topic, from the oldest on, by way of rowcast.js.
 *
 * The page keeps nothing of the text: it asks for all of it each time it is opened, so a
 * reload in the middle, or another window, shows the same. `until=end` lets the stream end
 * with the topic, `join=token` brings what is old in few events.
 *
 * Who may publish can also be the writer. Each token has a key of its own, so that one
 * which is sent again is stored once: a writer that was reloaded goes on where the table
 * says that it stood. Stop ends the topic: whoever writes is refused from then on.
 *
 * Nothing that arrives is ever read as HTML: text nodes only. */

import { connect } from './rowcast.js';

const SESSION_KEY = 'rowcast answer';  // token, and what this tab writes: gone with the tab
const PACE_MS = 45;                    // between two tokens of the demonstration
const NEAR_PX = 80;                    // this near to the end of the page counts as being there
const QUIET_MS = 10000;                // growing without a token: somebody should be told

const DEMO = `This answer is written one token at a time. Each token is a row of a SQLite table, on the disk before you read it, and what you see is the rows of one topic, in order.

Reload this page now. The text is there again, and goes on: the page has kept nothing, it asks for all rows of the topic and is sent them in a few events. Open the address in a second window, or on a phone, and both show the same.

If the writer dies, the topic ends as “aborted”, and everybody is told. If you press Stop, a row ends the topic, and the table refuses whatever the writer says next.

Text is text, <b>whatever</b> it looks like: größer, 東京, 🚀.`;

const STATES = {
  connecting: 'Connecting', live: 'Live', reconnecting: 'Reconnecting', offline: 'Offline',
  refused: 'Refused', expired: 'Token expired', ended: 'Ended', closed: 'Ended',
};
const PROGRESS = {
  idle: ['Nothing yet'],
  growing: ['Growing'],
  done: ['Done'],
  stopped: ['Stopped', 'Somebody has stopped it.'],
  aborted: ['Broken off', 'Its writer is gone: this is all there is.'],
  ended: ['Ended'],
};

const el = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

const sentence = (text) => {
  const s = String(text ?? '').trim();
  return s && s[0].toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? '' : '.');
};

const session = {
  read() {
    try { return JSON.parse(sessionStorage.getItem(SESSION_KEY)) || {}; } catch { return {}; }
  },
  write(values) {
    try { sessionStorage.setItem(SESSION_KEY, JSON.stringify({ ...session.read(), ...values })); } catch { /* a browser may forbid it */ }
  },
};

function claimsOf(token) {
  try {
    return JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
  } catch {
    return {};
  }
}

/* ---- which topic ---- */

/* A new topic is one that the token grants, as far as can be seen. */
function newTopic() {
  const granted = [claimsOf(token).topics ?? []].flat().filter((t) => typeof t === 'string' && t.endsWith('*')).map((t) => t.slice(0, -1));
  const prefix = granted.some((t) => 'run:'.startsWith(t)) ? 'run:' : granted[0] ?? 'run:';
  return prefix + [...crypto.getRandomValues(new Uint8Array(5))].map((b) => (b % 36).toString(36)).join('');
}

/* A link such as answer.html?topic=run:7#token=T. The token leaves the address bar, so
 * that it stays out of bookmarks, history and screenshots; the topic stays in it. */
const link = new URLSearchParams(location.hash.slice(1));
let token = link.get('token') ?? session.read().token ?? '';
const asked = new URLSearchParams(location.search).get('topic');
const topic = asked || newTopic();
session.write({ token });
if (link.has('token') || !asked) {
  const to = new URL(location.pathname, location.href);
  to.searchParams.set('topic', topic);
  history.replaceState(null, '', to);
}

/* ---- the answer ---- */

const text = el.text.appendChild(document.createTextNode(''));
let progress = 'idle';
let pending = '';                      // text that waits for the next frame
let frame = 0, quiet = 0;
let at = 0;                            // characters that have come

function setProgress(now) {
  progress = now;
  const [title, verdict = ''] = PROGRESS[now];
  el.progress.dataset.state = now;
  setText(el.progress, title);
  setText(el.verdict, verdict);
  el.verdict.hidden = !verdict;
  show();
}

/* Whoever reads at the end of the page stays there. */
function draw() {
  cancelAnimationFrame(frame);
  frame = 0;
  const page = document.scrollingElement;
  const follows = page.scrollHeight - page.scrollTop - innerHeight < NEAR_PX;
  text.appendData(pending);
  pending = '';
  if (follows) page.scrollTop = page.scrollHeight;
}

function take(e) {
  if (e.topic !== topic) return;
  at += e.data.length;
  pending += e.data;
  if (document.hidden) draw();
  else frame ||= requestAnimationFrame(draw);
  clearTimeout(quiet);
  quiet = setTimeout(() => {
    setText(el.verdict, 'Nothing has come for a while. Its writer may only be slow.');
    el.verdict.hidden = progress !== 'growing';
  }, QUIET_MS);
  if (progress === 'idle' || !el.verdict.hidden) setProgress('growing');
  else setText(el.count, `${at} characters`);
}

function end(e) {
  if (e.topic !== topic) return;
  let reason;
  try { ({ reason } = JSON.parse(e.data)); } catch { /* whoever ends it may say anything */ }
  clearTimeout(quiet);
  draw();
  setProgress(['done', 'stopped', 'aborted'].includes(reason) ? reason : 'ended');
  stream.close();                      // or it would come back once, to be told 204
}

const isOver = () => !['idle', 'growing'].includes(progress);

/* ---- the stream ---- */

let stream = null;

function open() {
  stream?.close();
  text.data = pending = '';
  at = 0;
  const mine = stream = connect({
    url: 'events?inbox=off&join=token&until=end', topics: [topic], since: 'all', storage: null, ...token && { token },
  });
  const on = (type, act) => mine.addEventListener(type, (e) => mine === stream && act(e));
  on('message', take);
  on('token', take);
  on('end', end);
  on('gap', () => {
    setText(el.lost, text.data || pending ? 'Something is missing here: it is no longer kept.' : 'The beginning is no longer kept.');
    el.lost.hidden = false;
  });
  on('state', () => {
    show();
    if (mine.state === 'live' && session.read().writes === topic) queueMicrotask(write);  // what came with it is known then
    if (mine.state !== 'ended' || isOver()) return;
    setProgress('ended');              // long ago
    setText(el.verdict, 'Its text is no longer kept.');
    el.verdict.hidden = false;
  });
  show();
}

function show() {
  const { state, reason } = stream;
  const refused = state === 'refused' || state === 'expired';
  el.state.dataset.state = state;
  setText(el.state, STATES[state]);
  setText(el.why, state === 'reconnecting' || state === 'offline' ? sentence(reason) : '');
  el.entry.hidden = !refused;
  setText(el['token-fault'], refused ? sentence(reason) : '');
  el.token.toggleAttribute('aria-invalid', refused);
  if (refused) el.token.setAttribute('aria-invalid', 'true');
  el.empty.hidden = progress !== 'idle';
  el.text.hidden = progress === 'idle';
  el.text.toggleAttribute('data-growing', progress === 'growing');
  const focused = document.activeElement;
  el.buttons.hidden = refused && progress === 'idle';
  el.start.hidden = progress !== 'idle';
  el.stop.hidden = progress !== 'growing';
  el.another.hidden = !isOver();
  if (focused.hidden && el.buttons.contains(focused)) [el.start, el.stop, el.another].find((button) => !button.hidden)?.focus();
  setText(el.count, at ? `${at} characters` : '');
}

el.entry.addEventListener('submit', (e) => {
  e.preventDefault();
  token = el.token.value.trim().replace(/^Bearer\s+/i, '').replace(/\s+/g, '');
  session.write({ token });
  open();
});

/* ---- writing ---- */

const tokens = DEMO.match(/\S+\s*/g);
let isWriting = false;

function fail(e) {
  setText(el.fault, sentence(e.message));
  if (e.status === 403) el.how.open = true;
}

async function write() {
  if (isWriting) return;
  isWriting = true;
  session.write({ writes: topic });
  setText(el.fault, '');
  try {
    let sent = 0;
    for (let i = 0; i < tokens.length && !isOver(); i++) {
      sent += tokens[i].length;
      if (sent <= at) continue;        // it is there: this page was reloaded
      await stream.send({ topic, event: 'token', msg: tokens[i], key: `${topic} ${i}` });
      await new Promise((done) => setTimeout(done, PACE_MS));
    }
    if (!isOver()) await stream.send({ topic, event: 'rowcast.end', msg: '{"reason":"done"}', key: `${topic} end` });
  } catch (e) {
    if (e.status !== 409 && !isOver()) fail(e);  // somebody has stopped it: that is shown
  }
  isWriting = false;
  session.write({ writes: null });
}

el.start.addEventListener('click', () => {
  if (progress === 'idle') write();
});

el.stop.addEventListener('click', async () => {
  setText(el.fault, '');
  try {
    await stream.send({ topic, event: 'rowcast.end', msg: '{"reason":"stopped"}' });
  } catch (e) {
    if (e.status !== 409 && !isOver()) fail(e);  // it has just ended by itself
  }
});

/* ---- how others write ---- */

const quoted = `'${topic.replace(/'/g, "'\\''")}'`;
setText(el.topic, topic);
setText(el.words, `for word in one word after the other; do
  rowcast publish --topic ${quoted} --event token "$word "; sleep .2
done
rowcast publish --topic ${quoted} --event rowcast.end '{"reason":"done"}'`);
setText(el.relay, `curl -N https://api.example/answer |
  rowcast publish --sse --topic ${quoted}`);

open();
