#!/usr/bin/python3
"""The network between machines that stand on one: a TCP port in front of a Redis,
whose replication takes 5 ms in each direction, and what is under way dies with it.

    link.py PORT TARGET DELAY_MS

Without it everything that a primary has written has reached its replicas by the
time that it is killed, and even a publisher that waits for nobody loses nothing.

Clients and Sentinels come by the same port, since Sentinel wants to see replicas
follow the address that it knows; their connections are passed on at once. One that
says REPLCONF is a replica's, from then on."""

import collections
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

from waiting import is_listening, wait_until

DELAY_MS = 5


class Link:
    """That program as a process: killed, it takes along what it has not passed on."""

    def __init__(self, port, target, delay_ms=DELAY_MS):
        self.port, self.target, self.delay_ms = port, target, delay_ms
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, '-B', __file__, str(self.port), str(self.target), str(self.delay_ms)],
                                        stdin=subprocess.DEVNULL, start_new_session=True)

        def listens():
            if self.process.poll() is not None:
                raise AssertionError(f'the link ended at its start with status {self.process.returncode}')
            return is_listening(self.port)
        wait_until(listens, 'the link takes connections', 20)

    def kill(self):
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()


class _End:
    """One end of a connection: what the other has to write to it."""

    def __init__(self, socket):
        self.socket = socket
        self.other = None
        self.due = collections.deque()   # (when, bytes), to be written to this end
        self.delay_s = 0

    def read(self, delay_s):
        """False: this end has hung up."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        if not self.delay_s and b'REPLCONF' in data.upper():
            self.delay_s = self.other.delay_s = delay_s
        self.other.due.append((time.monotonic() + self.delay_s, data))
        return True

    def write(self, now):
        """Seconds until there is more to write; None: nothing is waiting. Raises
        OSError where it has hung up."""
        while self.due and self.due[0][0] <= now:
            _, data = self.due[0]
            try:
                n = self.socket.send(data)
            except BlockingIOError:
                return 0.001
            self.due.popleft()
            if n < len(data):
                self.due.appendleft((now, data[n:]))
                return 0.001
        return max(self.due[0][0] - now, 0) if self.due else None


def main(port, target, delay_ms):
    delay_s = int(delay_ms) / 1000
    selector = selectors.DefaultSelector()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('127.0.0.1', int(port)))
    listener.listen(512)
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    ends = set()

    def close(end):
        for one in (end, end.other):
            ends.discard(one)
            with contextlib.suppress(KeyError, ValueError):
                selector.unregister(one.socket)
            one.socket.close()

    def accept():
        near, _ = listener.accept()
        far = socket.socket()
        try:
            far.connect(('127.0.0.1', int(target)))
        except OSError:
            near.close()
            return
        near, far = _End(near), _End(far)
        near.other, far.other = far, near
        for end in (near, far):
            end.socket.setblocking(False)
            end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(end.socket, selectors.EVENT_READ, end)
            ends.add(end)

    wait_s = None
    while True:
        for key, _ in selector.select(wait_s):
            if key.data is None:
                with contextlib.suppress(OSError):
                    accept()
            elif key.data in ends and not key.data.read(delay_s):
                close(key.data)
        now, wait_s = time.monotonic(), None
        for end in list(ends):
            if end not in ends or not end.due:
                continue
            try:
                left = end.write(now)
            except OSError:
                close(end)
                continue
            if left is not None:
                wait_s = left if wait_s is None else min(wait_s, left)


if __name__ == '__main__':
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
    os._exit(0)
