"""Crowds of clients that do not read, hardly read, or leave as soon as they have
come: whoever behaves does not notice, and nothing of them is left behind.

The web server holds most of what they cost, so these run behind one only; for
another say --server and --suite crowd. NIGHTLY=1: the whole crowd that leaves
comes in every round."""

import os
import resource
import socket
import sqlite3
import struct
import time

import expect
from waiting import wait_until
from witness import untroubled

N_STALLED = 1000     # read nothing
N_SLOW = 1000        # read a byte a second
N_HASTY = 10000      # leave at once
N_ROUNDS = 3
SECONDS = 2          # of a round

# A round after the first adds some hundred KiB or takes them away; 400 bytes
# kept of every client would be more than this.
ROUNDS_SLACK_KIB = 4 << 10


class _Client:
    """As little as a client can be."""

    def __init__(self, site, request, n_bytes=None):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(30 * site.slow)
        self._socket.connect(('127.0.0.1', site.front.port))
        self._socket.sendall(request[:n_bytes])

    def read_byte(self):
        try:
            return self._socket.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None  # later

    def leave(self, with_reset=False):
        if with_reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self._socket.close()


def _come_and_leave(site, request, n):
    """In every manner: with all of a request or a part of it, with a word or
    without one."""
    for i in range(n):
        _Client(site, request, n_bytes=(None, 0, None, len(request) // 2)[i % 4]).leave(with_reset=i % 4 > 1)


def _scaled(site, n):
    """Of so many clients that stay, as many as we and a sanitizer can do."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(n // (1 if site.slow == 1 else 10), limit // 4)


def _fill_ring(site):
    """rowcast keeps 8 MiB of recent messages: not what a round has added."""
    user = site.user()
    table = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    for _ in range(10):
        table.execute('INSERT INTO message(user, data) VALUES(?, ?)', (user, 'x' * 1000000))
    table.close()
    with site.subscribe(user, last_event_id=0) as stream:
        stream.wait_events(10)


def _round(site, user, request, n_stalled, n_slow, n_hasty):
    """Returns rowcast's memory while they are there, in KiB."""
    stalled = [_Client(site, request) for _ in range(n_stalled)]
    slow = [_Client(site, request) for _ in range(n_slow)]
    wait_until(lambda: site.metric('streams') >= n_stalled + n_slow, 'all streams are open', 60 * site.slow)
    began = time.monotonic()
    table = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    for second in range(1, SECONDS + 1):
        table.executemany('INSERT INTO message(user, data) VALUES(?, ?)', [(user, 'x' * 3000)] * 10)
        _come_and_leave(site, request, n_hasty // SECONDS)
        for client in slow:
            client.read_byte()
        if (left := began + second - time.monotonic()) > 0:
            time.sleep(left)  # the pace of a byte a second
    table.close()
    memory = site.rowcast.rss_kib()
    for i, client in enumerate(stalled + slow):
        client.leave(with_reset=i % 2 == 1)
    wait_until(lambda: site.metric('streams') <= 1, 'all streams are gone', 60 * site.slow)
    return memory


def crowds_that_do_not_read_and_crowds_that_leave_cost_nobody_anything(site):
    n_stalled, n_slow = _scaled(site, N_STALLED), _scaled(site, N_SLOW)
    n_hasty = N_HASTY // (1 if os.environ.get('NIGHTLY') else N_ROUNDS) // site.slow
    user = site.user()
    request = (f'GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n'
               f'Authorization: Bearer {site.token(user)}\r\n\r\n').encode()
    memory = []
    # A vanished client is found by the second heartbeat.
    with site.configured(heartbeat='1s', max_streams_per_user=N_STALLED + N_SLOW + N_HASTY):
        _fill_ring(site)
        for _ in range(N_ROUNDS):
            with untroubled(site, slack_kib=None):
                held = _round(site, user, request, n_stalled, n_slow, n_hasty)
            memory.append(site.rowcast.rss_kib())
            print(f'# {n_stalled} that do not read, {n_slow} that read a byte a second, {n_hasty} that leave at once:'
                  f' {held} KiB with them, {memory[-1]} without, {site.server} {site.front.rss_kib()}')
    if site.slow == 1:  # a sanitizer keeps freed memory for a while
        expect.within(memory[-1] - memory[0], -memory[0], ROUNDS_SLACK_KIB, 'KiB that rounds after the first added')
