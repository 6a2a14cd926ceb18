/* node eventsource-client.js URL TOKEN header|cookie|none */
'use strict'
const { say, modules, headersOf } = require('./say.js')
const [url, token, via] = process.argv.slice(2)

const client = modules('eventsource-client').createEventSource({
	url,
	headers: headersOf(via, token),
	onMessage: e => say({ event: e.event ?? 'message', data: e.data, id: e.id }),
	onDisconnect: () => setImmediate(() => client.readyState === 'closed' && say({ closed: true })),
})
