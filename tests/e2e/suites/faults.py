"""A store that fails: each fault has a clear answer, nothing is lost or
invented, and what can go on goes on. Behind one web server only."""

import contextlib
import json
import os
import resource
import sqlite3
import subprocess
import threading
import time

import expect
import tap
from waiting import wait_until

OWN_TABLE_ONLY = '/msg and what is acknowledged there do not depend on the file'


@contextlib.contextmanager
def _small_disk(folder, size):
    """A file system of that size; None where only root could mount it and we
    are not, or may not."""
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'rowcast-e2e', folder], capture_output=True, text=True)
    if done.returncode != 0:
        tap.diagnose(f'no file system of its own: {done.stderr.strip()}')
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(['umount', '-l', folder], check=True)


def _log(site, since=0):
    """What rowcast has logged about the store's file."""
    return [line for line in site.rowcast.log_since(since).split('\n') if site.db in line]


def _log_end(site):
    return len(site.rowcast.log_bytes())


def _post(site, token, text):
    return site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, text)


def _refused_until(site, token, text, says):
    """Publishes until that is refused, and returns what was taken before."""
    taken = []
    for _ in range(200):
        answer = _post(site, token, text)
        if answer.status != 201:
            expect.refusal(answer, 503)
            error = answer.json()['error']
            expect.true(error.startswith('nothing was stored') and says in error, f'the sentence says why: {error}')
            expect.true(int(answer.headers['retry-after']) > 0, 'Retry-After')
            return taken
        taken.append(answer.json()['id'])
    raise AssertionError('all of it was stored')


def _goes_on_without_writing(site, user, token, stream, seen):
    """What needs no room works: open streams live, new ones are let in, and
    history is replayed."""
    stream.wait_comment()
    with site.subscribe(user, last_event_id=0) as again:
        expect.equal([int(e.id) for e in again.wait_events(len(seen))], seen, 'the replay')
    answer = site.request('GET', '/healthz')
    expect.refusal(answer, 503, 'healthz')
    for _ in range(5):
        expect.status(_post(site, token, 'x' * 60000), 503, 'still no room')


def _works_again(site, user, token, stream, seen):
    seen = seen + [site.publish(token, msg='after'), site.insert('foreign', user)]
    expect.status(site.request('GET', '/healthz'), 200)
    expect.equal([int(e.id) for e in stream.wait_events(len(seen))], seen, 'the stream, which never ended')
    expect.equal(site.sql("SELECT group_concat(id, ' ') FROM message"), ' '.join(map(str, seen)), 'the table')
    expect.equal(site.sql('PRAGMA integrity_check'), 'ok')


def a_full_disk_is_503_and_it_works_again_when_there_is_room(site):
    folder = site.new_folder('small')
    with _small_disk(folder, '3m') as mounted:
        if mounted is None:
            return  # the next test does the nearest thing without root
        with site.store_in(folder):
            user = site.user()
            token = site.token(user)
            stream = site.subscribe(user)
            seen = [site.publish(token, msg='before')]
            ballast = os.path.join(folder, 'ballast')
            with contextlib.suppress(OSError), open(ballast, 'wb', buffering=0) as f:
                while True:
                    f.write(bytes(4096))
            log = _log_end(site)
            seen += _refused_until(site, token, 'x' * 60000, 'no room left on the disk')
            _goes_on_without_writing(site, user, token, stream, seen)
            lines = _log(site, log)
            expect.true(lines and all('no room on the disk' in line for line in lines), f'the log names the file: {lines}')
            os.unlink(ballast)
            _works_again(site, user, token, stream, seen)


def a_file_that_may_not_grow_is_503_and_it_works_again_when_it_may(site):
    """A limit on the size of files; the signal that comes with it must not end
    rowcast."""
    folder = site.new_folder('limited')
    with site.store_in(folder):
        user = site.user()
        token = site.token(user)
        stream = site.subscribe(user)
        seen = [site.publish(token, msg='before')]
        pid = site.rowcast.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        log = _log_end(site)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (os.path.getsize(site.db + '-wal') + 100000, hard))
        seen += _refused_until(site, token, 'x' * 60000, 'cannot be written')
        _goes_on_without_writing(site, user, token, stream, seen)
        expect.true(any('a message cannot be stored' in line for line in _log(site, log)), f'the log: {_log(site, log)}')
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        _works_again(site, user, token, stream, seen)


def _start_is_refused(site):
    log = _log_end(site)
    try:
        site.start_rowcast(store='sqlite:' + site.db)
    except AssertionError:
        lines = _log(site, log)
        expect.true(lines, f'the log names the file: {site.rowcast.log_since(log)}')
        return lines
    site.stop_rowcast()
    raise AssertionError('rowcast started all the same')


@contextlib.contextmanager
def _read_only(folder):
    """A folder that nobody can write to: for root that takes a file system."""
    if os.geteuid() == 0:
        done = subprocess.run(['mount', '-o', 'remount,ro', folder], capture_output=True, text=True)
        expect.equal(done.returncode, 0, done.stderr)
    else:
        for name in os.listdir(folder):
            os.chmod(os.path.join(folder, name), 0o444)
        os.chmod(folder, 0o555)
    try:
        yield
    finally:
        if os.geteuid() == 0:
            subprocess.run(['mount', '-o', 'remount,rw', folder], check=True)
        else:
            os.chmod(folder, 0o755)
            for name in os.listdir(folder):
                os.chmod(os.path.join(folder, name), 0o644)


def a_folder_that_cannot_be_written_is_refused_and_left_as_it_is(site):
    folder = site.new_folder('readonly')
    with _small_disk(folder, '3m') if os.geteuid() == 0 else contextlib.nullcontext(folder) as usable:
        if usable is None:
            return  # root without mounts: no folder is read-only for it
        with site.store_in(folder):
            user = site.user()
            id = site.insert('kept', user)
            site.stop_rowcast()
            before = _content(site.db)
            with _read_only(folder):
                _start_is_refused(site)
            expect.equal(_content(site.db), before, 'the file')
            site.come_back(store='sqlite:' + site.db)
            with site.subscribe(user, last_event_id=id - 1) as stream:
                expect.equal(stream.wait_event().data, 'kept')


def _content(path):
    with open(path, 'rb') as f:
        return f.read()


def a_file_that_is_no_database_is_refused_and_left_as_it_is(site):
    folder = site.new_folder('nodatabase')
    site.stop_rowcast()
    usual, site.rowcast.db = site.rowcast.db, os.path.join(folder, 'rowcast.db')
    try:
        for content in (b'Dear diary,\n' * 1000, os.urandom(20000), b'SQLite format 3\0' + os.urandom(8176)):
            with open(site.db, 'wb') as f:
                f.write(content)
            _start_is_refused(site)
            expect.equal(_content(site.db), content, 'the file')
    finally:
        site.rowcast.db = usual
        site.come_back()


def a_table_that_is_locked_for_long_is_503_after_a_while_and_then_as_before(site):
    user = site.user()
    token = site.token(user)
    stream = site.subscribe(user)
    first = site.publish(token, msg='before')
    foreign = sqlite3.connect(site.db, isolation_level=None)
    foreign.execute('BEGIN IMMEDIATE')
    foreign.execute('INSERT INTO message(user, data) VALUES(?, ?)', (user, 'in the long transaction'))
    log, began = _log_end(site), time.monotonic()
    answer = _post(site, token, 'refused')
    took = time.monotonic() - began
    expect.refusal(answer, 503)
    expect.true('another program keeps the store locked' in answer.json()['error'], answer.text)
    print(f'# refused after {took:.2f} s')
    expect.within(took, 1.5, 10 * site.slow, 'seconds until it is refused')
    expect.true(any('locked by another program' in line for line in _log(site, log)), 'the log names the file')
    stream.wait_comment()
    with site.subscribe(user, last_event_id=first - 1) as again:
        expect.equal(again.wait_event().data, 'before', 'readers do not wait')
    foreign.execute('COMMIT')
    foreign.close()
    site.publish(token, msg='after')
    expect.equal([e.data for e in stream.wait_events(3)], ['before', 'in the long transaction', 'after'])
    expect.status(site.request('GET', '/healthz'), 200)


# ---- damage ----

PAGE = 4096


def _page_with(path, text):
    """The number, from 0, of the page that has the text."""
    at = _content(path).find(text.encode())
    expect.true(at >= 0, f'{text} is in the file')
    return at // PAGE


def _overwrite(path, page, content):
    """Writes a page into the file, behind SQLite's back; returns what it had."""
    fd = os.open(path, os.O_RDWR)
    try:
        before = os.pread(fd, PAGE, page * PAGE)
        os.pwrite(fd, content, page * PAGE)
        return before
    finally:
        os.close(fd)


def _with_rows(site, user, n):
    """n rows of some pages each; all of them in the file, nothing in the -wal."""
    connection = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    connection.execute('BEGIN')
    rows = {}
    for i in range(n):
        cursor = connection.execute('INSERT INTO message(user, data) VALUES(?, ?)', (user, f'row {i:03} ' + 'y' * 1500))
        rows[cursor.lastrowid] = i
    connection.execute('COMMIT')
    connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    connection.close()
    return rows


def _replay_until_the_damage(site, user, rows):
    """What a client gets until its stream ends; all of it must be true."""
    stream = site.stream(user, last_event_id=min(rows) - 1)
    expect.equal(stream.wait_status(), 200)
    stream.wait_end()
    events = [block.event for block in stream.blocks if block.event]
    expect.equal([int(e.id) for e in events], sorted(rows)[:len(events)], 'rows, from the first on and in order')
    for e in events:
        expect.true(e.type == 'message' and e.data == f'row {rows[int(e.id)]:03} ' + 'y' * 1500, f'invented: {e}')
    expect.true(len(events) < len(rows), 'the damage is met')
    return len(events)


def a_damaged_page_ends_the_streams_that_need_it_and_no_others(site):
    with site.store_in(site.new_folder('damaged')):
        user, other = site.user(), site.user()
        rows = _with_rows(site, user, 200)
        page = _page_with(site.db, 'row 120')

        # While rowcast does not run...
        site.stop_rowcast()
        whole = _overwrite(site.db, page, os.urandom(PAGE))
        log = _log_end(site)
        site.come_back(store='sqlite:' + site.db)
        live = site.subscribe(other)
        got = _replay_until_the_damage(site, user, rows)
        expect.true(_log(site, log), 'the log names the file')
        site.publish(site.token(other), msg='others go on')
        expect.equal(live.wait_event().data, 'others go on')
        _overwrite(site.db, page, whole)
        site.insert('so that nobody trusts what is in memory')
        with site.subscribe(user, last_event_id=min(rows) - 1) as stream:
            expect.equal([int(e.id) for e in stream.wait_events(len(rows))], sorted(rows), 'whole again')

        # ... and while it does.
        whole = _overwrite(site.db, page, os.urandom(PAGE))
        site.insert('so that nobody trusts what is in memory')
        _replay_until_the_damage(site, user, rows)
        site.publish(site.token(other), msg='others go on')
        expect.equal([e.data for e in live.wait_events(3)][-1], 'others go on')
        _overwrite(site.db, page, whole)
        print(f'# {got} of {len(rows)} rows came before the damage')


def a_damaged_root_page_is_503_for_all_and_nothing_is_invented(site):
    with site.store_in(site.new_folder('rootless')):
        user = site.user()
        token = site.token(user)
        rows = _with_rows(site, user, 50)
        stream = site.subscribe(user)
        page = int(site.sql("SELECT rootpage FROM sqlite_schema WHERE name = 'message'")) - 1
        site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
        whole = _overwrite(site.db, page, os.urandom(PAGE))
        site.sqlite3('CREATE TABLE other(x); DROP TABLE other; PRAGMA wal_checkpoint(TRUNCATE);')
        log = _log_end(site)
        expect.refusal(_post(site, token, 'refused'), 503)
        # Who has to be read for is not told a made-up gap: the stream ends, and comes back.
        answer = site.request('GET', '/events', token, {'Accept': 'text/event-stream', 'Last-Event-ID': '1'})
        expect.status(answer, 200)
        expect.true('data:' not in answer.text, f'nothing is invented: {answer}')
        wait_until(lambda: site.request('GET', '/healthz').status == 503, 'healthz says so', 10 * site.slow)
        stream.wait_comment()
        expect.true(any('malformed' in line for line in _log(site, log)), f'the log says why: {_log(site, log)[:3]}')
        before = len(_log(site, log))
        for _ in range(100):
            expect.status(_post(site, token, 'refused'), 503)
        print(f'# {len(_log(site, log)) - before} lines of log for 100 more refusals')
        expect.within(len(_log(site, log)) - before, 0, 50, 'lines of log')
        _overwrite(site.db, page, whole)
        site.insert('so that nobody trusts what is in memory')
        wait_until(lambda: _post(site, token, 'mended').status == 201, 'it works again', 20 * site.slow, 0.05)
        expect.equal([e.data for e in stream.wait_events(2, 20 * site.slow)][1], 'mended', 'the stream, which never ended')
        expect.equal(int(site.sql("SELECT count(*) FROM message WHERE data = 'refused'")), 0)
        expect.equal(int(site.sql("SELECT count(*) FROM message WHERE data LIKE 'row %'")), len(rows))


# ---- the file taken away ----

def _ends_with_status_1(site, log, why):
    process = site.rowcast.process
    wait_until(lambda: process.poll() is not None, 'rowcast ends', 20 * site.slow)
    expect.equal(process.returncode, 1, 'the exit status, for the service manager')
    site.rowcast.process = None
    lines = _log(site, log)
    expect.true(any(why in line for line in lines), f'the log says why: {lines}')
    expect.within(len(lines), 1, 2, f'lines about the file: {lines}')


def _refused(answer):
    """By rowcast, or, where it went before it had read the request, by the web
    server."""
    expect.true(answer.status in (500, 503), f'refused: {answer.status} {answer.body[:300]}')


def _told_to_come_back(stream):
    stream.wait_end()
    expect.true(stream.ended_cleanly, 'the end is clean')
    expect.true(stream.parser.reconnection_time_ms is not None, 'retry')


class _Publishers:
    """Publishes without a pause until it is refused; knows what was not."""

    def __init__(self, site, user, n):
        self.acknowledged, self.refusals, self._lock = {}, [], threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(site, site.token(user), i), daemon=True) for i in range(n)]
        for thread in self.threads:
            thread.start()

    def _run(self, site, token, number):
        connection, n = site.connect(), 0
        while True:
            text = f'{number}/{n}'
            try:
                answer = site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, text, connection)
            except OSError:
                return
            with self._lock:
                if answer.status != 201:
                    self.refusals.append(answer)
                    return
                self.acknowledged[answer.json()['id']] = text
            n += 1

    def join(self):
        for thread in self.threads:
            thread.join(60)
            expect.true(not thread.is_alive(), 'a publisher has its answer')


def a_file_moved_away_under_load_has_all_that_was_acknowledged(site):
    folder = site.new_folder('moved')
    with site.store_in(folder):
        user = site.user()
        stream = site.subscribe(user)
        publishers = _Publishers(site, user, 4)
        wait_until(lambda: len(publishers.acknowledged) > 100, 'there is load', 30 * site.slow)
        log, moved = _log_end(site), os.path.join(folder, 'moved.db')
        os.rename(site.db, moved)
        publishers.join()
        _ends_with_status_1(site, log, 'was deleted, moved or replaced')
        _told_to_come_back(stream)
        for answer in publishers.refusals:
            _refused(answer)
        sentences = {a.json()['error'] for a in publishers.refusals if a.headers['content-type'].startswith('application/json')}
        print(f'# {len(publishers.acknowledged)} acknowledged; refused with: {sentences}')
        expect.equal(os.path.getsize(site.db + '-wal'), 0, 'its -wal, which would be taken for the next file\'s')
        connection = sqlite3.connect(moved)
        stored = dict(connection.execute('SELECT id, data FROM message'))
        connection.close()
        expect.equal(stored, publishers.acknowledged, 'the file that was moved away')
        expect.equal([(int(b.event.id), b.event.data) for b in stream.blocks if b.event],
                     sorted(publishers.acknowledged.items()), 'the stream')
        # Whoever starts it anew gets a new file, and clients are told.
        site.come_back(store='sqlite:' + site.db)
        with site.subscribe(user, last_event_id=stream.parser.last_event_id) as back:
            gap = json.loads(back.wait_event(type='rowcast.gap').data)
            expect.equal((gap['reason'], gap['newest']), ('ahead', 0))
            site.publish(site.token(user), msg='new')
            expect.equal(back.wait_event().data, 'new')


def a_deleted_file_takes_nothing_more(site):
    with site.store_in(site.new_folder('deleted')):
        user = site.user()
        token = site.token(user)
        stream = site.subscribe(user)
        site.publish(token, msg='seen')
        expect.equal(stream.wait_event().data, 'seen')
        log = _log_end(site)
        os.unlink(site.db)
        _refused(_post(site, token, 'x'))
        _ends_with_status_1(site, log, 'was deleted, moved or replaced')
        _told_to_come_back(stream)
        site.come_back(store='sqlite:' + site.db)
        expect.equal(site.publish(token, msg='new'), 1, 'a new file, not what the -wal of the old one had')
        expect.equal(site.sql('SELECT count(*) FROM message'), '1')


def _backed_up(site, folder, *texts):
    """A user who was sent these, and a backup: user, token, ids, the backup's path."""
    user = site.user()
    token = site.token(user)
    ids = [site.publish(token, msg=text) for text in texts]
    backup = os.path.join(folder, 'backup.db')
    site.sql(f"VACUUM INTO '{backup}'")
    return user, token, ids, backup


def another_file_in_its_place_is_taken_up_anew(site):
    """Put in place as a careful person does, in one rename, but with rowcast
    running."""
    folder = site.new_folder('replaced')
    with site.store_in(folder):
        user, token, kept, backup = _backed_up(site, folder, 'kept 0', 'kept 1', 'kept 2')
        stream = site.subscribe(user)
        for i in range(5):
            site.publish(token, msg=f'gone {i}')
        expect.equal([e.data for e in stream.wait_events(5)][-1], 'gone 4')
        log = _log_end(site)
        os.rename(backup, site.db)
        _refused(_post(site, token, 'x'))
        _ends_with_status_1(site, log, 'was deleted, moved or replaced')
        _told_to_come_back(stream)
        site.come_back(store='sqlite:' + site.db)
        expect.equal(site.sql('PRAGMA integrity_check'), 'ok', 'nothing of the old one came over it')
        expect.equal(site.sql("SELECT group_concat(data, ',') FROM message"), 'kept 0,kept 1,kept 2')
        with site.subscribe(user, last_event_id=stream.parser.last_event_id) as back:
            expect.equal(json.loads(back.wait_event(type='rowcast.gap').data)['reason'], 'ahead')
            expect.equal(site.publish(token, msg='new'), kept[-1] + 1)
            expect.equal(back.wait_event().data, 'new')


def a_backup_restored_in_place_is_taken_up_anew(site):
    folder = site.new_folder('restored')
    with site.store_in(folder):
        user, token, _, backup = _backed_up(site, folder, 'kept')
        stream = site.subscribe(user)
        for i in range(5):
            site.publish(token, msg=f'gone {i}')
        expect.equal([e.data for e in stream.wait_events(5)][-1], 'gone 4')
        log = _log_end(site)
        site.sql(f'.restore {backup}')
        _ends_with_status_1(site, log, 'got an older state')
        _told_to_come_back(stream)
        site.come_back(store='sqlite:' + site.db)
        with site.subscribe(user, last_event_id=stream.parser.last_event_id) as back:
            expect.equal(json.loads(back.wait_event(type='rowcast.gap').data)['reason'], 'ahead')
            site.publish(token, msg='new')
            expect.equal(back.wait_event().data, 'new')


def a_backup_whose_ids_were_raised_hides_nothing_from_who_has_seen_more(site):
    """As the README says. Ids that are given a second time would lie behind the
    cursor of who has seen them the first time."""
    folder = site.new_folder('raised')
    with site.store_in(folder):
        user, token, _, backup = _backed_up(site, folder, 'kept')
        gone = [site.publish(token, msg=f'gone {i}') for i in range(5)]
        site.stop_rowcast()
        for name in (site.db + '-wal', site.db + '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        os.rename(backup, site.db)
        site.sql("UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'message'")
        site.come_back(store='sqlite:' + site.db)
        new = [f'new {i}' for i in range(10)]  # with the old ids some of them would be behind the cursor
        for text in new:
            site.publish(token, msg=text)
        with site.subscribe(user, last_event_id=gone[-1]) as back:
            expect.equal([e.data for e in back.wait_events(len(new))], new)
        with site.subscribe(user, last_event_id=0) as other:
            expect.equal([e.data for e in other.wait_events(1 + len(new))], ['kept', *new])


def without_its_wal_nothing_that_was_acknowledged_is_lost(site):
    with site.store_in(site.new_folder('walless')):
        user = site.user()
        stream = site.subscribe(user)
        publishers = _Publishers(site, user, 4)
        wait_until(lambda: len(publishers.acknowledged) > 100, 'there is load', 30 * site.slow)
        log = _log_end(site)
        os.unlink(site.db + '-wal')
        publishers.join()
        _ends_with_status_1(site, log, 'had its -wal deleted or replaced')
        _told_to_come_back(stream)
        site.come_back(store='sqlite:' + site.db)
        rows = (line.split('|') for line in site.sql('SELECT id, data FROM message').split('\n'))
        expect.equal({int(id): data for id, data in rows}, publishers.acknowledged, 'the table')
        site.insert('new', user)
        with site.subscribe(user, last_event_id=0) as back:
            events = back.wait_events(len(publishers.acknowledged) + 1)
            expect.equal(events[-1].data, 'new')


def vacuum_backup_and_checkpoint_beside_a_running_rowcast_disturb_nobody(site):
    folder = site.new_folder('tended')
    with site.store_in(folder):
        user = site.user()
        stream = site.subscribe(user)
        for i, statement in enumerate(('VACUUM', 'PRAGMA wal_checkpoint(TRUNCATE)', 'REINDEX',
                                       f'.backup {folder}/backup.db', f"VACUUM INTO '{folder}/other.db'")):
            site.sql(statement)
            site.publish(site.token(user), msg=f'own {i}')
            site.insert(f'foreign {i}', user)
            expect.equal([e.data for e in stream.wait_events(2)], [f'own {i}', f'foreign {i}'])
        expect.true(site.rowcast.running(), 'rowcast runs')
