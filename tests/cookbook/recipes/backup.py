"""Copies that are taken while everybody publishes, and one that is put in place."""

import contextlib
import json
import sqlite3
import threading

import expect
from waiting import wait_until


class Load:
    """Somebody who publishes without a pause for the length of a with block, by the
    table and by /msg in turn; `sent` is what was acknowledged, in order."""

    def __init__(self, site, user):
        self.site, self.user = site, user
        self.sent, self.problem = [], None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        connection = sqlite3.connect(self.site.db, isolation_level=None, timeout=20)
        token = self.site.token(self.user)
        try:
            while not self._over.is_set():
                text = str(len(self.sent))
                if len(self.sent) % 2:
                    connection.execute('INSERT INTO message(user, data) VALUES(?, ?)', (self.user, text))
                else:
                    self.site.publish(token, msg=text)
                self.sent.append(text)
        except Exception as e:
            self.problem = e
        finally:
            connection.close()

    def __enter__(self):
        self._thread.start()
        return self

    def wait(self, n):
        """Until so many are sent."""
        wait_until(lambda: len(self.sent) >= n or self.problem, f'{n} are sent', 20 * self.site.slow)

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        if self.problem:
            raise self.problem


def _messages(path, user):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        expect.equal(connection.execute('PRAGMA integrity_check').fetchall(), [('ok',)], path)
        return [data for data, in connection.execute('SELECT data FROM message WHERE user = ? ORDER BY id', (user,))]


def a_backup_disturbs_nobody_and_is_of_one_moment(site):
    site.follow('backup')
    stream = site.subscribe('busy')
    with Load(site, 'busy') as load:
        load.wait(20)
        site.type(site.recipes['backup'].under('Backup'))
        load.wait(len(load.sent) + 20)
    for text in load.sent:
        site.arrives(stream, text)
    for name in ('rowcast.db', 'rowcast.full.db'):
        kept = _messages(site.path('/var/backups/' + name), 'busy')
        expect.true(20 <= len(kept) <= len(load.sent), f'{name} has {len(kept)} of {len(load.sent)}')
        expect.equal(kept, load.sent[:len(kept)], name)


def whoever_may_have_missed_something_is_told_once(site):
    site.follow('backup')
    before = site.insert('before', user='42')
    site.type(site.recipes['backup'].under('Backup')[0])
    after = site.insert('after', user='42')
    streams = [site.subscribe('42', last_event_id=before - 1), site.subscribe('42', last_event_id=before)]
    streams[1].wait_event()
    site.type(site.recipes['backup'].under('Restore'))
    for stream in streams:
        stream.wait_end()
    site.wait_healthy()
    for cursor in (before - 1, before, after):
        back = site.stream('42', last_event_id=cursor)
        gap = json.loads(back.wait_event(type='rowcast.gap').data)
        expect.equal((gap['reason'], gap['requested']), ('expired', str(cursor)), 'the gap')
        now = back.parser.last_event_id
        new = site.insert('new', user='42')
        expect.true(new > after + 900000, f'{new} after {after}')
        expect.only(back, 'new')
        again = site.subscribe('42', last_event_id=now)
        expect.only(again, 'new')


def another_file_in_its_place_ends_rowcast(site):
    site.follow('backup')
    site.type(site.recipes['backup'].under('Backup')[1])
    log = len(site.rowcast.log_bytes())
    process = site.rowcast.process
    site.type(site.recipes['backup'].under('What can go wrong'))
    expect.equal(process.wait(10 * site.slow), 1, 'the exit status')
    site.rowcast.process = None
    expect.true('was deleted, moved or replaced while it was open' in site.rowcast.log_since(log), site.rowcast.log_since(log))
    site.come_back()
