/* From what /status says to what a chart shows. A message has totals since the start;
 * a sample is what was between two of them, of one machine. Nothing here knows the page. */

export const WINDOW_S = 300;
const STALE_MS = 5000;         // a machine without news for so long is shown as silent
const GONE_MS = 60000;         // and after this no more

const BUCKET = /^delivery_lag_upto_(\d+)us$/;

/* How much more than before; null where the process has started anew meanwhile. */
function more(now, before, name) {
  const n = now[name] - before[name];
  return n >= 0 ? n : null;
}

/* The time that this part of the deliveries between two messages has not exceeded, in
 * ms: within its bucket as if they were spread evenly. Null where there were none. */
export function quantile(part, now, before) {
  const all = more(now, before, 'delivery_lag_count');
  if (!all) return null;
  const bounds = Object.keys(now).map((name) => BUCKET.exec(name)).filter(Boolean)
    .map(([name, us]) => ({ us: Number(us), n: now[name] - before[name] })).sort((a, b) => a.us - b.us);
  const wanted = part * all;
  let below = { us: 0, n: 0 };
  for (const bound of bounds) {
    if (bound.n >= wanted) {
      const share = bound.n > below.n ? (wanted - below.n) / (bound.n - below.n) : 1;
      return (below.us + (bound.us - below.us) * share) / 1000;
    }
    below = bound;
  }
  return below.us / 1000;          // above the last bound: at least this
}

export function sample(now, before) {
  const one = {
    streams: now.streams,
    users: now.users,
    db: now.store_db_bytes,
    wal: now.store_wal_bytes,
    store: now.store_db_bytes + now.store_wal_bytes,
    memory: now.allocated_bytes,
  };
  const seconds = before ? (now.time_ms - before.time_ms) / 1000 : 0;
  const restarted = before && now.uptime_seconds < before.uptime_seconds;
  if (!(seconds > 0) || restarted) return one;
  const rate = (name) => {
    const n = more(now, before, name);
    return n === null ? null : n / seconds;
  };
  return {
    ...one,
    messages: rate('messages_read_total'),
    deliveries: rate('deliveries_total'),
    commits: rate('commits_total'),
    gaps: more(now, before, 'gaps_total'),
    p50: quantile(0.5, now, before),
    p99: quantile(0.99, now, before),
  };
}

/* All machines, each with its newest message and its samples of the last minutes. */
export class Numbers {
  nodes = new Map();

  take(status, at = Date.now()) {
    const key = `${status.node} ${status.process}`;
    const node = this.nodes.get(key) ?? { key, samples: [] };
    if (node.status && status.time_ms <= node.status.time_ms && status.uptime_seconds >= node.status.uptime_seconds) return;
    const silent = node.at && at - node.at > STALE_MS;
    node.samples.push({ at, ...sample(status, silent ? null : node.status) });
    while (node.samples[0].at < at - WINDOW_S * 1000) node.samples.shift();
    node.status = status;
    node.at = at;
    this.nodes.set(key, node);
  }

  /* By name; several rowcasts on one machine with their process. Those that have been
   * silent for long are forgotten, and sooner where another has taken their place. */
  list(at = Date.now()) {
    const all = [...this.nodes.values()];
    for (const node of all) {
      node.isSilent = at - node.at > STALE_MS;
      const isReplaced = all.some((other) => other.at > node.at && other.status.node === node.status.node);
      if (at - node.at > GONE_MS || (node.isSilent && isReplaced)) this.nodes.delete(node.key);
    }
    const left = [...this.nodes.values()];
    for (const node of left) {
      const isAlone = left.every((other) => other === node || other.status.node !== node.status.node);
      node.name = isAlone ? node.status.node : `${node.status.node}, process ${node.status.process}`;
    }
    return left.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /* One of the samples' numbers for every second up to now; null where there is none.
   * A message that came a little late leaves no hole. */
  series(node, name, end) {
    const values = new Array(WINDOW_S + 1).fill(null);
    for (const s of node.samples) {
      const place = WINDOW_S - (end - Math.round(s.at / 1000));
      if (place >= 0 && place <= WINDOW_S) values[place] = s[name] ?? null;
    }
    for (let i = 1; i < WINDOW_S; i++) {
      if (values[i] === null && values[i - 1] !== null && values[i + 1] !== null) values[i] = values[i - 1];
    }
    return values;
  }
}

/* ---- as text ---- */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });

export const dash = '–';

export function count(n) {
  if (n === null || n === undefined) return dash;
  return n !== 0 && n < 10 && n % 1 !== 0 ? fine.format(n) : whole.format(n);
}

export function milliseconds(n) {
  if (n === null || n === undefined) return dash;
  if (n >= 1000) return `${fine.format(n / 1000)} s`;
  return `${n < 10 ? fine.format(n) : whole.format(n)} ms`;
}

export function bytes(n) {
  if (n === null || n === undefined) return dash;
  for (const [unit, size] of [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]]) {
    if (n >= size) return `${n / size < 10 ? (n / size).toFixed(1) : whole.format(n / size)} ${unit}`;
  }
  return `${whole.format(n)} B`;
}

export function duration(seconds) {
  const [d, h, m] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${m} min`;
  if (m) return `${m} min`;
  return `${Math.floor(seconds)} s`;
}
