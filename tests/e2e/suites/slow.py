"""A client that stops reading costs little and holds nobody up."""

import socket
import sqlite3
import statistics
import time

import expect


def a_stalled_reader_is_bounded_delays_nobody_and_goes_on_where_it_was(site):
    n, size = (1600, 60000) if site.slow == 1 else (400, 60000)
    user, other = site.user(), site.user()
    watcher = site.subscribe(other)
    stalled = [site.subscribe(user, receive_buffer=16384, deadline_s=60 * site.slow) for _ in range(2)]
    rowcast_before, front_before = site.rowcast.rss_kib(), site.front.rss_kib()

    # Far more than fits into the ring, a page and all socket buffers.
    connection = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    delays = []
    sent = 0
    while sent < n:
        connection.execute('BEGIN IMMEDIATE')
        connection.executemany('INSERT INTO message(user, data) VALUES(?, ?)',
                               [(user, f'{i} ' + 'x' * size) for i in range(sent, sent + 40)])
        connection.execute('COMMIT')
        sent += 40
        connection.execute("INSERT INTO message(user, data) VALUES(?, 'live')", (other,))
        committed = time.monotonic()
        delays.append(watcher.wait_event().at - committed)
    connection.close()

    grown = (site.rowcast.rss_kib() - rowcast_before) / 1024
    front_grown = (site.front.rss_kib() - front_before) / 1024
    print(f'# {n * size / 1e6:.0f} MB for each of 2 stalled streams: rowcast grew by {grown:.1f} MiB, {site.server}'
          f' by {front_grown:.1f} MiB; others waited {statistics.median(delays) * 1000:.1f} ms in the median')
    # What comes with a batch of 2.4 MB needs its time to be written and read.
    expect.within(statistics.median(delays), 0, 0.1 * site.slow, 'seconds that others waited')
    if site.slow == 1:  # a sanitizer keeps freed memory for a while
        expect.within(grown, -100, 48, 'MiB that rowcast grew by')
        expect.within(front_grown, -100, 48, f'MiB that {site.server} grew by')

    for stream in stalled:
        for i in range(n):
            data = stream.wait_event().data
            expect.true(len(data) > size and data.startswith(f'{i} '), f'message {i} is {data[:20]}...')
    site.insert('live again', user)
    for stream in stalled:
        expect.only(stream, 'live again')


def _a_message_comes_through(site):
    user = site.user()
    stream = site.subscribe(user, deadline_s=20 * site.slow)
    site.publish(site.token(user), msg='hello')
    expect.equal(stream.wait_event().data, 'hello')


def a_slow_post_holds_nobody_up(site):
    """More publishers that send their body slowly than rowcast has threads."""
    with site.configured(workers=4):
        slow = []
        for _ in range(12):
            s = socket.create_connection(('127.0.0.1', site.front.port))
            s.sendall(f'POST /msg HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token(site.user())}\r\n'
                      f'Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf'.encode())
            slow.append(s)
        _a_message_comes_through(site)
        for s in slow:
            s.close()


def connections_that_say_nothing_hold_nobody_up(site):
    with site.configured(workers=4):
        silent = []
        for _ in range(12):
            s = socket.socket(socket.AF_UNIX)
            s.connect(site.rowcast.socket_path)
            silent.append(s)
        silent[0].sendall(bytes.fromhex('0101000100080000' '0001000000000000'))  # BEGIN, and no more
        _a_message_comes_through(site)
        for s in silent:
            s.close()
