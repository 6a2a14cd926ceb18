"""rowcast goes and comes: nothing that was acknowledged is lost, and browsers
come back."""

import bisect
import concurrent.futures
import http.client
import os
import resource
import selectors
import signal
import threading
import time

import expect
import traffic
from harness import RETRY_MS
from tap import only_behind
from waiting import wait_until


def on_sigterm_every_stream_is_told_when_to_come_back_and_ends_cleanly(site):
    streams = [site.subscribe(site.user()) for _ in range(5)]
    without_cursor = site.stream(site.user(), query='cursor=off')
    without_cursor.wait_status()
    began = time.monotonic()
    site.stop_rowcast()
    expect.within(time.monotonic() - began, 0, 5 * site.slow, 'seconds until it is gone')
    try:
        for stream in streams:
            block = stream.wait_block(where=lambda b: any(line.startswith('retry:') for line in b.lines))
            expect.equal(block.event, None, 'no page sees it')
            expect.within(stream.parser.reconnection_time_ms, *RETRY_MS, 'retry')
            stream.wait_end()
            expect.true(stream.ended_cleanly, 'the end is clean')
        without_cursor.wait_end()
        expect.true(without_cursor.ended_cleanly, 'the end is clean')
        expect.equal(list(without_cursor.blocks), [], 'cursor=off leaves out every block without data')
    finally:
        site.come_back()


def sigint_drains_too(site):
    stream = site.subscribe(site.user())
    site.restart_rowcast(signal.SIGINT)
    stream.wait_end()
    expect.true(stream.ended_cleanly, 'the end is clean')


def while_rowcast_is_away_a_browser_is_told_to_come_again(site):
    site.stop_rowcast()
    try:
        for path in ('/events', '/some/prefix/events'):
            stream = site.stream(site.user(), path=path, via='query')
            expect.equal(stream.wait_status(), 200, path)
            expect.true(stream.headers['content-type'].startswith('text/event-stream'), stream.headers['content-type'])
            stream.wait_end()
            expect.true(stream.ended_cleanly, 'the end is clean')
            expect.true(all(block.event is None for block in stream.blocks), 'no page sees anything')
            expect.within(stream.parser.reconnection_time_ms, 1000, 10000, 'retry')
        answer = site.curl('/msg', token=site.token(site.user()), data='msg=x')
        expect.status(answer, 503, 'a publisher is told that nothing was stored')
    finally:
        site.come_back()


def a_killed_rowcast_comes_back_with_all_that_was_acknowledged(site):
    user = site.user()
    token = site.token(user)
    stream = site.subscribe(user)
    cursor = stream.parser.last_event_id
    for i in range(20):
        site.publish(token, msg=str(i))
    site.restart_rowcast(signal.SIGKILL)
    with site.subscribe(user, last_event_id=cursor) as back:
        expect.equal([e.data for e in back.wait_events(20)], [str(i) for i in range(20)])


def under_load_nothing_acknowledged_is_lost_and_streams_resume(site):
    users = [site.user() for _ in range(4)]
    streams = {user: [site.subscribe(user) for _ in range(5)] for user in users}
    acknowledged = {}        # id -> user
    lock = threading.Lock()
    stopping = threading.Event()

    def publish(user):
        token = site.token(user)
        connection = site.connect()
        while not stopping.is_set():
            try:
                answer = site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, 'x' * 500, connection)
            except (OSError, http.client.HTTPException):
                return
            if answer.status != 201:
                return
            with lock:
                acknowledged[answer.json()['id']] = user

    threads = [threading.Thread(target=publish, args=(user,), daemon=True) for user in users * 2]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= 300, 'there is load', 30 * site.slow)
    began = time.monotonic()
    try:
        site.stop_rowcast()
        took = time.monotonic() - began
        stopping.set()
        for thread in threads:
            thread.join(30 * site.slow)
        print(f'# {len(acknowledged)} acknowledged; gone {took:.2f} s after SIGTERM')
        expect.within(took, 0, 5 * site.slow, 'seconds until it is gone')
        stored = set(site.sql('SELECT id FROM message').split())
        lost = [id for id in acknowledged if str(id) not in stored]
        expect.equal(lost, [], 'acknowledged but not in the table')
        for its_streams in streams.values():
            for stream in its_streams:
                stream.wait_end()
                expect.true(stream.ended_cleanly, 'the end is clean')
    finally:
        stopping.set()
        if not site.rowcast.running():
            site.come_back()
    for user, its_streams in streams.items():
        site.insert('the end', user)
        expected = site.sql(f"SELECT id FROM message WHERE user = '{user}' ORDER BY id").split()
        for stream in its_streams:
            ids = [block.event.id for block in stream.blocks if block.event]
            cursor = stream.parser.last_event_id
            with site.subscribe(user, last_event_id=cursor) as back:
                while ids[-1:] != expected[-1:]:
                    ids.append(back.wait_event().id)
            if ids != expected:
                raise AssertionError(f'{user} has got {len(ids)} of {len(expected)}: missing {sorted(set(expected) - set(ids))[:10]},'
                                     f' came back with {cursor}; before the end it saw {list(stream.blocks)[-4:]}')


def with_a_socket_handed_over_a_restart_is_not_seen(site):
    """As under systemd: the socket stays while rowcast goes, and whoever
    connects meanwhile waits in its backlog."""
    user = site.user()
    with site.handed_over() as listener:
        stream = site.subscribe(user)
        cursor = stream.parser.last_event_id
        site.stop_rowcast()
        stream.wait_end()
        expect.true(os.path.exists(site.rowcast.socket_path), 'the socket is not rowcast\'s to take away')
        waiting = site.stream(user, last_event_id=cursor, deadline_s=30 * site.slow)
        expect.true(not waiting.pump(0.3), f'an answer while rowcast is away: {waiting.describe()}')
        site.insert('meanwhile', user)
        site.start_rowcast(listener)
        expect.equal(waiting.wait_event().data, 'meanwhile')


@only_behind('lighttpd')
def after_sigterm_clients_come_back_spread_over_the_range_and_miss_nothing(site):
    """Each obeys its `retry:`, as browsers do. rowcast's socket stays, so that
    nobody meets the web server's own answer, which has a `retry:` of its own."""
    wanted, range_ms = (5000, (2000, 6000)) if traffic.nightly() else (500, (1000, 3000))
    # lighttpd needs two descriptors for each.
    n = min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 300)
    if n < wanted:
        print(f'# {n} clients and not {wanted}: ulimit -n')
    with site.handed_over(retry='{}ms..{}ms'.format(*range_ms), heartbeat='15s') as listener:
        clients = [_Obedient(site) for _ in range(n)]
        _drive(site, clients, lambda: all(client.stands for client in clients))
        start_at = int(clients[-1].stream.parser.last_event_id)
        # Where rowcast dies it can tell them nothing more.
        _check_spread('told at first', [client.stream.parser.reconnection_time_ms for client in clients], range_ms, 0.02, 0.2)
        for i in range(3):
            site.insert(f'before {i}')

        def restart():
            site.stop_rowcast()
            site.insert('while it is away')
            site.start_rowcast(listener)

        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            restarted = executor.submit(restart)
            _drive(site, clients, lambda: sum(client.back_at is not None for client in clients) > n // 2)
            restarted.result()
            site.insert('while they come back')
            _drive(site, clients, lambda: all(client.back_at for client in clients))
        site.insert(traffic.END)
        _drive(site, clients, lambda: all(client.events[-1:] and client.events[-1][1] == traffic.END for client in clients))

        _check_spread('told in the end', [client.retry_ms for client in clients], range_ms, 0.02, 0.2)
        _check_no_rush([client.next_at - began for client in clients], range_ms)
        print(f'# {n} clients, back {min(client.came_at for client in clients) - began:.2f} to'
              f' {max(client.came_at for client in clients) - began:.2f} s after SIGTERM; each stood {max(client.back_at - client.came_at for client in clients):.2f} s'
              f' after it came at the latest')
        rows = traffic.read_table(site, 'SELECT id, data FROM message WHERE id > ? ORDER BY id', start_at)
        expect.equal(len(rows), 6, 'rows')
        for client in clients:
            expect.equal(client.events, rows, f'events of {client.user}')


def _check_spread(what, values_ms, range_ms, least, most):
    """Does each tenth of the range, and what lies beyond it, hold its share?"""
    low, high = range_ms
    tenths = [0] * 11
    for value in values_ms:
        tenths[min(int((value - low) * 10 // (high + 1 - low)), 10)] += 1
    print(f'# {what}: {min(values_ms):.0f} to {max(values_ms):.0f} ms; in each tenth of {low} to {high} ms,'
          f' and later: {" ".join(map(str, tenths))}')
    expect.true(min(values_ms) >= low, f'{what} only {min(values_ms):.0f} ms')
    expect.within(min(tenths[:10]) / len(values_ms), least, most, f'{what}: the smallest share of a tenth')
    expect.within(max(tenths) / len(values_ms), least, most, f'{what}: the largest share of a tenth')


def _check_no_rush(at_s, range_ms):
    """None is to come before the range begins after SIGTERM, and in no tenth of it are
    half of them to come, wherever that lies: a busy machine ends the streams later, and
    they come later still."""
    low, high = range_ms
    at_s, tenth_s = sorted(at_s), (high - low) / 10000
    expect.true(at_s[0] * 1000 >= low, f'the first is to come {at_s[0] * 1000:.0f} ms after SIGTERM')
    most = max(bisect.bisect_left(at_s, at + tenth_s) - i for i, at in enumerate(at_s))
    expect.within(most / len(at_s), 0, 0.5, 'the largest share that is to come within a tenth of the range')


class _Obedient:
    """A client that comes back when it was told to."""

    def __init__(self, site):
        self.site, self.user = site, site.user()
        self.token = site.token(self.user)
        self.events = []
        self.stands = False        # it knows where
        self.retry_ms = None       # as it was told when the stream ended
        self.came_at = None        # when it connected again,
        self.back_at = None        # and when its stream stood
        self.next_at = 0
        self.stream = None

    def connect(self, selector):
        cursor = None
        if self.stream is not None:
            cursor = self.stream.parser.last_event_id
            self.came_at = time.monotonic()
        self.stream = self.site.stream(token=self.token, last_event_id=cursor)
        selector.register(self.stream, selectors.EVENT_READ, self)

    def read(self, selector):
        self.stream.pump()
        for block in self.stream.blocks:
            if block.event is not None:
                self.events.append((int(block.event.id), block.event.data))
        if self.stream.blocks:
            self.stands = True
            if self.retry_ms is not None:
                self.back_at = self.back_at or time.monotonic()
        self.stream.blocks.clear()
        if self.stream.closed:
            expect.true(self.stream.ended_cleanly and self.retry_ms is None, f'{self.user}: {self.stream.describe()}')
            self.retry_ms = self.stream.parser.reconnection_time_ms
            self.next_at = time.monotonic() + self.retry_ms / 1000
            selector.unregister(self.stream)
            self.stream.close()


def _drive(site, clients, done):
    deadline = time.monotonic() + 60 * site.slow
    with selectors.DefaultSelector() as selector:
        for client in clients:
            if client.stream is not None and not client.stream.closed:
                selector.register(client.stream, selectors.EVENT_READ, client)
        while not done():
            now = time.monotonic()
            expect.true(now < deadline, 'every client is served in time')
            for client in clients:
                if (client.stream is None or client.stream.closed) and now >= client.next_at:
                    client.connect(selector)
            for key, _ in selector.select(0.005):
                key.data.read(selector)


def sighup_drops_no_stream(site):
    user = site.user()
    stream = site.subscribe(user)
    for _ in range(3):
        site.reload()
    site.insert('hello', user)
    expect.equal(stream.wait_event().data, 'hello')
    site.insert('again', user)
    expect.only(stream, 'again')
