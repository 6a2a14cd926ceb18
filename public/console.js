/* The console: one stream in, messages out, both by way of rowcast.js.
 *
 * The page keeps no stream of its own and judges no token: it shows what the
 * client says of its state, and asks the server whose stream it is. Addresses
 * are relative, so it works under any prefix.
 *
 * Nothing that arrives is ever read as HTML: textContent only. */

import { connect } from './rowcast.js';

const LOG_LINES_MAX = 1000;          // lines kept in the page; picked, not tuned
const FRAME_LINES = 200;             // lines made in one frame at most...
const FRAME_MS = 16;                 // ...and no more than this machine makes in that time
const HIDDEN_MS = 100;               // a hidden tab draws no frames; the browser may make it a second
const PAGE_LINES = 100;              // earlier messages that are asked for at once
const LAST_MAX = 1000;               // of `last`, the server's own bound
const EDGE_PX = 24;                  // this near to an end counts as being there
const SLOW_MS = 5000;                // connecting for so long needs an explanation
const SILENCE_MS = 700;              // after which what was asked for has come; picked
const LATE_MS = 1500;                // created_at is a whole second, and so is the server's clock as we know it
const SAY_MS = 3000;                 // between two things said to a screen reader
const MONO_MAX = 65536;              // a longer text is not looked at
const SESSION_KEY = 'rowcast console';   // in sessionStorage: this tab only, gone with it
const FADE_MS = 2000;                // longer than the animation of a new line

const STATES = {
  idle: 'Not connected',
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
  refused: 'Refused',
  expired: 'Token expired',
  ended: 'Ended',
};

const el = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));

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

/* When the token ends, as it says itself; null where it does not. */
function endOf(token) {
  try {
    const { exp } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
    return typeof exp === 'number' ? new Date(exp * 1000) : null;
  } catch {
    return null;
  }
}

const tokenHelp = [...el['token-note'].childNodes];

function describeToken() {
  const end = endOf(readToken());
  if (!end) return el['token-note'].replaceChildren(...tokenHelp);
  const today = end.toDateString() === new Date().toDateString();
  el['token-note'].textContent = `${end < new Date() ? 'It ended' : 'Valid until'} ${today ? clock(end) : end.toLocaleString()}.`;
}

const clockFormat = new Intl.DateTimeFormat(undefined,
  { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const clock = (date) => clockFormat.format(date);

/* With a capital and a full stop, so that another sentence may follow. */
function asSentence(text) {
  const s = String(text ?? '').trim();
  return s && s[0].toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? '' : '.');
}

/* What is wrong with a field stands under it, until somebody types there. */
function setError(field, sentence) {
  el[`${field}-error`].textContent = sentence;
  if (sentence) el[field].setAttribute('aria-invalid', 'true');
  else el[field].removeAttribute('aria-invalid');
}

for (const field of ['token', 'topics', 'after', 'target', 'target-name', 'event', 'message']) {
  el[field].addEventListener('input', () => setError(field, ''));
}

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

/* ---- the stream ---- */

let stream = null;                   // the client's, or null
let options = null;                  // what it was made of
let slow = 0, retrying = 0;          // timers

/* A person's wish to connect: with what the form says now. */
function start() {
  const token = readToken();
  const topics = readList(el.topics);
  const after = el.after.value.trim();
  for (const field of ['token', 'topics', 'after']) setError(field, '');
  if (!/^\d*$/.test(after)) {
    setError('after', 'An id is a whole number.');
    el.after.focus();
    return;
  }
  stop();
  if (after) {                       // a replay, asked for once: its lines come again
    el.after.value = '';
    for (const line of [...el.log.children]) if (Number(line.dataset.id) > Number(after)) line.remove();
  }
  session.write({ token, topics: el.topics.value, connected: true });
  past.end = false;
  options = { topics, ...token && { token }, ...after && { lastEventId: after } };
  stream = connect(options);
  follow(stream);
  show();
  askTime();
}

async function follow(mine) {
  mine.addEventListener('state', () => {
    if (mine !== stream) return;
    if (mine.state === 'live') late.since = Date.now();
    queueMicrotask(show);            // when what came with it is known as well
  });
  mine.addEventListener('gap', (e) => mine === stream && addNotice('Gap', gapSentence(e)));
  mine.addEventListener('end', (e) => mine === stream && addNotice('End', `Topic ${e.topic} has ended.`));
  try {
    for await (const message of mine) {
      if (mine !== stream) return;
      addMessage(message, isLate(message));
    }
  } catch { /* refused: the state says why */ }
}

function stop() {
  const old = stream;
  stream = null;
  past.stop();
  old?.close();
}

function disconnect() {
  stop();
  session.write({ connected: false });
  show();
  el.connect.focus();
}

function show() {
  const state = stream?.state ?? 'idle';
  const over = ['idle', 'refused', 'expired', 'ended'].includes(state);
  let why = asSentence(stream?.reason);

  if (state === 'refused' || state === 'expired') {
    const field = /topic/i.test(why) ? 'topics' : /token/i.test(why) || state === 'expired' ? 'token' : null;
    if (field) {
      setError(field, state === 'expired' ? `${why} Another goes on where this one ended.` : why);
      why = '';
    }
  }
  if (state === 'idle' && stream === null && log.user !== null) why = 'Connecting again goes on where this stopped.';
  clearTimeout(slow);
  if (state === 'connecting') slow = setTimeout(explain, SLOW_MS);
  countDown();

  if (el.state.dataset.state !== state) {
    el.state.dataset.state = state;
    el.state.textContent = STATES[state] ?? state;
  }
  setText(el.why, state === 'live' ? '' : why);
  setText(el.who, !over && stream.user !== null ? `Messages for ${stream.user}` : '');
  if (state === 'live') belongTo(stream.user);

  /* The form gives its place to the log once there is a stream. The focus must not go with it. */
  const inside = el.connection.contains(document.activeElement);
  if (over) el.connection.hidden = false;
  else if (state !== 'connecting') el.connection.hidden = true;
  if (inside && el.connection.hidden) el.log.focus();
  if (over && document.activeElement === el.disconnect) el.connect.focus();
  el.disconnect.hidden = over;
  showLastId();
  describeLog();
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/* Six connections to one server are all that a browser opens over HTTP/1.1. */
function explain() {
  setText(el.why, 'The server has not answered yet. Many tabs with streams of this server may be the cause: over HTTP/1.1 a browser opens six connections and no more.');
}

function countDown() {
  clearTimeout(retrying);
  const left = stream?.retryAt ? Math.ceil((stream.retryAt - Date.now()) / 1000) : 0;
  setText(el.retry, left > 0 ? `Trying again in ${left} s.` : '');
  if (left > 0) retrying = setTimeout(countDown, 1000);
}

function showLastId() {
  setText(el['last-id'], stream?.lastEventId || el['last-id'].textContent);
  el.after.placeholder = log.user === null ? 'from now on' : 'where it stopped';
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

/* ---- what was replayed ----
 *
 * A replay comes before anything that is new, and its messages were stored
 * before the stream was live, by the server's clock: ours may be wrong. One that
 * was missed less than two seconds ago cannot be told from a new one. */

const late = { since: 0, skew: 0 };

async function askTime() {
  try {
    const asked = Date.now();
    const answer = await fetch('', { method: 'HEAD', cache: 'no-store' });
    const told = Date.parse(answer.headers.get('Date')) + 500;
    if (told) late.skew = told - (asked + Date.now()) / 2;
  } catch { /* our own clock will do */ }
}

function isLate({ created_at }) {
  const replayed = late.since > 0 && created_at !== undefined && created_at * 1000 + LATE_MS <= late.since + late.skew;
  if (!replayed) late.since = 0;
  return replayed;
}

/* ---- the log ----
 *
 * What comes is gathered and put into the page once a frame, so much at a time
 * that no frame is late; of more than the page keeps only the newest are made.
 * A hidden tab draws no frames: a timer does there. */

const log = {
  pending: [],
  skipped: 0,          // more of them came than the page keeps
  awaited: false,      // a flush
  following: true,     // the reader stands at the newest edge
  pace: 50,            // lines that the next frame may make
  unread: 0,           // messages below what the reader sees
  top: 0,              // where the reader was last
  user: null,          // whose messages these are
};

const lines = () => el.log.getElementsByClassName('message');

const lineOf = ({ lastEventId, topic, event, data, created_at }, replayed) => {
  const at = created_at === undefined ? new Date() : new Date(created_at * 1000);
  const line = make('div', replayed ? 'message' : 'message new');
  line.dataset.id = lastEventId;
  const time = make('time', '', clock(at));
  time.dateTime = at.toISOString();
  time.title = at.toLocaleString();
  const about = make('span', 'about');
  if (replayed) about.append(make('span', 'when', 'replayed'));
  for (const [className, name] of [['topic', topic], ['name', event]]) {
    if (name === null) continue;
    const said = make('span', className, name);
    said.title = name;
    about.append(said);
  }
  about.append(make('span', 'id', `#${lastEventId}`));
  line.append(time, make('div', isCode(data) ? 'text mono' : 'text', data), about);
  return line;
};

/* JSON, or text whose columns mean something. */
function isCode(text) {
  if (text.length > MONO_MAX) return false;
  if (/^\s*[[{]/.test(text)) {
    try {
      JSON.parse(text);
      return true;
    } catch { /* not JSON */ }
  }
  return /^(\t| {2})/m.test(text);
}

function addMessage(message, replayed) {
  add(() => lineOf(message, replayed));
  tell(message);
}

function addNotice(title, sentence) {
  add(() => {
    const line = make('div', 'notice');
    line.append(make('strong', '', title), sentence);
    return line;
  });
  tell({ data: `${title}: ${sentence}` });
}

function add(line) {
  log.pending.push(line);
  if (log.pending.length > 2 * LOG_LINES_MAX) log.skipped += log.pending.splice(0, LOG_LINES_MAX).length;
  awaitFrame();
}

function awaitFrame() {
  if (log.awaited) return;
  log.awaited = true;
  if (document.hidden) setTimeout(flush, HIDDEN_MS);
  else requestAnimationFrame(flush);
}

function flush() {
  const began = performance.now();
  log.awaited = false;
  log.skipped += log.pending.splice(0, log.pending.length - LOG_LINES_MAX).length;
  const added = log.pending.splice(0, document.hidden ? LOG_LINES_MAX : log.pace).map((line) => line());
  if (!added.length) return;
  el.log.append(...added);
  showLastId();
  let gone = el.log.childElementCount - 1 - LOG_LINES_MAX;      // the first child asks for earlier ones
  if (gone > 0) {
    const height = el.log.scrollHeight;
    while (gone-- > 0) {
      const oldest = el.earlier.nextElementSibling;
      if (oldest.contains(document.activeElement)) el.log.focus();
      oldest.remove();
    }
    if (!log.following) el.log.scrollTop -= height - el.log.scrollHeight;
  }
  describeLog();
  if (log.following) toNewest();
  else showUnread(log.unread + log.skipped + added.length);
  log.skipped = 0;
  setTimeout(() => added.forEach((line) => line.classList.remove('new')), FADE_MS);
  const took = performance.now() - began;
  log.pace = Math.max(25, Math.min(FRAME_LINES, Math.round(added.length < log.pace ? log.pace : log.pace * FRAME_MS / took)));
  if (log.pending.length) setTimeout(awaitFrame, took);      // as long for others as for us
}

function clear() {
  log.pending = [];
  log.skipped = 0;
  for (const line of [...el.log.children]) if (line !== el.earlier) line.remove();
  past.end = false;
  log.following = true;
  showUnread(0);
  describeLog();
}

/* Messages of one user are not left standing in the stream of another. */
function belongTo(user) {
  if (log.user !== null && log.user !== user) clear();
  log.user = user;
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

function describeLog() {
  const empty = el.log.childElementCount === 1;
  const live = stream?.state === 'live';
  const user = stream?.user ?? null;
  if (empty && [el.clear, el.earlier].includes(document.activeElement)) el.log.focus();
  el.empty.hidden = !empty;
  el.clear.hidden = empty;
  el.earlier.hidden = empty || !past.possible();
  el['empty-earlier'].hidden = !past.possible();
  if (!empty) return;
  setText(el['empty-title'], live ? 'Nothing new yet' : 'No messages yet');
  setText(el['empty-text'], live
    ? 'Send yourself a message below, or insert a row:'
    : 'Connect, and messages appear here the moment they are stored.');
  el['empty-code'].hidden = !live;
  setText(el['empty-code'], user === null
    ? "INSERT INTO message(data) VALUES('hello everyone')"
    : `INSERT INTO message(user,data) VALUES('${user.replace(/'/g, "''")}','hello')`);
}

el.log.addEventListener('scroll', () => {
  const up = el.log.scrollTop < log.top;
  log.top = el.log.scrollTop;
  log.following = el.log.scrollHeight - el.log.scrollTop - el.log.clientHeight <= EDGE_PX;
  if (log.following && log.unread) showUnread(0);
  if (up && !log.following && log.top <= EDGE_PX && !el.earlier.hidden) past.ask();
}, { passive: true });

/* The log changes its height when the phone's keyboard opens or a sentence
 * appears in the send bar; who read the newest goes on reading it. */
new ResizeObserver(() => { if (log.following) toNewest(); }).observe(el.log);

el.unread.addEventListener('click', () => {
  toNewest();
  el.log.focus();
});
el.clear.addEventListener('click', clear);

document.addEventListener('visibilitychange', flush);

/* ---- earlier messages ----
 *
 * The server gives the newest N, not those before an id. So for a page more, as
 * many more are asked for as the log has already, on a short stream of its own,
 * which ends with the first message that the log has. The log's bound is the
 * server's too: what is older still, `Begin after id` shows. */

const past = {
  stream: null,
  end: false,          // there are none before the oldest line

  possible: () => stream?.state === 'live' && !past.end && lines().length < Math.min(LAST_MAX, LOG_LINES_MAX),

  async ask() {
    if (past.stream || !past.possible()) return;
    flush();
    const first = lines()[0];
    const before = first ? Number(first.dataset.id) : Number(stream.lastEventId) + 1;
    const last = Math.min(lines().length + PAGE_LINES, LAST_MAX);
    const mine = past.stream = connect({ ...options, lastEventId: undefined, last, shared: false, storage: null });
    const found = [];
    let came = false;
    let timer = setTimeout(() => mine.close(), 10 * SILENCE_MS);
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => mine.close(), SILENCE_MS);
    };
    mine.addEventListener('state', () => {
      if (mine.state !== 'live') return;
      came = true;
      wait();
    });
    try {
      for await (const message of mine) {
        if (Number(message.lastEventId) >= before) break;
        found.push(message);
        wait();
      }
    } catch { /* refused, as the stream itself will be */ }
    clearTimeout(timer);
    mine.close();
    if (past.stream !== mine) return;          // stopped meanwhile
    past.stream = null;
    past.end = came && found.length < PAGE_LINES;
    const height = el.log.scrollHeight - el.log.scrollTop;
    const room = LOG_LINES_MAX + 1 - el.log.childElementCount;
    el.earlier.after(...found.slice(-room).map((message) => lineOf(message, true)));
    el.log.scrollTop = el.log.scrollHeight - height;
    say(found.length === 1 ? '1 earlier message' : `${found.length || 'No'} earlier messages`);
    describeLog();
    if (!found.length && el.log.childElementCount === 1) setText(el['empty-title'], 'Nothing is kept from before');
  },

  stop() {
    const old = past.stream;
    past.stream = null;
    old?.close();
  },
};

el.earlier.addEventListener('click', past.ask);
el['empty-earlier'].addEventListener('click', () => {
  el.log.focus();
  past.ask();
});

/* ---- the line that is meant: by the mouse, a finger, or the arrow keys ---- */

const copy = make('button', 'quiet small', 'Copy');
copy.id = 'copy';
copy.type = 'button';

function choose(line) {
  if (copy.parentNode === line) return;
  copy.textContent = 'Copy';
  copy.setAttribute('aria-label', `Copy message ${line.dataset.id}`);
  line.append(copy);
}

for (const type of ['mouseover', 'focusin', 'click']) {
  el.log.addEventListener(type, (e) => {
    const line = e.target.closest('.message');
    if (line && !copy.contains(document.activeElement)) choose(line);
  });
}

const KEYS = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };

el.log.addEventListener('keydown', (e) => {
  const all = lines();
  if (!(e.key in KEYS) || e.shiftKey || e.ctrlKey || e.altKey || e.metaKey || !all.length) return;
  e.preventDefault();
  const now = document.activeElement.closest('.message');
  const from = now ? [...all].indexOf(now) + KEYS[e.key] : KEYS[e.key] < 0 && e.key !== 'Home' ? all.length - 1 : KEYS[e.key];
  const line = all[Math.max(0, Math.min(all.length - 1, from))];
  if (document.activeElement === copy) el.log.focus();
  line.tabIndex = -1;
  line.focus();
});

const textOf = (line) => line.querySelector('.text').textContent;

/* A page that did not come over https may not use the clipboard itself. */
copy.addEventListener('click', async () => {
  const line = copy.parentNode;
  try {
    await navigator.clipboard.writeText(textOf(line));
  } catch {
    getSelection().selectAllChildren(line.querySelector('.text'));
    document.execCommand('copy');
    getSelection().removeAllRanges();
  }
  copy.textContent = 'Copied';
  say('Copied');
});

document.addEventListener('copy', (e) => {
  const line = document.activeElement?.closest('.message');
  if (!line || !getSelection().isCollapsed) return;
  e.preventDefault();
  e.clipboardData.setData('text/plain', textOf(line));
});

/* ---- what a screen reader is told ----
 *
 * The log itself is silent, or a burst would be read for hours: one message is
 * told with its text, several that come within some seconds with their number. */

const spoken = { timer: 0, n: 0, text: '' };

function tell({ data }) {
  spoken.n++;
  if (spoken.n === 1) spoken.text = data.slice(0, 200);
  spoken.timer ||= setTimeout(() => {
    const { n, text } = spoken;
    Object.assign(spoken, { timer: 0, n: 0, text: '' });
    say(n === 1 ? text : `${n} new messages`);
  }, SAY_MS);
}

function say(text) {
  el.heard.textContent = text;
}

/* ---- sending ----
 *
 * The client sends one after the other, in the order they were typed, and repeats
 * until it is known. A message that was refused keeps its key for as long as
 * nothing in it changes, so that trying again never sends it twice. */

let failed = null;             // the message that could not be sent: {draft, key}

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
  return `page-${[...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
}

function refuse(field, sentence) {
  setText(el.result, '');
  setError(field, sentence);
  return sentence;
}

async function submit() {
  const msg = el.message.value;
  const fields = readAddress();
  for (const field of ['target', 'target-name', 'event', 'message']) setError(field, '');
  if (!stream) return refuse('message', 'Connect first.');
  if (msg === '') return refuse('message', 'Write a message first.') && el.message.focus();
  if (fields.user === '' || fields.topic === '') {
    return refuse('target-name', `Say which ${el.target.value}.`) && el['target-name'].focus();
  }
  const draft = JSON.stringify({ msg, ...fields });
  const key = failed?.draft === draft ? failed.key : newKey();
  el.message.value = '';
  grow();
  setText(el.result, 'Sending …');
  try {
    const { id } = await stream.send({ msg, ...fields, key });
    failed = null;
    setText(el.result, `sent as id ${id}`);
  } catch (e) {
    failed = { draft, key };
    el.message.value = el.message.value ? `${msg}\n${el.message.value}` : msg;
    grow();
    const why = e.message;
    const field = /^event/.test(why) ? 'event' : /^(user|topic) /.test(why) && !el['target-pair'].hidden ? 'target-name' : e.status === 403 ? 'target' : 'message';
    refuse(field, asSentence(`Not sent: ${why}`));
  }
}

/* The field is as high as its text, where CSS field-sizing is not known. */
function grow() {
  if (CSS.supports('field-sizing', 'content')) return;
  el.message.rows = Math.min(6, el.message.value.split('\n').length);
}

el.sender.addEventListener('submit', (e) => {
  e.preventDefault();
  submit();
});
el.message.addEventListener('input', grow);
el.message.addEventListener('keydown', (e) => {
  if (e.key !== 'Enter' || e.shiftKey || e.altKey || e.isComposing) return;
  e.preventDefault();
  submit();
});
el.target.addEventListener('change', describeTarget);

function describeTarget() {
  const named = ['user', 'topic'].includes(el.target.value);
  el['target-pair'].hidden = !named;
  el['target-label'].textContent = el.target.value === 'topic' ? 'Topic' : 'User';
  setError('target-name', '');
}

/* ---- the connection form ---- */

el.connection.addEventListener('submit', (e) => {
  e.preventDefault();
  start();
});
el.disconnect.addEventListener('click', disconnect);
el.token.addEventListener('input', describeToken);
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
  start();
  return true;
}

describeTarget();                    // a reload may have kept the fields
addEventListener('hashchange', followLink);
if (!followLink()) {
  const saved = session.read();
  el.token.value = saved.token ?? '';
  el.topics.value = saved.topics ?? '';
  describeToken();
  if (saved.connected) start();
  else show();
}
