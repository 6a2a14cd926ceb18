"""FastCGI by hand, straight on rowcast's socket: for what no web server sends
(FastCGI specification 1.0, sections 3, 5 and 8)."""

import select
import socket
import time

from harness import Answer

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, GET_VALUES = 1, 2, 3, 4, 5, 6, 9
RESPONDER = 1


def record(type, content=b'', id=1, padding=b'', version=1):
    return bytes([version, type, id >> 8, id & 255, len(content) >> 8, len(content) & 255, len(padding), 0]) + content + padding


def begin(id=1, role=RESPONDER, keep=False):
    return record(BEGIN, bytes([0, role, keep, 0, 0, 0, 0, 0]), id)


def records(type, content, id=1, size=65535, padding=b''):
    """A stream of records of at most size bytes, and the empty one that ends it."""
    cuts = [content[at:at + size] for at in range(0, len(content), size)]
    return b''.join(record(type, cut, id, padding) for cut in cuts) + record(type, id=id)


def pairs(params):
    def length(text):
        return bytes([len(text)]) if len(text) < 128 else (len(text) | 1 << 31).to_bytes(4, 'big')
    params = [(name.encode(), value.encode()) for name, value in params.items()]
    return b''.join(length(name) + length(value) + name + value for name, value in params)


def params(method, path, token=None, **more):
    """What a web server tells about a request, as pairs."""
    path, _, query = path.partition('?')
    return pairs({'REQUEST_METHOD': method, 'SCRIPT_NAME': path, 'REQUEST_URI': path, 'QUERY_STRING': query,
                  'CONTENT_TYPE': 'text/plain', 'HTTP_ACCEPT': 'text/event-stream',
                  **({'HTTP_AUTHORIZATION': 'Bearer ' + token} if token else {}), **more})


def request(method, path, token=None, body=b'', id=1, keep=False, **more):
    return begin(id, keep=keep) + records(PARAMS, params(method, path, token, **more), id) + records(STDIN, body, id)


class Peer:
    """A connection to rowcast. Whether it may send is part of what is tested:
    that the other end has gone is no error here."""

    def __init__(self, site, data=b''):
        self.deadline_s = 20 * site.slow
        self.raw = b''
        self.closed = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(self.deadline_s)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._socket.connect(site.rowcast.socket_path)
        self.send(data)

    def send(self, data):
        """False: rowcast has hung up."""
        try:
            self._socket.sendall(data)
            return True
        except ConnectionError:
            return False

    def half_close(self):
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # hung up already

    def fileno(self):
        return self._socket.fileno()

    def pump(self, timeout=0.0):
        """Reads what is there once. False: nothing came within timeout."""
        if self.closed or not self._readable.poll(max(timeout, 0) * 1000):
            return False
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionError:
            data = b''
        self.raw += data
        self.closed = not data
        return True

    def _wait(self, find, what):
        deadline = time.monotonic() + self.deadline_s
        while True:
            found = find()
            if found is not None:
                return found
            left = deadline - time.monotonic()
            if self.closed or left <= 0:
                raise AssertionError(f'waiting for {what}: {"rowcast hung up" if self.closed else "nothing came"};'
                                     f' {self.raw[:200]!r}')
            self.pump(left)

    def _take_record(self):
        if len(self.raw) < 8:
            return None
        size = int.from_bytes(self.raw[4:6], 'big')
        end = 8 + size + self.raw[6]
        if len(self.raw) < end:
            return None
        taken, self.raw = self.raw[:end], self.raw[end:]
        return taken[1], int.from_bytes(taken[2:4], 'big'), taken[8:8 + size]

    def record(self):
        """The next one: type, request id, content."""
        return self._wait(self._take_record, 'a record')

    def answer(self, id=1):
        """The next answer, which is that of the request `id` to its last byte."""
        content = b''
        while True:
            type, of, part = self.record()
            if of != id or type not in (STDOUT, END):
                raise AssertionError(f'a record of type {type} and request {of}, not an answer to {id}')
            if type == END:
                return _answer(content)
            content += part

    def head(self, id=1):
        """What an event stream begins with."""
        type, of, part = self.record()
        if (type, of) != (STDOUT, id):
            raise AssertionError(f'a record of type {type} and request {of}, not the begin of a stream for {id}')
        return _answer(part)

    def wait_closed(self):
        """All that comes until rowcast hangs up."""
        deadline = time.monotonic() + self.deadline_s
        while not self.closed:
            if not self.pump(deadline - time.monotonic()):
                raise AssertionError(f'rowcast does not hang up; {self.raw[:200]!r}')
        return self.raw

    def close(self):
        self._socket.close()
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(site, method, path, token=None, body=b'', **more):
    """One request, over a connection of its own."""
    with Peer(site, request(method, path, token, body, **more)) as peer:
        return peer.answer()


def _answer(content):
    head, _, body = content.partition(b'\r\n\r\n')
    fields = dict(line.split(': ', 1) for line in head.decode().split('\r\n'))
    return Answer(int(fields['Status'].split(' ')[0]), {name.lower(): value for name, value in fields.items()}, body)
