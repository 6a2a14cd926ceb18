"""What the table refuses, and what it must let pass: by the sqlite3 shell, by a
driver, in a new file and in one that an older rowcast has made. Behind one web
server only."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import time

import expect
from shell import rowcast
from waiting import wait_until

OWN_TABLE_ONLY = 'its schema is another; upstream.py has what it refuses'

# The schema that an older rowcast has made, to its second version.
OLD_SCHEMA = """
CREATE TABLE message(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- leave it out when inserting
  user TEXT,        -- who may read it; NULL: everyone
  topic TEXT,       -- only streams that asked for it; NULL: any stream
  event TEXT,       -- event name; NULL: message
  data TEXT NOT NULL,
  created_at INTEGER NOT NULL
    DEFAULT (CAST(strftime('%s','now') AS INTEGER)),  -- Unix seconds
  expires_at INTEGER,  -- Unix seconds; not sent from then on; NULL: never
  key TEXT UNIQUE,     -- the same key again inserts nothing (POST /msg)
  CONSTRAINT "data must be text without U+0000"
    CHECK (typeof(data) = 'text' AND instr(data, char(0)) = 0),
  CONSTRAINT "data must not be over 1 MiB"
    CHECK (length(CAST(data AS BLOB)) <= 1048576),
  CONSTRAINT "event must be text without a line break"
    CHECK (event IS NULL OR (typeof(event) = 'text' AND instr(event, char(10)) = 0
      AND instr(event, char(13)) = 0 AND instr(event, char(0)) = 0)),
  CONSTRAINT "user must be NULL or text, not empty and without U+0000"
    CHECK (user IS NULL OR (typeof(user) = 'text' AND user <> ''
      AND instr(user, char(0)) = 0)),
  CONSTRAINT "topic must be NULL or text, not empty and without U+0000"
    CHECK (topic IS NULL OR (typeof(topic) = 'text' AND topic <> ''
      AND instr(topic, char(0)) = 0)),
  CONSTRAINT "created_at must be a number of Unix seconds"
    CHECK (typeof(created_at) = 'integer'),
  CONSTRAINT "expires_at must be NULL or a number of Unix seconds"
    CHECK (expires_at IS NULL OR typeof(expires_at) = 'integer')
);
CREATE INDEX message_expiry ON message(expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER message_id_given AFTER INSERT ON message
WHEN NEW.id <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)
BEGIN
  SELECT RAISE(ABORT, 'id must be above the highest ever given, or streams would miss the row: leave id out');
END;
CREATE TRIGGER message_id_taken BEFORE INSERT ON message
WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM message WHERE id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'id must be above the highest ever given, or streams would miss the row: leave id out');
END;
CREATE TRIGGER message_id_kept BEFORE UPDATE ON message
WHEN NEW.id <> OLD.id
BEGIN
  SELECT RAISE(ABORT, 'id of a message cannot change');
END;
CREATE TABLE rowcast_schema(version INTEGER NOT NULL);
"""
OLD_INDEX = {1: 'CREATE INDEX message_address ON message(user, topic);',
             2: 'CREATE INDEX message_address ON message(id / 2048, user, topic);'}
OUR_MARK = 0x726f7763

FIRST_SECOND, LAST_SECOND = 1, 4102444799  # of 1970 and, of what is surely taken, 2099

LARGEST_ID = 2**53 - 1

FLOATS = ['42.0', '0.0', '7.0', '10.0', '123456789.0', '100000000000000.0', '1e15', '1e16', '1.5e15', '2e20', '1.25e100', '-42.0']
PASS = ['42', '0', '7.5', '0.5', 'v1.0', '1.0.0', '10.0.0.1', '10.0.0.0', '1.01', '1.0 ', ' 1.0', '1.0x', 'x1.0', '.0', 'a.0', 'anna@1.0',
        '1,0', '1.0e', '1.0e+', '1.0e+15x', 'x1.0e+15', '1e15', '1.0e-05', '2024-01.0', '1/2.0', 'n.0', '-', '4711', '9007199254740993', 'ä.0',
        '1.0e+1.0', '1 000.0', "O'Hara 2.0"]


def _text(value):
    return 'NULL' if value is None else "'" + value.replace("'", "''") + "'"


def _refused(site, statement, *parts):
    """By the sqlite3 shell, in a sentence with each of the parts."""
    done = site.sqlite3(statement + ';')
    expect.true(done.returncode != 0, f'{statement[:200]} was taken')
    for part in parts:
        expect.true(part in done.stderr, f'{statement[:200]}: {done.stderr.strip()!r} does not speak of {part}')
    return done.stderr


def _columns(site):
    return site.sql("SELECT count(*), coalesce(max(id), 0), (SELECT seq FROM sqlite_sequence WHERE name = 'message') FROM message")


def _refuses_what_would_break_a_stream(site):
    before = _columns(site)
    for column in ('user', 'topic', 'event'):
        for long in ("replace(hex(zeroblob(128)), '0', 'x')", "replace(hex(zeroblob(64)), '0', 'é')", "replace(hex(zeroblob(10000000)), '0', 'x')"):
            _refused(site, f"INSERT INTO message({column}, data) VALUES({long}, 'x')", column, '255')
    for column in ('user', 'topic'):
        for number in FLOATS:
            # As a driver binds it, and as the text that becomes of it.
            _refused(site, f"INSERT INTO message({column}, data) VALUES({number}, 'x')", column)
            _refused(site, f"INSERT INTO message({column}, data) VALUES(CAST({number} AS TEXT), 'x')", column)
    for event in ('error', 'open', 'rowcast.gap', 'rowcast.expired', 'rowcast.busy', 'rowcast.cursor', 'rowcast.', 'rowcast.anything'):
        _refused(site, f"INSERT INTO message(event, data) VALUES('{event}', 'x')", 'event')
    for column in ('created_at', 'expires_at'):
        for moment in ('0', '-1', '-9223372036854775807', '1700000000.5', '0.5', '1700000000000', '1700000000000000', '4133980800',
                       '9007199254740992', '9223372036854775807', '1e300', "'now'", "'2030-01-01'", "'2030-01-01T00:00:00Z'", "''", "x'31'",
                       "'1700000000.5'"):
            _refused(site, f"INSERT INTO message({column}, data) VALUES({moment}, 'x')", column)
    for id in (LARGEST_ID + 1, LARGEST_ID + 2, 2**62, 2**63 - 1):
        _refused(site, f"INSERT INTO message(id, data) VALUES({id}, 'x')", 'id')
    # Several at once, through which a good one does not slip.
    _refused(site, "INSERT INTO message(user, data) VALUES('good', 'x'), (42.0, 'x')", 'user')
    for how in ('OR IGNORE', 'OR REPLACE', 'OR FAIL', 'OR ABORT', 'OR ROLLBACK'):
        site.sqlite3(f"INSERT {how} INTO message(user, data) VALUES(42.0, 'x');")
        site.sqlite3(f"INSERT {how} INTO message(event, data) VALUES('error', 'x');")
        site.sqlite3(f"INSERT {how} INTO message(created_at, data) VALUES(1700000000000, 'x');")
        site.sqlite3(f"INSERT {how} INTO message(id, data) VALUES({2**63 - 1}, 'x');")
    expect.equal(_columns(site), before, 'number of rows, highest id, highest id ever given')


def _lets_pass_what_only_looks_alike(site):
    rows = []
    for name in PASS:
        rows += [(name, None, None), (None, name, None)]
    rows += [('x' * 255, 'x' * 255, 'x' * 255), ('é' * 127, 'é' * 127, 'é' * 127)]
    rows += [(None, None, event) for event in ('errors', 'Error', 'opened', 'reopen', 'rowcast', 'rowcasting', 'my.rowcast.gap', '1.0', 'message')]
    for row in rows:
        site.sql(f'INSERT INTO message(user, topic, event, data) VALUES({", ".join(map(_text, row))}, {_text("passes")})')
    expect.equal(int(site.sql("SELECT count(*) FROM message WHERE data = 'passes'")), len(rows))
    # A whole number that is bound as one, and a fraction, are names.
    site.sql("INSERT INTO message(user, data) VALUES(42, 'by number'), (7.5, 'by number')")
    expect.equal(site.sql("SELECT group_concat(user) FROM message WHERE data = 'by number'"), '42,7.5')
    for column in ('created_at', 'expires_at'):
        for moment in (FIRST_SECOND, 1700000000, LAST_SECOND, "'1700000000'", '1700000000.0'):
            site.sql(f"INSERT INTO message({column}, data) VALUES({moment}, '{column}')")
    site.sql("INSERT INTO message(expires_at, data) VALUES(NULL, 'expires_at')")
    expect.equal(site.sql("SELECT group_concat(created_at) FROM message WHERE data = 'created_at'"),
                 f'{FIRST_SECOND},1700000000,{LAST_SECOND},1700000000,1700000000')
    site.sql("DELETE FROM message WHERE data IN ('passes', 'by number', 'created_at', 'expires_at')")


def _keeps_what_is_published(site):
    """An UPDATE of what was sent is refused, since those who are live would not
    see it; the rest of a row may be set."""
    site.sql("INSERT INTO message(user, topic, event, data, key) VALUES('anna', 'news', 'order', 'text', 'k1'), (NULL, NULL, NULL, 'bare', NULL)")
    content = "SELECT user, topic, event, data FROM message WHERE data IN ('text', 'bare') ORDER BY id"
    before = site.sql(content)
    for where in ("key = 'k1'", "data = 'bare'"):
        for column in ('user', 'topic', 'event', 'data'):
            for how in ('UPDATE', 'UPDATE OR IGNORE', 'UPDATE OR REPLACE'):
                done = site.sqlite3(f"{how} message SET {column} = 'changed' WHERE {where};")
                if how == 'UPDATE':
                    expect.true(done.returncode != 0 and 'change' in done.stderr, f'{column}: {done.stderr!r}')
    _refused(site, "UPDATE message SET user = NULL WHERE key = 'k1'", 'change')
    _refused(site, "UPDATE message SET data = data || '!' WHERE key = 'k1'", 'change')
    _refused(site, "UPDATE message SET expires_at = 4000000000, data = 'changed' WHERE key = 'k1'", 'change')
    _refused(site, "INSERT INTO message(data, key) VALUES('changed', 'k1') ON CONFLICT(key) DO UPDATE SET data = excluded.data", 'change')
    expect.equal(site.sql(content), before, 'the rows')
    for statement in ("UPDATE message SET expires_at = 4000000000 WHERE key = 'k1'", "UPDATE message SET expires_at = NULL WHERE key = 'k1'",
                      "UPDATE message SET key = 'k2' WHERE key = 'k1'", "UPDATE message SET key = NULL WHERE key = 'k2'",
                      "UPDATE message SET key = 'k1' WHERE data = 'text'",
                      "INSERT INTO message(data, key) VALUES('changed', 'k1') ON CONFLICT(key) DO UPDATE SET expires_at = 4000000000",
                      "INSERT INTO message(data, key) VALUES('changed', 'k1') ON CONFLICT(key) DO NOTHING",
                      "INSERT OR IGNORE INTO message(data, key) VALUES('changed', 'k1')"):
        site.sql(statement)
    expect.equal(site.sql(content), before, 'the rows')
    expect.equal(site.sql("SELECT expires_at FROM message WHERE key = 'k1'"), '4000000000')
    for moment in ('0', '1700000000000', "'soon'"):
        _refused(site, f"UPDATE message SET expires_at = {moment} WHERE key = 'k1'", 'expires_at')
    site.sql("DELETE FROM message WHERE data IN ('text', 'bare')")


def _is_as_the_text_says(site):
    _refuses_what_would_break_a_stream(site)
    _lets_pass_what_only_looks_alike(site)
    _keeps_what_is_published(site)


def a_new_table_refuses_what_would_break_a_stream(site):
    with site.store_in(site.new_folder('new')):
        _refuses_what_would_break_a_stream(site)


def a_new_table_lets_pass_what_only_looks_alike(site):
    with site.store_in(site.new_folder('names'), keep_for='0'):
        _lets_pass_what_only_looks_alike(site)


def a_new_table_keeps_what_is_published(site):
    with site.store_in(site.new_folder('kept')):
        _keeps_what_is_published(site)


# What an older rowcast has let in.
OLD_ROWS = [
    ('anna', None, None, 'good', 1700000000, None, None),
    ('42.0', '7.0', None, 'floats', 1700000000, None, 'a key'),
    ('1.0e+15', None, 'error', 'more of them', 0, None, None),
    ('x' * 300, 'y' * 300, 'z' * 300, 'long names', 1700000000000, 1900000000000, 'k' * 300),
    (None, None, 'open', 'a moment before 1970', -5, None, None),
    (None, None, None, 'the newest', 1700000000, None, None),
]
COLUMNS = 'user, topic, event, data, created_at, expires_at, key'


def _make_old(path, version, marked, statements=''):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(OLD_SCHEMA + OLD_INDEX[version] + f'INSERT INTO rowcast_schema VALUES({version});' + statements)
    if marked:
        connection.execute(f'PRAGMA application_id = {OUR_MARK}')
        connection.execute(f'PRAGMA user_version = {version}')
    connection.execute('PRAGMA journal_mode = WAL')
    connection.executemany(f'INSERT INTO message({COLUMNS}) VALUES({", ".join("?" * 7)})', OLD_ROWS)
    # The highest id ever given is that of a row that is gone.
    connection.execute("INSERT INTO message(id, data) VALUES(1000, 'gone')")
    connection.execute('DELETE FROM message WHERE id = 1000')
    rows = connection.execute('SELECT * FROM message ORDER BY id').fetchall()
    connection.close()
    return rows


@contextlib.contextmanager
def _upgraded(site, name, version=2, marked=True, statements='', **settings):
    """rowcast on a file of an older one; gives the rows that it had."""
    folder = site.new_folder(name)
    rows = _make_old(os.path.join(folder, 'rowcast.db'), version, marked, statements)
    with site.store_in(folder, keep_for='0', **settings):
        yield rows


def _rows(site):
    with contextlib.closing(sqlite3.connect(site.db)) as connection:
        return connection.execute('SELECT * FROM message ORDER BY id').fetchall()


def an_upgrade_keeps_every_row_that_stood(site):
    for version in (1, 2):
        with _upgraded(site, f'version {version}', version) as rows:
            expect.equal(_rows(site), rows, f'the rows of version {version}')
            expect.equal(site.sql('PRAGMA integrity_check'), 'ok')
            expect.equal(site.insert('the next', 'anna'), 1001, 'no id is given twice')
            # They can be sent, dated and deleted.
            with site.subscribe('anna', last_event_id=rows[0][0] - 1) as stream:
                expect.equal(stream.wait_event().data, 'good')
            for row in rows:
                site.sql(f"UPDATE message SET expires_at = 4000000000, key = 'new {row[0]}' WHERE id = {row[0]}")
            site.sql("DELETE FROM message WHERE data = 'floats'")
            expect.equal(len(_rows(site)), len(rows))


def an_upgraded_table_refuses_what_a_new_one_does(site):
    with _upgraded(site, 'upgraded'):
        _is_as_the_text_says(site)


def an_upgrade_leaves_what_is_the_applications_own(site):
    """The file may be the application's: with its tables, its mark, and its
    triggers and views on ours."""
    theirs = """
        PRAGMA application_id = 4711; PRAGMA user_version = 12;
        CREATE TABLE orders(id INTEGER PRIMARY KEY, user TEXT, state TEXT);
        CREATE TABLE audit(id INTEGER, data TEXT);
        CREATE TRIGGER order_shipped AFTER UPDATE OF state ON orders WHEN NEW.state = 'shipped'
        BEGIN INSERT INTO message(user, event, data) VALUES(NEW.user, 'order', NEW.id); END;
        CREATE TRIGGER audited AFTER INSERT ON message BEGIN INSERT INTO audit VALUES(NEW.id, NEW.data); END;
        CREATE VIEW recent AS SELECT id, data FROM message ORDER BY id DESC LIMIT 3;
        CREATE INDEX their_index ON message(event);
        INSERT INTO orders VALUES(7, 'anna', 'paid');
    """
    with _upgraded(site, 'application', marked=False, statements=theirs) as rows:
        expect.equal(_rows(site), rows, 'the rows')
        expect.equal(site.sql('PRAGMA application_id; PRAGMA user_version'), '4711\n12', 'their mark')
        names = set(site.sql('SELECT name FROM sqlite_schema').split('\n'))
        expect.true({'orders', 'audit', 'order_shipped', 'audited', 'recent', 'their_index'} <= names, f'what is left: {sorted(names)}')
        with site.subscribe('anna') as stream:
            site.sql("UPDATE orders SET state = 'shipped' WHERE id = 7")
            event = stream.wait_event(type='order')
            expect.equal(event.data, '7')
        expect.equal(site.sql(f'SELECT data FROM audit WHERE id = {event.id}'), '7', 'their trigger')
        expect.equal(site.sql('SELECT data FROM recent LIMIT 1'), '7', 'their view')
        _refused(site, "INSERT INTO orders VALUES(8, 42.0, 'paid'); UPDATE orders SET state = 'shipped' WHERE id = 8", 'user')


def two_that_start_at_once_upgrade_once(site):
    folder = site.new_folder('twice')
    path = os.path.join(folder, 'rowcast.db')
    rows = _make_old(path, 2, True)
    listen = 'unix:' + os.path.join(folder, 'socket')
    site.stop_rowcast()
    usual, site.rowcast.db = site.rowcast.db, path
    try:
        site.rowcast.configure({**site.settings, 'store': 'sqlite:' + path, 'keep_for': '0'})
        # A copy, since the configuration is written anew for the first.
        conf = shutil.copy(site.rowcast.conf, folder)
        other = subprocess.Popen([site.rowcast.program, 'serve', '-c', conf, '-o', 'listen=' + listen],
                                 stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            site.come_back(store='sqlite:' + path, keep_for='0')
            wait_until(lambda: rowcast(site, 'status', '-c', conf, '-o', 'listen=' + listen).returncode == 0,
                       'the other one serves too', 20 * site.slow)
            expect.equal(_rows(site), rows)
            expect.equal(site.sql('SELECT count(*) FROM rowcast_schema'), '1')
        finally:
            other.terminate()
            expect.equal(other.wait(20 * site.slow), 0, 'the end of the other one')
        site.stop_rowcast()
    finally:
        site.rowcast.db = usual
        if site.rowcast.running():
            site.stop_rowcast()
        site.come_back()


def numbers_that_a_driver_binds_as_floating_point_are_refused_with_advice(site):
    connection = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    with contextlib.closing(connection):
        for column in ('user', 'topic'):
            for number in (42.0, 0.0, 1e15, 123456789012345.0, float(2**53), 1e21):
                try:
                    connection.execute(f"INSERT INTO message({column}, data) VALUES(?, 'x')", (number,))
                except sqlite3.Error as refusal:
                    expect.true('text' in str(refusal) and column in str(refusal), f'{number}: {refusal}')
                else:
                    raise AssertionError(f'{column} {number} was taken, for {connection.execute("SELECT user, topic FROM message ORDER BY id DESC").fetchone()}')


def the_largest_id_is_one_that_every_browser_can_say(site):
    with site.store_in(site.new_folder('ids')):
        user = site.user()
        stream = site.subscribe(user)
        # What is refused takes no id with it.
        _refused(site, f"INSERT INTO message(id, user, data) VALUES({2**63 - 1}, '{user}', 'x')", 'id')
        first = site.publish(site.token(user), msg='one')
        expect.equal(first, 1)
        site.sql(f"INSERT INTO message(id, user, data) VALUES({LARGEST_ID}, '{user}', 'two')")
        expect.equal([(e.id, e.data) for e in stream.wait_events(2)], [('1', 'one'), (str(LARGEST_ID), 'two')])
        # There is none behind it; what there is goes on being sent.
        done = site.sqlite3(f"INSERT INTO message(user, data) VALUES('{user}', 'three');")
        expect.true(done.returncode != 0 and 'id' in done.stderr, f'{done.stderr}')
        with site.subscribe(user, last_event_id=0) as again:
            expect.equal([e.data for e in again.wait_events(2)], ['one', 'two'])


def what_the_table_refuses_the_other_ways_in_refuse_too(site):
    user = site.user()
    publisher, before = site.publisher(), site.sql("SELECT seq FROM sqlite_sequence WHERE name = 'message'")
    for fields in ({'user': '42.0'}, {'topic': '7.0'}, {'user': '1.0e+15'}, {'user': 'x' * 256}, {'topic': 'é' * 128}, {'event': 'x' * 256, 'all': 1},
                   {'event': 'error', 'all': 1}, {'event': 'open', 'all': 1}, {'event': 'rowcast.gap', 'all': 1}):
        body = json.dumps({'msg': 'x', **fields})
        expect.refusal(site.request('POST', '/msg', publisher, {'Content-Type': 'application/json'}, body), 400, str(fields))
        lines = '{"msg": "good", "all": 1}\n' + body
        expect.refusal(site.request('POST', '/msg', publisher, {'Content-Type': 'application/x-ndjson'}, lines), 400, f'a line: {fields}')
        options = [option for name, value in fields.items() if name != 'all' for option in (f'--{name}', value)]
        done = rowcast(site, 'publish', '-c', site.rowcast.conf, *options, 'x')
        expect.true(done.returncode in (1, 2) and done.stderr, f'publish {options}: {done.returncode} {done.stderr}')
        expect.equal(done.stdout, '', f'publish {options}')
    expect.equal(site.sql("SELECT seq FROM sqlite_sequence WHERE name = 'message'"), before, 'what was stored')
    for name in ('42', '7.5', 'v1.0', '10.0.0.1'):
        site.publish(publisher, msg='x', user=name)
    expect.status(site.request('GET', '/healthz'), 200)
    site.publish(site.token(user), msg='x')


def what_is_expired_at_its_birth_reaches_nobody(site):
    user = site.user()
    with site.subscribe(user) as stream:
        before = stream.parser.last_event_id
        site.sql(f"INSERT INTO message(user, data, expires_at) VALUES('{user}', 'gone', {int(time.time()) - 100})")
        site.insert('here', user)
        expect.only(stream, 'here')
    with site.subscribe(user, last_event_id=before) as stream:
        expect.only(stream, 'here')


def a_key_that_is_replaced_is_a_new_message_for_everybody(site):
    """REPLACE deletes the row and inserts another: those who are live see it, and
    those who come back."""
    user = site.user()
    with site.subscribe(user) as stream:
        before = stream.parser.last_event_id
        for data in ('first', 'second'):
            site.sql(f"INSERT OR REPLACE INTO message(user, data, key) VALUES('{user}', '{data}', 'price of {user}')")
            expect.equal(stream.wait_event().data, data)
    with site.subscribe(user, last_event_id=before) as back:
        expect.only(back, 'second')
