"""The line between one client and the web server: it is where a test sees what the
client sends, and cuts it off.

A request's `_` parameter, which rowcast lets pass, says which stream of the client it
is: its tag."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
import urllib.parse

from front import free_port

PAGE = b'<!doctype html><title>a client</title>'  # what a browser stands on


class Loop:
    """The thread that all lines run in."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self):
        async def cancel_all():
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
        self.call(cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class Request:
    """One that has come, and what was answered so far."""

    def __init__(self, head):
        self.at = time.monotonic()
        request_line, *lines = head.decode('latin-1').split('\r\n')
        self.target = request_line.split(' ')[1]
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(':') for line in lines)}
        self.query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.target).query)
        self.tag = self.query.get('_', [''])[0]
        self.answer = b''
        self.cut_at = None

    @property
    def status(self):
        _, found, rest = self.answer.partition(b'HTTP/1.1 ')
        return int(rest[:3]) if found and len(rest) >= 3 else None

    @property
    def stands(self):
        """Has its first block gone out?"""
        _, _, body = self.answer.partition(b'\r\n\r\n')
        return self.status == 200 and b'\n\n' in body

    @property
    def last_event_id(self):
        """What the client resumes from, and how it says so."""
        if self.headers.get('last-event-id'):
            return self.headers['last-event-id'], 'header'
        if self.query.get('lastEventId'):
            return self.query['lastEventId'][-1], 'query'
        return None, None

    def carries(self, way):
        """Is there a token in the header, the query or a cookie?"""
        return {'header': self.headers.get('authorization', ''),
                'query': self.query.get('token', [''])[0],
                'cookie': self.headers.get('cookie', '')}[way] != ''


class Line:
    def __init__(self, loop, target):
        self.loop, self.target = loop, target
        self.port = free_port()
        self.requests = []
        self.instead = {}        # by tag: an answer that the web server is not asked for
        self.held = {}           # by tag: an event that its requests wait for
        self.open = {}           # the writer to a client: its current request
        self.server = None
        self.up()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    def of(self, tag):
        return [request for request in list(self.requests) if request.tag == tag]

    # ---- what a test does ----

    def up(self):
        self.loop.call(self._up())

    def down(self):
        """Whoever connects is refused; connections that stand stay."""
        self.loop.call(self._down())

    def cut(self, tag, reset=True):
        """Ends the connections of this tag in the middle of the answer: with RST, which
        may take along what the client has not read yet, or with a FIN behind it."""
        self.loop.call(self._cut(tag, reset))

    def end(self, tag):
        """Ends its answers as the web server would, with the last chunk."""
        self.loop.call(self._cut(tag, False, b'0\r\n\r\n'))

    def hold(self, tag):
        """Requests of this tag wait here from now on."""
        self.loop.call(self._hold(tag))

    def release(self, tag):
        self.loop.loop.call_soon_threadsafe(self.held.pop(tag).set)

    # ---- in the loop's thread ----

    async def _up(self):
        self.server = await asyncio.start_server(self._serve, '127.0.0.1', self.port)

    async def _down(self):
        self.server.close()
        await self.server.wait_closed()

    async def _hold(self, tag):
        self.held[tag] = asyncio.Event()

    async def _cut(self, tag, reset, last=b''):
        for writer, request in list(self.open.items()):
            if request is not None and request.tag == tag:
                request.cut_at = time.monotonic()
                if last:
                    writer.write(last)
                self._end(writer, reset)

    @staticmethod
    def _end(writer, reset):
        if reset:
            writer.transport.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            writer.transport.abort()
        else:
            writer.close()

    async def _serve(self, reader, writer):
        far = pump = None
        self.open[writer] = None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b'\r\n\r\n')
                request = Request(head)
                self.requests.append(request)
                self.open[writer] = request
                while request.tag in self.held:
                    await self.held[request.tag].wait()
                if not urllib.parse.urlsplit(request.target).path.endswith('/events'):
                    await self._answer(writer, b'200 OK', b'text/html', PAGE)
                elif request.tag in self.instead:
                    request.answer = await self._answer(writer, self.instead[request.tag], b'text/plain', b'')
                else:
                    if far is None:
                        far_reader, far = await asyncio.open_connection('127.0.0.1', self.target())
                        pump = asyncio.ensure_future(self._pump(far_reader, writer))
                    far.write(head)
                    await far.drain()
                    continue
                break
        if pump is not None:
            pump.cancel()
        del self.open[writer]
        for one in filter(None, (far, writer)):
            one.close()

    @staticmethod
    async def _answer(writer, status, content_type, body):
        answer = b'HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' % (
            status, content_type, len(body), body)
        writer.write(answer)
        await writer.drain()
        return answer

    async def _pump(self, far_reader, writer):
        with contextlib.suppress(OSError):
            while (data := await far_reader.read(1 << 16)) and not writer.is_closing():
                self.open[writer].answer += data
                writer.write(data)
                await writer.drain()
        writer.close()
