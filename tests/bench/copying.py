"""An empty machine comes to a log of a million rows: how long until it has them, and
whether its streams are served meanwhile.

The client is this program itself: what it asks for is little, and what it looks for
is not a rate but who has to wait."""

import http.client
import os
import socket
import sqlite3
import statistics
import threading
import time

N_ROWS, N_USERS, SLICE = 1_000_000, 1_000, 1_000
EPOCH_MS, SEQUENCES = 1_577_836_800_000, 4096   # of ids (README, "Several machines")
LIMIT_S = 120
READER = 'u7'        # whose rows are read from the first on, while they come
PAUSE_S = 0.02

# A slice of rows, each for one user in turn.
FILL = """for k = 1, tonumber(ARGV[1]) do
	redis.call('XADD', KEYS[1], '*', 'user', 'u' .. (k % tonumber(ARGV[2])), 'data', ARGV[3])
end"""


def fill(redis, size):
    """The id of the last row, as rowcast numbers it."""
    for _ in range(N_ROWS // SLICE):
        redis.ask('admin', 'EVAL', FILL, '1', 'rowcast', SLICE, N_USERS, 'x' * size)
    ms, sequence = redis.ask('admin', 'XREVRANGE', 'rowcast', '+', '-', 'COUNT', '1').split('\n')[0].split('-')
    return (int(ms) - EPOCH_MS) * SEQUENCES + int(sequence)


class Meanwhile:
    """What goes on beside the copying, until stop()."""

    def __init__(self, port, tokens, publisher):
        self.port, self.tokens, self.publisher = port, tokens, publisher
        self.ended = threading.Event()
        self.opened_ms, self.acked_ms, self.refused, self.read, self.out_of_order = [], [], 0, 0, 0
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._open, self._publish, self._read)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(10)

    def _stream(self, user, after=None):
        s = socket.create_connection(('127.0.0.1', self.port), 10)
        resume = f'Last-Event-ID: {after}\r\n' if after is not None else ''
        s.sendall((f'GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{resume}'
                   f'Authorization: Bearer {self.tokens[user]}\r\n\r\n').encode())
        return s

    def _open(self):
        """A newcomer: until the first block, which says where it stands, is there."""
        while not self.ended.wait(PAUSE_S):
            start, seen = time.monotonic(), b''
            with self._stream('u1') as s:
                while b'\nid: ' not in seen and b'retry: ' not in seen:
                    more = s.recv(4096)
                    if not more:
                        self.refused += 1
                        break
                    seen += more
            self.opened_ms.append((time.monotonic() - start) * 1000)

    def _publish(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=15)
        while not self.ended.wait(PAUSE_S):
            start = time.monotonic()
            connection.request('POST', '/msg', 'msg=hello&user=u2', {
                'Authorization': 'Bearer ' + self.publisher, 'Content-Type': 'application/x-www-form-urlencoded'})
            answer = connection.getresponse()
            answer.read()
            self.refused += answer.status != 201
            self.acked_ms.append((time.monotonic() - start) * 1000)
        connection.close()

    def _read(self):
        last, rest = -1, b''
        with self._stream(READER, 0) as s:
            s.settimeout(PAUSE_S)
            while not self.ended.is_set():
                try:
                    more = s.recv(1 << 16)
                except TimeoutError:
                    continue
                if not more:
                    self.refused += 1
                    return
                *lines, rest = (rest + more).split(b'\n')
                for line in lines:
                    if line.startswith(b'id: '):
                        number = int(line[4:])
                    elif line.startswith(b'data: ') and b'"reason"' not in line:
                        self.read += 1
                        self.out_of_order += number <= last
                        last = number


def measure(system, folder, size=64):
    """Figures as the load client gives them."""
    system.n_nodes = 0
    system.settings = {'keep_rows': '0', **system.settings}
    system.start(folder)
    primary = system.redises.primary
    last = fill(primary, size)
    before = _cpu_s(primary.process.pid)
    system.add_node()
    front = system.fronts[0]
    with open(system.tokens) as f:
        tokens = {f'u{k}': line.strip() for k, line in enumerate(f) if k < N_USERS}
    table = sqlite3.connect(f'file:{os.path.join(folder, "node0", "rowcast.db")}?mode=ro', uri=True, timeout=5)
    meanwhile = Meanwhile(front.port, tokens, system.publisher)
    try:
        deadline = time.monotonic() + LIMIT_S
        while _copied(table) < last:
            if time.monotonic() > deadline:
                raise RuntimeError(f'not copied after {LIMIT_S} s')
            time.sleep(0.01)
        seconds = time.monotonic() - system.began
        redis_ms = (_cpu_s(primary.process.pid) - before) * 1000
        rowcast_ms = _cpu_s(system.servers[0].process.pid) * 1000
        while meanwhile.read < N_ROWS // N_USERS and time.monotonic() - system.began < seconds + 5:
            time.sleep(0.01)
        read_seconds = time.monotonic() - system.began
    finally:
        meanwhile.stop()
        table.close()
    expected = N_ROWS // N_USERS
    return {
        'mode': 'copy', 'streams': 1, 'task_seconds': seconds, 'task_rows_per_s': N_ROWS / seconds,
        'read_seconds': read_seconds, 'opened_ms': _times(meanwhile.opened_ms), 'ack_ms': _times(meanwhile.acked_ms),
        'cpu_ms': {'redis': redis_ms, 'rowcast': rowcast_ms, 'total': redis_ms + rowcast_ms},
        'completeness': meanwhile.read / expected, 'missing': max(0, expected - meanwhile.read),
        'out_of_order': meanwhile.out_of_order, 'refused': meanwhile.refused,
    }


def _copied(table):
    """Up to which id the copy is complete. /metrics has what the log has, which is known
    from the first moment on."""
    return table.execute('SELECT newest FROM rowcast_state').fetchone()[0]


def _times(ms):
    ms = sorted(ms) or [0]
    return {'p50': statistics.median(ms), 'p99': ms[int(len(ms) * 0.99)], 'max': ms[-1], 'n': len(ms)}


def _cpu_s(pid):
    """The CPU time of a process, by the clock that it has (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)
