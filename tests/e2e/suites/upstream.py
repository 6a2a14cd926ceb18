"""Two machines and the log that they share, a Redis: what is published on one is
the same on the other, whoever publishes and by which way, and where the log is
away, or is no longer what it was, everybody is told. Behind one web server only."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import expect
import nodes as machines
import redis
from redis import Redis, Refused, id_of, native_id
from shell import expect_failure, expect_no_start, rowcast
from waiting import is_listening, wait_until

END = 'the end'
NEEDS = redis.why_not


# ---- what most tests share: one Redis and two nodes ----

class _Pair:
    def __init__(self, site):
        self.redis = Redis(site.new_folder('shared log'))
        self.redis.start()
        site.closed_with_it.append(self.redis)
        self.nodes = machines.Nodes(site, self.redis.upstream, 2)
        self.nodes.start()


def _pair(site):
    """Started by the first test that wants it, and whole again for each."""
    if not hasattr(site, 'pair'):
        site.pair = _Pair(site)
    pair = site.pair
    if not pair.redis.running():
        pair.redis.start()
    for node in pair.nodes:
        node.close_streams()
        if not node.rowcast.running():
            if node.rowcast.process is not None:
                with contextlib.suppress(AssertionError):
                    node.rowcast.stop()
            node.come_back()
    for node in pair.nodes:
        _wait_up(node)
    return pair.redis, *pair.nodes


def _alone(site, name, **options):
    """A Redis that one test has for itself: it is gone at the end of a with block."""
    @contextlib.contextmanager
    def open_():
        own = Redis(site.new_folder(name), **options)
        own.start()
        site.closed_with_it.append(own)
        try:
            yield own
        finally:
            site.closed_with_it.remove(own)
            own.kill()
    return open_()


# ---- verbs ----

def _metric(node, name):
    for line in node.request('GET', '/metrics').text.split('\n'):
        if line.startswith(f'rowcast_{name} '):
            return float(line.split(' ')[1])
    raise AssertionError(f'/metrics has no rowcast_{name}')


def _wait_up(node):
    wait_until(lambda: _metric(node, 'upstream_up') == 1, f'{node.name} has the log again', 20 * node.slow, 0.02)


def _wait_away(node):
    wait_until(lambda: _metric(node, 'upstream_up') == 0, f'{node.name} knows that the log is away', 20 * node.slow, 0.02)


def _rows(node, where='1'):
    """What the copy of a node holds."""
    with contextlib.closing(sqlite3.connect(node.db, timeout=20)) as table:
        table.text_factory = lambda text: text.decode(errors='replace')  # one test publishes what is no UTF-8
        return table.execute(f'SELECT id, user, topic, event, data FROM message WHERE {where} ORDER BY id').fetchall()


def _wait_row(node, data):
    """Until a node has the row with that data; its id."""
    def found():
        with contextlib.closing(sqlite3.connect(node.db, timeout=20)) as table:
            return table.execute('SELECT id FROM message WHERE data = ?', (data,)).fetchone()
    return wait_until(found, f'{node.name} has {data!r}', 20 * node.slow)[0]


def _wait_same(*nodes):
    """Until what was published last is everywhere; then all hold the same rows above
    the last gap: what was published while one knew and another did not that the log
    was another, one may have and another have told to be missing."""
    last = nodes[0].publish(nodes[0].publisher(), msg=f'the same? {time.monotonic_ns()}', all=1)
    for node in nodes:
        node.id_of(f'id = {last}')
    gap = max(int(node.sql("SELECT coalesce(max(id), 0) FROM rowcast_copy WHERE event = 'rowcast.gap'")) for node in nodes)
    # (When one that has expired is deleted is each machine's own matter.)
    first, *others = (_rows(node, f'id > {gap} AND coalesce(expires_at > {int(time.time())}, 1)') for node in nodes)
    for node, rows in zip(nodes[1:], others):
        expect.equal((sorted(set(rows) - set(first)), sorted(set(first) - set(rows))), ([], []),
                     f'what {node.name} holds that {nodes[0].name} does not, and the other way round')
    return first


def _outbox(node):
    return int(node.sql('SELECT count(*) FROM rowcast_outbox'))


def _until(stream, data):
    """All events up to the one with that data, which is left out."""
    events = []
    while not events or events[-1].data != data:
        events.append(stream.wait_event())
    return events[:-1]


def _gap(event, reason='expired'):
    expect.equal(event.type, 'rowcast.gap')
    gap = json.loads(event.data)
    expect.equal(gap['reason'], reason)
    return gap


def _post(node, token, **fields):
    return node.request('POST', '/msg', token, {'Content-Type': 'application/json'}, json.dumps(fields))


def _ask(node, path):
    answer = node.request('GET', path, node.token('admin', scope='rowcast:admin'))
    expect.status(answer, 200, path)
    return answer.json()


# ---- publishing on one, reading on the other ----

def what_is_published_on_one_machine_comes_to_streams_on_both(site):
    log, a, b = _pair(site)
    user = site.user()
    streams = [a.subscribe(user), b.subscribe(user)]
    first = a.publish(a.token(user), msg='from a', event='greeting')
    second = b.publish(b.token(user), msg='from b')
    expect.true(first < second, f'ids rise over the machines: {first}, {second}')
    for stream in streams:
        expect.equal([(e.id, e.type, e.data) for e in stream.wait_events(2)],
                     [(str(first), 'greeting', 'from a'), (str(second), 'message', 'from b')])
    for node in (a, b):
        node.id_of(f'id = {second}')
        expect.equal(_rows(node, f"user = '{user}'"), [(first, user, None, 'greeting', 'from a'), (second, user, None, None, 'from b')])
    ids = [id_of(native) for native, fields in log.entries() if fields.get('user') == user]
    expect.equal(ids, [first, second], 'the ids are those of the log')


def an_insert_on_one_machine_publishes_on_both(site):
    """By the sqlite3 shell, by a driver in a transaction with other rows, by an
    application's trigger; never what was rolled back."""
    log, a, b = _pair(site)
    user = site.user()
    streams = [a.subscribe(user), b.subscribe(user)]
    a.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'by the shell')")
    for stream in streams:
        expect.equal(stream.wait_event().data, 'by the shell')
    a.sql(f"BEGIN; INSERT INTO message(user, data) VALUES('{user}', 'never'); ROLLBACK;")
    with contextlib.closing(sqlite3.connect(b.db, isolation_level=None, timeout=20)) as table:
        table.executescript('CREATE TABLE orders(id, user);'
                            'CREATE TRIGGER order_came AFTER INSERT ON orders BEGIN'
                            " INSERT INTO message(user, event, data) VALUES(NEW.user, 'order', 'order ' || NEW.id); END;")
        table.execute('BEGIN')
        table.executemany('INSERT INTO orders VALUES(?, ?)', [(i, user) for i in range(100)])
        table.execute('COMMIT')
        table.execute('BEGIN IMMEDIATE')
        table.executemany('INSERT INTO orders VALUES(?, ?)', [(f'never {i}', user) for i in range(500)])
        table.execute('ROLLBACK')
        table.execute('INSERT INTO message(user, topic, data) VALUES(?, NULL, ?)', (user, END))
        table.executescript('DROP TABLE orders')
    told = []
    for stream in streams:
        events = _until(stream, END)
        expect.equal([(e.type, e.data) for e in events], [('order', f'order {i}') for i in range(100)])
        told.append([e.id for e in events])
    expect.equal(told[0], told[1], 'both under the same ids')


def an_id_is_known_when_the_row_comes_back(site):
    log, a, b = _pair(site)
    user = site.user()
    expect.equal(a.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'x') RETURNING id IS NULL, data;"), '1|x')
    _wait_row(a, 'x')
    for id in ('1', str(2**53 - 1), str(a.newest()), str(a.newest() + 1000), '-1'):
        done = a.sqlite3(f"INSERT INTO message(id, user, data) VALUES({id}, '{user}', 'never');")
        expect.true(done.returncode != 0 and 'id' in done.stderr, f'the id {id}: {done.stderr}')
    expect.equal(_outbox(a), 0)
    done = a.sqlite3(f"UPDATE message SET data = 'changed' WHERE user = '{user}';")
    expect.true(done.returncode != 0 and done.stderr.strip(), f'an UPDATE: {done.stderr}')
    expect.equal(a.sql(f"SELECT data FROM message WHERE user = '{user}'"), 'x')


def the_table_refuses_what_it_refuses_without_a_log(site):
    log, a, b = _pair(site)
    for values, why in (
            ("(event, data) VALUES('a' || char(10) || 'b', 'x')", 'event'), ("(event, data) VALUES('a' || char(13), 'x')", 'event'),
            ("(user) VALUES('42')", 'data'), ('(data) VALUES(NULL)', 'data'), ("(data) VALUES(x'ff00')", 'data'),
            ("(data) VALUES('a' || char(0) || 'b')", 'data'), ("(data) VALUES(replace(hex(zeroblob(524289)), '0', 'x'))", '1 MiB'),
            ("(user, data) VALUES(replace(hex(zeroblob(128)), '0', 'x'), 'x')", '255 bytes'),
            ("(topic, data) VALUES(42.0, 'x')", 'bind it as text'), ("(event, data) VALUES('error', 'x')", 'event'),
            ("(event, data) VALUES('rowcast.gap', 'x')", 'event'), ("(event, data) VALUES('rowcast.end', 'x')", 'topic'),
            ("(event, topic, user, data) VALUES('rowcast.end', 't', '7', 'x')", 'user'), ("(data, expires_at) VALUES('x', 0)", 'Unix seconds'),
            ("(data, expires_at) VALUES('x', 1700000000000)", 'milliseconds')):
        done = a.sqlite3(f'INSERT INTO message{values};')
        expect.true(done.returncode != 0, f'{values} was taken')
        expect.true(why in done.stderr, f'{values}: {done.stderr.strip()!r} does not speak of {why}')
    expect.equal(_outbox(a), 0)


def a_key_counts_once_on_all_machines(site):
    log, a, b = _pair(site)
    user, key = site.user(), f'order-{time.monotonic_ns()}'
    token = a.token(user)
    first = _post(a, token, msg='one', key=key)
    expect.status(first, 201)
    for node in (b, a, b):
        again = _post(node, token, msg='two', key=key)
        expect.status(again, 200, f'the same key on {node.name}')
        expect.equal(again.json(), first.json())
    other = _post(b, b.token(site.user()), msg='mine', key=key)
    expect.status(other, 201, "another publisher's key")
    # Both at the same time, and many: the log decides.
    answers = []

    def publish(node):
        connection = node.connect()
        for i in range(50):
            answers.append((i, node.request('POST', '/msg', token, {'Content-Type': 'application/json'},
                                            json.dumps({'msg': f'{i}', 'key': f'{key}/{i}'}), connection)))
        connection.close()
    threads = [threading.Thread(target=publish, args=(node,)) for node in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(50):
        told = [answer for n, answer in answers if n == i]
        expect.equal(sorted(answer.status for answer in told), [200, 201], f'key {i}')
        expect.equal(told[0].json(), told[1].json(), f'key {i}')
    _wait_same(a, b)
    expect.equal(len(_rows(a, f"user = '{user}'")), 51)


def of_two_inserts_with_one_key_the_first_in_the_log_counts(site):
    log, a, b = _pair(site)
    user, key = site.user(), f'k{time.monotonic_ns()}'
    with log.away():
        for node in (a, b):
            _wait_away(node)
            node.sql(f"INSERT INTO message(user, data, key) VALUES('{user}', '{node.name}', '{key}')")
            done = node.sqlite3(f"INSERT INTO message(user, data, key) VALUES('{user}', 'again', '{key}');")
            expect.true('UNIQUE constraint failed: message.key' in done.stderr, f'the key waits in the outbox: {done.stderr}')
    for node in (a, b):
        wait_until(lambda: _outbox(node) == 0, 'the outbox is empty', 20 * site.slow)
    _wait_same(a, b)
    rows = _rows(a, f"user = '{user}'")
    expect.equal(len(rows), 1, f'{rows}')
    for node in (a, b):
        done = node.sqlite3(f"INSERT INTO message(user, data, key) VALUES('{user}', 'again', '{key}');")
        expect.true('UNIQUE constraint failed: message.key' in done.stderr, f'the key stands in the copy: {done.stderr}')
    # A key that was erased is free again, as in a table of its own.
    b.sql(f"DELETE FROM message WHERE key = '{key}'")
    wait_until(lambda: not _rows(a, f"user = '{user}'") and not _outbox(b), 'it is erased', 20 * site.slow)
    a.sql(f"INSERT INTO message(user, data, key) VALUES('{user}', 'anew', '{key}')")
    for node in (a, b):
        _wait_row(node, 'anew')


def whoever_says_xadd_publishes(site):
    log, a, b = _pair(site)
    user = site.user()
    streams = [a.subscribe(user, topics=['news']), b.subscribe(user, topics=['news'])]
    expires = int(time.time()) + 1000
    natives = [log.call('XADD', 'rowcast', '*', 'user', user, 'data', 'hello'),
               log.call('XADD', 'rowcast', '*', 'data', 'two\nlines', 'topic', 'news', 'event', 'order', 'colour', 'green'),
               log.call('XADD', 'rowcast', '*', 'user', user, 'expires_at', expires, 'data', ''),
               log.call('XADD', 'rowcast', '*', 'user', user, 'expires_at', 1000, 'data', 'expired'),
               log.call('XADD', 'rowcast', '*', 'data', END)]
    for stream in streams:
        events = _until(stream, END)
        expect.equal([(int(e.id), e.type, e.data) for e in events],
                     [(id_of(natives[0]), 'message', 'hello'), (id_of(natives[1]), 'order', 'two\nlines'), (id_of(natives[2]), 'message', '')])
    for node in (a, b):
        told = node.sql(f'SELECT created_at, expires_at FROM message WHERE id IN ({id_of(natives[0])}, {id_of(natives[2])}) ORDER BY id').split('\n')
        expect.equal(told, [f'{int(natives[0].split("-")[0]) // 1000}|', f'{int(natives[2].split("-")[0]) // 1000}|{expires}'])


def an_entry_that_would_break_a_stream_is_passed_over_counted_and_named(site):
    log, a, b = _pair(site)
    user = site.user()
    stream = a.subscribe(user)
    before = [_metric(node, 'upstream_refused_entries_total') for node in (a, b)]
    log_before = len(a.rowcast.log_bytes())
    bad = [log.call('XADD', 'rowcast', '*', *fields) for fields in (
        ('user', user), ('user', user, 'event', 'a\nb', 'data', 'x'), ('user', user, 'event', 'a\rdata: y', 'data', 'x'),
        ('user', user, 'data', 'x' * ((1 << 20) + 1)), ('user', user, 'event', 'error', 'data', 'x'),
        ('user', user, 'event', 'rowcast.gap', 'data', '{}'), ('user', 'x' * 256, 'data', 'x'))]
    log.call('XADD', 'rowcast', '*', 'user', user, 'data', 'x' * (1 << 20))
    log.call('XADD', 'rowcast', '*', 'user', user, 'data', END)
    expect.equal(len(stream.wait_event(20 * site.slow).data), 1 << 20, 'a mebibyte is right')
    expect.only(stream, END)
    for node, n in zip((a, b), before):
        wait_until(lambda: _metric(node, 'upstream_refused_entries_total') >= n + len(bad), f'{len(bad)} entries are counted', 10 * site.slow)
        expect.equal(_metric(node, 'upstream_refused_entries_total'), n + len(bad))
    said = a.rowcast.log_since(log_before)
    expect.true(any(native in said or str(id_of(native)) in said for native in bad), f'one of them is named in the log: {said}')
    expect.equal(_rows(a, f"user = '{user}' AND data IN ('x', '{{}}')"), [])


def a_topic_that_ends_on_one_machine_has_ended_on_both(site):
    """By /msg, by INSERT and by somebody's XADD; and what is added after it by hand both
    leave out alike."""
    log, a, b = _pair(site)
    publisher = a.token('publisher', scope='rowcast:publish')
    for way in ('msg', 'insert', 'xadd'):
        topic = f'run:{a.user()}'
        streams = [node.subscribe(a.user(), topics=[topic]) for node in (a, b)]
        a.publish(publisher, msg='one', topic=topic)
        if way == 'msg':
            b.publish(publisher, msg='{}', topic=topic, event='rowcast.end')
        elif way == 'insert':
            b.sql(f"INSERT INTO message(topic, event, data) VALUES('{topic}', 'rowcast.end', '{{}}')")
            done = b.sqlite3(f"INSERT INTO message(topic, data) VALUES('{topic}', 'never')")
            expect.true(done.returncode != 0 and 'the topic has ended' in done.stderr, f'behind it in the outbox: {done.stderr}')
        else:
            log.call('XADD', 'rowcast', '*', 'topic', topic, 'event', 'rowcast.end', 'data', '{}')
        for stream in streams:
            expect.equal([(e.type, e.data) for e in stream.wait_events(2)], [('message', 'one'), ('rowcast.end', '{}')], way)
        for node in (a, b):
            answer = node.curl('/msg', token=publisher, data=f'msg=never&topic={topic}')
            expect.refusal(answer, 409, way)
            expect.equal(answer.json()['error'], 'the topic has ended', way)
            done = node.sqlite3(f"INSERT INTO message(topic, data) VALUES('{topic}', 'never')")
            expect.true(done.returncode != 0 and 'the topic has ended' in done.stderr, f'{way}: {done.stderr}')
        before = [_metric(node, 'upstream_refused_entries_total') for node in (a, b)]
        log.call('XADD', 'rowcast', '*', 'topic', topic, 'data', 'never')
        log.call('XADD', 'rowcast', '*', 'user', 'nobody', 'data', f'after {topic}')
        for node, n in zip((a, b), before):
            _wait_row(node, f'after {topic}')
            wait_until(lambda: _metric(node, 'upstream_refused_entries_total') == n + 1, 'it is counted', 10 * site.slow)
            expect.equal([row[4] for row in _rows(node, f"topic = '{topic}'")], ['one', '{}'], way)


def a_machine_with_an_empty_copy_knows_which_topics_ended_in_rows_that_are_gone(site):
    with _alone(site, 'ended long ago') as log, machines.running(site, log.upstream, 1) as (a,):
        topic = f'run:{a.user()}'
        publisher = a.token('publisher', scope='rowcast:publish')
        a.publish(publisher, msg='{}', topic=topic, event='rowcast.end')
        _wait_row(a, '{}')
        a.sql(f"DELETE FROM message WHERE topic = '{topic}'")
        wait_until(lambda: not any('topic' in fields for _, fields in log.entries()), 'the log has forgotten the row', 20 * site.slow, 0.02)
        a.stop_rowcast()
        for suffix in ('', '-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(a.db + suffix)
        a.come_back()
        _wait_up(a)
        expect.refusal(a.curl('/msg', token=publisher, data=f'msg=never&topic={topic}'), 409)
        done = a.sqlite3(f"INSERT INTO message(topic, data) VALUES('{topic}', 'never')")
        expect.true(done.returncode != 0 and 'the topic has ended' in done.stderr, f'an INSERT: {done.stderr}')


def text_that_is_not_utf_8_never_leaves(site):
    log, a, b = _pair(site)
    user = site.user()
    stream = a.subscribe(user)
    stream.keep_bytes()
    log.call('XADD', 'rowcast', '*', 'user', user, 'event', b'e', 'data', b'a\xc3(\xff')
    log.call('XADD', 'rowcast', '*', 'user', user, 'data', b'nul \0 in it')
    log.call('XADD', 'rowcast', '*', 'user', user, 'data', END)
    _until(stream, END)
    bytes(stream.kept).decode()  # raises where it is not


# ---- erasing ----

def a_delete_on_one_machine_erases_on_all_and_on_one_that_was_away(site):
    log, a, b = _pair(site)
    user = site.user()
    start = a.subscribe(user).parser.last_event_id
    erased = [a.publish(a.token(user), msg=f'erased {i}') for i in range(3)]
    kept = a.publish(a.token(user), msg='kept')
    b.id_of(f'id = {kept}')
    a.sql(f'DELETE FROM message WHERE id = {erased[0]}')
    expect.equal(_rows(a, f'id = {erased[0]}'), [], 'here at once')
    wait_until(lambda: not _rows(b, f'id = {erased[0]}'), 'it is erased there too', 20 * site.slow)
    b.stop_rowcast()
    a.sql(f'DELETE FROM message WHERE id = {erased[1]}')
    wait_until(lambda: not _outbox(a), 'the log has heard it', 20 * site.slow)
    b.sql(f'DELETE FROM message WHERE id = {erased[2]}')  # its rowcast is not there
    expect.true(native_id(erased[1]) not in [native for native, _ in log.entries()], 'the log has it no longer')
    b.come_back()
    wait_until(lambda: not _rows(b, f'id = {erased[1]}') and not _rows(a, f'id = {erased[2]}'), 'both are erased everywhere', 20 * site.slow)
    for node in (a, b):
        with node.stream(user, last_event_id=start) as stream:
            expect.only(stream, 'kept', f'what {node.name} replays')
    _wait_same(a, b)


# ---- cursors ----

def a_cursor_is_good_on_every_machine(site):
    log, a, b = _pair(site)
    user = site.user()
    token = a.token(user)
    with a.subscribe(user) as stream:
        a.publish(token, msg='seen')
        cursor = stream.wait_event().id
    missed = [node.publish(token, msg=node.name) for node in (a, b, a)]
    for node in (b, a):
        with node.subscribe(user, last_event_id=cursor) as stream:
            expect.equal([int(e.id) for e in stream.wait_events(3)], missed)
    with b.subscribe(user) as stream:
        expect.true(int(stream.parser.last_event_id) >= missed[-1], 'where a new stream begins')


def a_cursor_ahead_of_a_lagging_copy_waits_with_heartbeats(site):
    log, a, b = _pair(site)
    user = site.user()
    token = a.token(user)
    b.stop_rowcast()
    for i in range(200):
        cursor = a.publish(token, msg=str(i))
    log.hang()
    try:
        b.come_back()
        stream = b.subscribe(user, last_event_id=cursor)
        expect.equal(stream.parser.last_event_id, str(cursor), 'where it stands')
        stream.wait_comment()
        stream.wait_comment()
        expect.equal([block.event for block in stream.blocks if block.event], [], 'told while nobody knows')
        behind = b.subscribe(user, last_event_id=cursor - 1)
        behind.wait_comment()
    finally:
        log.wake()
    wait_until(lambda: b.newest() >= cursor, 'the copy has caught up', 20 * site.slow)
    new = a.publish(token, msg='new')
    event = stream.wait_event()
    expect.equal((event.type, event.id), ('message', str(new)))
    expect.equal([e.data for e in behind.wait_events(2)], ['199', 'new'])


def a_number_that_the_log_never_gave_is_ahead(site):
    log, a, b = _pair(site)
    user = site.user()
    for node in (a, b):
        newest = a.publish(a.token(site.user()), msg='x')
        node.id_of(f'id = {newest}')
        for requested in (newest + (3600000 << 12), 2**53 - 1, 2**63 - 1):
            with node.stream(user, last_event_id=requested) as stream:
                event = stream.wait_event()
                gap = _gap(event, 'ahead')
                expect.equal((gap['requested'], gap['newest'], event.id), (str(requested), newest, str(newest)))
                newest = node.publish(node.token(user), msg='new')
                expect.only(stream, 'new')
    with log.away():
        _wait_away(a)
        stream = a.subscribe(user, last_event_id=newest + (3600000 << 12))
        stream.wait_comment()
        stream.wait_comment()
        expect.equal([block.event for block in stream.blocks if block.event], [], 'nobody knows what the log has given')
    _gap(stream.wait_event(20 * site.slow), 'ahead')


# ---- what somebody else does to the log ----

def _publish_n(node, user, n, size=20):
    lines = '\n'.join(json.dumps({'msg': f'{i} ' + 'x' * size}) for i in range(n))
    answer = node.request('POST', '/msg', node.token(user), {'Content-Type': 'application/x-ndjson'}, lines)
    expect.status(answer, 201)
    return answer.json()['ids']


def _replay(node, user, cursor, end):
    """What a client with this cursor gets up to the id `end`: the ids, and gaps as
    (requested, oldest, newest) in their place."""
    got = []
    with node.stream(user, last_event_id=cursor) as stream:
        while True:
            event = stream.wait_event(20 * node.slow)
            if event.type == 'rowcast.gap':
                gap = _gap(event)
                expect.equal(int(event.id), gap['oldest'] - 1, 'it goes on from the oldest')
                got.append((int(gap['requested']), gap['oldest'], gap['newest']))
            else:
                got.append(int(event.id))
                if int(event.id) == end:
                    return got


def _covered(got, cursor, wanted):
    """Is each of the wanted ids there or told to be missing, in order?"""
    at, ids = cursor, set()
    for one in got:
        if isinstance(one, tuple):
            requested, oldest, newest = one
            expect.true(requested <= at or requested == cursor, f'the gap {one} speaks of what was sent: {got[:5]}')
            ids.update(id for id in wanted if at < id < oldest)
            at = max(at, oldest - 1)
        else:
            expect.true(one > at, f'{one} after {at}')
            ids.add(one)
            at = one
    expect.equal(sorted(set(wanted) - ids), [], 'lost without a word')


def what_a_foreign_hand_trims_before_a_machine_has_it_is_an_exact_gap(site):
    with _alone(site, 'trimmed by hand') as log, machines.running(site, log.upstream, 2) as (a, b):
        user = site.user()
        had = _publish_n(a, user, 10)
        b.id_of(f'id = {had[-1]}')
        b.stop_rowcast()
        missed = _publish_n(a, user, 100)
        expect.equal(log.call('XTRIM', 'rowcast', 'MINID', '=', native_id(missed[60])), 70, 'entries that are gone')
        b.come_back()
        end = b.publish(b.token(user), msg=END)
        rest = missed[60:] + [end]
        got = _replay(b, user, had[4], end)
        # Its copy still has the five that came after; or it is told from there on.
        # (Where the copy is about to delete them too, in two gaps, side by side.)
        gaps = [one for one in got if isinstance(one, tuple)]
        expect.equal([one for one in got if one in rest], rest, 'what comes after it')
        expect.true(set(got) - set(gaps) - set(rest) <= set(had[5:]), f'what comes before it: {got[:10]}')
        expect.equal((gaps[-1][1], gaps[-1][2] >= missed[-1]), (missed[59] + 1, True), f'oldest and newest: {gaps}')
        _covered(got, had[4], had[5:] + missed + [end])
        # A machine that has them all replays them, or tells the gap: it leaves out nothing silently.
        got = _replay(a, user, had[4], end)
        _covered(got, had[4], had[5:] + missed + [end])
        for node in (a, b):
            for cursor in (missed[59], missed[60], missed[80]):
                expect.equal(_replay(node, user, cursor, end), [id for id in rest if id > cursor], f'{node.name}, after {cursor}')


def entries_that_somebody_deletes_are_no_gap(site):
    log, a, b = _pair(site)
    user = site.user()
    streams = [node.subscribe(user) for node in (a, b)]
    cursor = streams[0].parser.last_event_id
    ids = _publish_n(a, user, 20)
    for stream in streams:
        expect.equal([int(e.id) for e in stream.wait_events(20)], ids)
    for id in (ids[-1], ids[10], ids[3]):  # the newest first: that is what each has read last
        expect.equal(log.call('XDEL', 'rowcast', native_id(id)), 1)
    new = a.publish(a.token(user), msg='new')
    for stream in streams:
        event = stream.wait_event()
        expect.equal((event.type, event.id), ('message', str(new)), 'the next one')
    _covered(_replay(b, user, cursor, new), int(cursor), [id for id in ids if id not in (ids[-1], ids[10], ids[3])] + [new])


def redis_may_forget_its_scripts(site):
    log, a, b = _pair(site)
    user = site.user()
    stream = b.subscribe(user)
    for i in range(3):
        log.call('SCRIPT', 'FLUSH')
        a.publish(a.token(user), msg=f'http {i}')
        log.call('SCRIPT', 'FLUSH')
        a.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'table {i}')")
        expect.equal([e.data for e in stream.wait_events(2)], [f'http {i}', f'table {i}'])


def _told_and_going_on(site, log, a, b, harm):
    """Whatever `harm` does to the log: streams live on and are told, ids rise, and
    both machines have the same from then on."""
    user = site.user()
    streams = [a.subscribe(user), b.subscribe(user)]
    ids = _publish_n(a, user, 20)
    for stream in streams:
        expect.equal([int(e.id) for e in stream.wait_events(20)], ids)
    _wait_same(a, b)
    highest = max(a.newest(), b.newest())
    pids = [node.rowcast.process.pid for node in (a, b)]
    harm(user)
    for node in (a, b):
        _wait_up(node)
    token = a.token(user)
    new = [node.publish(token, msg=f'new {i}') for i, node in enumerate((a, b, a, b))]
    new.append(a.publish(token, msg=END))
    expect.equal(new, sorted(new), 'ids rise')
    expect.true(new[0] > highest, f'{new[0]} is above all that were given, {highest}')
    for stream in streams:
        events = _until(stream, END)
        gaps = [e for e in events if e.type == 'rowcast.gap']
        expect.true(len(gaps) >= 1, f'nothing was told: {events}')
        for gap in gaps:
            _gap(gap)
        told = [int(e.id) for e in events]
        expect.true(told == sorted(set(told)) and told[0] > ids[-1], f'ids of what came: {told}')
        expect.equal([int(e.id) for e in events if e.data.startswith('new ')], new[:-1], 'all that came after it')
    expect.equal([node.rowcast.process.pid for node in (a, b)], pids, 'the processes go on')
    # Who comes back with a cursor from before is told, on either.
    for node in (a, b):
        _covered(got := _replay(node, user, ids[4], new[-1]), ids[4], ids[5:] + new)
        expect.true(any(isinstance(one, tuple) for one in got), f'{node.name}: told to who comes back with {ids[4]}: {got}')
        expect.equal(_replay(node, user, new[0], new[-1]), new[1:], f'{node.name}: nothing after')


def after_flushall_everybody_is_told_and_it_goes_on(site):
    log, a, b = _pair(site)
    _told_and_going_on(site, log, a, b, lambda user: log.call('FLUSHALL'))


def after_del_everybody_is_told_and_it_goes_on(site):
    log, a, b = _pair(site)

    def harm(user):
        log.call('DEL', 'rowcast')
        log.call('XADD', 'rowcast', '*', 'user', user + '?', 'data', 'somebody was faster')
    _told_and_going_on(site, log, a, b, harm)


def after_an_older_data_set_everybody_is_told_and_it_goes_on(site):
    log, a, b = _pair(site)
    aside = log.put_aside()
    _told_and_going_on(site, log, a, b, lambda user: log.put_back(aside))


def an_older_data_set_that_others_have_published_into_is_noticed_too(site):
    """By then its ids are above all that were given."""
    log, a, b = _pair(site)
    aside = log.put_aside()

    def harm(user):
        for node in (a, b):
            node.rowcast.send_signal(signal.SIGSTOP)
        log.put_back(aside)
        highest = max(a.newest(), b.newest())
        for i in range(20):
            native = log.call('XADD', 'rowcast', '*', 'user', user + '?', 'data', f'before it is noticed {i}')
        expect.true(id_of(native) > highest, 'the log is above')
        for node in (a, b):
            node.rowcast.send_signal(signal.SIGCONT)
    _told_and_going_on(site, log, a, b, harm)
    _wait_same_after_gap(a, b)


def _wait_same_after_gap(a, b):
    """What both have above the last gap of either is the same."""
    last = a.publish(a.publisher(), msg=f'the same? {time.monotonic_ns()}', all=1)
    for node in (a, b):
        node.id_of(f'id = {last}')
    first = [row for row in _rows(a) if row[4].startswith('before it is noticed')]
    second = [row for row in _rows(b) if row[4].startswith('before it is noticed')]
    expect.equal(first, second, 'what others had published before it was noticed')


def a_clock_that_was_set_back_changes_nothing(site):
    """An entry under an id that is 10 s ahead of the clock is the same thing."""
    log, a, b = _pair(site)
    user = site.user()
    stream = b.subscribe(user)
    ahead = log.call('XADD', 'rowcast', f'{int((time.time() + 10) * 1000)}-0', 'user', user, 'data', 'ahead')
    ids = [id_of(ahead)]
    for node in (a, b):
        ids += _publish_n(node, user, 5000)
    ids.append(id_of(log.call('XADD', 'rowcast', '*', 'user', user, 'data', 'by hand')))
    ids.append(a.publish(a.token(user), msg=END))
    expect.equal(ids, sorted(set(ids)), 'ids rise')
    expect.equal([int(e.id) for e in stream.wait_events(len(ids), 30 * site.slow)], ids)
    _wait_same(a, b)


def a_log_from_the_far_future_is_refused_with_a_sentence(site):
    with _alone(site, 'future') as log:
        log.call('XADD', 'rowcast', f'{int((time.time() + 3 * 86400) * 1000)}-0', 'data', 'x')
        done = _check(site, log.upstream)
        expect.true('day' in done.stderr or 'clock' in done.stderr, f'it is said: {done.stdout} {done.stderr}')
        log.call('DEL', 'rowcast')
        log.call('XADD', 'rowcast', '1000-0', 'data', 'x')
        done = _check(site, log.upstream)
        expect.true('2020' in done.stderr or '1000-0' in done.stderr, f'it is said: {done.stdout} {done.stderr}')


def a_log_without_room_refuses_and_says_so(site):
    log, a, b = _pair(site)
    user = site.user()
    stream = b.subscribe(user)
    log.call('CONFIG', 'SET', 'maxmemory', 1)
    try:
        answer = _post(a, a.token(user), msg='never')
        expect.refusal(answer, 503, 'without room')
        expect.true(answer.json()['error'].startswith('nothing was stored'), answer.json()['error'])
        a.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'later')")
        expect.refusal(_post(b, b.token(user), msg='never'), 503)
        expect.true(_outbox(a) == 1, 'it waits')
    finally:
        log.call('CONFIG', 'SET', 'maxmemory', 0)
    expect.equal(stream.wait_event(20 * site.slow).data, 'later')
    b.publish(b.token(user), msg=END)
    expect.only(stream, END)


# ---- the log is away ----

def while_the_log_is_away_all_but_publishing_goes_on(site):
    log, a, b = _pair(site)
    user = site.user()
    token = a.token(user)
    cursor = a.publish(token, msg='before')
    for node in (a, b):
        node.id_of(f'id = {cursor}')
    streams = [a.subscribe(user), b.subscribe(user)]
    answers = {}
    with log.away():
        for node in (a, b):
            _wait_away(node)
        asked = time.monotonic()

        def post():
            answers['http'] = _post(a, token, msg='http', key='after all')
            answers['took'] = time.monotonic() - asked
        thread = threading.Thread(target=post)
        thread.start()
        answer = a.request('GET', '/healthz')
        expect.status(answer, 200, '/healthz')
        expect.true('upstream is away' in answer.text, answer.text)
        a.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'table')")
        wait_until(lambda: _metric(a, 'outbox_messages') == 1, 'it waits in the outbox', 10 * site.slow, 0.02)
        expect.equal(_rows(a, "data = 'table'"), [], 'it is not published yet')
        with a.subscribe(user, last_event_id=cursor - 1) as replay:
            expect.equal(replay.wait_event().data, 'before', 'a replay from the copy')
        for stream in streams:
            stream.wait_comment()
        done = rowcast(site, 'check', '-c', a.rowcast.conf)
        expect.equal(done.returncode, 0, f'check only warns: {done.stderr}')
        expect.true('upstream' in done.stdout + done.stderr, f'check: {done.stdout} {done.stderr}')
        # A start, and a stop, without it.
        b.close_streams()
        b.restart_rowcast()
        with b.subscribe(user, last_event_id=cursor - 1) as replay:
            expect.equal(replay.wait_event().data, 'before', 'a replay by one that was started meanwhile')
        b.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'table of b')")
        presence = _ask(a, '/presence')
        expect.equal(presence.get('partial'), True, f'presence: {presence}')
        thread.join()
    expect.within(answers['took'], 9, 14 * site.slow, 'seconds until /msg is refused')
    expect.refusal(answers['http'], 503, '/msg')
    sentence = answers['http'].json()['error']
    expect.true(sentence.startswith('nothing was stored')
                or sentence == 'it is not known whether the message was stored: send it again with the same key', sentence)
    again = _post(a, token, msg='http', key='after all')
    expect.true(again.status in (200, 201), f'sent again with the same key: {again.status} {again.text}')
    for node in (a, b):
        _wait_up(node)
        expect.true('away' not in node.request('GET', '/healthz').text, 'healthz is right again')
    _wait_row(b, 'table')
    _wait_row(b, 'table of b')
    a.publish(token, msg=END)
    got = [e.data for e in _until(streams[0], END)]
    expect.equal(sorted(got), ['http', 'table', 'table of b'], 'each once, after it')
    for node in (a, b):
        wait_until(lambda: _metric(node, 'outbox_messages') == 0, 'the outbox is empty', 10 * site.slow)
    _wait_same(a, b)


def a_short_outage_is_a_delay_and_no_error(site):
    log, a, b = _pair(site)
    user = site.user()
    stream = b.subscribe(user)
    answers = []
    log.kill()
    thread = threading.Thread(target=lambda: answers.append(_post(a, a.token(user), msg='delayed')))
    thread.start()
    _wait_away(b)
    log.start()
    thread.join()
    expect.status(answers[0], 201)
    event = stream.wait_event()
    expect.equal((event.type, event.data, event.id), ('message', 'delayed', str(answers[0].json()['id'])))


def a_log_that_hangs_is_asked_again_and_stores_once(site):
    """The answer to the first time is lost; the group is known by its number."""
    log, a, b = _pair(site)
    user = site.user()
    stream = b.subscribe(user)
    answers = []
    log.hang()
    try:
        threads = [threading.Thread(target=lambda i=i: answers.append(_post(a, a.token(user), msg=f'once {i}'))) for i in range(8)]
        for thread in threads:
            thread.start()
        a.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'once by the table')")
        _wait_away(a)
    finally:
        log.wake()
    for thread in threads:
        thread.join()
    for answer in answers:
        expect.status(answer, 201)
    _wait_row(b, 'once by the table')
    a.publish(a.token(user), msg=END)
    got = _until(stream, END)
    expect.equal(sorted(e.data for e in got), sorted([f'once {i}' for i in range(8)] + ['once by the table']))
    ids = {e.data: int(e.id) for e in got}
    expect.equal(sorted(answer.json()['id'] for answer in answers), sorted(ids[f'once {i}'] for i in range(8)))


def rows_of_the_outbox_reach_the_log_once_whenever_rowcast_dies(site):
    log, a, b = _pair(site)
    user = site.user()
    stream = b.subscribe(user, deadline_s=30 * site.slow)
    a.stop_rowcast()
    a.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'while it was not running')")
    n = 1
    with contextlib.closing(sqlite3.connect(a.db, isolation_level=None, timeout=20)) as table:
        for turn in range(5):
            a.start_rowcast()
            table.execute('BEGIN')
            table.executemany('INSERT INTO message(user, data) VALUES(?, ?)', [(user, str(n + i)) for i in range(300)])
            table.execute('COMMIT')
            n += 300
            if turn % 2:  # some of it is there already
                stream.pump(1)
            a.stop_rowcast(signal.SIGKILL)
    a.come_back()
    a.sql(f"INSERT INTO message(user, data) VALUES('{user}', '{END}')")
    got = [e.data for e in _until(stream, END)]
    expect.equal(got, ['while it was not running'] + [str(i) for i in range(1, n)], 'each once, in the order of the commits')


# ---- control ----

def _tell(node, event, user, way):
    """Kick or revoke, as another program does it."""
    if way == 'insert':
        node.sql(f"INSERT INTO message(topic, event, user, data) VALUES('rowcast.control', '{event}', '{user}', '')")
    else:
        done = rowcast(node, event, '--user', user, '-c', node.rowcast.conf)
        expect.equal((done.returncode, done.stderr), (0, ''), event)


def who_is_kicked_goes_from_every_machine(site):
    log, a, b = _pair(site)
    for way in ('insert', 'command', 'xadd'):
        user, other = site.user(), site.user()
        streams = [a.subscribe(user), b.subscribe(user)]
        bystanders = [a.subscribe(other), b.subscribe(other)]
        if way == 'xadd':
            log.call('XADD', 'rowcast', '*', 'topic', 'rowcast.control', 'event', 'kick', 'user', user, 'data', '')
        else:
            _tell(b, 'kick', user, way)
        for stream in streams:
            stream.wait_end()
            expect.true(stream.ended_cleanly, 'an end, not a cut')
        a.publish(a.token(other), msg='still there')
        for stream in bystanders:
            expect.equal(stream.wait_event().data, 'still there')
        missed = a.publish(a.token(user), msg='missed')
        again = b.subscribe(user, last_event_id=streams[0].parser.last_event_id)
        expect.equal(again.wait_event().id, str(missed))
        for node in (a, b):
            node.close_streams()


def who_is_revoked_is_refused_by_every_machine_also_one_that_was_away(site):
    log, a, b = _pair(site)
    for way in ('insert', 'command', 'xadd'):
        user = site.user()
        old, new = (a.token(user, iat=int(time.time()) + ahead) for ahead in (-10, 60))
        streams = [a.subscribe(token=old), b.subscribe(token=old)]
        good = b.subscribe(token=new)
        if way == 'xadd':
            log.call('XADD', 'rowcast', '*', 'topic', 'rowcast.control', 'event', 'revoke', 'user', user, 'data', '')
        else:
            _tell(a, 'revoke', user, way)
        for stream, node in zip(streams, (a, b)):
            stream.wait_event(type='rowcast.revoked')
            stream.wait_end()
            expect.refusal(node.no_stream(token=old), 401, node.name, 'token was revoked')
        a.publish(new, msg='to the new one')
        expect.equal(good.wait_event().data, 'to the new one')
        for node in (a, b):
            node.close_streams()


def a_machine_with_an_empty_copy_knows_who_was_revoked_by_rows_that_are_gone(site):
    with _alone(site, 'revoked long ago') as log, machines.running(site, log.upstream, 1) as (a,):
        user = site.user()
        old = a.token(user, iat=int(time.time()))
        stream = a.subscribe(token=old)
        _tell(a, 'revoke', user, 'insert')
        stream.wait_event(type='rowcast.revoked')
        a.sql("DELETE FROM message WHERE topic = 'rowcast.control'")
        wait_until(lambda: not any('topic' in fields for _, fields in log.entries()), 'the log has forgotten the row', 20 * site.slow, 0.02)
        a.stop_rowcast()
        for suffix in ('', '-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(a.db + suffix)
        a.come_back()
        _wait_up(a)
        expect.refusal(a.no_stream(token=old), 401, 'the token', 'token was revoked')
        a.subscribe(token=a.token(user, iat=int(time.time()) + 60)).close()


# ---- the copy ----

def a_copy_that_was_deleted_is_made_again(site):
    log, a, b = _pair(site)
    user = site.user()
    ids = _publish_n(a, user, 50)
    b.id_of(f'id = {ids[-1]}')
    b.stop_rowcast()
    for suffix in ('', '-wal', '-shm'):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(b.db + suffix)
    b.come_back()
    b.id_of(f'id = {ids[-1]}')
    end = a.publish(a.token(user), msg=END)
    expect.equal(_replay(b, user, ids[0], end), ids[1:] + [end])
    # Both may differ in what the log no longer has, which is not in the new one.
    rows = _rows(b)
    expect.equal(rows, _rows(a, f'id >= {rows[0][0]}'), 'what the new copy holds')


def an_older_copy_goes_on_from_where_it_stands(site):
    log, a, b = _pair(site)
    user = site.user()
    ids = _publish_n(a, user, 20)
    b.id_of(f'id = {ids[-1]}')
    b.stop_rowcast()
    older = os.path.join(b.folder, 'older.db')
    b.sql(f"VACUUM INTO '{older}'")
    b.come_back()
    ids += _publish_n(a, user, 20)
    b.id_of(f'id = {ids[-1]}')
    b.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'before it was put back')")
    _wait_row(b, 'before it was put back')
    b.stop_rowcast()
    for suffix in ('-wal', '-shm'):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(b.db + suffix)
    shutil.copy(older, b.db)
    b.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'new in it')")  # is not taken for what it sent then
    b.come_back()
    for node in (a, b):
        _wait_row(node, 'new in it')
    end = b.publish(b.token(user), msg=END)
    for node in (a, b):
        node.id_of(f'id = {end}')
    expect.equal(_rows(b, f"user = '{user}'"), _rows(a, f"user = '{user}'"))
    got = _replay(b, user, ids[0], end)
    expect.equal(got[:39], ids[1:])


def a_copy_older_than_what_is_retained_tells_the_gap(site):
    with _alone(site, 'retained') as log, machines.running(site, log.upstream, 2, keep_rows=100) as (a, b):
        user = site.user()
        had = _publish_n(a, user, 50)
        b.id_of(f'id = {had[-1]}')
        with b.subscribe(user, last_event_id=had[9]) as stream:
            expect.equal(int(stream.wait_event().id), had[10])
        b.stop_rowcast()
        more = _publish_n(a, user, 500)

        def trimmed():
            return log.call('XLEN', 'rowcast') <= 110
        wait_until(trimmed, 'the log is trimmed', 20 * site.slow, 0.05)
        wait_until(lambda: len(_rows(a)) <= 120, 'the copy has followed', 20 * site.slow, 0.05)
        oldest = id_of(log.entries()[0][0])
        b.come_back()
        end = b.publish(b.token(user), msg=END)
        got = _replay(b, user, had[9], end)
        expect.true(any(isinstance(one, tuple) for one in got), 'the gap is told')
        _covered(got, had[9], had[10:] + more + [end])
        got = [one for one in got if not isinstance(one, tuple) and one > had[-1]]
        expect.equal(got, [id for id in more + [end] if id >= oldest][-len(got):], 'what comes after it')
        for node in (a, b):
            expect.equal(_replay(node, user, more[-3], end), more[-2:] + [end], 'who has seen it is told nothing')


def keep_for_and_keep_rows_may_not_both_be_off(site):
    with _alone(site, 'unbounded') as log:
        expect_no_start(site, '-c', _conf(site, log.upstream, keep_for='0', keep_rows=0), says=['keep_'])


def a_file_with_messages_of_its_own_is_refused_with_the_way_out(site):
    with _alone(site, 'own file') as log:
        folder = site.new_folder('own')
        db = os.path.join(folder, 'rowcast.db')
        with site.store_in(folder):
            user = site.user()
            for i in range(5):
                site.insert(f'own {i}', user, topic='t' if i == 2 else None, event='e' if i == 3 else None)
        conf = _conf(site, log.upstream, store='sqlite:' + db)
        said = expect_no_start(site, '-c', conf, says=[db])
        with contextlib.closing(sqlite3.connect(db)) as table:
            expect.equal(table.execute('SELECT count(*) FROM message').fetchone()[0], 5, 'it is as it was')
        # What it says can be typed as it stands.
        before, after = re.findall('`([^`]*sqlite3[^`]*|mv [^`]*)`', said)
        _done(before)
        process = subprocess.Popen([site.rowcast.program, 'serve', '-c', conf], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_listening(os.path.join(os.path.dirname(conf), 's')), 'it starts', 20 * site.slow)
            _done(after)
            wait_until(lambda: log.call('EXISTS', 'rowcast') and len(log.entries()) == 5, 'the log has them', 20 * site.slow, 0.02)
            told = [(fields.get('user'), fields.get('topic'), fields.get('event'), fields['data']) for _, fields in log.entries()]
            expect.equal(told, [(user, 't' if i == 2 else None, 'e' if i == 3 else None, f'own {i}') for i in range(5)])
        finally:
            process.kill()
            process.wait()


def _done(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    expect.true(done.returncode == 0 and not done.stderr, f'{command}: {done.stderr}')


# ---- commands ----

def _conf(site, upstream, **settings):
    """A configuration like a node's, of which nothing runs."""
    folder = os.path.join(site.folder, f'conf{time.monotonic_ns()}')
    os.mkdir(folder)
    path = os.path.join(folder, 'rowcast.conf')
    settings = {**site.settings, 'listen': f'unix:{folder}/s', 'store': f'sqlite:{folder}/rowcast.db', 'upstream': upstream,
                'node': os.path.basename(folder), **settings}
    with open(path, 'w') as f:
        f.writelines(f'{key} = {value}\n' for key, value in settings.items() if value is not None)
    return path


def _check(site, upstream, **settings):
    return rowcast(site, 'check', '-c', _conf(site, upstream, **settings))


def the_commands_work_on_a_machine_with_a_log(site):
    log, a, b = _pair(site)
    user = site.user()
    stream = b.subscribe(user)
    done = rowcast(site, 'publish', '-c', a.rowcast.conf, '--user', user, 'by the command')
    expect.equal(done.returncode, 0, done.stderr)
    event = stream.wait_event()
    expect.equal(event.data, 'by the command')
    expect.equal(done.stdout.strip(), event.id, 'it prints the id')
    done = rowcast(site, 'publish', '-c', a.rowcast.conf, '--user', user, input=''.join(f'line {i}\n' for i in range(100)))
    expect.equal(done.returncode, 0, done.stderr)
    ids = done.stdout.split()
    expect.equal([(e.id, e.data) for e in stream.wait_events(100)], [(id, f'line {i}') for i, id in enumerate(ids)])
    done = rowcast(site, 'status', '-c', a.rowcast.conf)
    expect.equal(done.returncode, 0, done.stderr)
    expect.true('newest_id' in done.stdout, f'status: {done.stdout}')
    done = rowcast(site, 'check', '-c', a.rowcast.conf)
    expect.equal(done.returncode, 0, done.stderr)
    expect.true('upstream' in done.stdout + done.stderr, f'check: {done.stdout} {done.stderr}')

    def told():
        done = rowcast(site, 'status', '-c', a.rowcast.conf, '--streams')
        expect.equal(done.returncode, 0, done.stderr)
        return re.search(r'^node1 +1 +1 ', done.stdout, re.M) and re.search(r'^node0 +0 +0 ', done.stdout, re.M)
    wait_until(told, 'status --streams tells which machine has how many', 20 * site.slow, 0.1)


def tail_prints_what_every_machine_publishes(site):
    log, a, b = _pair(site)
    user = site.user()
    first = b.publish(b.token(user), msg='from b')
    a.id_of(f'id = {first}')
    process = subprocess.Popen([site.rowcast.program, 'tail', '-c', a.rowcast.conf, '--user', user, '--after', str(first - 1)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        expect.true('from b' in process.stdout.readline(), 'what was there')
        second = b.publish(b.token(user), msg='again from b')
        line = process.stdout.readline()
        expect.true('again from b' in line and str(second) in line, line)
    finally:
        process.kill()
        process.communicate()


def two_installations_may_share_one_redis(site):
    log, a, b = _pair(site)
    with machines.running(site, log.upstream, 1, upstream_key='other', node='node0') as (other,):
        user = site.user()
        ours, theirs = a.subscribe(user), other.subscribe(user)
        a.publish(a.token(user), msg='ours')
        other.publish(other.token(user), msg='theirs')
        expect.only(ours, 'ours')
        expect.only(theirs, 'theirs')
        keys = sorted(log.call('KEYS', '*'))
        strangers = [key for key in keys if not re.match(r'(rowcast|other|\{rowcast\}:.*|\{other\}:.*)$', key)]
        expect.equal(strangers, [], 'keys that are not ours to make')


# ---- who may ----

PASSWORD = 'correct.horse-battery'


def a_password_and_the_acl_of_the_manual_suffice(site):
    """Everything goes with them; the password stands nowhere."""
    with open(os.path.join(machines.__file__.rsplit('/', 1)[0], '..', '..', '..', 'conf', 'man', 'rowcast-upstream.7')) as f:
        manual = f.read()
    rule = re.search(r'^ACL SETUSER (.*)$', manual, re.M)
    expect.true(rule, 'rowcast-upstream(7) has an ACL: a line with ACL SETUSER')
    words = rule.group(1).strip().rstrip('`').split()
    words = [words[0]] + [word for word in words[1:] if not word.startswith('>')] + ['>' + PASSWORD]
    with _alone(site, 'guarded') as log:
        log.call('ACL', 'SETUSER', *words)
        port = redis.free_port()
        log.call('CONFIG', 'SET', 'port', port)
        upstream = f'redis://{words[0]}:{PASSWORD}@127.0.0.1:{port}'
        with _allowed(log), machines.running(site, upstream, 2, keep_rows=100, upstream_replicas=0) as nodes:
            a, b = nodes
            user = site.user()
            stream = b.subscribe(user)
            ids = _publish_n(a, user, 300)
            a.sql(f"INSERT INTO message(user, data, key) VALUES('{user}', 'table', 'k')")
            expect.equal([int(e.id) for e in stream.wait_events(300)], ids)
            expect.equal(stream.wait_event().data, 'table')
            a.sql("DELETE FROM message WHERE key = 'k'")
            wait_until(lambda: not _rows(b, "key = 'k'"), 'it is erased', 20 * site.slow)
            wait_until(lambda: log.call('XLEN', 'rowcast') <= 110, 'the log is trimmed', 20 * site.slow, 0.05)
            wait_until(lambda: _ask(a, f'/presence?user={user}')['nodes'] == ['node1'], 'presence', 20 * site.slow, 0.05)
            log.call('DEL', 'rowcast')  # and what mends it is allowed too
            _wait_row(b, _posted(a, user, 'after DEL'))
            for done in (_check(site, upstream), rowcast(site, 'status', '-c', a.rowcast.conf)):
                expect.true(PASSWORD not in done.stdout + done.stderr, 'the password is shown')
            expect.true('NOPERM' not in nodes.logs(), f'something is not permitted: {nodes.logs()}')
            for path in ('/metrics', '/healthz', '/status', '/presence'):
                expect.true(PASSWORD not in a.request('GET', path, a.token('admin', scope='rowcast:admin')).text, path)
            for node in nodes:
                expect.true(PASSWORD not in node.rowcast.log_since(0), f'{node.name}: the password is in the log')


@contextlib.contextmanager
def _allowed(log):
    """Nothing is denied to anybody in the with block; what was, is named first."""
    try:
        yield
    finally:
        denied = [dict(zip(entry[::2], entry[1::2])) for entry in log.call('ACL', 'LOG')]
        # `check` asks for settings too, and does without where it may not know.
        expect.equal([(entry['reason'], entry['object']) for entry in denied if entry['object'] != 'config|get'], [], 'what was denied')


def _posted(node, user, text):
    node.publish(node.token(user), msg=text)
    return text


def a_wrong_password_is_said_and_not_shown(site):
    with _alone(site, 'wrong', requirepass=PASSWORD) as log:
        port = redis.free_port()
        connection = log.connect()
        connection.call('AUTH', PASSWORD)
        connection.call('CONFIG', 'SET', 'port', port)
        for credentials in ('default:nearly.right@', 'nobody:' + PASSWORD + '@', ''):
            done = _check(site, f'redis://{credentials}127.0.0.1:{port}')
            said = done.stdout + done.stderr
            expect.true('password' in said.lower() or 'WRONGPASS' in said or 'NOAUTH' in said or 'user' in said, f'{credentials}: {said}')
            expect.true('nearly.right' not in said and PASSWORD not in said, f'{credentials}: the password is shown: {said}')
        done = _check(site, f'redis://default:{PASSWORD}@127.0.0.1:{port}')
        expect.equal(done.returncode, 0, done.stderr)
        connection.close()


def what_upstream_may_be_is_said(site):
    for bad in ('http://127.0.0.1:1', 'redis://', 'redis://127.0.0.1', 'redis://127.0.0.1:0', 'redis://127.0.0.1:70000', 'unix:',
                'redis-sentinel://127.0.0.1:1', 'redis-sentinel:///rowcast', 'redis://user:secret-word@127.0.0.1:x', 'rediss'):
        done = _check(site, bad)
        expect_failure(done, 'upstream')
        expect.true('secret-word' not in done.stderr, done.stderr)


def a_name_that_another_machine_has_is_refused(site):
    log, a, b = _pair(site)
    wait_until(lambda: {n['node'] for n in _ask(a, '/presence')['nodes']} == {'node0', 'node1'}, 'both are known', 20 * site.slow, 0.05)
    said = expect_no_start(site, '-c', _conf(site, log.upstream, node='node1'))
    expect.true('node1' in said, f'it is named: {said}')
    b.restart_rowcast()  # whose name it is comes back at once
    b.stop_rowcast(signal.SIGKILL)
    b.come_back()


# ---- presence ----

def presence_knows_who_is_connected_to_which_machine(site):
    log, a, b = _pair(site)
    one, two = site.user(), site.user()
    streams = [a.subscribe(one), a.subscribe(one), b.subscribe(one), b.subscribe(two)]

    def told():
        return (_ask(node, f'/presence?user={user}') for node in (a, b) for user in (one, two))

    def right():
        return list(told()) == [{'user': one, 'streams': 3, 'nodes': ['node0', 'node1']}, {'user': two, 'streams': 1, 'nodes': ['node1']}] * 2
    wait_until(right, 'both say the same of both users', 20 * site.slow, 0.05)
    whole = _ask(a, '/presence')
    expect.equal({(n['node'], n['streams']) for n in whole['nodes']}, {('node0', 2), ('node1', 2)}, str(whole))
    expect.equal((whole['users'], whole['streams']), (2, 4), str(whole))
    for n in whole['nodes']:
        expect.within(time.time() - n['seen'], -5, 20, 'seconds since it was seen')
    expect.equal(_ask(b, '/presence?list=1'), {'users': [{'user': user, 'streams': n} for user, n in sorted([(one, 3), (two, 1)])], 'next': None})
    expect.equal(_ask(b, f'/presence?list=1&after={min(one, two)}')['users'], [{'user': max(one, two), 'streams': 3 if max(one, two) == one else 1}])
    expect.equal(_ask(a, '/presence?user=nobody'), {'user': 'nobody', 'streams': 0, 'nodes': []})
    expect.refusal(a.request('GET', '/presence', a.token(one)), 403, 'without the scope')
    streams[3].close()
    streams[2].close()
    wait_until(lambda: _ask(a, f'/presence?user={one}') == {'user': one, 'streams': 2, 'nodes': ['node0']}
               and _ask(a, f'/presence?user={two}')['streams'] == 0, 'who has left is gone', 20 * site.slow, 0.05)
    b.stop_rowcast()
    wait_until(lambda: [n['node'] for n in _ask(a, '/presence')['nodes']] == ['node0'], 'a machine that stops is gone at once', 5 * site.slow, 0.05)
    wait_until(lambda: _metric(a, 'nodes') == 1, 'the metric says so too', 20 * site.slow, 0.05)
    b.come_back()


def the_metrics_of_a_log_are_there(site):
    log, a, b = _pair(site)
    text = a.request('GET', '/metrics').text
    for name in ('upstream_up', 'nodes', 'outbox_messages', 'upstream_lag_seconds', 'upstream_refused_entries_total'):
        expect.true(f'# TYPE rowcast_{name} ' in text, f'rowcast_{name}: {text}')
    expect.true('rowcast_upstream_up' not in site.request('GET', '/metrics').text or site.is_copy, 'only where upstream is set')


def both_stop_cleanly_and_no_log_has_a_token(site):
    _pair(site)
    pair = site.pair
    del site.pair
    pair.nodes.stop()
    pair.redis.stop()
