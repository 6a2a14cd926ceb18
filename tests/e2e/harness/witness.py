"""An ordinary stream that gets its messages while a test does its worst, and
what rowcast holds before and after."""

import contextlib
import multiprocessing
import sqlite3
import time
import traceback

import expect
from waiting import wait_until

PERIOD_S = 0.02
END = 'the end'

# Threads keep pieces of freed memory to themselves (glibc's arenas), more or
# less of it from one moment to the next. What a fault holds on to grows with
# every request and comes to a multiple.
SLACK_KIB = 16 << 10


class Witness:
    """A reader and a publisher in a process of their own, so that a busy test
    does not hold them up. The rows are those of a foreign program."""

    def __init__(self, site):
        self._pipe, end = multiprocessing.Pipe()
        process = multiprocessing.get_context('fork').Process(target=_watch, args=(site, site.user(), end), daemon=True)
        process.start()
        end.close()
        self._process = process
        self._receive()

    def _receive(self):
        try:
            found = self._pipe.recv()
        except EOFError:
            found = 'it is gone'
        if isinstance(found, str):
            self.kill()
            raise AssertionError(f'the ordinary stream: {found}')
        return found

    def finish(self):
        """Raises unless every message has come, once and in order."""
        self._pipe.send(None)
        delays = sorted(self._receive())
        self._process.join()
        n = len(delays)
        print(f'# meanwhile an ordinary stream got {n} messages, all in order; from commit to client: median'
              f' {delays[n // 2] * 1000:.1f} ms, p99 {delays[n * 99 // 100] * 1000:.1f} ms, worst {delays[-1] * 1000:.1f} ms')

    def kill(self):
        self._process.kill()
        self._process.join()


def _watch(site, user, pipe):
    try:
        stream = site.subscribe(user, deadline_s=30 * site.slow)
        pipe.send([])
        pipe.send(_publish_and_read(site, user, stream, pipe))
    except Exception:
        pipe.send(traceback.format_exc())


def _publish_and_read(site, user, stream, pipe):
    table = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    committed = []

    def insert(data):
        table.execute('INSERT INTO message(user, data) VALUES(?, ?)', (user, data))
        committed.append(time.monotonic())

    while not committed or not pipe.poll():
        insert(str(len(committed)))
        while (left := committed[-1] + PERIOD_S - time.monotonic()) > 0:
            stream.pump(left)
    insert(END)
    table.close()
    events = stream.wait_events(len(committed))
    expected = [str(i) for i in range(len(committed) - 1)] + [END]
    expect.equal([event.data for event in events], expected, 'what has come')
    # A client may have it before the publisher's own call returns.
    return [max(event.at - at, 0) for event, at in zip(events, committed)]


@contextlib.contextmanager
def untroubled(site, slack_kib=SLACK_KIB):
    """Whatever the with block does: meanwhile an ordinary stream misses nothing,
    and afterwards rowcast holds what it held before. slack_kib None: its memory
    is the caller's business."""
    rowcast = site.rowcast
    wait_until(lambda: 'serve: ready' in rowcast.log_since(rowcast.log_at_start), 'all its threads are there', 20 * site.slow)
    fds, threads, memory = rowcast.n_held_descriptors(), rowcast.n_threads(), rowcast.rss_kib()
    witness = Witness(site)
    try:
        yield
    except BaseException:
        witness.kill()
        raise
    witness.finish()
    wait_until(lambda: rowcast.n_held_descriptors() <= fds, f'rowcast has {fds} descriptors again', 20 * site.slow)
    expect.equal(rowcast.n_threads(), threads, 'threads')
    grown = rowcast.rss_kib() - memory
    print(f'# rowcast: {fds} descriptors and {threads} threads as before, memory {grown:+} KiB of {memory}')
    if site.slow == 1 and slack_kib is not None:  # a sanitizer keeps freed memory for a while
        expect.within(grown, -memory, slack_kib, 'KiB that rowcast grew by')
