"""Retention: in slices that nobody notices, in a file that stops growing, and
every client that lost something is told. Behind one web server only."""

import json
import math
import os
import random
import sqlite3
import time

import expect
from tap import own_table_only
from waiting import wait_until


def _reload(site, **settings):
    site.reload(store='sqlite:' + site.db, **settings)


def _count(site):
    return int(site.sql('SELECT count(*) FROM message'))


def _fill(site, n, n_users=500):
    site.sql(f"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {n}) INSERT INTO message"
             f"(user, data, expires_at) SELECT 'filler' || (abs(random()) % {n_users}), hex(randomblob(100)),"
             f" CASE WHEN i % 10 = 0 THEN 4102444800 END FROM n")


def _percentile(values, fraction):
    return sorted(values)[math.ceil(len(values) * fraction) - 1]


def _deliver_steadily(site, user, stream, for_s):
    """One message after the other, 200 a second at most: the times from asking
    to store it to its coming out of the stream."""
    connection, token, delays = site.connect(), site.token(user), []
    began = time.monotonic()
    while time.monotonic() - began < for_s:
        asked = time.monotonic()
        answer = site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, 'live', connection)
        expect.status(answer, 201)
        delays.append(stream.wait_event(30 * site.slow).at - asked)
        time.sleep(max(0, 0.005 - (time.monotonic() - asked)))
    connection.close()
    return delays


def _describe(delays):
    return (f'{len(delays)} live messages: p50 {_percentile(delays, 0.5) * 1000:.1f} ms,'
            f' p99 {_percentile(delays, 0.99) * 1000:.1f} ms, max {max(delays) * 1000:.1f} ms')


@own_table_only('retention is that of the log')
def while_a_large_table_is_trimmed_live_messages_are_not_held_up(site):
    """A table that is many times what is to be kept, as after keep_rows was
    lowered. The best of three, against the same without trimming, since anything
    may hold this machine up."""
    n = 200000
    with site.store_in(site.new_folder('large'), keep_rows=0):
        user = site.user()
        stream = site.subscribe(user)
        for attempt in range(3):
            _reload(site, keep_rows=0)
            if _count(site) < n:
                _fill(site, n)
            at_rest = _deliver_steadily(site, user, stream, 1.5)
            before = _count(site)
            _reload(site, keep_rows=1000)
            trimmed = _deliver_steadily(site, user, stream, 1.5)
            after = _count(site)
            print(f'# at rest {_describe(at_rest)}')
            print(f'# while {before - after} of {before} rows were deleted in 1.5 s {_describe(trimmed)}')
            expect.true(before - after > 50 and after > 1500, 'there was something to delete all the time')
            if _percentile(trimmed, 0.99) < max(0.05 * site.slow, 3 * _percentile(at_rest, 0.99)):
                return
        raise AssertionError('live messages were held up')


def _size(site):
    """Pages of the file, as SQLite counts them, and bytes of the -wal."""
    return int(site.sql('PRAGMA page_count')), os.path.getsize(site.db + '-wal')


def the_file_stops_growing(site):
    """Ten times what is kept goes through the table. Each time it comes at once:
    the most that ever stands there does not depend on when retention looks."""
    keep, turnovers = 2000, 10
    with site.store_in(site.new_folder('turnover'), keep_rows=keep):
        token, sizes = site.publisher(), []
        connection = site.connect()
        for turnover in range(turnovers + 1):
            lines = [json.dumps({'user': f'user{random.randrange(500)}', 'msg': 'x' * random.randrange(50, 350)})
                     for _ in range(keep)]
            answer = site.request('POST', '/msg', token, {'Content-Type': 'application/x-ndjson'},
                                  '\n'.join(lines), connection)
            expect.status(answer, 201)
            wait_until(lambda: _count(site) <= keep * 1.01, 'the surplus is gone', 20 * site.slow, 0.1)
            sizes.append(_size(site))
        print('# pages after each turnover: ' + ' '.join(str(pages) for pages, _ in sizes))
        print('# KiB of -wal after each turnover: ' + ' '.join(str(wal // 1024) for _, wal in sizes))
        # Rows are of any size, and the most that ever stood decides: in 60 turnovers
        # it rose by 3% after the fifth, all of it in the next 16. Without reuse it
        # would be twice as much after two.
        before, last = sizes[turnovers // 2][0], sizes[-1][0]
        expect.within(last, 0, before * 1.05, f'pages at the end, against {before} half way')
        # A copy is checkpointed only then: what it has is in the log.
        expect.within(max(wal for _, wal in sizes), 0, (24 if site.is_copy else 16) << 20, 'bytes of -wal')
        expect.within(_count(site), keep, keep * 1.01, 'rows kept')
        expect.equal(site.sql('PRAGMA integrity_check'), 'ok')


def _deliveries(site, user, cursor, n, then):
    """What a client that comes back with the cursor gets: a gap or None, the
    ids of n messages, and, as proof that there was nothing else, `then`."""
    with site.stream(user, last_event_id=cursor) as stream:
        event = stream.wait_event() if n else None
        gap = None
        if event is not None and event.type == 'rowcast.gap':
            gap, event = json.loads(event.data), stream.wait_event() if n > 1 else None
            n -= 1
        ids = [int(event.id)] if event else []
        ids += [int(e.id) for e in stream.wait_events(n - len(ids))]
        if not n:
            stream.wait_block()  # it stands
        new = site.insert('new', user)
        expect.equal(int(stream.wait_event().id), new, f'after what {cursor} asked for comes what is new')
        then.append(new)
        return gap, ids


@own_table_only('ids are sparse')
def a_gap_is_told_exactly_where_there_is_one(site):
    """On rows that retention itself has deleted."""
    with site.store_in(site.new_folder('edge'), keep_rows=50):
        user = site.user()
        _fill(site, 30)
        site.sql(f"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO message"
                 f"(user, data) SELECT '{user}', CAST(i AS TEXT) FROM n")
        wait_until(lambda: _count(site) == 50, 'the surplus is gone', 20 * site.slow, 0.05)
        _reload(site, keep_rows=0)  # from now on the edge stays where it is
        oldest, head = map(int, site.sql('SELECT min(id), max(id) FROM message').split('|'))
        expect.equal((oldest, head), (181, 230))
        retained, new = list(range(oldest, head + 1)), []

        def newest():
            return new[-1] if new else head

        for cursor, gap, ids in (
                (0, True, retained),                      # a cursor like any other
                (1, True, retained),
                (oldest - 2, True, retained),             # oldest - 1 is lost
                (oldest - 1, False, retained),            # it has seen all that is lost
                (oldest, False, retained[1:]),
                (head - 1, False, [head]),
                (head, False, [])):
            ids = ids + new
            expected = {'reason': 'expired', 'requested': str(cursor), 'oldest': oldest, 'newest': newest()} if gap else None
            told, got = _deliveries(site, user, cursor, len(ids) + gap, new)
            expect.equal(told, expected, f'the gap for {cursor}')
            expect.equal(got, ids, f'what {cursor} gets')
        for ahead in (1, 2, 1000):
            cursor = newest() + ahead
            expected = {'reason': 'ahead', 'requested': str(cursor), 'oldest': oldest, 'newest': newest()}
            with site.stream(user, last_event_id=cursor) as stream:
                event = stream.wait_event(type='rowcast.gap')
                expect.equal((json.loads(event.data), event.id), (expected, str(newest())))
                new.append(site.insert('new', user))
                expect.equal(int(stream.wait_event().id), new[-1], 'it goes on from now')


def a_client_whose_rows_are_deleted_under_its_feet_is_told_in_midstream(site):
    """It reads slowly; meanwhile retention takes what it has not had yet."""
    n = 3000
    with site.store_in(site.new_folder('feet'), keep_rows=0):
        user = site.user()
        start = site.insert('start', user)
        site.sql(f"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {n}) INSERT INTO message"
                 f"(user, data) SELECT '{user}', i || hex(zeroblob(5000)) FROM n")
        stored = [start, *map(int, site.sql(f'SELECT id FROM message WHERE id > {start} ORDER BY id').split())]
        stream = site.stream(user, last_event_id=start, receive_buffer=4096, deadline_s=60 * site.slow)
        ids = [int(stream.wait_event().id)]
        _reload(site, keep_rows=100)
        wait_until(lambda: _count(site) <= 101, 'the surplus is gone', 60 * site.slow, 0.1)
        last, gaps = site.insert('last', user), []
        stored.append(last)
        after = dict(zip(stored, stored[1:]))
        while ids[-1] != last:
            event = stream.wait_event()
            if event.type == 'rowcast.gap':
                gap = json.loads(event.data)
                gaps.append(gap)
                expect.equal((gap['reason'], gap['requested']), ('expired', str(ids[-1])), 'from where it stands')
                expect.equal(event.id, str(gap['oldest'] - 1), 'it goes on from the oldest')
                ids.append(gap['oldest'] - 1)
                after[ids[-1]] = next(id for id in stored if id > ids[-1])
            else:
                expect.equal(int(event.id), after[ids[-1]], 'without a gap told, no id is left out')
                ids.append(int(event.id))
        print(f'# {n} rows of 10 KB: gaps told {[(int(g["requested"]), g["oldest"]) for g in gaps]}')
        expect.true(gaps, 'the gap is told')


@own_table_only('what was just inserted cannot be deleted yet')
def erased_and_expired_rows_leave_room_that_is_used_again(site):
    with site.store_in(site.new_folder('erased'), keep_rows=0):
        pages = []
        for _ in range(3):
            connection = sqlite3.connect(site.db, isolation_level=None, timeout=20)
            connection.execute('BEGIN')
            connection.executemany('INSERT INTO message(user, data, expires_at) VALUES(?, ?, ?)',
                                   [(f'user{i % 50}', 'x' * 300, 1 if i % 2 else None) for i in range(2000)])
            connection.execute('COMMIT')
            connection.execute('DELETE FROM message WHERE expires_at IS NULL')
            connection.close()
            wait_until(lambda: _count(site) == 0, 'expired rows are gone', 20 * site.slow, 0.1)
            pages.append(_size(site)[0])
        print('# pages after each round: ' + ' '.join(map(str, pages)))
        expect.within(pages[-1], 0, pages[0] * 1.1, 'pages at the end')
