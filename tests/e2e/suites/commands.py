"""rowcast's other commands, as a person at a shell uses them."""

import calendar
import contextlib
import ctypes
import errno
import grp
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import time
import types

import expect
import fcgi
import front
import tap
from harness import SOURCE
from shell import expect_failure, expect_misuse, rowcast
from tap import own_table_only
from waiting import is_listening, wait_until


def _check(site, *arguments, **more):
    return rowcast(site, 'check', '-c', site.rowcast.conf, *arguments, **more)


def _files(folder):
    """All there are, but for the logs, which others write."""
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names
                  if not name.endswith('.log'))


@own_table_only('it says a line more, about the log')
def check_says_what_it_has_looked_at_and_makes_nothing(site):
    folder = site.new_folder('checked')
    db, path = os.path.join(folder, 'new ?#%.db'), os.path.join(folder, 'new.sock')
    options = ['-o', 'store=sqlite:' + db, '-o', 'listen=unix:' + path]

    def says(store, listen, options=options):
        before = _files(site.folder)
        done = _check(site, *options)
        expect.equal(done.returncode, 0, done.stderr)
        told = done.stdout.splitlines()
        expect.equal(told[0], f'the configuration and the keys are right: {site.rowcast.conf}')
        expect.equal(re.sub(r'\d[\d.]* [KMG]iB', 'SIZE', told[1]), store)
        expect.equal(told[2], listen)
        expect.true(all('as the user' in line or 'the user rowcast' in line for line in told[3:]), told)
        expect.equal(len(told) > 3, os.geteuid() == 0, 'root is told to ask as another user')
        expect.equal(_files(site.folder), before, 'the files that there are')

    # The one that runs, with its -wal.
    newest = site.insert('a message')
    oldest, n = site.sql('SELECT min(id) FROM message'), int(site.sql('SELECT count(*) FROM message'))
    rows = f'{n} row' + 's' * (n != 1)
    says(f'store: sqlite:{site.db}: messages {oldest} to {newest}, {rows}, SIZE, schema version 6',
         f'listen: unix:{site.rowcast.socket_path}: somebody listens there now, a rowcast or systemd', options=[])
    # None yet.
    says(f'store: sqlite:{db}: will be made', f'listen: unix:{path}: free')
    expect.equal(os.listdir(folder), [])
    # A file that nobody has open: without messages, with some, with one less.
    with _serving(site, *options) as process:
        wait_until(lambda: is_listening(path), 'it listens', 20 * site.slow)
        process.send_signal(signal.SIGKILL)
        process.wait()
    expect.true(os.path.exists(db + '-wal'), 'what a kill leaves')
    says(f'store: sqlite:{db}: no messages yet, SIZE, schema version 6', f'listen: unix:{path}: free')
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("INSERT INTO message(data) VALUES('a'), ('b'), ('c')")
        connection.execute('DELETE FROM message WHERE id = 2')
    expect.equal(os.path.exists(db + '-wal'), False)
    says(f'store: sqlite:{db}: messages 1 to 3, 2 rows, SIZE, schema version 6', f'listen: unix:{path}: free')
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute('DELETE FROM message')
    says(f'store: sqlite:{db}: no messages after 3, SIZE, schema version 6', f'listen: unix:{path}: free')
    # A copy of a file in use, and its -wal: the schema has come to the file, a message not yet.
    site.sql('PRAGMA wal_checkpoint(FULL)')
    site.insert('another message')
    for end in ('', '-wal'):
        shutil.copy(site.db + end, db + end)
    unread = f'store: sqlite:{db}: is there, SIZE, schema version 6; its -wal has more, which is read at the start'
    says(unread, f'listen: unix:{path}: free')
    free = front.free_port()
    says(unread, f'listen: 127.0.0.1:{free}: free', options=['-o', 'store=sqlite:' + db, '-o', f'listen=127.0.0.1:{free}'])
    # An application's own file, and one of an older rowcast: neither is touched.
    os.unlink(db + '-wal')
    os.unlink(db)
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.execute('CREATE TABLE orders(id)')
    says(f"store: sqlite:{db}: is there, SIZE, without rowcast's tables, which `rowcast serve` makes", f'listen: unix:{path}: free')
    os.unlink(db)
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.executescript("CREATE TABLE message(id INTEGER PRIMARY KEY AUTOINCREMENT, data); INSERT INTO message(data) VALUES('x');"
                                 'CREATE TABLE rowcast_schema(version); INSERT INTO rowcast_schema VALUES(3)')
    with open(db, 'rb') as f:
        before = f.read()
    says(f'store: sqlite:{db}: messages 1 to 1, 1 row, SIZE, schema version 3, which `rowcast serve` upgrades to 6',
         f'listen: unix:{path}: free')
    with open(db, 'rb') as f:
        expect.equal(f.read(), before, 'the file')
    done = _check(site, '-o', f'listen=127.0.0.1:{site.front.port}')
    expect.true(f'listen: 127.0.0.1:{site.front.port}: somebody listens' in done.stdout, done.stdout)
    with socket.socket(socket.AF_UNIX) as listener:
        os.unlink(path)  # which the killed one has left
        listener.bind(path)
        listener.listen()
        done = _check(site, *options)
        expect.true(f'listen: unix:{path}: somebody listens' in done.stdout, done.stdout)
        listener.settimeout(0)
        try:
            listener.accept()
            raise AssertionError('it has connected, which would start what systemd holds the socket for')
        except BlockingIOError:
            pass


def check_refuses_what_cannot_work(site):
    folder = site.new_folder('unchecked')
    text = os.path.join(folder, 'no-database')
    with open(text, 'w') as f:
        f.write('a text of a kilobyte\n' * 50)
    others, newer = os.path.join(folder, 'others.db'), os.path.join(folder, 'newer.db')
    for path, sql in ((others, 'CREATE TABLE message(id, body)'),
                      (newer, 'CREATE TABLE rowcast_schema(version); INSERT INTO rowcast_schema VALUES(999)')):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(sql)
    before = _files(site.folder)
    for option, *sentences in (
            ('store=sqlite:/no/such/folder/file', '/no/such/folder/file: its folder /no/such/folder', 'No such file'),
            (f'store=sqlite:{text}/file', f'{text} is not a folder'),
            ('store=sqlite:' + folder, folder, 'is not a regular file'),
            ('store=sqlite:' + text, text, 'not a database'),
            ('store=sqlite:' + others, others, "that is not rowcast's"),
            ('store=sqlite:' + newer, newer, 'use a newer rowcast'),
            ('listen=unix:/no/such/folder/socket', '/no/such/folder/socket: its folder /no/such/folder', 'No such file'),
            (f'listen=unix:{text}/socket', 'is not a folder'),
            ('listen=unix:' + text, text, 'is not a socket'),
            ('listen=unix:/' + 'x' * 107, '107 bytes at most'),
            ('listen=192.0.2.1:9000', '192.0.2.1:9000', 'Cannot assign'),
            ('listen=no-such-host.invalid:9000', 'no-such-host.invalid')):
        done = _check(site, '-o', option)
        expect_failure(done, *sentences)
        expect.equal(done.stdout, '')
    # All of it in one run.
    expect_failure(_check(site, '-o', 'store=sqlite:/no/such/store', '-o', 'listen=unix:/no/such/socket',
                          '-o', 'jwt_key_file=/no/such/key'), '/no/such/store', '/no/such/socket', '/no/such/key')
    expect.equal(_files(site.folder), before, 'the files that there are')


def _as_nobody(site, *arguments, group=65534):
    """A command as whoever we are, but not root, who may open any file: nobody, in that group alone."""
    def become():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(group)
            os.setuid(65534)
    program = os.path.join(site.folder, 'rowcast')  # where anybody may run it
    if not os.path.exists(program):
        shutil.copy(site.rowcast.program, program)
    return subprocess.run([program, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=30 * site.slow, preexec_fn=become)


def check_refuses_what_is_not_ours_to_write(site):
    folder = site.new_folder('of-root')
    db, path = os.path.join(folder, 'rowcast.db'), os.path.join(folder, 'socket')
    options = ['-o', 'store=sqlite:' + db, '-o', 'listen=unix:' + path]

    def refuses(*sentences):
        expect_failure(_as_nobody(site, 'check', '-c', site.rowcast.conf, *options), *sentences)

    owner = pwd.getpwuid(os.geteuid()).pw_name
    os.chmod(folder, 0o555)
    refuses(f'{db}: its folder {folder} cannot be written: Permission denied: it belongs to {owner}:',
            ' with mode 0555, and this is ', ' (SQLite makes and deletes files beside the database)',
            f'{path}: its folder {folder} cannot be written: Permission denied')
    os.chmod(folder, 0o777)
    for name in ('rowcast.db', 'rowcast.db-wal', 'rowcast.db-shm'):
        name = os.path.join(folder, name)
        open(name, 'w').close()
        os.chmod(name, 0o444)
        refuses(f'{name}: cannot be read and written: Permission denied: it belongs to {owner}:', ' with mode 0444, and this is ')
        os.unlink(name)
        open(db, 'w').close()
        os.chmod(db, 0o666)


@own_table_only('what is published goes to the log')
def every_command_that_opens_the_store_says_what_is_in_its_way(site):
    """As another user, who joins the group then: whoever is told what to do can do it."""
    if os.geteuid() != 0:
        tap.diagnose('only root may be another user')
        return
    group = 54321
    folder = site.new_folder('of-a-group')
    os.chown(folder, 0, group)
    os.chmod(folder, 0o2770)
    db, key = os.path.join(folder, 'rowcast.db'), os.path.join(site.folder, 'key-of-all')
    with open(key, 'w') as f:
        f.write('a secret that this test does not keep')
    options = ['-c', site.rowcast.conf, '-o', 'store=sqlite:' + db, '-o', 'jwt_key_file=' + key,
               '-o', f'listen=127.0.0.1:{front.free_port()}']
    commands = (['serve'], ['check'], ['publish', '--all', 'x'], ['tail', '--after', '0'], ['kick', '--user', 'a'],
                ['revoke', '--user', 'a'])

    def refused(*sentences, **who):
        for command in commands:
            done = _as_nobody(site, *command, *options, **who)
            expect_failure(done, *sentences)
            expect.equal(done.stdout, '', f'{command}')

    # Whatever the umask, what is made is the group's.
    for umask in (0o077, 0o777, 0):
        done = rowcast(site, 'publish', *options, '--all', 'made', preexec_fn=lambda: os.umask(umask))
        expect.equal(done.returncode, 0, done.stderr)
        expect.equal((os.stat(db).st_mode & 0o7777, os.stat(db).st_gid), (0o660, group))
        if umask != 0:
            os.unlink(db)
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.execute('SELECT * FROM message').fetchall()
        for end in ('-wal', '-shm'):
            expect.equal((os.stat(db + end).st_mode & 0o7777, os.stat(db + end).st_gid), (0o660, group), end)

    refused(f'{db}: its folder {folder} cannot be entered: Permission denied', f'root:{group}', 'with mode 2770',
            f'usermod -aG {group} nobody')
    os.chmod(folder, 0o2775)
    refused(f'{db}: cannot be read', f'root:{group}', 'with mode 0660', f'usermod -aG {group} nobody')
    os.chmod(db, 0o640)
    commands = [command for command in commands if command[0] != 'tail']
    refused(f'{db}: cannot be read and written', 'with mode 0640', f'chmod g+rw {db}*', group=group)
    os.chmod(db, 0o660)
    os.chmod(folder, 0o2755)
    refused(f'{db}: its folder {folder} cannot be written', 'with mode 2755', f'chmod g+wx {folder}', 'SQLite makes', group=group)
    # What is told is enough.
    os.chmod(folder, 0o2770)
    for command in (['check'], ['publish', '--all', 'x'], ['kick', '--user', 'a'], ['revoke', '--user', 'a']):
        done = _as_nobody(site, *command, *options, group=group)
        expect.equal(done.returncode, 0, f'{command}: {done.stderr}')
    # And what they have made is the group's, too.
    with contextlib.closing(sqlite3.connect(db)) as connection:
        expect.equal(connection.execute('SELECT count(*) FROM message').fetchone(), (4,))
    expect.equal(os.listdir(folder), ['rowcast.db'])


def _with_service_user(site, command):
    """The command, where there is a user `rowcast`, if need be for it alone; None where only root
    could, and we are not, or a mount is refused."""
    try:
        pwd.getpwnam('rowcast')
        return command
    except KeyError:
        pass
    passwd = os.path.join(site.folder, 'passwd')
    with open('/etc/passwd') as there, open(passwd, 'w') as f:
        f.write(there.read() + 'rowcast:x:54322:54322::/nonexistent:/usr/sbin/nologin\n')
    command = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/passwd && exec "$@"', passwd, *command]
    done = subprocess.run([*command[:6], 'true'], capture_output=True, text=True)
    if os.geteuid() != 0 or done.returncode != 0:
        tap.diagnose(f'only root may mount: {done.stderr.strip()}')
        return None
    return command


def check_as_root_says_what_the_user_of_the_service_may_not(site):
    folder = site.new_folder('of-the-service')
    db, key = os.path.join(folder, 'rowcast.db'), os.path.join(folder, 'key')
    with open(key, 'w') as f:
        f.write('a secret that the service is to read')
    os.chmod(key, 0o600)
    command = _with_service_user(site, [site.rowcast.program, 'check', '-c', site.rowcast.conf, '-o', 'store=sqlite:' + db,
                                        '-o', 'jwt_key_file=' + key, '-o', 'listen_mode=0660'])
    if command is None:
        return

    def check():
        done = subprocess.run(command, capture_output=True, text=True, timeout=30 * site.slow)
        expect.equal((done.returncode, done.stderr), (0, ''), 'it is no error: another user may be meant')
        return [line for line in done.stdout.splitlines() if 'the user rowcast' in line]

    told = check()
    expect.equal(len(told), 2, f'{told}')
    expect.true(told[0].startswith(f'as the user rowcast it would not work: auth: {key}: cannot be read: Permission denied:'
                                   ' it belongs to root:root with mode 0600'), told[0])
    expect.true(f'store: {db}: its folder {folder} cannot be written' in told[1] and 'root:root with mode 0755' in told[1], told[1])
    os.chmod(key, 0o644)
    os.chmod(folder, 0o777)
    # A warning of ours, that everybody can read the key.
    done = subprocess.run(command, capture_output=True, text=True, timeout=30 * site.slow)
    expect.equal(done.returncode, 0, done.stderr)
    expect.true('the user rowcast may read the keys and open the store, too' in done.stdout, done.stdout)
    expect.equal(os.listdir(folder), ['key'], 'it makes nothing')


def a_socket_is_given_to_the_group_that_is_configured(site):
    path = os.path.join(site.folder, 'given.sock')
    listen = ['-o', 'listen=unix:' + path, '-o', 'listen_mode=0660']
    conf = os.path.join(site.folder, 'group.conf')
    with open(conf, 'w') as f:
        f.write(f'jwt_key_file = {site.rowcast.key_file}\n\nlisten_group = no-such-group\n')
    for command in ('check', 'serve'):
        expect_failure(rowcast(site, command, '-c', conf), f'{conf}:3: listen_group: there is no group no-such-group')
    if os.geteuid() != 0:
        tap.diagnose('only root may give a file to any group')
        return
    # As nobody, who is not in it, before root makes a socket there.
    folder = site.new_folder('of-nobody')
    os.chown(folder, 65534, 65534)
    key = os.path.join(folder, 'key')
    with open(key, 'w') as f:
        f.write('a secret that this test does not keep')
    options = ['-c', site.rowcast.conf, '-o', 'jwt_key_file=' + key, '-o', f'store=sqlite:{folder}/db', '-o', 'upstream=',
               '-o', f'listen=unix:{folder}/s', '-o', 'listen_group=daemon']
    for command in ('check', 'serve'):
        expect_failure(_as_nobody(site, command, *options), f'{folder}/s: cannot be given to the group daemon (listen_group)',
                       'usermod -aG daemon')
        expect.equal(os.path.exists(folder + '/s'), False, 'no socket is left')
    if site.is_copy:
        return  # another machine would need a name of its own
    with _serving(site, *listen, '-o', 'listen_group=daemon') as process:
        wait_until(lambda: is_listening(path), 'it listens', 20 * site.slow)
        there = os.stat(path)
        expect.equal((there.st_gid, there.st_mode & 0o777), (grp.getgrnam('daemon').gr_gid, 0o660))
        process.send_signal(signal.SIGTERM)
        expect.equal(process.wait(20 * site.slow), 0)


def check_warns_of_what_may_not_work(site):
    short = os.path.join(site.folder, 'short-key')
    with open(short, 'w') as f:
        f.write('twenty bytes, no more')
    os.chmod(short, 0o600)
    limits = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))}
    for option, sentence, more in (
            ('heartbeat=121s', 'heartbeat is 121 s', {}), ('heartbeat=1h', 'server.max-write-idle', {}),
            ('max_streams=900', 'max_streams is 900: with 1000 open files', limits),
            ('listen_mode=0666', 'listen_mode is 0666: everybody', {}),
            ('max_streams=18001', 'max_streams is 18001: our samples of web servers hold fewer', {}),
            ('max_streams=15', 'max_streams_per_user is 16, above max_streams, which is 15', {}),
            ('retry=1h..2h', 'retry goes up to 7200 s', {}), ('retry=2s..61s', 'retry goes up to 61 s', {}),
            ('retry=3s', 'retry is a range of 0 ms', {}), ('retry=2000ms..2010ms', 'all of 10000 streams come back within it', {}),
            ('keep_for=0', 'keep_for and keep_rows are 0: the table grows', {'also': 'keep_rows=0'}),
            ('keep_for=2s', 'keep_for is 2 s: messages are deleted before', {'also': 'retry=2s..6s'}),
            ('jwt_key_file=' + short, 'the secret is too short for HS256', {})):
        if site.is_copy and 'also' in more and option == 'keep_for=0':
            continue  # of a log that is an error
        done = _check(site, '-o', option, *(['-o', more['also']] if 'also' in more else []),
                      **{name: value for name, value in more.items() if name != 'also'})
        expect.equal(done.returncode, 0, done.stderr)
        expect.true(any(line.startswith('warn: ') and sentence in line for line in done.stderr.splitlines()), done.stderr)
    done = _check(site, '-o', 'heartbeat=120s', '-o', 'max_streams=700', '-o', 'listen_mode=0660', **limits)
    expect.equal((done.returncode, done.stderr), (0, ''))


def check_warns_of_a_folder_that_does_not_hand_its_group_on(site):
    folder = site.new_folder('shared')
    option = f'store=sqlite:{folder}/rowcast.db'
    for mode, warns in ((0o770, True), (0o2770, False), (0o750, False)):
        os.chmod(folder, mode)
        done = _check(site, '-o', option, '-o', 'listen_mode=0660')
        expect.equal(done.returncode, 0, done.stderr)
        expect.equal(f'`chmod g+s {folder}`' in done.stderr, warns, f'{mode:o}: {done.stderr}')


def check_warns_of_a_password_that_everybody_can_read(site):
    if 'without Redis' in rowcast(site, '--version').stdout:
        return
    path = os.path.join(site.folder, 'password.conf')
    with open(path, 'w') as f:
        f.write(f'jwt_key_file = {site.rowcast.key_file}\nstore = sqlite:{site.folder}/none.db\nlisten = unix:{site.folder}/none\n'
                f'upstream = redis://:horse-battery@127.0.0.1:{front.free_port()}\n')
    for mode in (0o644, 0o640):
        os.chmod(path, mode)
        done = rowcast(site, 'check', '-c', path)
        expect.equal(done.returncode, 0, done.stderr)
        expect.equal(f'{path}: everybody on this machine can read the password' in done.stderr, mode == 0o644, done.stderr)
        expect.true('horse' not in done.stdout + done.stderr, 'the password')


def what_check_says_of_the_samples_stands_in_them(site):
    def number(sample, pattern):
        with open(os.path.join(SOURCE, 'conf', sample)) as f:
            return int(re.search(pattern, f.read(), re.M).group(1))

    told = _check(site, '-o', 'heartbeat=1h', '-o', 'max_streams=1M').stderr
    silences = {number('lighttpd.conf', r'^server.max-write-idle = (\d+)$'), number('apache.conf', r'^Timeout (\d+)$'),
                number('nginx.conf', r'^\s*fastcgi_read_timeout (\d+)s;$'), number('nginx.conf', r'^\s*send_timeout (\d+)s;$')}
    expect.equal(silences, {360})
    expect.true('360 s in our samples' in told, told)
    lighttpd = number('lighttpd.conf', r'^server.max-worker +=  *(\d+)$') * number('lighttpd.conf', r'^server.max-connections = (\d+)$')
    nginx = number('nginx.conf', r'^\s*worker_connections (\d+);$') // 2
    apache = number('apache.conf', r'^MaxRequestWorkers +(\d+)$')
    for sentence in (f'lighttpd {lighttpd} ', f'nginx {nginx} in', f'Apache {apache} '):
        expect.true(sentence in told, f'{sentence}: {told}')


def check_names_file_and_line_of_every_fault(site):
    path = os.path.join(site.folder, 'faulty.conf')
    with open(path, 'w') as f:
        f.write(f'jwt_key_file = {site.rowcast.key_file}\n# fine\nno_such_key = 1\nheartbeat = soon\n'
                f'retry = 6s..2s\nnot a setting\n')
    done = rowcast(site, 'check', '-c', path)
    expect.equal(done.returncode, 1)
    for line in (3, 4, 5, 6):
        expect.true(f'{path}:{line}' in done.stderr + done.stdout, f'line {line} is named: {done.stderr}')
    expect.true(f'{path}:2' not in done.stderr, done.stderr)


def check_names_the_second_of_two_settings(site):
    path = os.path.join(site.folder, 'twice.conf')
    with open(path, 'w') as f:
        f.write(f'jwt_key_file = {site.rowcast.key_file}\nworkers = 4\n\nworkers = 5\n')
    expect_failure(rowcast(site, 'check', '-c', path), f'{path}:4: workers: given twice, first in line 2')
    expect_failure(rowcast(site, 'check', '-c', site.rowcast.conf, '-o', 'workers=4', '-o', 'workers=5'),
                   '-o workers=5: given twice')


def check_demands_a_key_that_others_cannot_write(site):
    path = os.path.join(site.folder, 'open-key')
    with open(path, 'w') as f:
        f.write('a secret that everybody can change')
    for mode in (0o620, 0o602, 0o666):
        os.chmod(path, mode)
        done = rowcast(site, 'check', '-c', site.rowcast.conf, '-o', 'jwt_key_file=' + path)
        expect.equal(done.returncode, 1, oct(mode))
        expect.true(path in done.stderr + done.stdout, done.stderr)
    os.chmod(path, 0o600)
    if os.geteuid() == 0:  # nobody else can give a file away
        os.chown(path, 65534, -1)
        done = rowcast(site, 'check', '-c', site.rowcast.conf, '-o', 'jwt_key_file=' + path)
        expect.equal(done.returncode, 1, 'a key of another user')
        expect.true('belongs to another user' in done.stderr, done.stderr)
        os.chown(path, 0, -1)
    with open(path, 'w') as f:
        f.write('fifteen bytes..')
    done = rowcast(site, 'check', '-c', site.rowcast.conf, '-o', 'jwt_key_file=' + path)
    expect.equal(done.returncode, 1, 'a secret that can be guessed')
    expect.true('fewer than 16 bytes' in done.stderr and 'fifteen' not in done.stderr, done.stderr)
    done = rowcast(site, 'check', '-c', '/dev/null')
    expect.equal(done.returncode, 1, 'no key at all')
    expect.true('jwt_key_file' in done.stderr + done.stdout, done.stderr)


def an_option_overrides_the_file(site):
    done = rowcast(site, 'check', '-c', site.rowcast.conf, '-o', 'heartbeat=soon')
    expect.equal(done.returncode, 1)
    expect.true('heartbeat' in done.stderr + done.stdout, done.stderr)


def token_prints_a_token_that_works(site):
    user = site.user()
    done = rowcast(site, 'token', '-c', site.rowcast.conf, '--user', user, '--topic', 'news', '--topic', 'sport/*',
                    '--scope', 'rowcast:publish', '--ttl', '1h')
    expect.equal(done.returncode, 0, done.stderr)
    token = done.stdout.strip()
    stream = site.subscribe(token=token, query='topic=news&topic=sport/ski')
    site.publish(token, msg='to the topic', topic='news')
    expect.equal(stream.wait_event().data, 'to the topic')
    site.publish(token, msg='to myself')
    expect.equal(stream.wait_event().data, 'to myself')


def token_refuses_a_scope_that_is_none(site):
    for scopes in (['publish'], ['rowcast:publish rowcast:admn'], ['rowcast:publish', '--scope', 'rowcast:publish,rowcast:admin']):
        done = rowcast(site, 'token', '-c', site.rowcast.conf, '--user', '42', '--scope', *scopes)
        expect_failure(done, 'there is no scope ' + scopes[-1].split()[-1], 'rowcast:publish and rowcast:admin')
        expect.equal(done.stdout, '')


def _worth(site, token, *options, input=''):
    return rowcast(site, 'token', '--check', token, '-c', site.rowcast.conf, *options, input=input)


def token_says_what_a_token_is_worth(site):
    user = site.user()
    made = rowcast(site, 'token', '-c', site.rowcast.conf, '--user', user, '--topic', 'news', '--topic', 'sport/*',
                   '--scope', 'rowcast:admin', '--scope', 'rowcast:publish', '--ttl', '1h').stdout.strip()
    lines = {}
    for token, input in ((made, ''), ('-', made), ('-', f'  {made}\n\n'), ('-', f'Bearer {made}\r\n'), ('Bearer ' + made, '')):
        done = _worth(site, token, input=input)
        expect.equal((done.returncode, done.stderr), (0, ''), f'{token[:10]} {input[:10]}')
        lines = dict(line.split(': ', 1) for line in done.stdout.splitlines())
        expires = lines.pop('expires')
        expect.equal(lines, {'user': user, 'topics': 'news, sport/*', 'scopes': 'rowcast:publish, rowcast:admin'})
        at = re.fullmatch(r'(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC, in (1 h|59 min.*)', expires)
        expect.true(at, expires)
        expect.true(abs(calendar.timegm(time.strptime(at[1], '%Y-%m-%d %H:%M:%S')) - time.time() - 3600) < 60 * site.slow, expires)
    for ttl, left in ((90000.5, '1 d'), (2 * 86400 + 5 * 3600 + 30, '2 d 5 h'), (None, None)):
        claims = {'exp': None} if ttl is None else {'exp': int(time.time()) + int(ttl)}
        done = _worth(site, site.token(7, **claims))
        expect.equal(done.returncode, 0, done.stderr)
        expect.equal(done.stdout.splitlines()[:3], ['user: 7', 'topics: none', 'scopes: none'])
        expect.true(done.stdout.splitlines()[3].endswith('never' if ttl is None else f', in {left}')
                    or (ttl and 'in 1 d' in done.stdout), done.stdout)


def token_says_of_a_bad_one_what_the_server_says(site):
    """The same sentence, the same order; and where it is just invalid, why."""
    user, gone = site.user(), site.user()
    done = rowcast(site, 'revoke', '--user', gone, '-c', site.rowcast.conf)
    expect.equal(done.returncode, 0, done.stderr)
    site.wait_followed()
    good, soon = site.token(user), int(time.time()) + 1000
    cases = [
        (good[:-3] + ('AAA' if good[-3:] != 'AAA' else 'BBB'), 'token is invalid: the signature is wrong'),
        ('x', 'token is invalid: it has not three parts'), ('', 'token is invalid'), ('a.b.c', 'token is invalid'),
        (site.token(user, alg='HS512'), 'token is invalid: alg is not the one configured'),
        (site.token(user, header={'typ': 'id'}), 'token is invalid: typ'),
        (site.token(user, topics=[''], ttl=-9), 'token is invalid: topics'),
        (site.token(user, ttl=-10), 'token is expired'), (site.token(None, ttl=-10), 'token is expired'),
        (site.token(user, nbf=soon), 'token is not valid yet'), (site.token(None, nbf=soon), 'token is not valid yet'),
        (site.token(None), 'token names no user'), (site.token([1]), 'token names no user'),
        (site.token(gone), 'token was revoked'), (site.token(gone, iat=int(time.time()) - 5), 'token was revoked')]
    for token, sentence in cases:
        for words, input in (((token,), ''), (('-',), token)):
            if token == '' and words[0] == '':
                words = ('',)
            done = _worth(site, *words, input=input)
            expect.equal((done.returncode, done.stdout), (1, ''), f'{sentence}: {done.stdout}')
            expect.true(sentence in done.stderr, f'{sentence}: {done.stderr}')
            expect.true(token == '' or len(token) < 10 or token not in done.stderr, 'the token stands in no log')
        if token:
            told = site.request('GET', '/events', token).json()['error']
            expect.true(sentence.startswith(told) or told == 'token is required', f'the server: {told}; the command: {sentence}')
    later = site.token(gone, iat=int(time.time()) + 2)
    expect.equal(_worth(site, later).returncode, 0, 'issued later')
    for token, sentence in ((site.token(user), 'token has another issuer'), (site.token(user, iss='me'), 'token is for another audience'),
                            (site.token(gone, iss='me', aud='x'), 'token is for another audience'),
                            (site.token(gone, iss='me', aud=['x', 'us']), 'token was revoked'),
                            (site.token(user, iss='me', aud=['x', 'us']), None)):
        done = _worth(site, token, '-o', 'jwt_issuer=me', '-o', 'jwt_audience=us')
        expect.equal(done.returncode, 1 if sentence else 0, f'{sentence}: {done.stderr}')
        expect.true((sentence or '') in done.stderr, done.stderr)


def token_needs_the_store_only_to_say_who_was_revoked(site):
    good = site.token(site.user())
    none = os.path.join(site.folder, 'none-yet.db')
    done = _worth(site, good, '-o', 'store=sqlite:' + none)
    expect.equal((done.returncode, done.stderr), (0, ''))
    expect.equal(os.path.exists(none), False, 'it makes nothing')
    other = os.path.join(site.folder, 'text.db')
    with open(other, 'w') as f:
        f.write('no database\n' * 100)
    done = _worth(site, good, '-o', 'store=sqlite:' + other)
    expect_failure(done, other, 'whether it was revoked stands in the store, which cannot be read')
    expect.equal(done.stdout, '', 'what it is worth is not known')
    expect_failure(_worth(site, site.token('x', ttl=-1), '-o', 'store=sqlite:' + other), 'token is expired')
    for wrong in (['--user', '42'], ['--topic', 'x'], ['--scope', 'rowcast:admin'], ['--ttl', '1h'], ['too much']):
        expect_misuse(site, 'token', '--check', good, *wrong)


def help_and_version_say_what_there_is(site):
    help = rowcast(site, '--help')
    expect.equal(help.returncode, 0)
    pages = set()
    for command in ('serve', 'check', 'token', 'publish', 'tail', 'status', 'kick', 'revoke'):
        expect.true(f'\n  {command} ' in help.stdout, f'{command} in {help.stdout}')
        page = rowcast(site, command, '--help')
        expect.equal((page.returncode, page.stderr), (0, ''), command)
        expect.true(page.stdout.startswith(f'usage: rowcast {command} '), page.stdout)
        for part in ('\nOptions:\n', '\nExit status:\n', '\nExamples:\n', '  -c FILE', '  -o KEY=VALUE', '  -h, --help',
                     f'rowcast {command}'):
            expect.true(part in page.stdout, f'{part!r} in {page.stdout}')
        # Wherever it stands, and whatever else is given.
        for words in (['-h'], ['-c', '/no/such/file', '--help'], ['--help', 'too', 'much']):
            done = rowcast(site, command, *words)
            expect.equal((done.returncode, done.stdout, done.stderr), (0, page.stdout, ''), f'{command} {words}')
        pages.add(page.stdout)
    expect.equal(len(pages), 8, 'each has its own')
    for command, options in (('publish', ['--user U', '--topic T', '--all', '--event E', '--key K', '--ttl T', '--sse', 'DATA']),
                             ('token', ['--user U', '--topic T', '--scope S', '--ttl T', '--check TOKEN']),
                             ('tail', ['--after ID', '--user U', '--topic T']), ('status', ['--streams', '--json'])):
        page = rowcast(site, command, '--help').stdout
        for option in options:
            expect.true(f'\n  {option} ' in page, f'{option} in {page}')
    version = rowcast(site, '--version')
    expect.equal(version.returncode, 0)
    expect.true(version.stdout.startswith('rowcast '), version.stdout)
    for wrong in (['no-such-command'], []):
        done = rowcast(site, *wrong)
        expect.equal(done.returncode, 2, f'status of {wrong}')
        expect.equal(done.stderr.removeprefix('rowcast: there is no command no-such-command\n\n'), help.stdout)


def every_command_says_how_it_is_used(site):
    for command in ('serve', 'check', 'status'):
        expect_misuse(site, command, 'too much')
        done = expect_misuse(site, command, '--no-such-option')
        expect.true("'--no-such-option'" in done.stderr, f'it is named in full: {done.stderr}')
    for wrong in (['--all', '--user', '42'], ['--all', '--topic', 'news', 'text'], ['--all', 'one', 'two'],
                  ['--no-such-option'], ['--event']):
        expect_misuse(site, 'publish', *wrong)
    for wrong in (['--after', 'soon'], ['--after', '-1'], ['--after', '1x'], ['--after', ''],
                  ['--after', '99999999999999999999'], ['too much'], ['--no-such-option']):
        expect_misuse(site, 'tail', *wrong)
    for wrong in ([], ['--user', ''], ['--user', '42', 'too much'], ['--no-such-option'],
                  ['--user', '42', '--ttl', 'soon'], ['--user', '42', '--ttl', '999ms'], ['--check']):
        expect_misuse(site, 'token', *wrong)


def every_command_says_what_is_wrong_with_the_configuration(site):
    missing = os.path.join(site.folder, 'no-such.conf')
    for command in (['serve'], ['check'], ['status'], ['publish', '--all', 'text'], ['tail'], ['token', '--user', '42'],
                    ['token', '--check', 'x'], ['kick', '--user', '42'], ['revoke', '--user', '42']):
        expect_failure(rowcast(site, *command, '-c', missing), missing, 'No such file or directory')
        expect_failure(rowcast(site, *command, '-c', site.rowcast.conf, '-o', 'workers=0'), 'workers')
        expect_failure(rowcast(site, *command, '-c', site.rowcast.conf, '-o', 'workers'), 'KEY=VALUE')


def what_cannot_be_printed_is_a_failure(site):
    """/dev/full takes nothing, as a disk that is full."""
    site.insert('to print')
    conf = ['-c', site.rowcast.conf]
    for command in (['publish', *conf, '--all', 'text'], ['tail', *conf, '--after', '0'], ['status', *conf], ['status', *conf, '--json'],
                    ['check', *conf], ['token', *conf, '--user', '42'], ['token', *conf, '--check', site.token('42')],
                    ['--version'], ['--help'], ['publish', '--help']):
        with open('/dev/full', 'w') as full:
            done = rowcast(site, *command, stdout=full, stderr=subprocess.PIPE)
        expect_failure(done, 'stdout: No space left on device')


def token_says_why_there_is_none(site):
    def token(*arguments):
        return rowcast(site, 'token', '-c', site.rowcast.conf, '--user', '42', *arguments)

    expect_failure(token('-o', 'jwt_key_file=/no/such/key'), '/no/such/key')
    expect_failure(token('-o', 'jwt_alg=RS256', '-o', 'jwt_key_file=' + os.path.join(
        SOURCE, 'tests', 'unit', 'keys', 'test-only-rsa-public.pem')), 'a public key cannot sign')
    expect_failure(token('--ttl', '36501d'), '100 years')
    expect_failure(token('--topic', ''), 'topics')
    expect_failure(token(*['--topic', 'x' * 255] * 64), 'longer than')


# ---- status and serve ----

def status_tells_what_a_running_rowcast_is_doing(site):
    with site.subscribe(site.user()):
        # The web server lets go of streams of earlier tests when it has written to them twice.
        wait_until(lambda: site.metric('streams') == 1, 'only this stream is open', 20 * site.slow)
        done = rowcast(site, 'status', '-c', site.rowcast.conf)
    expect.equal(done.returncode, 0, done.stderr)
    told = dict(line.split(': ') for line in done.stdout.splitlines())
    expect.equal(told['version'], rowcast(site, '--version').stdout.split()[1])
    expect.equal(told['streams'], '1')
    expect.equal(told['newest_id'], site.sql('SELECT max(id) FROM message'))
    done = rowcast(site, 'status', '-c', site.rowcast.conf, '--json')
    expect.equal((done.returncode, done.stderr, done.stdout.count('\n')), (0, '', 1))
    json_told = json.loads(done.stdout)
    expect.equal(list(json_told), list(told), 'the same names')
    expect.equal(json_told['version'], told['version'])


def status_says_that_nobody_answers_or_somebody_else(site):
    path = os.path.join(site.folder, 'other.sock')
    ask = ['status', '-c', site.rowcast.conf, '-o', 'listen=unix:' + path]
    expect_failure(rowcast(site, *ask), f'no rowcast answers on unix:{path}', 'No such file or directory')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        expect_failure(rowcast(site, *ask), f'no rowcast answers on unix:{path}', 'Connection refused')
        listener.listen()
        for answer in (b'', b'HTTP/1.1 400 Bad Request\r\n\r\n{ never ended', b'x' * 100000):
            process = subprocess.Popen([site.rowcast.program, *ask], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True)
            client = listener.accept()[0]
            client.recv(4096)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(answer)
            client.close()
            out, err = process.communicate(timeout=30 * site.slow)
            expect.equal((process.returncode, out), (1, ''), err)
            expect.true('is not a rowcast of this version' in err, err)
    os.unlink(path)
    for listen in ('127.0.0.1:1', '[::1]:1'):
        expect_failure(rowcast(site, 'status', '-c', site.rowcast.conf, '-o', 'listen=' + listen),
                        f'no rowcast answers on {listen}')


@contextlib.contextmanager
def _serving(site, *arguments, **more):
    """Another `rowcast serve`, with a store of its own unless the arguments name one."""
    if not any(argument.startswith('store=') for argument in arguments):
        arguments = ('-o', 'store=sqlite:' + site.folder + '/second.db', *arguments)
    process = subprocess.Popen(
        [site.rowcast.program, 'serve', '-c', site.rowcast.conf, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20 * site.slow)
            finally:
                process.kill()
        process.stderr.close()


@own_table_only('another machine would need a name of its own')
def serve_listens_on_tcp_too(site):
    listen = f'listen=127.0.0.1:{front.free_port()}'
    with _serving(site, '-o', listen) as process:
        line = ''
        while 'serve: ready' not in line:
            line = process.stderr.readline()
            expect.true(line, 'it is ready before it ends')
        done = rowcast(site, 'status', '-c', site.rowcast.conf, '-o', listen)
        expect.equal(done.returncode, 0, done.stderr)
        expect.true('streams: 0' in done.stdout, done.stdout)
        process.send_signal(signal.SIGTERM)
        expect.equal(process.wait(20 * site.slow), 0)


def _without_epoll_pwait2():
    """As on Linux before 5.11: a filter answers ENOSYS for it in this process and
    those it starts."""
    class Program(ctypes.Structure):
        _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_char_p)]

    instructions = [  # code, jt, jf, k (linux/filter.h); 441 is the call on every machine
        (0x20, 0, 0, 0), (0x15, 0, 1, 441), (0x06, 0, 0, 0x00050000 | errno.ENOSYS), (0x06, 0, 0, 0x7fff0000)]
    code = b''.join(struct.pack('HBBI', *instruction) for instruction in instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                 (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(len(instructions), code)))):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), f'prctl{call}')


@own_table_only('another machine would need a name of its own')
def serve_on_a_kernel_without_epoll_pwait2_sleeps_and_hears_who_leaves(site):
    path = os.path.join(site.folder, 'second.sock')
    second = types.SimpleNamespace(rowcast=types.SimpleNamespace(socket_path=path), slow=site.slow)
    listen = 'listen=unix:' + path
    with _serving(site, '-o', listen, preexec_fn=_without_epoll_pwait2) as process:
        wait_until(lambda: is_listening(path), 'it listens', 20 * site.slow)

        def n_streams():
            told = rowcast(site, 'status', '-c', site.rowcast.conf, '-o', listen)
            return int(re.search('^streams: ([0-9]+)$', told.stdout, re.M).group(1))

        def cpu_s():
            with open(f'/proc/{process.pid}/stat') as f:
                return sum(map(int, f.read().rpartition(')')[2].split()[11:13])) / os.sysconf('SC_CLK_TCK')

        ask = fcgi.request('GET', '/events', site.token(site.user()))
        stays, leaves = fcgi.Peer(second, ask), fcgi.Peer(second, ask)
        wait_until(lambda: n_streams() == 2, 'both streams are open', 20 * site.slow)
        leaves.close()
        wait_until(lambda: n_streams() == 1, 'who has left is gone', 20 * site.slow)
        before, started = cpu_s(), time.monotonic()
        for _ in range(4):  # heartbeats
            while stays.record()[2].strip() != b':':
                pass
        spent = (cpu_s() - before) / (time.monotonic() - started)
        expect.true(spent < 0.5, f'between heartbeats it sleeps, and is not busy for {spent:.0%} of the time')
        stays.close()
        process.send_signal(signal.SIGTERM)
        expect.equal(process.wait(20 * site.slow), 0)


def serve_says_why_it_does_not_start(site):
    no_database = os.path.join(site.folder, 'no-database')
    with open(no_database, 'w') as f:
        f.write('a text of a kilobyte\n' * 50)
    for option, *sentences in (
            ('jwt_key_file=/no/such/key', '/no/such/key', 'No such file'),
            ('store=sqlite:' + no_database, no_database, 'not a database'),
            ('store=sqlite:/no/such/folder/file', '/no/such/folder/file'),
            ('listen=unix:' + no_database, no_database, 'is not a socket'),
            ('listen=unix:' + site.rowcast.socket_path, site.rowcast.socket_path, 'another program is listening'),
            ('listen=127.0.0.1:' + str(site.front.port), str(site.front.port), 'Address already in use')):
        with _serving(site, '-o', option) as process:
            _, err = process.communicate(timeout=30 * site.slow)
            expect.equal(process.returncode, 1, f'status with {option}: {err}')
            for sentence in sentences:
                expect.true(sentence in err, f'{sentence!r} in {err!r}')


@own_table_only('another machine would need a name of its own')
def serve_with_too_few_descriptors_says_so_and_ends(site):
    """At whichever of its descriptors it gets none: it says which, and ends."""
    said = set()
    listen = 'unix:' + os.path.join(site.folder, 'second.sock')
    for limit in range(5, 200, 1 if site.slow == 1 else 4):
        with _serving(site, '-o', 'listen=' + listen, '-o', 'workers=4', '-o', 'max_streams=10', preexec_fn=lambda:
                      resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) as process:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if 'serve: ready' in line:
                    break
            else:
                expect.equal(process.wait(20 * site.slow), 1, f'{limit} descriptors: {lines}')
                errors = [line for line in lines if line.startswith('error: ')]
                expect.true(errors, f'{limit} descriptors: {lines}')
                said.add(errors[0].split(': ')[1])
                continue
            expect.true('there will be fewer streams' in ''.join(lines), f'the limit is told: {lines}')
            break
    else:
        raise AssertionError('it does not start with 200 descriptors either')
    print(f'# starts with {limit} descriptors; below, these said why not: {", ".join(sorted(said))}')
    expect.true(len(said) > 1, f'several parts have met the limit: {said}')


def quickstart_takes_no_port_that_cannot_be(site):
    for port in ('0', '65536', '99999', '09999', '-1', 'http', ' '):
        done = subprocess.run(['timeout', '--signal=INT', '20', os.path.join(SOURCE, 'quickstart'), 'run'],
                              env={**os.environ, 'PORT': port}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        expect_failure(done, f'PORT={port} is no port')


@own_table_only('the sample is that of one machine')
def the_sample_configuration_names_every_default(site):
    """conf/rowcast.conf, with every setting uncommented, is what rowcast does
    without it."""
    path = os.path.join(site.folder, 'sample.conf')
    with open(os.path.join(SOURCE, 'conf', 'rowcast.conf')) as sample, open(path, 'w') as f:
        for line in sample:
            if line.startswith('#') and ' = ' in line and not line.startswith('# '):
                line = line[1:]
            f.write(line.replace('/etc/rowcast.key', site.rowcast.key_file))
    # The folders of an installation may be missing here.
    done = rowcast(site, 'check', '-c', path, '-o', 'store=sqlite:' + site.db, '-o', 'listen=unix:' + site.rowcast.socket_path)
    expect.equal(done.returncode, 0, done.stderr)
