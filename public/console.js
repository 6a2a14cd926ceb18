/* The console: one stream in, messages out.
 *
 * The stream is the browser's own EventSource on `events`; sending is a POST
 * to `msg`. Both addresses are relative, so the page works under any prefix.
 *
 * EventSource comes back by itself when a stream ends, and sends the last id
 * it has seen. On any answer but 200 it gives up for good and does not say
 * why. Then the page asks once more with fetch(), which can read the answer:
 * what only time can cure (the server is away, too many requests) is tried
 * again after a while, with the last id the page has seen; the rest is shown
 * as refused, with the server's own sentence.
 *
 * Nothing that arrives is ever read as HTML: textContent only. */

'use strict';

const LOG_LINES_MAX = 1000;          // lines kept in the page; picked, not tuned
const EDGE_PX = 24;                  // this near to the end counts as reading the newest
const RETRY_MIN_MS = 2000;           // first own attempt after a refusal that may pass...
const RETRY_MAX_MS = 30000;          // ...doubling up to this
const ASK_TIMEOUT_MS = 15000;        // for the one question why, and for a message to be taken
const SESSION_KEY = 'rowcast';       // in sessionStorage: this tab only, gone with it
const FADE_MS = 2000;                // longer than the animation of a new line

const STATES = {
  idle: 'Not connected',
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  busy: 'Busy',
  refused: 'Refused',
  expired: 'Token expired',
};

const byId = (id) => document.getElementById(id);
const el = {};
for (const id of ['token', 'token-note', 'show', 'topics', 'more', 'events', 'after', 'connect', 'disconnect',
  'connection', 'toggle', 'state', 'why', 'last-id', 'log', 'empty', 'empty-title', 'empty-text', 'empty-code',
  'unread', 'sender', 'target', 'target-pair', 'target-label', 'target-name', 'event', 'message', 'result']) {
  el[id] = byId(id);
}
const narrow = matchMedia('(max-width: 759px)');

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/* ---- what was typed ---- */

/* A token pasted together with "Bearer" or with line breaks is still that token. */
const readToken = () => el.token.value.trim().replace(/^Bearer\s+/i, '').replace(/\s+/g, '');

const readList = (input) => [...new Set(input.value.split(',').map((s) => s.trim()).filter(Boolean))];

/* What the token says about itself, unverified: only to show it. Null where it
 * is not a JWT that can be read. */
function readClaims(token) {
  try {
    const part = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    const bytes = Uint8Array.from(atob(part), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return claims && typeof claims === 'object' ? claims : null;
  } catch {
    return null;
  }
}

function userOf(token) {
  const claims = readClaims(token);
  return claims && ['string', 'number'].includes(typeof claims.sub) ? String(claims.sub) : null;
}

const tokenHelp = [...el['token-note'].childNodes];

function describeToken() {
  const token = readToken();
  const claims = readClaims(token);
  if (!claims) {
    el['token-note'].replaceChildren(...tokenHelp);
    return;
  }
  const user = userOf(token);
  const says = [user === null ? 'A token' : `For user ${user}`];
  if (typeof claims.exp === 'number') {
    const end = new Date(claims.exp * 1000);
    const today = end.toDateString() === new Date().toDateString();
    says.push(`${end < new Date() ? 'ended' : 'valid until'} ${today ? clock(end) : end.toLocaleString()}`);
  }
  el['token-note'].textContent = `${says.join(', ')}.`;
}

const clockFormat = new Intl.DateTimeFormat(undefined,
  { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const clock = (date) => clockFormat.format(date);

/* The tab's memory, for a reload. A browser may forbid it: then a reload asks
 * for the token again. */
const session = {
  read() {
    try { return JSON.parse(sessionStorage.getItem(SESSION_KEY)) || {}; } catch { return {}; }
  },
  write(values) {
    try { sessionStorage.setItem(SESSION_KEY, JSON.stringify({ ...session.read(), ...values })); } catch { /* see above */ }
  },
};

/* ---- the state ---- */

function setState(state, why = '') {
  if (el.state.dataset.state !== state) {
    el.state.dataset.state = state;
    el.state.textContent = STATES[state];
  }
  if (el.why.textContent !== why) el.why.textContent = why;

  const idle = ['idle', 'refused', 'expired'].includes(state);
  if (idle && document.activeElement === el.disconnect) el.connect.focus();
  el.disconnect.disabled = idle;
  el.connect.textContent = idle ? 'Connect' : 'Reconnect';
  describeEmpty(state);
}

/* On a narrow screen the connection gives its place to the log. */
function fold(folded) {
  const inside = el.connection.contains(document.activeElement);
  el.connection.classList.toggle('folded', folded);
  el.toggle.setAttribute('aria-expanded', String(!folded));
  if (folded && inside && narrow.matches) el.toggle.focus();
}

/* ---- the stream ---- */

const stream = {
  source: null,        // the EventSource, or null
  timer: 0,            // of the page's own next attempt
  asking: null,        // AbortController of the question why
  failures: 0,         // own attempts since a stream last opened
  folds: false,        // the connection folds away when the stream opens
  user: null,          // whom the ids below belong to
  lastId: '',          // newest id seen: where a new EventSource goes on
  after: '',           // where the very first one starts; '' is from now on
  names: new Set(),    // event names listened for
};

const rowcastEvents = {
  'rowcast.gap': (e) => addNotice('Gap', gapSentence(readJSON(e.data))),
  'rowcast.expired': () => {
    stopStream();
    setState('expired', 'Enter a new token to go on where this one ended.');
    fold(false);
  },
  'rowcast.busy': (e) => {
    const told = readJSON(e.data);
    const why = told.error || told.reason || (typeof told === 'string' && told) || 'The server has no room for another stream.';
    setState('busy', `${asSentence(why)} It is tried again by itself.`);
  },
};

function eventsURL() {
  const query = new URLSearchParams();
  const token = readToken();
  if (token) query.set('token', token);        // else a cookie may speak for the user
  for (const topic of readList(el.topics)) query.append('topic', topic);
  const from = stream.lastId || stream.after;
  if (from) query.set('lastEventId', from);
  return `events?${query}`;
}

/* A person's wish to connect: with what the form says now. */
function connect() {
  const token = readToken();
  const user = userOf(token) ?? token;
  if (stream.user !== null && stream.user !== user) setLastId('');
  stream.user = user;
  stream.after = el.after.value.trim();
  if (stream.after) {                          // a replay, asked for once: its lines come again
    el.after.value = '';
    setLastId('');
    for (const line of [...el.log.children]) if (Number(line.dataset.id) > Number(stream.after)) line.remove();
  }
  stream.failures = 0;
  stream.folds = true;
  session.write({ token, topics: el.topics.value, events: el.events.value, connected: true, lastId: stream.lastId, user });
  setState('connecting');
  openStream();
}

function openStream() {
  stopStream();
  const source = new EventSource(eventsURL());
  stream.source = source;

  source.onopen = (e) => {
    if (e instanceof MessageEvent) return;     // a message whose event name is "open"
    stream.failures = 0;
    setState('live');
    if (stream.folds) fold(true);
    stream.folds = false;
  };
  source.onerror = (e) => {
    if (e instanceof MessageEvent) return;     // likewise "error"
    if (source !== stream.source) return;
    if (source.readyState === EventSource.CLOSED) {
      askWhy();
    } else if (el.state.dataset.state !== 'busy') {
      setState('reconnecting', 'The stream was cut. It goes on where it stopped.');
    }
  };
  source.onmessage = onMessage;
  for (const [name, handle] of Object.entries(rowcastEvents)) {
    source.addEventListener(name, (e) => {
      if (source !== stream.source) return;
      if (e.lastEventId) setLastId(e.lastEventId);
      handle(e);
    });
  }
  stream.names.clear();
  listen();
}

/* Makes the names listened for those of the field, without a new stream. */
function listen() {
  const names = new Set(readList(el.events).filter((name) => name !== 'message' && !(name in rowcastEvents)));
  for (const name of stream.names) if (!names.has(name)) stream.source?.removeEventListener(name, onMessage);
  for (const name of names) if (!stream.names.has(name)) stream.source?.addEventListener(name, onMessage);
  stream.names = names;
}

function onMessage(e) {
  if (!(e instanceof MessageEvent) || e.target !== stream.source) return;
  if (e.lastEventId) setLastId(e.lastEventId);
  addMessage(e.lastEventId, e.type === 'message' ? '' : e.type, e.data);
}

function setLastId(id) {
  stream.lastId = id;
  el['last-id'].textContent = id || '—';
  el.after.placeholder = id ? 'where it stopped' : 'from now on';
}

function stopStream() {
  clearTimeout(stream.timer);
  stream.asking?.abort();
  stream.asking = null;
  stream.source?.close();
  stream.source = null;
}

function disconnect() {
  stopStream();
  session.write({ connected: false });
  setState('idle', stream.lastId ? 'Connecting again goes on where this stopped.' : '');
}

/* EventSource has given up; asks the same address what it was told. */
async function askWhy() {
  stopStream();
  setState('reconnecting', 'The server did not give a stream. Asking why.');
  const asking = new AbortController();
  stream.asking = asking;
  const timeout = setTimeout(() => asking.abort(), ASK_TIMEOUT_MS);
  let answer;
  try {
    answer = await fetch(eventsURL(), {
      headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: asking.signal,
    });
    answer = await readAnswer(answer);
  } catch {
    answer = { status: 0, why: 'The server cannot be reached.' };
  }
  clearTimeout(timeout);
  if (stream.asking !== asking) return;        // the person has decided otherwise
  asking.abort();                              // where it was a stream after all
  stream.asking = null;

  const passes = answer.isStream || [0, 408, 425, 429].includes(answer.status) || answer.status >= 500;
  if (!passes) {
    setState('refused', answer.why);
    fold(false);
    return;
  }
  if (!stream.lastId && !stream.after) {
    addNotice('Gap', 'The stream was refused for a moment before any message had come; one sent meanwhile is not shown.');
  }
  const wait = Math.max(answer.retryAfterMs || 0,
    Math.min(RETRY_MIN_MS * 2 ** stream.failures, RETRY_MAX_MS) * (0.75 + Math.random() / 2));
  stream.failures++;
  setState('reconnecting', `${answer.isStream ? 'The stream was cut.' : asSentence(answer.why)} Trying again in ${Math.round(wait / 1000)} s.`);
  stream.timer = setTimeout(openStream, wait);
}

/* What an answer says: {status, isStream, why, retryAfterMs, json}. */
async function readAnswer(response) {
  const type = response.headers.get('Content-Type') || '';
  const answer = { status: response.status, isStream: false, json: {} };
  if (response.status === 200 && type.startsWith('text/event-stream')) {
    answer.isStream = true;
    return answer;
  }
  const seconds = Number(response.headers.get('Retry-After'));
  if (seconds > 0) answer.retryAfterMs = seconds * 1000;
  if (/^application\/(\w+\+)?json/.test(type)) answer.json = readJSON(await response.text());
  if (typeof answer.json.error === 'string') answer.why = answer.json.error;
  else if (response.ok) answer.why = `The server answered ${response.status}, but not as rowcast does; is it behind this address?`;
  else answer.why = `The server answered ${response.status} ${response.statusText}`.trimEnd() + '.';
  return answer;
}

function readJSON(text) {
  try { return JSON.parse(text) ?? {}; } catch { return text; }
}

/* With a full stop, so that another sentence may follow. */
function asSentence(text) {
  const s = String(text).trim();
  return /[.!?]$/.test(s) ? s : `${s}.`;
}

function gapSentence(gap) {
  const requested = Number(gap.requested);
  const oldest = Number(gap.oldest);
  const newest = Number(gap.newest);
  switch (gap.reason) {
    case 'expired': {
      const last = oldest > requested + 1 ? oldest - 1 : newest;
      const which = last > requested + 1 ? `Messages ${requested + 1} to ${last} are` : `Message ${requested + 1} is`;
      return `${which} no longer kept: what of it was for you is lost. Asked to go on after ${gap.requested}, the stream goes on with the oldest kept.`;
    }
    case 'ahead':
      return `Asked to go on after ${gap.requested}, but the newest message here is ${newest || 'none'}: the ids have begun anew. What came before now may be lost; the stream goes on from now.`;
    case 'invalid':
      return `“${gap.requested}” is not an id to go on from; the stream goes on from now.`;
    default:
      return 'Some messages may be lost here.';
  }
}

/* ---- the log ----
 *
 * Lines are gathered and put into the page once a frame, so that a replay of
 * thousands costs one layout a frame and not one a line. A hidden tab draws no
 * frames: there a line goes in at once. */

const log = {
  pending: [],
  frame: 0,
  following: true,     // the reader stands at the newest edge
  unread: 0,           // messages below what the reader sees
};

function addMessage(id, name, data) {
  const now = new Date();
  const line = make('div', 'message new');
  line.dataset.id = id;
  const time = make('time', '', clock(now));
  time.dateTime = now.toISOString();
  const about = make('span', 'about');
  if (name) about.append(make('span', 'name', name));
  about.append(make('span', 'id', id ? `#${id}` : ''));
  line.append(time, make('div', 'text', data), about);
  add(line);
}

function addNotice(title, sentence) {
  const line = make('div', 'notice');
  line.append(make('strong', '', title), sentence);
  add(line);
}

function add(line) {
  log.pending.push(line);
  if (log.pending.length > LOG_LINES_MAX) log.pending.shift();
  if (document.hidden) flush();
  else if (!log.frame) log.frame = requestAnimationFrame(flush);
}

function flush() {
  cancelAnimationFrame(log.frame);
  log.frame = 0;
  const lines = log.pending.splice(0);
  if (!lines.length) return;
  el.empty.hidden = true;
  el.log.append(...lines);
  while (el.log.childElementCount > LOG_LINES_MAX) el.log.firstElementChild.remove();
  if (log.following) toNewest();
  else showUnread(log.unread + lines.length);
  setTimeout(() => lines.forEach((line) => line.classList.remove('new')), FADE_MS);
}

function toNewest() {
  el.log.scrollTop = el.log.scrollHeight;
  log.following = true;
  showUnread(0);
}

function showUnread(n) {
  log.unread = n;
  el.unread.hidden = n === 0;
  el.unread.textContent = `${n} new ↓`;
  el.unread.setAttribute('aria-label', `${n} new, go to the newest`);
}

function describeEmpty(state) {
  if (el.empty.hidden) return;
  const user = userOf(readToken());
  const live = state === 'live';
  el['empty-title'].textContent = live ? 'Live. Nothing has arrived yet' : 'No messages yet';
  el['empty-text'].textContent = live
    ? 'Send yourself a message below, or insert a row:'
    : 'Connect, and messages appear here the moment they are stored.';
  el['empty-code'].hidden = !live;
  el['empty-code'].textContent = user === null
    ? "INSERT INTO message(data) VALUES('hello everyone')"
    : `INSERT INTO message(user,data) VALUES('${user.replace(/'/g, "''")}','hello')`;
}

el.log.addEventListener('scroll', () => {
  log.following = el.log.scrollHeight - el.log.scrollTop - el.log.clientHeight <= EDGE_PX;
  if (log.following && log.unread) showUnread(0);
}, { passive: true });

/* The log changes its height when the phone's keyboard opens or a sentence
 * appears in the send bar; who read the newest goes on reading it. */
new ResizeObserver(() => { if (log.following) toNewest(); }).observe(el.log);

el.unread.addEventListener('click', () => {
  toNewest();
  el.log.focus();
});

document.addEventListener('visibilitychange', () => { if (document.hidden) flush(); });

/* ---- sending ----
 *
 * Messages leave one after the other, in the order they were typed. Each has a
 * key of its own, kept while the same text is tried again: the server stores a
 * key once, so trying again after a broken connection never sends it twice. */

let sending = Promise.resolve();
let failed = null;             // the message that could not be sent: {text, address, key}

function readAddress() {
  const target = el.target.value;
  const fields = {};
  if (target === 'user' || target === 'topic') fields[target] = el['target-name'].value.trim();
  if (target === 'all') fields.all = '1';
  const event = el.event.value.trim();
  if (event) fields.event = event;
  return fields;
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `page-${[...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
}

function submitMessage() {
  const text = el.message.value;
  const fields = readAddress();
  if (text === '') {
    setResult('Write a message first.', true);
    el.message.focus();
    return;
  }
  if ('user' in fields && !fields.user || 'topic' in fields && !fields.topic) {
    setResult(`Say which ${el.target.value}.`, true);
    el['target-name'].focus();
    return;
  }
  const address = JSON.stringify(fields);
  const key = failed && failed.text === text && failed.address === address ? failed.key : newKey();
  el.message.value = '';
  grow();
  sending = sending.then(() => send(text, fields, { text, address, key }));
}

async function send(text, fields, draft) {
  const token = readToken();
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const asking = new AbortController();
  const timeout = setTimeout(() => asking.abort(), ASK_TIMEOUT_MS);
  let answer;
  try {
    const response = await fetch('msg', {
      method: 'POST', headers, body: new URLSearchParams({ msg: text, ...fields, key: draft.key }),
      cache: 'no-store', signal: asking.signal,
    });
    answer = await readAnswer(response);
  } catch {
    answer = { status: 0, json: {}, why: 'No answer from the server. Send again: it is stored only once.' };
  }
  clearTimeout(timeout);

  if (answer.json.id !== undefined) {
    failed = null;
    const unheard = fields.event && fields.event !== 'message' && !stream.names.has(fields.event);
    setResult(`sent as id ${answer.json.id}${unheard ? `; this page does not listen for “${fields.event}” (see More)` : ''}`, false);
  } else {
    failed = draft;
    el.message.value = el.message.value ? `${text}\n${el.message.value}` : text;
    grow();
    setResult(`Not sent: ${answer.why}`, true);
  }
}

function setResult(text, bad) {
  el.result.textContent = text;
  el.result.classList.toggle('bad', bad);
}

/* The field is as high as its text, where CSS field-sizing is not known. */
function grow() {
  if (CSS.supports('field-sizing', 'content')) return;
  el.message.rows = Math.min(6, el.message.value.split('\n').length);
}

el.sender.addEventListener('submit', (e) => {
  e.preventDefault();
  submitMessage();
});
el.message.addEventListener('input', grow);
el.message.addEventListener('keydown', (e) => {
  if (e.key !== 'Enter' || e.shiftKey || e.altKey || e.isComposing) return;
  e.preventDefault();
  submitMessage();
});
el.target.addEventListener('change', describeTarget);

function describeTarget() {
  const named = ['user', 'topic'].includes(el.target.value);
  el['target-pair'].hidden = !named;
  el['target-label'].textContent = el.target.value === 'topic' ? 'Topic' : 'User';
}

/* ---- the connection form ---- */

el.connection.addEventListener('submit', (e) => {
  e.preventDefault();
  connect();
});
el.disconnect.addEventListener('click', disconnect);
el.toggle.addEventListener('click', () => fold(!el.connection.classList.contains('folded')));
el.token.addEventListener('input', describeToken);
el.events.addEventListener('change', () => {
  listen();
  session.write({ events: el.events.value });
});
el.show.addEventListener('click', () => {
  const shown = el.token.type === 'text';
  el.token.type = shown ? 'password' : 'text';
  el.show.textContent = shown ? 'Show' : 'Hide';
  el.show.setAttribute('aria-label', shown ? 'Show the token' : 'Hide the token');
});

/* A link such as #token=T&topic=news connects at once. The token leaves the
 * address bar, so that it stays out of bookmarks, history and screenshots. */
function followLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.has('token')) return false;
  history.replaceState(null, '', location.pathname + location.search);
  el.token.value = link.get('token');
  el.topics.value = link.getAll('topic').join(', ');
  describeToken();
  connect();
  return true;
}

function start() {
  describeTarget();                    // a reload may have kept the fields
  const saved = session.read();
  el.events.value = saved.events || '';
  if (el.events.value) el.more.open = true;
  stream.user = saved.user ?? null;
  setLastId(saved.lastId || '');
  if (!followLink()) {
    el.token.value = saved.token || '';
    el.topics.value = saved.topics || '';
    describeToken();
    if (saved.connected) connect();
    else setState('idle');
  }
  addEventListener('hashchange', followLink);
  addEventListener('pagehide', () => session.write({ lastId: stream.lastId }));
}

start();
