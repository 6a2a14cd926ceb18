/* The charts: one for each number, in it a line for each machine. uPlot draws them, in
 * the page's own colours. While the pointer is over one of them all show that moment.
 * What a chart shows is said in words beside it, and in the tables. */

import { WINDOW_S, bytes, count, dash, milliseconds } from './status-numbers.js';

const sum = (values) => values.reduce((a, b) => a + b, 0);
const most = (values) => Math.max(...values);

/* of: which numbers; all: of several machines, what stands for all of them. */
const CHARTS = [
  { id: 'streams', title: 'Streams', of: ['streams'], all: sum, text: count },
  { id: 'messages', title: 'Messages a second', of: ['messages'], all: most, text: count },
  { id: 'deliveries', title: 'Deliveries a second', of: ['deliveries'], all: sum, text: count },
  { id: 'lag', title: 'Delivery lag', of: ['p50', 'p99'], all: most, text: milliseconds },
  { id: 'commits', title: 'Commits a second', of: ['commits'], all: sum, text: count },
  { id: 'store', title: 'Size of the store', of: ['db', 'wal'], all: most, text: bytes },
  { id: 'memory', title: 'Memory', of: ['memory'], all: sum, text: bytes },
  { id: 'gaps', title: 'Gaps told', of: ['gaps'], all: sum, text: count, total: true },
];
const NAMES = { p50: 'p50', p99: 'p99', db: 'file', wal: 'WAL' };

const SAY_EVERY_MS = 10000;    // the words for who cannot see the chart
const TABLE_STEP_S = 10;
const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i);
const COLOURS = 6;             // --series-1 and on, in status.css

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const short = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const SHORT_S = 180;           // beyond that seconds are left out below a chart
const FIRST_S = 20;            // what a chart shows at first; it grows to all there is
export const time = (seconds) => clock.format(new Date(seconds * 1000));

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const colour = (place) => `--series-${place % COLOURS + 1}`;

/* uPlot asks for formats in the browser's language at once, and WebKit in the locale C says
 * that this is "C". Without uPlot there are the words and the tables. */
function load(done) {
  try {
    new Intl.NumberFormat(navigator.language);
  } catch {
    Object.defineProperty(navigator, 'language', { value: 'en', configurable: true });
  }
  const script = make('script');
  script.src = 'uPlot.iife.min.js';
  script.onload = done;
  document.head.append(script);
}

export class Charts {
  #numbers;
  #charts;
  #nodes = [];
  #begin = 0;
  #end = 0;
  #frame = 0;
  #hovered = null;
  #said = 0;
  #empty = null;  // a table that was asked for before there was a number

  constructor(place, numbers) {
    this.#numbers = numbers;
    this.#charts = CHARTS.map((chart) => this.#build(chart));
    place.append(...this.#charts.map((chart) => chart.figure));
    load(() => this.update());
    new ResizeObserver(() => this.#fit()).observe(place);
    for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
      matchMedia(query).addEventListener('change', () => this.#forget());
    }
  }

  #build(chart) {
    const figure = make('figure', 'chart');
    const caption = make('figcaption');
    const title = make('span', 'title', chart.title);
    const value = make('span', 'value', dash);
    const range = make('span', 'range');
    const plot = make('div', 'plot');
    figure.id = `chart-${chart.id}`;
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-label', `${chart.title}: no numbers yet`);
    caption.append(title, value, range);
    figure.append(caption, plot);
    return { ...chart, figure, value, range, plot, uplot: null };
  }

  /* Something new has come, or time has passed. */
  update() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const nodes = this.#numbers.list();
    if (nodes.map((n) => n.key).join('\n') !== this.#nodes.map((n) => n.key).join('\n')) this.#forget();
    this.#nodes = nodes;
    this.#end = Math.round(Date.now() / 1000);
    const first = Math.min(...nodes.flatMap((node) => node.samples.slice(0, 1).map((s) => Math.floor(s.at / 1000))));
    this.#begin = Math.max(this.#end - WINDOW_S, Math.min(first, this.#end - FIRST_S));
    const seconds = Array.from({ length: WINDOW_S + 1 }, (_, i) => this.#end - WINDOW_S + i);
    for (const chart of this.#charts) {
      chart.lines = nodes.flatMap((node) => chart.of.map((name) => this.#numbers.series(node, name, this.#end)));
      chart.data = [seconds, ...chart.lines];
      if (globalThis.uPlot) chart.uplot ??= this.#plot(chart);
      chart.uplot?.setData(chart.data);
      this.#describe(chart);
    }
    if (Date.now() - this.#said >= SAY_EVERY_MS) this.#said = Date.now();
    if (this.#empty) this.tabulate(this.#empty);
  }

  /* ---- uPlot ---- */

  #plot(chart) {
    const [line, muted] = [style('--line'), style('--muted')];
    const font = `12px ${style('--sans')}`;
    const axis = { stroke: muted, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const series = this.#nodes.flatMap((node, place) => chart.of.map((name, i) => ({
      label: name,
      stroke: style(colour(place)),
      width: 1.75,
      dash: chart.of.length > 1 && i === 0 ? [4, 3] : undefined,
      fill: chart.of.length === 1 && this.#nodes.length === 1 ? style('--series-fill') : undefined,
      points: { show: (u, at, from, to) => to - from < 3 },
    })));
    return new globalThis.uPlot({
      ...this.#size(chart),
      series: [{}, ...series],
      legend: { show: false },
      cursor: { sync: { key: 'status' }, y: false, drag: { x: false, y: false } },
      padding: [8, 28, 0, 0],               // on the right half of a time that stands at the edge
      scales: {
        x: { time: true, range: () => [this.#begin, this.#end] },
        y: { range: (u, low, high) => [0, Math.max(high ?? 0, 1) * 1.15] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 30, gap: 8, space: 75, values: (u, all) => all.map((s) => (this.#end - this.#begin < SHORT_S ? time(s) : short.format(new Date(s * 1000)))), incrs: [5, 10, 20, 30, 60, 120] },
        { ...axis, size: 58, space: 30, incrs: chart.text === bytes ? BINARY : undefined, values: (u, all) => all.map((n) => chart.text(n)) },
      ],
      hooks: { setCursor: [(u) => this.#hover(u)] },
    }, chart.data, chart.plot);
  }

  #size(chart) {
    return { width: Math.max(chart.plot.clientWidth, 100), height: Math.max(chart.plot.clientHeight, 60) };
  }

  #fit() {
    for (const chart of this.#charts) chart.uplot?.setSize(this.#size(chart));
  }

  /* The next drawing makes them anew: another machine, or other colours. */
  #forget() {
    for (const chart of this.#charts) {
      chart.uplot?.destroy();
      chart.uplot = null;
    }
    this.#said = 0;
    this.update();
  }

  #hover(u) {
    const at = u.cursor.idx ?? null;
    if (at === this.#hovered) return;
    this.#hovered = at;
    for (const chart of this.#charts) if (chart.lines) this.#describe(chart);
  }

  /* ---- words ---- */

  /* What stands for all machines at that place of the lines, for each of chart.of. */
  #at(chart, place) {
    return chart.of.map((_, i) => {
      const values = this.#nodes.map((node, n) => chart.lines[n * chart.of.length + i][place]).filter((v) => v !== null);
      return values.length ? chart.all(values) : null;
    });
  }

  #newest(chart) {
    return chart.of.map((name) => {
      const values = this.#nodes.filter((n) => !n.isSilent).map((n) => n.samples.at(-1)[name]).filter((v) => v !== null && v !== undefined);
      return values.length ? chart.all(values) : null;
    });
  }

  #describe(chart) {
    const now = this.#hovered === null ? this.#newest(chart) : this.#at(chart, this.#hovered);
    const known = chart.lines.flat().filter((v) => v !== null);
    const text = (values) => values.map((v, i) => (chart.of.length > 1 ? `${NAMES[chart.of[i]]} ${chart.text(v)}` : chart.text(v)));
    chart.value.replaceChildren(...text(now).map((t, i) => make('span', chart.of.length === 1 ? '' : i ? 'solid' : 'dashed', t)));
    if (this.#hovered !== null) chart.range.textContent = `at ${time(chart.data[0][this.#hovered])}`;
    else if (chart.total) chart.range.textContent = `${count(sum(known))} in all`;
    else chart.range.textContent = known.length ? `${this.#nodes.length > 1 ? 'each ' : ''}up to ${chart.text(most(known))}` : '';
    if (this.#hovered === null && Date.now() - this.#said >= SAY_EVERY_MS) {
      chart.plot.setAttribute('aria-label', known.length
        ? `${chart.title} over the last 5 minutes: now ${text(now).join(', ')}; between ${chart.text(Math.min(...known))} and ${chart.text(most(known))}`
        : `${chart.title}: no numbers yet`);
    }
  }

  /* The last minutes as a table, the newest first. It stands still while somebody reads it. */
  tabulate(table) {
    const head = make('tr');
    const th = (text, scope) => Object.assign(make('th', '', text), { scope });
    head.append(th('Time', 'col'));
    for (const chart of this.#charts) for (const name of chart.of) head.append(th(NAMES[name] ? `${chart.title}, ${NAMES[name]}` : chart.title, 'col'));
    const rows = [];
    for (let place = WINDOW_S - 1; this.#charts[0].lines && place > 0; place -= TABLE_STEP_S) {
      const cells = this.#charts.flatMap((chart) => this.#at(chart, place).map((v) => make('td', '', chart.text(v))));
      if (cells.every((cell) => cell.textContent === dash)) continue;
      const row = make('tr');
      row.append(th(time(this.#charts[0].data[0][place]), 'row'), ...cells);
      rows.push(row);
    }
    const [thead, tbody] = [make('thead'), make('tbody')];
    thead.append(head);
    tbody.append(...rows);
    table.replaceChildren(thead, tbody);
    this.#empty = rows.length ? null : table;
  }
}
