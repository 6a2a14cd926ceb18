/* How it works: rowcast.d.ts */

let turn, { document: page, navigator } = globalThis;
const known = {};

/* HTML 9.2.6 */
export function parser(onRetry) {
	const utf8 = new TextDecoder();
	let rest = '', cr, data = '', event = '', id = '';
	return (bytes) => {
		const events = [], text = utf8.decode(bytes, { stream: true });
		const lines = (cr ? text.replace(/^\n/, '') : text).split(/\r\n|\n|\r/);
		if (text) cr = text.endsWith('\r');
		lines[0] = rest + lines[0];
		rest = lines.pop();
		for (const line of lines) {
			const [, name, value] = /^([^:]*):? ?([^]*)/.exec(line);
			if (!line) {
				if (data) events.push({ event: event || 'message', data: data.slice(0, -1), id });
				data = event = '';
			} else if (name === 'data') data += value + '\n';
			else if (name === 'event') event = value;
			else if (name === 'id' && !value.includes('\0')) id = value;
			else if (name === 'retry' && /^\d+$/.test(value)) onRetry?.(+value);
		}
		return events;
	};
}

const failure = (reason, fields) => Object.assign(new Error(reason), fields);
const jitter = (base, tries) => Math.random() * Math.min(30000, base * 2 ** tries);

const rest = () => performance.now() < turn || new Promise((done) => {
	const { port1, port2 } = new MessageChannel();
	port1.onmessage = () => done(turn = performance.now() + 25, port1.close());
	port2.postMessage(0);
});

async function refusal(answer) {
	const { status, headers } = answer, { error } = await answer.json().catch(() => {}) ?? {};
	return failure(error || `the answer was ${status}`, { status, wait: headers.get('retry-after') * 1000, why: status === 401 && 'refused', final: /4(?!08|25|29)../.test(status) });
}

function fill(params, fields) {
	for (const name in fields) for (const value of [fields[name] ?? []].flat()) params.append(name, value);
	return params;
}

export class Stream extends EventTarget {
	lastEventId = ''; user = null; shared = false;
}

export function connect({ url = 'events', token, getToken, topics = [], since, last, lastEventId, shared = true, storage = true } = {}) {
	const stream = new Stream(), over = new AbortController(), base = new URL(url, page?.baseURI ?? globalThis.location?.href);
	const key = `rowcast ${base} ${topics}`, me = Math.random();
	let at = -1, begin, owner; // where we stand
	let cur, next, want = true, due = 0; // lines
	let need = 'connect', asking, auth, who, renewAt;
	let retry = 3000, tries = 0, kept, heartbeat = 15000, timer, off;
	let alone = !shared || !navigator?.locks, name, channel, lock, leads, carrier, heard;
	const members = new Map();
	let pos = -1;
	let said, coming, come, sending = Promise.resolve();

	function stored(value) {
		try { if (storage) return value ? sessionStorage[key] = value : sessionStorage[key]; } catch {}
	}

	function fire(type, fields) {
		const e = Object.assign(new Event(type), fields);
		stream.dispatchEvent(e);
		return e;
	}

	function set(...now) {
		if (`${now}` === `${said}`) return;
		[stream.state, stream.reason = null, stream.retryAt = null] = said = now;
		if (leads) news();
		fire('state');
	}

	function stop(state, reason) {
		pause();
		over.abort();
		set(state, reason);
		if (state === 'expired') fire(state, { reason });
		come();
	}

	function call(wait) {
		want = true;
		due = Date.now() + wait;
		tick();
	}

	function tick() {
		clearTimeout(timer);
		if (off) return;
		const now = Date.now(), silence = now - 2.5 * heartbeat;
		for (const line of [cur, next]) if (line?.heard < silence) lost(line, failure('the stream was silent'));
		if (cur?.renewAt <= now) {
			if (renewAt <= now) need ??= 'renew';
			delete cur.renewAt;
			want = true;
			due = 0;
		}
		if (name && !leads && heard < silence) {
			heard < silence - heartbeat * (1 + Math.random()) ? request({ steal: true }) : join();
		}
		if (leads && !cur) news();
		if (want && !next && !carrier && due <= now) open();
		clearTimeout(timer);
		timer = setTimeout(tick, Math.max(10, Math.min(now + 5000, want && !next ? due : Infinity, cur?.renewAt || Infinity) - now));
	}

	function wake() {
		post('wake');
		if (stream.retryAt && !kept) due = 0;
		if (Date.now() - cur?.heard > 1.2 * heartbeat) want = true;
		tick();
	}

	function pause() {
		leave();
		off = true;
	}

	function resume() {
		if (!off) return;
		off = false;
		call(0);
	}

	const on = (type, act) => globalThis.addEventListener?.(type, act, { capture: true, signal: over.signal });
	on('online', () => { want ||= !!cur; wake(); });
	on('visibilitychange', () => page.hidden || wake());
	on('pagehide', pause);
	on('freeze', pause);
	on('pageshow', resume);
	on('resume', resume);

	const ask = (reason) => asking ??= (async () => {
		if (getToken) token = await getToken({ reason });
		auth = token ? { Authorization: `Bearer ${token}` } : {};
		need = who = renewAt = undefined;
		try {
			const { iat, exp, nbf, jti, ...claims } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
			const life = (exp - iat) * 1000;
			let left = exp * 1000 - Date.now();
			if (left > life || left <= 0) left = life || 0;
			who = JSON.stringify(claims);
			renewAt = getToken && Date.now() + Math.max(500, 0.8 * left);
		} catch {}
	})().finally(() => (asking = null));

	const all = () => [...new Set([{ topics }, ...members.values()].flatMap((m) => m.topics))];

	async function open() {
		const line = next = { stop: new AbortController(), asked: need, heard: Date.now(), topics }, { signal } = line.stop;
		want = false;
		try {
			if (need) await ask(need);
			enter();
			if (name && !leads && !cur) await new Promise((go) => hold(name + 1, signal, go).catch(go));
			if (signal.aborted) return;
			line.topics = all();
			line.from = leads ? pos : at;
			for (const m of members.values()) if (!m.carried) line.from = Math.min(line.from, m.at);
			if (!cur) pos = line.from;
			line.renewAt = renewAt;
			const to = new URL(base);
			fill(to.searchParams, { format: 'json', cursor: 'event', topic: line.topics, ...(line.from < 0 ? begin : { lastEventId: line.from }) });
			const answer = await fetch(to, { headers: { Accept: 'text/event-stream', ...auth }, cache: 'no-store', signal });
			if (answer.status === 204) return stop('ended');
			if (!/^200text.event-stream *(;|$)/i.test(answer.status + answer.headers.get('content-type'))) throw await refusal(answer);
			const parse = parser((ms) => (retry = ms)), reader = answer.body.getReader();
			for (;;) {
				const { done, value } = await reader.read();
				if (done) throw failure('the stream was cut');
				for (let i = 0; i < value.length;) {
					if (signal.aborted) return;
					line.heard = Date.now();
					receive(line, parse(value.subarray(i, i += 4096)));
					await rest();
				}
			}
		} catch (e) { lost(line, e); }
	}

	function receive(line, events) {
		const list = [];
		let failed;
		for (const e of events) {
			const data = e.data = JSON.parse(e.data), id = +e.id, why = /^rowcast\.(busy|expired|revoked)/.exec(e.event)?.[1];
			if (why) {
				if (at < 0 && e.id) move(id);
				failed = failure(data.reason, why === 'busy' ? { wait: retry } : { why });
				continue;
			}
			if (data.heartbeat) {
				heartbeat = data.heartbeat * 1000;
				if (meet(data.user)) return;
			}
			if (line !== cur) {
				cur?.stop.abort();
				cur = line;
				next = line.asked = null;
				pos = line.from < 0 ? id : line.from;
				if (at < 0) move(pos);
				tries = kept = begin = 0;
				set('live');
				settle();
			}
			pos = id;
			list.push(e);
		}
		if (leads) news({ list });
		take(list);
		if (line === cur) {
			enter();
			settle();
			tick();
		}
		if (failed) throw failed;
	}

	function lost(line, e) {
		line.stop.abort();
		if (line === cur) cur = null;
		else if (line === next) next = null;
		else return;
		if (next) return;
		kept = e.wait;
		let wait = kept || jitter(retry, tries++);
		if (e.why) {
			need = e.why;
			if (!cur && (!getToken || line.asked)) return stop(need === 'revoked' ? 'refused' : need, e.message);
			if (!cur) wait = 0;
		} else if (e.final) {
			if (line.topics.length <= topics.length) return stop('refused', e.message);
			for (const [to, m] of members) if (!serves(cur ?? { topics }, m)) decline(to);
			wait = 0;
		}
		if (!cur && wait) set(navigator?.onLine === false ? 'offline' : 'reconnecting', e.message, Date.now() + wait);
		call(wait);
	}

	function drop() {
		cur?.stop.abort();
		next?.stop.abort();
		cur = next = null;
		want = false;
	}

	function take(list) {
		for (const { event: name, id: lastEventId, data } of list) {
			const { topic = null, event = null, reason } = data, id = +lastEventId;
			if (off) break;
			if (name === 'rowcast.gap') {
				if (at < 0 || reason === 'invalid' || (reason === 'expired' ? at < id : at > id)) {
					move(id);
					fire('gap', { ...data, lastEventId });
					if (cur && channel && !leads) join();
				}
			} else if (id > at) {
				move(id);
				if (name === 'rowcast.cursor' || topic !== null && !topics.includes(topic)) continue;
				const type = name === 'rowcast.end' ? 'end' : /^(state|gap|expired|end)?$/.test(event ?? '') ? 'message' : event;
				const message = fire(type, { ...data, topic, event, lastEventId });
				if (type !== 'end') give(message);
			}
		}
		stored(cursors[key]);
	}

	function move(id) {
		at = id;
		stream.lastEventId = `${id}`;
		cursors[key] = id + owner;
	}

	function meet(user) {
		const before = owner || ` ${user}`;
		stream.user = user;
		owner = ` ${user}`;
		if (before === owner) return;
		at = -1;
		begin = fresh;
		regroup(alone);
		return true;
	}

	function give(message) {
		const before = come;
		coming = new Promise((done) => (come = done));
		before?.({ message, coming });
	}

	stream[Symbol.asyncIterator] = async function* () {
		for (let x = await coming; x; x = await x.coming) yield x.message;
		if (/refused|expired/.test(stream.state)) throw failure(stream.reason);
	};

	function enter() {
		const user = who ?? stream.user, mine = `rowcast ${base} ${user}`;
		if (off || alone || begin || user === null || mine === name) return;
		if (name || !cur) leave();
		channel = new BroadcastChannel(name = mine);
		channel.onmessage = (e) => hear(e.data);
		request();
		join();
	}

	const hold = (name, signal, act, how = { signal }) => navigator.locks.request(name, how, () => signal.aborted || new Promise((done) => {
		signal.onabort = done;
		act();
	}));

	function request(how) {
		lock?.abort();
		const { signal } = lock = new AbortController();
		heard = Date.now();
		hold(name, signal, () => {
			leads = stream.shared = true;
			post('lead');
			if (!cur) {
				drop();
				pos = at;
				call(carrier ? 30 : 0);
			}
			carrier = null;
		}, how).catch(() => {
			if (signal.aborted) return;
			regroup(!leads);
		});
	}

	function leave() {
		post('leave');
		drop();
		channel?.close();
		lock?.abort();
		name = channel = carrier = null;
		leads = stream.shared = false;
		members.clear();
	}

	function regroup(never) {
		alone = never;
		leave();
		call(0);
	}

	const post = (t, fields) => channel?.postMessage({ t, from: me, ...fields });

	const news = (more) => post('news', { said, user: stream.user, heartbeat, list: [], ...more });

	function join() {
		carrier = null;
		post('join', { topics, at });
		if (!cur && !next) call(2000);
	}

	function hear({ t, from, to, ...m }) {
		if (to && to !== me) return;
		if (leads) {
			if (t === 'wake') wake();
			if (t === 'leave') members.delete(from);
			if (t === 'join') {
				members.set(from, m);
				settle();
			}
		} else if (t === 'no') regroup(true);
		else if (t === 'lead' || t === 'news') {
			heard = Date.now();
			if (t === 'lead') join();
			else if (to || from === carrier) {
				if (m.user && meet(m.user)) return;
				if (to) {
					drop();
					carrier = from;
					stream.shared = true;
					if (at < 0) move(m.at);
				}
				heartbeat = m.heartbeat;
				take(m.list);
				if (!off) set(...m.said);
			}
		}
	}

	function decline(to) {
		members.delete(to);
		post('no', { to });
	}

	const serves = (line, m) => m.topics.every((t) => line.topics.includes(t));

	function settle() {
		for (const [to, m] of members) {
			if (m.carried || at < 0) continue;
			if (m.at < 0) m.at = at;
			if (m.at < pos || !serves(cur ?? next ?? m, m)) {
				if (cur && !next && !want) call(0);
			} else if (m.at <= at) {
				m.carried = true;
				news({ to, at: m.at });
			}
		}
	}

	async function deliver(body) {
		for (let tries = 0, asked; ; tries++) {
			try {
				if (stream.state === 'closed') throw failure('the stream was closed', { status: 0, final: true });
				if (need || renewAt <= Date.now()) await ask(need ?? 'renew');
				const answer = await fetch(new URL('msg', base), { method: 'POST', headers: auth, body, signal: AbortSignal.timeout(30000) });
				if (answer.ok) return await answer.json();
				throw await refusal(answer);
			} catch (e) {
				if (e.why && getToken && !asked) need = asked = e.why;
				else if (e.why || e.final) throw e;
				else await new Promise((done) => setTimeout(done, e.wait || jitter(1000, tries)));
			}
		}
	}

	stream.send = (fields) => {
		const body = fill(new URLSearchParams(), { key: `${me} ${Math.random()}`, ...fields }), sent = sending.then(() => deliver(body));
		sending = sent.catch(() => {});
		return sent;
	};
	stream.close = () => stop('closed');

	const fresh = (since ?? last) != null && { since, last }, cursors = storage ? known : {};
	const from = `${lastEventId ?? cursors[key] ?? page?.querySelector('meta[name=rowcast-cursor]')?.content ?? stored() ?? ''}`;
	[, begin, owner = ''] = /^(\d+)( .*)?$/s.exec(from) ?? [];
	if (begin) move(+begin);
	begin = at < 0 && (from ? { lastEventId: from } : fresh);
	give();
	set('connecting');
	queueMicrotask(tick);
	return stream;
}
