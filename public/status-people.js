/* Who is connected: a page of users, of all machines, and of the machine that answers
 * each of their streams. A search is a place in the list, which is in the order of
 * names: the server never looks through all. */

import { count, dash, duration } from './status-numbers.js';

const PAGE = 25;                  // users; /presence tells of up to 50 in detail
const LINES = 4;                  // of a user's streams, the newest
const REFRESH_MS = 5000;
const SETTLE_MS = 600;            // from a row of control to what it has done
const SHARED_ID = 2 ** 32;        // ids of a log that several machines share are times
const IDS_A_MS = 4096;

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};
const byId = (id) => document.getElementById(id);


function since(seconds) {
  const node = make('time', '', duration(Math.max(0, Date.now() / 1000 - seconds)));
  const date = new Date(seconds * 1000);
  node.dateTime = date.toISOString();
  node.title = date.toLocaleString();
  return node;
}

function behind(stream) {
  if (stream.state === 'blocked') return 'takes no more';
  if (!stream.behind) return 'nothing';
  if (stream.cursor > SHARED_ID) return duration(stream.behind / IDS_A_MS / 1000);
  return `${count(stream.behind)} ${stream.behind === 1 ? 'id' : 'ids'}`;
}

export class People {
  #headers = () => ({});
  #send = null;
  #after = null;
  #timer = 0;
  #asking = null;
  #shown = '';

  constructor() {
    byId('search').addEventListener('submit', (e) => {
      e.preventDefault();
      this.refresh();
    });
    byId('query').addEventListener('input', () => {
      this.#after = null;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.refresh(), 200);
    });
    byId('people-next').addEventListener('click', () => {
      this.#after = byId('people-next').dataset.after;
      this.refresh();
    });
    byId('people-first').addEventListener('click', () => {
      this.#after = null;
      this.refresh();
      byId('query').focus();
    });
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.#send) this.refresh(); });
  }

  /* headers(): of a request; send(fields): publishes. */
  start(headers, send) {
    this.#headers = headers;
    this.#send = send;
    this.refresh();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#send = null;
  }

  async #ask(query, signal) {
    const answer = await fetch(`presence${query}`, { headers: this.#headers(), cache: 'no-store', signal });
    const json = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(json.error ?? `The server answered ${answer.status}.`);
    return json;
  }

  async refresh() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const asking = this.#asking = new AbortController();
    const { signal } = asking;
    const query = byId('query').value;
    const after = this.#after ?? query;
    const from = after ? `&after=${encodeURIComponent(after)}` : '';
    try {
      const [total, all, here, exact, exactHere] = await Promise.all([
        this.#ask('', signal),
        this.#ask(`?list=1${from}`, signal),
        this.#ask(`?list=1&detail=1${from}`, signal),
        query && !this.#after ? this.#ask(`?user=${encodeURIComponent(query)}`, signal) : null,
        query && !this.#after ? this.#ask(`?user=${encodeURIComponent(query)}&detail=1`, signal) : null,
      ]);
      if (this.#asking !== asking) return;
      let users = all.users.filter((u) => u.user.startsWith(query)).slice(0, PAGE);
      const isMore = all.users.length > PAGE || all.next !== null;
      const last = users.at(-1);
      const details = new Map(here.users.map((u) => [u.user, u]));
      if (exact?.streams) {
        users = [{ user: query, streams: exact.streams }, ...users.slice(0, PAGE - 1)];
        details.set(query, exactHere);
      }
      this.#show(users, details, here, total, isMore && users.length >= PAGE ? (users.at(-1) ?? last).user : null);
      if (byId('people-result').dataset.bad) this.#say('');
    } catch (e) {
      if (this.#asking !== asking || e.name === 'AbortError') return;
      this.#say(`Who is connected cannot be told: ${e.message}`, true);
    }
    if (this.#send) this.#timer = setTimeout(() => this.#again(), REFRESH_MS);
  }

  /* Not under the hand of who is about to press a button, nor for a tab that nobody sees. */
  #again() {
    if (document.hidden) return;
    if (document.querySelector('.acts:hover') || byId('revoking').open) this.#timer = setTimeout(() => this.#again(), REFRESH_MS);
    else this.refresh();
  }

  #say(text, bad = false) {
    const result = byId('people-result');
    result.textContent = text;
    result.classList.toggle('bad', bad);
    if (bad) result.dataset.bad = '1';
    else delete result.dataset.bad;
  }

  #show(users, details, here, total, next) {
    const many = total.nodes.length > 1 || total.partial;
    const text = `${count(total.users)} ${total.users === 1 ? 'user' : 'users'}, ${count(total.streams)} ${total.streams === 1 ? 'stream' : 'streams'}${total.partial ? ', of this machine alone: the log is away' : ''}`;
    if (byId('people-total').textContent !== text) byId('people-total').textContent = text;
    byId('people-none').hidden = users.length > 0;
    byId('people-first').hidden = this.#after === null;
    byId('people-next').hidden = next === null;
    byId('people-next').dataset.after = next ?? '';
    byId('people-note').hidden = !many;
    byId('people-note').textContent = `Topics, since and behind are known of the streams on ${here.node}, which answers this page; of other machines' streams only that they are there.`;
    const shown = JSON.stringify([users, [...details.values()], Math.floor(Date.now() / 60000)]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = document.activeElement?.dataset?.key;
    const table = document.querySelector('.people');
    for (const body of [...table.tBodies]) body.remove();
    table.append(...users.map((user) => this.#user(user, details.get(user.user), here.node, many)));
    if (focused) [...table.querySelectorAll('button')].find((b) => b.dataset.key === focused)?.focus();
  }

  #user({ user, streams }, detail, node, many) {
    const body = make('tbody');
    const told = (detail?.detail ?? []).slice(0, LINES);
    const untold = streams - told.length;
    const lines = told.map((stream) => {
      const topics = make('span', 'topics');
      topics.append(...(stream.topics.length ? stream.topics.map((t) => make('span', 'topic', t)) : [make('span', 'muted', 'none')]));
      return [topics, since(stream.since), make('span', stream.state === 'live' ? '' : 'late', behind(stream)), make('span', '', node)];
    });
    if (untold > 0) {
      const where = detail && detail.streams === streams ? node : detail ? 'others too' : 'elsewhere';
      lines.push([make('span', 'muted', `${count(untold)} ${told.length ? 'more' : untold === 1 ? 'stream' : 'streams'}`),
        make('span', 'muted', dash), make('span', 'muted', dash), make('span', many ? '' : 'muted', where)]);
    }
    body.setAttribute('role', 'rowgroup');
    lines.forEach((line, i) => {
      const row = make('tr');
      row.setAttribute('role', 'row');
      if (i === 0) {
        const name = Object.assign(make('th', 'person', user), { scope: 'rowgroup', rowSpan: lines.length });
        name.setAttribute('role', 'rowheader');
        row.append(name);
      }
      line.forEach((content, n) => {
        const cell = make('td');
        cell.setAttribute('role', 'cell');
        cell.dataset.label = ['Topics', 'Since', 'Behind', 'Machine'][n];
        cell.append(content);
        row.append(cell);
      });
      if (i === 0) {
        const cell = Object.assign(make('td', 'acts'), { rowSpan: lines.length });
        cell.setAttribute('role', 'cell');
        cell.append(this.#button('End streams', `End streams of ${user}`, `kick ${user}`, () => this.#kick(user)),
          this.#button('Revoke', `Revoke ${user}`, `revoke ${user}`, () => this.#askRevoke(user)));
        row.append(cell);
      }
      body.append(row);
    });
    return body;
  }

  #button(text, label, key, act) {
    const button = make('button', 'quiet', text);
    button.type = 'button';
    button.setAttribute('aria-label', label);
    button.dataset.key = key;
    button.addEventListener('click', act);
    return button;
  }

  async #control(event, user, done) {
    try {
      await this.#send({ topic: 'rowcast.control', event, user, msg: event });
      this.#say(done);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.refresh(), SETTLE_MS);
    } catch (e) {
      this.#say(`Not done: ${e.message}`, true);
    }
  }

  #kick(user) {
    return this.#control('kick', user, `The streams of ${user} are ended. Who has a valid token may come back.`);
  }

  #askRevoke(user) {
    const dialog = byId('revoking');
    byId('revoking-name').textContent = user;
    byId('revoking-yes').textContent = `Revoke ${user.length > 40 ? `${user.slice(0, 40)}…` : user}`;
    dialog.returnValue = 'no';
    dialog.addEventListener('close', () => {
      if (dialog.returnValue === 'yes') this.#control('revoke', user, `${user} is revoked: no token issued until now is valid any more.`);
    }, { once: true });
    dialog.showModal();
  }
}

