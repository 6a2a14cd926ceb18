/* The status page: the numbers of all machines, as rowcast itself publishes them on the
 * topic rowcast.status, and who is connected, as /presence tells. Both need a token with
 * the scope rowcast:admin: of the link (#token=T), typed in, or the browser's cookie. */

import { connect } from './rowcast.js';
import { Numbers, bytes, count, duration, milliseconds } from './status-numbers.js';
import { Charts, colour } from './status-charts.js';
import { People } from './status-people.js';

const SESSION_KEY = 'rowcast-status';   // the token, for a reload: this tab only, gone with it
const TOPIC = 'rowcast.status';
const QUIET_MS = 5000;                  // live without a number: somebody should be told why

const STATES = {
  idle: 'Not connected', connecting: 'Connecting', live: 'Live', reconnecting: 'Reconnecting', offline: 'Offline',
  refused: 'Refused', expired: 'Token expired', ended: 'Ended', closed: 'Not connected',
};
const OVER = ['idle', 'refused', 'expired', 'ended', 'closed'];

const byId = (id) => document.getElementById(id);
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className: className ?? '', textContent: text ?? '' });

const numbers = new Numbers();
const charts = new Charts(byId('charts'), numbers);
const people = new People();
let stream = null;
let token = '';
let liveSince = 0;

const remember = (value) => {
  try {
    if (value === undefined) return sessionStorage.getItem(SESSION_KEY) ?? '';
    sessionStorage.setItem(SESSION_KEY, value);
  } catch { /* a browser may forbid it: then a reload asks again */ }
  return value ?? '';
};

/* A token pasted together with "Bearer" or with line breaks is still that token. */
const clean = (text) => text.trim().replace(/^Bearer\s+/i, '').replace(/\s+/g, '');

/* ---- the stream ---- */

function open() {
  stream?.close();
  const mine = stream = connect({ topics: [TOPIC], ...(token ? { token } : {}), storage: null });
  mine.addEventListener('state', () => { if (mine === stream) showState(); });
  mine.addEventListener('message', (e) => {
    if (mine !== stream || e.topic !== TOPIC) return;
    try { numbers.take(JSON.parse(e.data)); } catch { return; }
    charts.update();
    showNodes();
    showWhy();
  });
  showState();
}

function close() {
  remember('');
  stream?.close();
  stream = null;
  token = '';
  showState();
}

function showState() {
  const state = stream?.state ?? 'idle';
  const over = OVER.includes(state);
  const pill = byId('state');
  if (pill.dataset.state !== state) {
    pill.dataset.state = state === 'closed' ? 'idle' : state;
    pill.textContent = STATES[state] ?? state;
  }
  showWhy();
  if (state === 'live' && !liveSince) {
    liveSince = Date.now();
    people.start(() => (token ? { Authorization: `Bearer ${token}` } : {}), (fields) => stream.send(fields));
  } else if (over) {
    liveSince = 0;
    people.stop();
  }
  const bad = state === 'refused' || state === 'expired';
  byId('token-fault').hidden = !bad;
  byId('token-fault').textContent = bad ? sentence(stream.reason ?? STATES[state]) : '';
  byId('token').toggleAttribute('aria-invalid', bad);
  if (bad) byId('token').setAttribute('aria-invalid', 'true');
  byId('entry').hidden = !over;
  byId('disconnect').hidden = over;
  for (const id of ['numbers', 'nodes', 'people']) byId(id).hidden = !(liveSince || (!over && numbers.nodes.size));
  if (over && document.activeElement === document.body) byId('token').focus();
}

const sentence = (text) => {
  const s = String(text);
  return s.charAt(0).toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? '' : '.');
};

function showWhy() {
  const state = stream?.state ?? 'idle';
  const why = byId('why');
  let text = '';
  if (state === 'reconnecting' || state === 'offline') {
    const left = Math.max(0, Math.ceil(((stream.retryAt ?? 0) - Date.now()) / 1000));
    text = `${sentence(stream.reason ?? 'the stream was cut')}${left ? ` Trying again in ${left} s.` : ''}`;
  } else if (state === 'live' && !numbers.nodes.size && Date.now() - liveSince > QUIET_MS) {
    text = 'No numbers have come yet.';
  }
  if (why.textContent !== text) why.textContent = text;
  const whose = stream?.user && !OVER.includes(state) ? `as ${stream.user}` : '';
  if (byId('whose').textContent !== whose) byId('whose').textContent = whose;
}

/* ---- machines ---- */

const COLUMNS = [
  ['Machine', (n) => n.name, 'name'],
  ['Streams', (n, s) => count(s.streams)],
  ['Users', (n, s) => count(s.users)],
  ['Messages/s', (n, s) => count(s.messages)],
  ['Deliveries/s', (n, s) => count(s.deliveries)],
  ['Lag p50', (n, s) => milliseconds(s.p50)],
  ['Lag p99', (n, s) => milliseconds(s.p99)],
  ['Commits/s', (n, s) => count(s.commits)],
  ['Store', (n, s) => bytes(s.store)],
  ['Memory', (n, s) => bytes(s.memory)],
  ['Gaps', (n) => count(n.status.gaps_total)],
  ['Up', (n) => duration(n.status.uptime_seconds)],
  ['Version', (n) => n.status.version],
];

/* Cells are changed, not made anew: nobody's place in the table is lost. */
function showNodes() {
  const nodes = numbers.list();
  const head = byId('nodes-head');
  const body = byId('nodes-body');
  if (!head.firstChild) {
    const row = make('tr');
    row.append(...COLUMNS.map(([title, , kind]) => Object.assign(make('th', kind, title), { scope: 'col' })));
    head.append(row);
  }
  while (body.rows.length > nodes.length) body.lastChild.remove();
  nodes.forEach((node, place) => {
    const now = node.samples.at(-1);
    let row = body.rows[place];
    if (!row) {
      row = body.appendChild(make('tr'));
      row.append(...COLUMNS.map(([, , kind]) => (kind ? Object.assign(make('th', kind), { scope: 'row' }) : make('td'))));
    }
    row.classList.toggle('silent', node.isSilent);
    COLUMNS.forEach(([, text], i) => {
      const value = i === 0 && node.isSilent ? `${node.name}: no news for ${duration((Date.now() - node.at) / 1000)}` : text(node, now);
      if (row.cells[i].textContent !== value) row.cells[i].textContent = value;
    });
  });
  const legend = byId('legend');
  const names = nodes.length > 1 ? nodes.map((n) => n.name) : [];
  if (names.join('\n') !== [...legend.children].map((c) => c.textContent).join('\n')) {
    legend.replaceChildren(...names.map((name, place) => make('li', `machine ${colour(place).slice(2)}`, name)));
  }
  legend.hidden = names.length === 0;
}

/* ---- the page ---- */

byId('entry').addEventListener('submit', (e) => {
  e.preventDefault();
  token = remember(clean(byId('token').value));
  open();
});
byId('disconnect').addEventListener('click', () => {
  close();
  byId('token').focus();
});
byId('show').addEventListener('click', () => {
  const shown = byId('token').type === 'text';
  byId('token').type = shown ? 'password' : 'text';
  byId('show').textContent = shown ? 'Show' : 'Hide';
  byId('show').setAttribute('aria-label', shown ? 'Show the token' : 'Hide the token');
});
function tabulate() { if (byId('past').open) charts.tabulate(byId('past-table')); }
byId('past').addEventListener('toggle', tabulate);
tabulate();  // it may have been opened before this ran

/* The token leaves the address bar, so that it stays out of bookmarks and history. */
function followLink() {
  const link = new URLSearchParams(location.hash.slice(1)).get('token');
  if (link === null) return false;
  history.replaceState(null, '', location.pathname + location.search);
  token = remember(clean(link));
  open();
  return true;
}

addEventListener('hashchange', followLink);
setInterval(() => {
  showWhy();
  if (!liveSince) return;
  charts.update();
  showNodes();
}, 1000);
if (!followLink()) {
  token = remember();
  open();
}
