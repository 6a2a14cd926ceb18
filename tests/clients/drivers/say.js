/* What the drivers for node share. */
'use strict'
const { createRequire } = require('node:module')
const path = require('node:path')

exports.say = fact => process.stdout.write(JSON.stringify(fact) + '\n')

/* The packages lie in a folder of the build. */
exports.modules = createRequire(path.join(process.env.CLIENTS, 'package.json'))

exports.headersOf = (via, token) => ({
	header: { Authorization: 'Bearer ' + token },
	cookie: { Cookie: 'rowcast_token=' + token },
	none: {},
})[via]

exports.NAMES = ['message', 'order', 'rowcast.gap', 'rowcast.busy', 'rowcast.expired', 'rowcast.cursor', 'rowcast.end']
