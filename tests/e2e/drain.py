"""rowcast goes and comes: nothing that was acknowledged is lost, and browsers
come back."""

import http.client
import os
import signal
import threading
import time

import expect
from harness import RETRY_MS
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
        site.start_rowcast()
        site.wait_healthy()


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
        site.start_rowcast()
        site.wait_healthy()


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
            site.start_rowcast()
            site.wait_healthy()
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


def sighup_drops_no_stream(site):
    user = site.user()
    stream = site.subscribe(user)
    for _ in range(3):
        site.rowcast.send_signal(signal.SIGHUP)
    site.insert('hello', user)
    expect.equal(stream.wait_event().data, 'hello')
    site.insert('again', user)
    expect.only(stream, 'again')
