/* Those that have the interface of the browser's EventSource.
 *
 *     node eventsource.js CLIENT URL TOKEN header|cookie|none [plain]
 *
 * Each driver is told where the token goes and prints one line of JSON an event,
 * and {"closed": true} where the client has given up. `plain` is the client as it
 * comes, without the settings that the README advises. */
'use strict'
const { say, modules, headersOf, NAMES } = require('./say.js')
const [client, url, token, via] = process.argv.slice(2)
const headers = headersOf(via, token)

const withHeaders = { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }) }

const open = {
	'eventsource-1': () => new (modules('eventsource-1'))(url, { headers }),
	'eventsource-2': () => new (modules('eventsource-2'))(url, { headers }),
	'eventsource-3': () => new (modules('eventsource-3').EventSource)(url, withHeaders),
	'eventsource-4': () => new (modules('eventsource-4').EventSource)(url, withHeaders),
	'reconnecting-eventsource': () => new (modules('reconnecting-eventsource').default)(url, {
		eventSourceClass: modules('eventsource-4').EventSource, ...withHeaders }),
	'undici': () => {
		const { EventSource, Agent } = modules('undici')
		const dispatcher = new Agent().compose(dispatch => (options, handler) =>
			dispatch({ ...options, headers: { ...options.headers, ...headers } }, handler))
		return new EventSource(url, { dispatcher })
	},
}

/* undici keeps no process alive that has nothing to do but to wait for the next try. */
setInterval(() => {}, 1 << 30)

const events = open[client]()
for (const name of NAMES)
	events.addEventListener(name, e => say({ event: e.type, data: e.data, id: e.lastEventId }))
/* Versions 1 and 2 close themselves only behind the event. */
events.onerror = () => setImmediate(() => events.readyState === 2 && say({ closed: true }))
