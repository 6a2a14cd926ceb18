/* node fetch-event-source.js URL TOKEN header|cookie|none [plain] */
'use strict'
const { say, modules, headersOf } = require('./say.js')
const [url, token, via, plain] = process.argv.slice(2)

/* It was written for browsers, and wants these two of them. */
globalThis.window = globalThis
globalThis.document = { addEventListener() {}, removeEventListener() {} }

const settings = plain ? {} : { onclose() { throw new Error('come back') } }

modules('@microsoft/fetch-event-source').fetchEventSource(url, {
	headers: headersOf(via, token),
	fetch: globalThis.fetch,
	openWhenHidden: true,
	onmessage: e => say({ event: e.event || 'message', data: e.data, id: e.id }),
	...settings,
}).finally(() => say({ closed: true }))
