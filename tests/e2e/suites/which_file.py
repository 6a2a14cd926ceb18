"""What publishers open under the configured name is what rowcast has open, or it
ends; and on its way out it writes over nothing that others have written. Behind
one web server only."""

import contextlib
import os
import shutil
import sqlite3
import subprocess

import expect
import tap
from harness import Answer
from shell import expect_no_start
from tap import own_table_only
from waiting import wait_until


@contextlib.contextmanager
def _store_at(site, path):
    """rowcast with its store under that name, where the verbs of the table look
    too; it may be gone at the end."""
    usual = site.rowcast.db
    site.rowcast.db = path
    try:
        with site.configured(store='sqlite:' + path):
            yield
    finally:
        site.rowcast.db = usual


def _post(site, token, text):
    """An answer, or None where nobody was there to give one."""
    try:
        return site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, text)
    except OSError:
        return None


def _published(site, user, *texts):
    token = site.token(user)
    return {site.publish(token, msg=text): text for text in texts}


def _not_taken(site, user):
    """Publishes until it is refused; returns what was acknowledged before."""
    acknowledged = {}
    for i in range(50):
        answer = _post(site, site.token(user), f'late {i}')
        if not isinstance(answer, Answer) or answer.status != 201:
            break
        acknowledged[answer.json()['id']] = f'late {i}'
    return acknowledged


def _ends(site, stream, log):
    """rowcast ends by itself, with status 1, after a drain, and says why."""
    process = site.rowcast.process
    wait_until(lambda: process.poll() is not None, 'rowcast ends', 10 * site.slow)
    expect.equal(process.returncode, 1, 'the exit status')
    site.rowcast.process = None
    stream.wait_end()
    expect.true(stream.ended_cleanly, 'the streams end cleanly')
    expect.true(stream.parser.reconnection_time_ms is not None, 'retry')
    lines = site.rowcast.log_since(log).split('\n')
    expect.true(any(site.db in line for line in lines), f'the log names the file: {lines}')


def _rows(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        expect.equal(connection.execute('PRAGMA integrity_check').fetchall(), [('ok',)], path)
        return dict(connection.execute('SELECT id, data FROM message'))


def _has(path, rows, what):
    stored = _rows(path)
    expect.equal({id: stored.get(id) for id in rows}, rows, what)


def _turn(link, target):
    """As a deploy does, in one rename."""
    os.symlink(target, link + '.new')
    os.rename(link + '.new', link)


def _copy(path, to):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"VACUUM INTO '{to}'")


def _foreign_row(path, text):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as connection:
        return {connection.execute("INSERT INTO message(data) VALUES(?) RETURNING id", (text,)).fetchone()[0]: text}


def _a_link_is_turned(site, folder, link, name, other):
    """The store is at `name`; turning `link` leads it to `other`, a copy."""
    with _store_at(site, name):
        user = site.user()
        stream = site.subscribe(user)
        old = os.path.realpath(name)
        acknowledged = _published(site, user, 'one', 'two')
        # Through the link both ways work while it stands.
        site.insert('by a foreigner', user)
        expect.equal([e.data for e in stream.wait_events(3)], ['one', 'two', 'by a foreigner'])
        _copy(name, other)
        log = len(site.rowcast.log_bytes())
        _turn(link, os.path.relpath(other if link == name else os.path.dirname(other), os.path.dirname(link)))
        expect.equal(os.path.realpath(name), os.path.realpath(other))
        theirs = _foreign_row(name, 'by a publisher who opens the name')
        before = _rows(other)
        late = _not_taken(site, user)
        _ends(site, stream, log)
        _has(old, acknowledged, 'what was acknowledged')
        _has(old, late, 'what was acknowledged late')
        expect.equal(late, {}, 'acknowledged into the file that nobody opens')
        expect.equal(_rows(other), before, 'the file that the name leads to now')
        _has(other, theirs, 'what the other publisher has stored')
        site.come_back(store='sqlite:' + name)
        site.insert('to the new one', user)
        with site.subscribe(user, last_event_id=0) as again:
            expect.equal([e.data for e in again.wait_events(5)][-2:], ['by a publisher who opens the name', 'to the new one'])


@own_table_only('where INSERT goes has no ids yet')
def a_link_to_the_file_that_is_turned_ends_it(site):
    folder = site.new_folder('file link')
    link = os.path.join(folder, 'rowcast.db')
    os.symlink('release1.db', link)
    _a_link_is_turned(site, folder, link, link, os.path.join(folder, 'release2.db'))


@own_table_only('where INSERT goes has no ids yet')
def a_link_of_a_folder_that_is_turned_ends_it(site):
    folder = site.new_folder('folder link')
    for release in ('release1', 'release2'):
        os.mkdir(os.path.join(folder, release))
    link = os.path.join(folder, 'current')
    os.symlink('release1', link)
    _a_link_is_turned(site, folder, link, os.path.join(link, 'rowcast.db'), os.path.join(folder, 'release2', 'rowcast.db'))


@own_table_only('where INSERT goes has no ids yet')
def a_link_far_up_the_way_that_is_turned_ends_it(site):
    """And behind another link that stays."""
    folder = site.new_folder('long way')
    for release in ('release1', 'release2'):
        os.makedirs(os.path.join(folder, release, 'var', 'data'))
    link = os.path.join(folder, 'current')
    os.symlink('release1', link)
    os.symlink(os.path.join(link, 'var'), os.path.join(folder, 'var'))
    name = os.path.join(folder, 'var', 'data', 'rowcast.db')
    with _store_at(site, name):
        user = site.user()
        stream = site.subscribe(user)
        acknowledged = _published(site, user, 'one')
        _copy(name, os.path.join(folder, 'release2', 'var', 'data', 'rowcast.db'))
        log = len(site.rowcast.log_bytes())
        _turn(link, 'release2')
        theirs = _foreign_row(name, 'into the new one')
        expect.equal(_not_taken(site, user), {}, 'acknowledged into the file that nobody opens')
        _ends(site, stream, log)
        _has(os.path.join(folder, 'release1', 'var', 'data', 'rowcast.db'), acknowledged, 'what was acknowledged')
        expect.equal(_rows(name), {**acknowledged, **theirs}, 'the new one')


def a_link_that_is_turned_while_nobody_publishes_ends_it_too(site):
    folder = site.new_folder('quiet')
    link = os.path.join(folder, 'rowcast.db')
    os.symlink('release1.db', link)
    with _store_at(site, link):
        stream = site.subscribe(site.user())
        _copy(link, os.path.join(folder, 'release2.db'))
        log = len(site.rowcast.log_bytes())
        _turn(link, 'release2.db')
        _ends(site, stream, log)


@own_table_only('what was acknowledged is in the log')
def a_folder_that_is_moved_away_ends_it(site):
    folder = os.path.join(site.new_folder('moving'), 'data')
    os.mkdir(folder)
    name = os.path.join(folder, 'rowcast.db')
    with _store_at(site, name):
        user = site.user()
        stream = site.subscribe(user)
        acknowledged = _published(site, user, 'one')
        log = len(site.rowcast.log_bytes())
        os.rename(folder, folder + '.old')
        os.mkdir(folder)
        expect.equal(_not_taken(site, user), {}, 'acknowledged into a file that nobody finds')
        _ends(site, stream, log)
        _has(os.path.join(folder + '.old', 'rowcast.db'), acknowledged, 'what was acknowledged')


# ---- at the start ----

def _refuses(site, name):
    """A start with that store ends with a sentence that names the file, and
    leaves it as it is."""
    with open(name, 'rb') as f:
        before = f.read()
    expect_no_start(site, '-c', site.rowcast.conf, '-o', 'listen=unix:' + os.path.join(site.folder, 'refused.sock'),
                    '-o', 'store=sqlite:' + name, says=[name])
    with open(name, 'rb') as f:
        expect.equal(f.read() == before, True, 'the file is as it was')


def _a_store(site, folder):
    """A file that rowcast could use."""
    path = os.path.join(folder, 'rowcast.db')
    _copy(site.db, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute('PRAGMA journal_mode = WAL')  # which the copy does not take over
    return path


def a_file_with_two_names_is_refused(site):
    path = _a_store(site, site.new_folder('two names'))
    other = path.replace('rowcast.db', 'other.db')
    os.link(path, other)
    for name in (path, other):
        _refuses(site, name)
    link = path.replace('rowcast.db', 'link.db')
    os.symlink(other, link)
    _refuses(site, link)
    # With one name left it is a file like any.
    os.unlink(path)
    with _store_at(site, other):
        site.publish(site.token(site.user()), msg='x')


def a_file_that_is_mounted_by_itself_is_refused(site):
    folder = site.new_folder('mounted')
    path = _a_store(site, folder)
    name = os.path.join(folder, 'mounted.db')
    open(name, 'w').close()
    done = subprocess.run(['mount', '--bind', path, name], capture_output=True, text=True)
    if done.returncode != 0:
        tap.diagnose(f'only root may mount: {done.stderr.strip()}')
        return
    try:
        _refuses(site, name)
    finally:
        subprocess.run(['umount', '-l', name], check=True)


def a_folder_that_is_mounted_is_fine(site):
    """As containers have it."""
    folder, mounted = site.new_folder('volume'), site.new_folder('mount point')
    done = subprocess.run(['mount', '--bind', folder, mounted], capture_output=True, text=True)
    if done.returncode != 0:
        tap.diagnose(f'only root may mount: {done.stderr.strip()}')
        return
    try:
        with _store_at(site, os.path.join(mounted, 'rowcast.db')):
            user = site.user()
            stream = site.subscribe(user)
            site.publish(site.token(user), msg='own')
            _foreign_row(os.path.join(folder, 'rowcast.db'), 'by a foreigner, under the other name of the folder')
            expect.equal(len(stream.wait_events(2)), 2)
    finally:
        subprocess.run(['umount', '-l', mounted], check=True)


def a_database_that_may_not_be_written_is_refused(site):
    """To root every file may be written, so it is another one who starts."""
    folder = site.new_folder('unwritable')
    path = _a_store(site, folder)
    prefix = []
    if os.geteuid() == 0:
        if shutil.which('setpriv') is None:
            tap.diagnose('no setpriv')
            return
        prefix = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
        os.chown(folder, 65534, 65534)
    key = os.path.join(folder, 'key')
    with open(key, 'wb') as f:
        f.write(site.secret)
    os.chmod(key, 0o644)
    for name, mode in ((path, 0o444), (_a_store(site, site.new_folder('unreadable')), 0o000)):
        os.chmod(name, mode)
        expect_no_start(site, '-o', 'listen=unix:' + os.path.join(folder, 'socket'), '-o', 'jwt_key_file=' + key,
                        '-o', 'store=sqlite:' + name, prefix=prefix, says=[name])


# ---- beside the file ----

def _beside_it_is_deleted(site, name, *suffixes, foreign=True):
    with site.store_in(site.new_folder(name)):
        user = site.user()
        stream = site.subscribe(user)
        site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
        acknowledged = _published(site, user, *(f'{i}' for i in range(20)))
        stream.wait_events(20)
        log = len(site.rowcast.log_bytes())
        for suffix in suffixes:
            os.unlink(site.db + suffix)
        theirs = _foreign_row(site.db, 'by another program') if foreign else {}
        late = _not_taken(site, user)
        _ends(site, stream, log)
        stored = _rows(site.db)
        expect.equal({id: stored.get(id) for id in theirs}, theirs, 'what the other program has stored')
        return acknowledged, late, theirs, stored


@own_table_only('what was acknowledged is in the log')
def without_its_shm_no_acknowledged_row_is_lost(site):
    acknowledged, late, theirs, stored = _beside_it_is_deleted(site, 'no shm', '-shm')
    expect.equal(stored, {**acknowledged, **late, **theirs}, 'the table')


@own_table_only('what was acknowledged is in the log')
def without_its_shm_and_with_nobody_else_no_acknowledged_row_is_lost(site):
    acknowledged, late, _, stored = _beside_it_is_deleted(site, 'no shm, alone', '-shm', foreign=False)
    expect.equal(stored, {**acknowledged, **late}, 'the table')


@own_table_only('what was acknowledged is in the log')
def without_its_wal_no_acknowledged_row_is_lost(site):
    acknowledged, late, _, stored = _beside_it_is_deleted(site, 'no wal', '-wal', foreign=False)
    expect.equal(stored, {**acknowledged, **late}, 'the table')


@own_table_only('what was acknowledged is in the log')
def without_both_no_acknowledged_row_is_lost_while_nobody_else_writes(site):
    acknowledged, late, _, stored = _beside_it_is_deleted(site, 'neither, alone', '-wal', '-shm', foreign=False)
    expect.equal(stored, {**acknowledged, **late}, 'the table')


@own_table_only('where INSERT goes has no ids yet')
def without_both_nothing_of_another_program_is_overwritten(site):
    """They find the file as it was at its last checkpoint, and give the ids of
    what they have not seen a second time: what they store stays theirs."""
    with site.store_in(site.new_folder('neither')):
        user = site.user()
        stream = site.subscribe(user)
        site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
        _published(site, user, *(f'{i}' for i in range(20)))
        log = len(site.rowcast.log_bytes())
        for suffix in ('-wal', '-shm'):
            os.unlink(site.db + suffix)
        theirs = {}
        for i in range(5):
            theirs.update(_foreign_row(site.db, f'theirs {i}'))
        late = _not_taken(site, user)
        _ends(site, stream, log)
        stored = _rows(site.db)
        expect.equal({id: stored.get(id) for id in theirs}, theirs, 'what the other program has stored')
        expect.equal({id: stored.get(id) for id in late}, late, 'what was acknowledged late')
