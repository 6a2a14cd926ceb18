"""The table: any program that can write SQLite publishes."""

import os
import sqlite3
import statistics
import time

import expect
from tap import own_table_only


def a_row_from_the_sqlite3_shell_reaches_its_user_and_nobody_else(site):
    mine, another, theirs = site.subscribe('42'), site.subscribe('42'), site.subscribe(site.user())
    site.sql("INSERT INTO message(user,data) VALUES('42','hello')")
    site.sql("INSERT INTO message(data) VALUES('maintenance at 5pm')")
    for stream in (mine, another):
        expect.equal([e.data for e in stream.wait_events(2)], ['hello', 'maintenance at 5pm'])
    expect.only(theirs, 'maintenance at 5pm')


def a_foreign_row_reaches_its_stream_within_100_ms(site):
    user = site.user()
    stream = site.subscribe(user)
    delays = []
    connection = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    for i in range(25):
        connection.execute('INSERT INTO message(user, data) VALUES(?, ?)', (user, str(i)))
        committed = time.monotonic()
        event = stream.wait_event()
        expect.equal(event.data, str(i))
        delays.append(event.at - committed)
    connection.close()
    print(f'# commit to stream: median {statistics.median(delays) * 1000:.1f} ms, worst {max(delays) * 1000:.1f} ms')
    # The median, since anything may hold this machine up for once; sanitized
    # builds are allowed several times as long.
    expect.within(statistics.median(delays), 0, 0.1 * site.slow, 'seconds from commit to stream')


def a_row_that_is_rolled_back_reaches_nobody(site):
    user = site.user()
    stream = site.subscribe(user)
    site.sql(f"BEGIN; INSERT INTO message(user,data) VALUES('{user}','never'); ROLLBACK;")
    connection = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    connection.execute('BEGIN IMMEDIATE')
    connection.executemany('INSERT INTO message(user, data) VALUES(?, ?)', [(user, 'never' * 1000)] * 500)
    connection.execute('ROLLBACK')
    connection.close()
    site.insert('end', user)
    expect.only(stream, 'end')


def the_rows_of_a_transaction_come_together_and_in_order(site):
    user = site.user()
    stream = site.subscribe(user)
    site.sql(f"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
             f"INSERT INTO message(user,data) SELECT '{user}', CAST(i AS TEXT) FROM n")
    events = stream.wait_events(2000)
    expect.equal([e.data for e in events], [str(i) for i in range(1, 2001)])
    ids = [int(e.id) for e in events]
    expect.equal(ids, sorted(set(ids)))


def rows_inserted_while_rowcast_is_down_reach_those_who_come_back(site):
    user = site.user()
    stream = site.subscribe(user)
    site.insert('before', user)
    expect.equal(stream.wait_event().data, 'before')
    cursor = stream.parser.last_event_id
    site.stop_rowcast()
    site.insert('meanwhile', user)
    site.insert('for everyone')
    site.come_back()
    back = site.subscribe(user, last_event_id=cursor)
    expect.equal([e.data for e in back.wait_events(2)], ['meanwhile', 'for everyone'])
    site.insert('after', user)
    expect.equal(back.wait_event().data, 'after')


def a_deleted_row_is_never_replayed(site):
    user = site.user()
    start = site.subscribe(user).parser.last_event_id
    kept, erased, last = (site.insert(data, user) for data in ('kept', 'erased', 'last'))
    site.sql(f'DELETE FROM message WHERE id IN ({erased}, {last})')
    with site.subscribe(user, last_event_id=start) as stream:
        expect.equal(stream.wait_event().data, 'kept')
        new = site.insert('new', user)
        expect.true(new > last, 'the id of a deleted row is not given again')
        expect.only(stream, 'new')


@own_table_only('it gives no ids and no created_at')
def the_schema_refuses_what_would_break_a_stream_and_says_why(site):
    newest = int(site.sql("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)"))
    newest = max(newest, site.insert('newest', site.user()))
    for values, why in (
            (f"(id, data) VALUES({newest}, 'x')", 'id'),
            ("(id, data) VALUES(1, 'x')", 'id'),
            ("(id, data) VALUES(-5, 'x')", 'id'),
            ("(id, data) VALUES(0, 'x')", 'id'),
            ("(event, data) VALUES('a' || char(10) || 'b', 'x')", 'event'),
            ("(event, data) VALUES('a' || char(13), 'x')", 'event'),
            ('(user) VALUES(\'42\')', 'data'),
            ("(data) VALUES(NULL)", 'data'),
            ("(data) VALUES(x'ff00')", 'data'),
            ("(data) VALUES(zeroblob(10))", 'data'),
            ("(data) VALUES('a' || char(0) || 'b')", 'data'),
            ("(data) VALUES(CAST(zeroblob(1048577) AS TEXT))", 'data'),
            ("(data) VALUES(replace(hex(zeroblob(524289)), '0', 'x'))", '1 MiB'),
            ("(id, data) VALUES(9223372036854775807, 'x')", '2^53 - 1'),
            ("(user, data) VALUES(replace(hex(zeroblob(128)), '0', 'x'), 'x')", '255 bytes'),
            ("(topic, data) VALUES(42.0, 'x')", 'bind it as text'),
            ("(event, data) VALUES('error', 'x')", 'event'),
            ("(event, data) VALUES('rowcast.gap', 'x')", 'event'),
            ("(event, data) VALUES('rowcast.end', 'x')", 'topic'),
            ("(event, topic, user, data) VALUES('rowcast.end', 't', '7', 'x')", 'user'),
            ("(event, topic, expires_at, data) VALUES('rowcast.end', 't', 4102444800, 'x')", 'expires_at'),
            ("(data, expires_at) VALUES('x', 0)", 'Unix seconds'),
            ("(data, created_at) VALUES('x', 1700000000000)", 'not milliseconds')):
        done = site.sqlite3(f'INSERT INTO message{values};')
        expect.true(done.returncode != 0, f'{values} was taken')
        expect.true(why in done.stderr, f'{values}: {done.stderr.strip()!r} does not speak of {why}')
    done = site.sqlite3(f"UPDATE message SET id = {newest + 1000} WHERE id = {newest};")
    expect.true(done.returncode != 0 and 'id' in done.stderr, f'a changed id: {done.stderr}')
    done = site.sqlite3(f"UPDATE message SET data = 'other' WHERE id = {newest};")
    expect.true(done.returncode != 0 and 'delete it and insert another' in done.stderr, f'a changed message: {done.stderr}')


def an_end_is_the_last_row_of_its_topic_whoever_inserts(site):
    user, topic, open_topic = site.user(), f'run:{site.user()}', f'run:{site.user()}'
    stream = site.subscribe(user, topics=[topic, open_topic])
    site.sql(f"INSERT INTO message(topic, data) VALUES('{topic}', 'one'), ('{topic}', 'two')")
    site.sql(f"INSERT INTO message(topic, event, data) VALUES('{topic}', 'rowcast.end', '{{\"reason\":\"done\"}}')")
    for insert in (f"INSERT INTO message(topic, data) VALUES('{topic}', 'never')",
                   f"INSERT OR IGNORE INTO message(topic, data) VALUES('{topic}', 'never')",
                   f"INSERT OR REPLACE INTO message(topic, data) VALUES('{open_topic}', 'never'), ('{topic}', 'never')",
                   f"INSERT INTO message(topic, event, data) VALUES('{topic}', 'rowcast.end', 'never')"):
        done = site.sqlite3(insert)
        expect.true(done.returncode != 0 and 'the topic has ended' in done.stderr, f'{insert}: {done.stderr}')
    site.sql(f"INSERT INTO message(topic, data) VALUES('{open_topic}', 'end')")
    told = [('message', 'one'), ('message', 'two'), ('rowcast.end', '{"reason":"done"}'), ('message', 'end')]
    expect.equal([(e.type, e.data) for e in stream.wait_events(4)], told)
    # Who comes later gets the same, and erasing the end opens nothing.
    id = site.id_of(f"topic = '{topic}' AND event = 'rowcast.end'")
    late = site.subscribe(user, topics=[topic], last_event_id='0')
    for event in told[:3]:
        got = late.wait_event()
        while got.type == 'rowcast.gap' or got.data not in ('one', 'two', '{"reason":"done"}'):
            got = late.wait_event()
        expect.equal((got.type, got.data), event)
    site.sql(f'DELETE FROM message WHERE id = {id}')
    done = site.sqlite3(f"INSERT INTO message(topic, data) VALUES('{topic}', 'never')")
    expect.true(done.returncode != 0 and 'the topic has ended' in done.stderr, f'after the erasure: {done.stderr}')


@own_table_only('it gives no ids')
def the_id_of_a_deleted_newest_row_is_refused(site):
    newest = site.insert('x', site.user())
    site.sql(f'DELETE FROM message WHERE id = {newest}')
    done = site.sqlite3(f"INSERT INTO message(id, data) VALUES({newest}, 'x');")
    expect.true(done.returncode != 0 and 'id' in done.stderr, f'taken: {done.stderr}')


@own_table_only('it gives no ids')
def an_id_given_by_hand_above_all_others_is_fine(site):
    user = site.user()
    stream = site.subscribe(user)
    id = site.insert('one', user) + 1000
    site.sql(f"INSERT INTO message(id, user, data) VALUES({id}, '{user}', 'two')")
    expect.equal([e.data for e in stream.wait_events(2)], ['one', 'two'])
    expect.equal(stream.parser.last_event_id, str(id))


def one_mebibyte_is_taken_from_the_table(site):
    user = site.user()
    stream = site.subscribe(user)
    site.sql(f"INSERT INTO message(user, data) VALUES('{user}', replace(hex(zeroblob(524288)), '0', 'x'))")
    expect.equal(stream.wait_event(20 * site.slow).data, 'x' * (1 << 20))


def a_newer_schema_is_refused(site):
    site.stop_rowcast()
    version = site.sql('SELECT max(version) FROM rowcast_schema')
    try:
        site.sql('UPDATE rowcast_schema SET version = 1000')
        try:
            site.start_rowcast()
        except AssertionError as refusal:
            expect.true('1000' in str(refusal) and site.db in str(refusal), f'the log says why: {refusal}')
        else:
            raise AssertionError('rowcast started on a schema from the future')
    finally:
        if site.rowcast.running():
            site.stop_rowcast()
        site.sql(f'UPDATE rowcast_schema SET version = {version}')
        site.come_back()


def a_database_of_another_program_is_refused(site):
    site.stop_rowcast()
    path = os.path.join(site.folder, 'data', 'other.db')
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE message(id INTEGER PRIMARY KEY, body TEXT)')
    connection.commit()
    connection.close()
    try:
        site.start_rowcast(store='sqlite:' + path)
    except AssertionError as refusal:
        expect.true(path in str(refusal), f'the log says why: {refusal}')
    else:
        site.stop_rowcast()
        raise AssertionError('rowcast took a table that is not its own')
    finally:
        site.come_back()
