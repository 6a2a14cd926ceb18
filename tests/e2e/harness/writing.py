"""A POST whose body is still coming: said piece by piece over its own socket.

Its length is not known beforehand. lighttpd wants a Content-Length all the same, which may
be more than ever comes; to the others it is sent in chunks. Apache passes an answer on only
between two pieces of the body, so who writes there goes on until it begins to come, and
then ends."""

import select
import socket
import time

from harness import Answer

CLAIMED = 1 << 20  # bytes that lighttpd is told of


class Writing:
    def __init__(self, site, topic, token=None, type='application/x-ndjson', chunked=None, query='follow=1',
                 path='/msg', deadline_s=None):
        self.chunked = site.server != 'lighttpd' if chunked is None else chunked
        self._left = CLAIMED
        self._goes_on = site.server == 'apache'
        self._socket = socket.create_connection(('127.0.0.1', site.front.port), timeout=deadline_s or 20 * site.slow)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = [f'POST {path}?topic={topic}&{query} HTTP/1.1', 'Host: x', f'Content-Type: {type}',
                f'Authorization: Bearer {token or site.publisher()}',
                'Transfer-Encoding: chunked' if self.chunked else f'Content-Length: {CLAIMED}']
        self._socket.sendall('\r\n'.join([*head, '', '']).encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()

    def say(self, text):
        data = text.encode() if isinstance(text, str) else text
        self._left -= len(data)
        self._socket.sendall(b'%x\r\n%b\r\n' % (len(data), data) if self.chunked else data)

    def end(self):
        """The body's proper end; where a length was told, blank lines make up for the rest."""
        self._goes_on = False
        if self.chunked:
            self._socket.sendall(b'0\r\n\r\n')
        else:
            self._socket.sendall(b'\n' * self._left)

    def cut(self):
        self._socket.close()

    def fileno(self):
        return self._socket.fileno()

    def answer(self):
        """The whole answer, as an Answer."""
        received = b''
        deadline = time.monotonic() + self._socket.gettimeout()
        while self._goes_on and not select.select([self._socket], [], [], 0.02)[0] and time.monotonic() < deadline:
            self.say('\n')
        if self._goes_on:
            self.end()
        while b'\r\n\r\n' not in received:
            received += self._receive(received)
        head, _, body = received.partition(b'\r\n\r\n')
        status_line, *lines = head.decode('latin-1').split('\r\n')
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(':') for line in lines)}
        if headers.get('transfer-encoding') == 'chunked':
            whole = b''
            while True:
                while b'\r\n' not in body:
                    body += self._receive(body)
                size, _, body = body.partition(b'\r\n')
                n = int(size, 16)
                while len(body) < n + 2:
                    body += self._receive(body)
                whole, body = whole + body[:n], body[n + 2:]
                if n == 0:
                    break
            body = whole
        elif 'content-length' in headers:
            while len(body) < int(headers['content-length']):
                body += self._receive(body)
        else:
            try:
                while data := self._socket.recv(1 << 16):
                    body += data
            except ConnectionError:
                pass
        return Answer(int(status_line.split(' ')[1]), headers, body)

    def _receive(self, so_far):
        data = self._socket.recv(1 << 16)
        if not data:
            raise AssertionError(f'the connection was closed after {so_far[:300]!r}')
        return data
