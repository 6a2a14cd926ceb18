"""An open event stream over its own socket, and the little HTTP it needs.

Nothing runs in the background: bytes are read while somebody waits for them,
so a test can also leave a stream unread. Streams are selectable; pump() reads
once, for those who wait for many at a time."""

import collections
import select
import socket
import time

import eventsource


class Closed(AssertionError):
    """The stream ended while something was still awaited."""


class Stream:
    def __init__(self, address, path, headers, deadline_s=10.0, receive_buffer=None):
        self.deadline_s = deadline_s
        self.status = None
        self.headers = {}
        self.parser = eventsource.Parser()
        self.blocks = collections.deque()  # arrived, not yet waited for
        self.body = b''                    # of an answer that is no stream
        self.closed = False
        self.ended_cleanly = None          # the body came to its end (not a mere cut)
        self.kept = None                   # see keep_bytes
        self._raw = b''
        self._chunk_left = None            # None: not chunked
        self._length_left = None           # None: no Content-Length
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._socket.settimeout(deadline_s)
        self._socket.connect(address)
        lines = [f'GET {path} HTTP/1.1', f'Host: {address[0]}:{address[1]}']
        lines += [f'{name}: {value}' for name, value in headers.items()]
        self._socket.sendall('\r\n'.join(lines + ['', '']).encode())

    # ---- waiting ----

    def wait_status(self, timeout=None):
        self._wait(lambda: self.status, 'the status line', timeout)
        return self.status

    def wait_block(self, timeout=None, where=None):
        """The next block, or the next that `where` accepts."""
        def find():
            while self.blocks:
                block = self.blocks.popleft()
                if where is None or where(block):
                    return block
        return self._wait(find, 'a block', timeout)

    def wait_event(self, timeout=None, type=None):
        """The next event that a page would see; `type` demands its type."""
        event = self.wait_block(timeout, lambda block: block.event).event
        if type is not None and event.type != type:
            raise AssertionError(f'expected an event of type {type}, got {event}')
        return event

    def wait_events(self, n, timeout=None):
        return [self.wait_event(timeout) for _ in range(n)]

    def wait_comment(self, timeout=None):
        """The next comment line, whether or not a blank line follows it."""
        before = self.parser.n_comments
        self._wait(lambda: self.parser.n_comments > before or None, 'a comment', timeout)

    def wait_end(self, timeout=None):
        """Reads until the stream ends; what comes before stays in blocks."""
        self._wait(lambda: self.closed or None, 'the end of the stream', timeout)

    def _wait(self, find, what, timeout):
        deadline = time.monotonic() + (self.deadline_s if timeout is None else timeout)
        while True:
            found = find()
            if found is not None:
                return found
            if self.closed:
                raise Closed(f'waiting for {what}: the stream ended; {self.describe()}')
            left = deadline - time.monotonic()
            if left <= 0 or not self.pump(left):
                if time.monotonic() >= deadline:
                    raise AssertionError(f'waiting for {what}: nothing came in time; {self.describe()}')

    def describe(self):
        return f'status {self.status}, {self.parser.n_bytes} bytes of stream, body {self.body[:300]!r}'

    # ---- reading ----

    def keep_bytes(self):
        """From now on the bytes of the stream are kept in .kept."""
        self.kept = bytearray()

    def fileno(self):
        return self._socket.fileno()

    def pump(self, timeout=0.0):
        """Reads what is there once. False: nothing came within timeout."""
        if self.closed or not self._readable.poll(timeout * 1000):
            return False
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionError:
            data = b''
        at = time.monotonic()
        if not data:
            self.closed = True
            # Without chunks and a length, the end of the connection is the end.
            if self.ended_cleanly is None:
                self.ended_cleanly = self._chunk_left is None and self._length_left is None
            return True
        self._raw += data
        if self.status is None:
            self._read_head()
        if self.status is not None:
            self._read_body(at)
        return True

    def _read_head(self):
        head, blank, rest = self._raw.partition(b'\r\n\r\n')
        if not blank:
            return
        self._raw = rest
        status_line, *lines = head.decode('latin-1').split('\r\n')
        self.status = int(status_line.split(' ')[1])
        for line in lines:
            name, _, value = line.partition(':')
            self.headers[name.strip().lower()] = value.strip()
        if self.status in (204, 304):      # neither has a body (RFC 9112 6.3), and the connection stays
            self._length_left = 0
        elif self.headers.get('transfer-encoding', '').lower() == 'chunked':
            self._chunk_left = 0
        elif 'content-length' in self.headers:
            self._length_left = int(self.headers['content-length'])

    def _read_body(self, at):
        if self._chunk_left is not None:
            body = self._read_chunks()
        else:
            body, self._raw = self._raw, b''
            if self._length_left is not None:
                self._length_left -= len(body)
                if self._length_left <= 0:
                    self._finish()
        if self.headers.get('content-type', '').startswith('text/event-stream'):
            self.blocks.extend(self.parser.feed(body, at))
            if self.kept is not None:
                self.kept += body
        else:
            self.body += body

    def _read_chunks(self):
        """RFC 9112 7.1, without extensions and trailers."""
        body = bytearray()
        raw, at = self._raw, 0
        while at < len(raw):
            if self._chunk_left > 2:       # the chunk's bytes, then CR LF
                part = raw[at:at + self._chunk_left - 2]
                body += part
                self._chunk_left -= len(part)
                at += len(part)
            elif self._chunk_left > 0:
                skip = min(self._chunk_left, len(raw) - at)
                self._chunk_left -= skip
                at += skip
            else:
                end = raw.find(b'\r\n', at)
                if end < 0:
                    break
                size = int(raw[at:end].split(b';')[0], 16)
                at = end + 2
                if size == 0:
                    self._finish()
                    break
                self._chunk_left = size + 2
        self._raw = raw[at:]
        return bytes(body)

    def _finish(self):
        self.ended_cleanly = True
        self.closed = True

    # ---- leaving ----

    def close(self):
        """Leaves as a browser does."""
        self._socket.close()
        self.closed = True

    def cut(self):
        """Leaves as a network does: with a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
