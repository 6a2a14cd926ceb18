/**
 * The client of rowcast for pages, workers and Node 18.
 *
 *     import { connect } from './rowcast.js'
 *     const stream = connect({ url: 'events', getToken: async () => '...', topics: ['prices'] })
 *     stream.addEventListener('message', (e) => show(e.data, e.topic, e.lastEventId))
 *     stream.addEventListener('gap', (e) => reload(e.reason))
 *
 * How it works. A *line* is one held response of `/events`. Whatever calls for
 * another line (the start, a cut, a token that runs out, the network that is back,
 * a tab with other topics or an older cursor) is one and the same step: a line is
 * opened where the last one stands, or where the tab stands that needs more, and
 * its first event lets the old one go. What two lines both bring is told apart by
 * its id: a message whose id is not above the cursor has been given already.
 *
 * What a line brings is taken in pieces of 4 KiB, and after 25 ms others have a turn
 * of the event loop, so that a burst holds up neither the page nor, since each piece
 * is carried by itself, another tab. A MessageChannel gives that turn: a timer comes
 * once a second, or once a minute, to a hidden tab.
 *
 * A cursor is remembered with the user whose it is. Whose a stream is, the server
 * says in its first event: a cursor of somebody else is then given up, and the
 * stream begins anew.
 *
 * Tabs with the same address and the same user (the claims of the token but those
 * of time; without a token, whom the server names) are a *group*. Web Locks elect
 * the leader; its line asks for the topics of all, and BroadcastChannel carries
 * whatever it brings to everyone. Another tab joins with its topics and its cursor
 * and is carried from then on, when the line serves it: it has the topics, and
 * nothing after that cursor was posted before. Otherwise the leader opens a line
 * that does. So a tab takes what the leader posts after it was told that it is
 * carried, in order, and gives out what is above its own cursor and its own topics.
 * A tab that is ahead of the leader waits: its cursor may be above all ids there are.
 *
 * When the leader is gone the next in the lock's queue is told by the browser at
 * once. It asks all to join again, each with its cursor, so that what was on its
 * way between two tabs does not matter. A page that may be frozen gives up the lock
 * first: who may stop must not lead. A leader that holds the lock and stands
 * still is robbed of it after 3.5 to 4.5 heartbeats. A tab that nobody carries (no leader
 * answers, topics that the server refuses, more than 32 of them, a cursor above
 * all that the leader knows) has a line of its own, until it is carried: where it is
 * the leader that does not answer, one tab at a time, since over HTTP/1.1 there are six
 * connections to a server for all tabs together, and the leader needs one of them.
 *
 * In the code: `cur` is the line that is live, `next` the one being opened, `want` says
 * that another is to be; `at` is this tab's cursor, `begin` how to begin without one,
 * `owner` whose it is; `pos` is where the leader's line stands, `members` whom it has.
 */

/** What a stream is doing. The last four are final, and `ended` comes of an answer 204. */
export type State = 'connecting' | 'live' | 'reconnecting' | 'offline' | 'refused' | 'expired' | 'ended' | 'closed';

/**
 * Why a token is asked for: the first one; ahead of the end of the last one; it ran
 * out before; the server did not take it (401); the server has revoked it.
 */
export type TokenReason = 'connect' | 'renew' | 'expired' | 'refused' | 'revoked';

export interface Options {
	/**
	 * Of `/events`, against the page's base; `msg` is taken to be beside it. Default `events`.
	 * Its query is kept, and names whatever else the server is asked for:
	 * `events?inbox=off&join=token&until=end` reads an answer that ends. A stream comes back
	 * once after its end, and is `ended` then; close it at `end`, and it need not.
	 */
	url?: string | URL;
	/** A token that is not renewed. Without it and `getToken` the cookie counts. */
	token?: string;
	/** Is asked whenever another token is needed. What it throws is the stream's reason, and it is asked again. */
	getToken?(why: { reason: TokenReason }): string | null | undefined | Promise<string | null | undefined>;
	/** What this tab wants beside its user's messages and those to everyone. */
	topics?: readonly string[];
	/** Where a tab that knows no cursor begins: `all`, `10m`, Unix seconds. Default: now. */
	since?: string | number;
	/** ...or with the newest N (of those). */
	last?: number;
	/**
	 * Begins after this id. Else it begins where this document's last stream of the
	 * same user and topics stopped, with `<meta name="rowcast-cursor" content="N">`, or
	 * where the tab stopped before a reload.
	 */
	lastEventId?: string | number;
	/** One stream for all tabs of this user. Default true. */
	shared?: boolean;
	/** Whether the cursor outlives a reload, by sessionStorage. Default `session`; `null`: nothing is remembered. */
	storage?: 'session' | null;
}

/** One message. It comes under its event's name, or as `message`. */
export interface Message extends Event {
	readonly data: string;
	readonly topic: string | null;
	readonly event: string | null;
	readonly lastEventId: string;
	readonly id: number;
	/** Absent where it is for everyone. */
	readonly user?: string;
	/** Unix seconds. */
	readonly created_at?: number;
}

/** Messages are missing, or the server's ids have begun anew; it went on after `lastEventId`. */
export interface Gap extends Event {
	readonly reason: 'expired' | 'ahead' | 'invalid';
	readonly requested: string;
	readonly oldest: number;
	readonly newest: number;
	readonly lastEventId: string;
}

/** The token has run out, and there is no other. */
export interface Expired extends Event {
	readonly reason: string;
}

/** What `send()` takes; `msg` and `data` are one. */
export interface Fields {
	msg?: string;
	data?: string;
	user?: string | number;
	topic?: string;
	event?: string;
	all?: boolean | 1;
	ttl?: string | number;
	/** Default: one of its own. */
	key?: string;
}

export interface SendError extends Error {
	/** Of the answer; 0 where the stream was closed before there was one. */
	readonly status: number;
}

export interface Events {
	state: Event;
	gap: Gap;
	expired: Expired;
	/** `rowcast.end` of a topic. */
	end: Message;
	message: Message;
}

export class Stream extends EventTarget implements AsyncIterable<Message> {
	private constructor();
	readonly state: State;
	/** Why it is in this state, a sentence; else null. */
	readonly reason: string | null;
	/** When it is tried again, in ms since 1970; else null. */
	readonly retryAt: number | null;
	/** The cursor; empty until it is known. */
	readonly lastEventId: string;
	/** As the server says; null until it has. */
	readonly user: string | null;
	/** Whether the stream is really shared, or ready to be. */
	readonly shared: boolean;

	close(): void;
	/** Stores one message, tried until it is known to be, in the order of the calls; rejects with a `SendError`. */
	send(fields: Fields): Promise<{ id: number }>;

	addEventListener<K extends keyof Events>(type: K, listener: ((e: Events[K]) => void) | { handleEvent(e: Events[K]): void } | null,
		options?: boolean | AddEventListenerOptions): void;
	addEventListener(type: string, listener: ((e: Message) => void) | { handleEvent(e: Message): void } | null,
		options?: boolean | AddEventListenerOptions): void;
	removeEventListener<K extends keyof Events>(type: K, listener: ((e: Events[K]) => void) | { handleEvent(e: Events[K]): void } | null,
		options?: boolean | EventListenerOptions): void;
	removeEventListener(type: string, listener: ((e: Message) => void) | { handleEvent(e: Message): void } | null,
		options?: boolean | EventListenerOptions): void;

	/** Messages alone, from the first call of next() on. Ends with the stream; throws where that was refused or its token has run out. */
	[Symbol.asyncIterator](): AsyncGenerator<Message, void, void>;
}

export function connect(options?: Options): Stream;

export interface ServerSentEvent {
	event: string;
	data: string;
	/** The last one seen, on this event or before it. */
	id: string;
}

/** Reads Server-Sent Events (HTML 9.2.6): returns a function from a piece of the response to the events that it completes. */
export function parser(onRetry?: (ms: number) => void): (bytes: Uint8Array) => ServerSentEvent[];
