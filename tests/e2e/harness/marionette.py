"""Firefox's own remote protocol, spoken as if it were W3C WebDriver.

Debian has no geckodriver, and needs none: that program only turns WebDriver's
HTTP into these commands, one for one. A message is its length in decimal, a
colon, and JSON: [0, number, command, parameters] from us, [1, number, error,
result] from the browser."""

import json
import re
import socket

COMMANDS = [(method, re.compile(path + '$'), command) for method, path, command in [
    ('POST', '/url', 'Navigate'), ('GET', '/url', 'GetCurrentURL'), ('POST', '/refresh', 'Refresh'), ('POST', '/back', 'Back'),
    ('GET', '/window', 'GetWindowHandle'), ('POST', '/window', 'SwitchToWindow'), ('POST', '/window/new', 'NewWindow'),
    ('GET', '/window/handles', 'GetWindowHandles'), ('DELETE', '/window', 'CloseWindow'), ('DELETE', '/cookie', 'DeleteAllCookies'),
    ('POST', '/window/rect', 'SetWindowRect'), ('GET', '/screenshot', 'TakeScreenshot'),
    ('POST', '/element', 'FindElement'), ('GET', '/element/(?P<id>[^/]+)/text', 'GetElementText'),
    ('POST', '/element/(?P<id>[^/]+)/click', 'ElementClick'), ('POST', '/element/(?P<id>[^/]+)/clear', 'ElementClear'),
    ('POST', '/element/(?P<id>[^/]+)/value', 'ElementSendKeys'), ('POST', '/actions', 'PerformActions'),
    ('POST', '/execute/sync', 'ExecuteScript'), ('POST', '/execute/async', 'ExecuteAsyncScript'),
]]


class Marionette:
    def __init__(self, port, timeout_s):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout_s)
        self.answers = self.socket.makefile('rb')
        self.n = 0
        self._read()                     # it introduces itself

    def close(self):
        self.answers.close()
        self.socket.close()

    def new_session(self, capabilities):
        return self._command('WebDriver:NewSession', capabilities)

    def call(self, method, path, body):
        """The value, or ValueError with the standard's error code and a message."""
        for its_method, pattern, command in COMMANDS:
            match = its_method == method and pattern.match(path)
            if match:
                fields = {'full': False} if command == 'TakeScreenshot' else body or {}
                return self._command('WebDriver:' + command, {**fields, **match.groupdict()})
        raise NotImplementedError(f'{method} {path}')

    def _command(self, name, fields):
        self.n += 1
        message = json.dumps([0, self.n, name, fields]).encode()
        self.socket.sendall(b'%d:' % len(message) + message)
        _, _, error, result = self._read()
        if error:
            raise ValueError(error['error'], error['message'])
        return result['value'] if isinstance(result, dict) and set(result) == {'value'} else result

    def _read(self):
        length = b''
        while not length.endswith(b':'):
            byte = self.answers.read(1)
            if not byte:
                raise ConnectionError('firefox has ended')
            length += byte
        return json.loads(self.answers.read(int(length[:-1])))
