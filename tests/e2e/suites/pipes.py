"""rowcast publish and rowcast tail: messages into the table by a pipe, and out
of it by one."""

import contextlib
import json
import os
import select
import sqlite3
import subprocess

import expect
from shell import expect_failure, rowcast
from tap import own_table_only
from waiting import wait_until


def _publish(site, *arguments, **more):
    return rowcast(site, 'publish', '-c', site.rowcast.conf, *arguments, **more)


def _rows(site, ids):
    site.wait_followed()
    with contextlib.closing(sqlite3.connect(site.db)) as db:
        return [db.execute('SELECT user, topic, event, data FROM message WHERE id = ?', [id]).fetchone()
                for id in ids.split()]


def _newest(site):
    return int(site.sql('SELECT max(id) FROM message') or 0)


def publish_stores_what_its_options_say_and_prints_the_id(site):
    user = site.user()
    stream = site.subscribe(user, topics=['news'])
    for arguments, row in (
            (['--user', user, 'for one'], (user, None, None, 'for one')),
            (['--user', user, '--event', 'order', 'an event'], (user, None, 'order', 'an event')),
            (['--topic', 'news', 'for a topic'], (None, 'news', None, 'for a topic')),
            (['--all', 'for all'], (None, None, None, 'for all')),
            (['--user', user, '--topic', 'news', 'for one on a topic'], (user, 'news', None, 'for one on a topic')),
            (['--user', user, '--', '--user'], (user, None, None, '--user')),
            (['--user', user, 'two\nlines'], (user, None, None, 'two\nlines')),
            (['--user', user, ''], (user, None, None, ''))):
        done = _publish(site, *arguments)
        expect.equal(done.returncode, 0, done.stderr)
        expect.equal(_rows(site, done.stdout), [row], f'{arguments}')
        event = stream.wait_event()
        expect.equal((event.id, event.data), (done.stdout.strip(), row[3]), 'what the stream gets')


def a_key_is_stored_once_and_its_first_id_is_printed_ever_after(site):
    user = site.user()
    stream = site.subscribe(user)
    first = _publish(site, '--user', user, '--key', 'order-9 of ' + user, 'one')
    expect.equal((first.returncode, first.stderr), (0, ''))
    for arguments, input in ((['again'], ''), ([], 'as a line\n'), ([], 'without its end'), (['--event', 'e', ''], '')):
        again = _publish(site, '--user', user, '--key', 'order-9 of ' + user, *arguments, input=input)
        expect.equal((again.returncode, again.stdout, again.stderr), (0, first.stdout, ''), f'{arguments} {input}')
    # The single line is stored, too, and nothing where there is none; a line that is none, and another, are two.
    line = _publish(site, '--user', user, '--key', 'order-10 of ' + user, input='two\r\n')
    expect.equal((line.returncode, line.stderr), (0, ''))
    none = _publish(site, '--user', user, '--key', 'order-11 of ' + user, input='')
    expect.equal((none.returncode, none.stdout, none.stderr), (0, '', ''))
    expect_failure(_publish(site, '--user', user, '--key', 'order-12 of ' + user, input='a NUL \0\nfine\n'), '--key is of one message')
    # A publisher over HTTP has keys of its own.
    site.publish(site.token(user), msg='three', key='order-9 of ' + user)
    expect.equal([event.data for event in stream.wait_events(3)], ['one', 'two', 'three'])


def what_has_a_ttl_is_sent_until_then(site):
    user = site.user()
    for ttl, seconds in (('1h', 3600), ('30', 30), ('1500ms', 2), ('10d', 864000)):
        done = _publish(site, '--user', user, '--ttl', ttl, '--event', 'e', input='one\ntwo\n')
        expect.equal((done.returncode, done.stderr), (0, ''))
        for id in done.stdout.split():
            left = site.sql(f'SELECT expires_at - created_at FROM message WHERE id = {id}')
            # It was counted from a moment before; a second may have passed between them.
            expect.true(int(left) in (seconds, seconds - 1, seconds + 1), f'{ttl}: {left}')


def publish_counts_a_ttl_from_each_line_on(site):
    user = site.user()
    process = subprocess.Popen([site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user, '--ttl', '1h'],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        def end_of_a_line():
            process.stdin.write('line\n')
            process.stdin.flush()
            id = process.stdout.readline().strip()
            site.wait_followed()
            return int(site.sql(f'SELECT expires_at FROM message WHERE id = {id}'))
        first = end_of_a_line()
        wait_until(lambda: end_of_a_line() > first, 'a later line ends later', 20 * site.slow, every_s=0.1)
        process.stdin.close()
        expect.equal(process.wait(30 * site.slow), 0)


def publish_stores_each_line_of_stdin(site):
    user = site.user()
    for text, lines in (('one\ntwo\nthree\n', ['one', 'two', 'three']), ('without an end', ['without an end']),
                        ('\n\nx', ['', '', 'x']), ('', []),
                        ('one\r\n\r\n\rtwo\r\n', ['one', '', '\rtwo']), ('d\u00e4mlich \U0001f600\n', ['d\u00e4mlich \U0001f600']),
                        (''.join(f'{i}\n' for i in range(20000)), [str(i) for i in range(20000)])):
        done = _publish(site, '--user', user, '--event', 'line', input=text)
        expect.equal(done.returncode, 0, done.stderr)
        expect.equal(_rows(site, done.stdout), [(user, None, 'line', line) for line in lines])


def publish_stores_a_line_as_soon_as_it_is_there(site):
    user = site.user()
    stream = site.subscribe(user)
    process = subprocess.Popen([site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        for line in ('first', 'second'):
            process.stdin.write(line + '\n')
            process.stdin.flush()
            event = stream.wait_event()
            expect.equal((event.id, event.data), (process.stdout.readline().strip(), line))
        process.stdin.write('no end')
        process.stdin.close()
        expect.equal(stream.wait_event().data, 'no end')
        expect.equal(process.wait(30 * site.slow), 0)


def publish_refuses_what_is_no_message(site):
    before = _newest(site)
    small = ['-o', 'max_message=8']
    for arguments, input, sentence in (
            (['--all', '123456789', *small], '', 'DATA is larger than max_message'),
            (['--all', *small], '1' * 100000, 'line 1 is larger than max_message'),
            (['--all'], 'a NUL \0\n', 'line 1 contains U+0000'),
            (['text'], '', 'to whom?'),
            (['--event', 'e', '--key', 'k', '--ttl', '1m'], 'one\ntwo\n', 'to whom?'),
            # Names, by the rules of /msg.
            (['--user', b'\xff', 'text'], '', 'user is not valid UTF-8'),
            (['--topic', b'\xff', 'text'], '', 'topic is not valid UTF-8'),
            (['--event', b'\xff', 'text'], '', 'event is not valid UTF-8'),
            (['--user', '', 'text'], '', 'user is empty'),
            (['--topic', 't' * 256, 'text'], '', 'at most 255 are allowed'),
            (['--all', '--event', 'a', '--event', 'b', 'text'], '', 'event is given twice'),
            (['--all', '--event', 'rowcast.gap', 'text'], '', "the server's own"),
            (['--all', '--event', 'two\nlines'], 'one\ntwo\n', 'event may not contain a line break'),
            (['--all', '--key', '', 'text'], '', 'key is empty'),
            (['--all', '--key', 'k' * 256, 'text'], '', 'at most 255 are allowed'),
            (['--all', '--ttl', 'soon', 'text'], '', 'ttl must be a number of seconds or a time'),
            (['--all', '--ttl', '0', 'text'], '', 'ttl must be more than 0'),
            (['--all', '--ttl', '3651d', 'text'], '', 'at most 10 years'),
            (['--all', '--key', f'lines{before}'], 'one\ntwo\n', '--key is of one message'),
            (['--all', '--key', f'lines{before}'], 'x\n' * 100000, '--key is of one message')):
        done = _publish(site, *arguments, input=input)
        expect_failure(done, sentence)
        expect.equal(done.stdout, '', 'ids')
    folder = os.open('/', os.O_RDONLY)
    try:
        done = _publish(site, '--all', input=None, stdin=folder)
    finally:
        os.close(folder)
    expect_failure(done, 'publish: stdin: Is a directory')
    expect.equal(_newest(site), before, 'the newest id')


# What a build or a log writes is published to its end, whatever is among it.

def _publish_bytes(site, input, *arguments, **more):
    """Ids and log lines of a publish whose stdin is no text; it must end with status 1."""
    done = subprocess.run([site.rowcast.program, 'publish', '-c', site.rowcast.conf, *arguments], input=input,
                          capture_output=True, timeout=30 * site.slow, **more)
    expect.equal(done.returncode, 1, done.stderr)
    return done.stdout.decode(), done.stderr.decode().splitlines()


def publish_repairs_what_is_not_utf8_and_says_where(site):
    user = site.user()
    ids, log = _publish_bytes(site, b'fine\nCr\xc3\n\n\xff\xfe!\r\nstill fine\n\xed\xa0\x80', '--user', user)
    expect.equal([row[3] for row in _rows(site, ids)], ['fine', 'Cr\ufffd', '', '\ufffd\ufffd!', 'still fine', 3 * '\ufffd'])
    expect.equal(log, [f'warn: publish: line {n} is not UTF-8: what is not is stored as U+FFFD' for n in (2, 4, 6)])
    done = _publish(site, '--user', user, b'cut \xc3')
    expect_failure(done, 'DATA is not UTF-8')
    expect.equal(_rows(site, done.stdout), [(user, None, None, 'cut \ufffd')])


@own_table_only('a view has no BEFORE triggers')
def publish_skips_what_is_no_message_and_goes_on(site):
    user = site.user()
    arguments = ['--user', user, '-o', 'max_message=8']
    ids, log = _publish_bytes(site, b'one\n123456789\n12345678\r\n\0\nfive\n12\xff\xff4\n' + b'x' * 1000000 + b'\nlast', *arguments)
    expect.equal([row[3] for row in _rows(site, ids)], ['one', '12345678', 'five', 'last'])
    expect.equal(log, [
        'warn: publish: line 2 is larger than max_message: it is skipped',
        'warn: publish: line 4 contains U+0000: it is skipped',
        'warn: publish: line 6 is larger than max_message: it is skipped',  # with a U+FFFD for each
        'warn: publish: line 7 is larger than max_message: it is skipped'])
    # What the table refuses, it refuses alone.
    site.sql("CREATE TRIGGER of_the_application BEFORE INSERT ON message WHEN NEW.data = 'no'"
             " BEGIN SELECT RAISE(ABORT, 'not here'); END")
    try:
        ids, log = _publish_bytes(site, b'one\nno\nthree\n', *arguments)
    finally:
        site.sql('DROP TRIGGER of_the_application')
    expect.equal([row[3] for row in _rows(site, ids)], ['one', 'three'])
    expect.true('not here' in log[0], log)
    expect.equal(log[1:], ['warn: publish: line 2 is refused by the table: it is skipped'])


def publish_counts_what_it_no_longer_names(site):
    user = site.user()
    ids, log = _publish_bytes(site, b'fine\n' + b'\xff\n' * 50 + b'\0\n' * 100 + b'fine\n', '--user', user)
    expect.equal([row[3] for row in _rows(site, ids)], ['fine'] + 50 * ['\ufffd'] + ['fine'])
    expect.equal(len(log), 21)
    expect.equal(log[19], 'warn: publish: line 21 is not UTF-8: what is not is stored as U+FFFD')
    expect.equal(log[20], 'warn: publish: and so on: in all 100 lines were skipped, 50 repaired')


def _peak_kib(pid):
    with open(f'/proc/{pid}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmHWM:'))


def publish_skips_a_line_without_end_in_little_memory(site):
    user = site.user()
    process = subprocess.Popen([site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b'before\n')
    for _ in range(300):
        process.stdin.write(b'x' * (1 << 20))
    # Of what it has taken all but a pipe's worth. (What os.wait4 tells begins with
    # the memory of this process, which it was forked from.)
    peak_kib = _peak_kib(process.pid)
    process.stdin.write(b'\nafter\n')
    process.stdin.close()
    ids, log = process.stdout.read().decode(), process.stderr.read().decode()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    expect.equal((process.returncode, log), (1, 'warn: publish: line 2 is larger than max_message: it is skipped\n'))
    expect.equal([row[3] for row in _rows(site, ids)], ['before', 'after'])
    expect.true(peak_kib < 100 << 10, f'{peak_kib} KiB for a line of 300 MiB')


def who_writes_to_publish_is_never_ended_by_it(site):
    """Whatever goes wrong, stdin is read to its end: a pipe holds 64 KiB."""
    much = b'a line of the build\n' * 20000
    for arguments, sentence in ((['--all', '-c', '/no/such.conf'], '/no/such.conf'),
                                (['--all', '-o', 'store=sqlite:/no/such/folder/file'], '/no/such/folder/file'),
                                (['--all', '--event', 'rowcast.gap'], "the server's own"),
                                (['--all', '--key', 'k'], 'stdin has more lines'),
                                ([], 'to whom?')):
        if site.is_copy and sentence in str(arguments) and '-o' in arguments:
            continue  # what is published goes to the log, whatever the store
        before = _newest(site)
        process = subprocess.Popen([site.rowcast.program, 'publish', '-c', site.rowcast.conf, *arguments],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            process.stdin.write(much)  # raises where nobody reads
            process.stdin.close()
            expect.equal(process.wait(30 * site.slow), 1)
            log = process.stderr.read().decode()
            expect.true(sentence in log, log)
        expect.equal(_newest(site), before)


@own_table_only('what is published goes to the log, whoever has the lock')
def publish_says_from_which_line_on_nothing_is_stored(site):
    user = site.user()
    process = subprocess.Popen([site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, contextlib.closing(sqlite3.connect(site.db, isolation_level=None)) as db:
        process.stdin.write(b'one\ntwo\n')
        process.stdin.flush()
        ids = process.stdout.readline() + process.stdout.readline()
        db.execute('BEGIN IMMEDIATE')
        process.stdin.write(b'three\n')
        process.stdin.flush()
        log = process.stderr.readline() + process.stderr.readline()
        db.execute('ROLLBACK')
        process.stdin.write(b'four\n' * 100000)
        process.stdin.close()
        expect.equal(process.wait(30 * site.slow), 1)
        log += process.stderr.read()
        expect.equal(process.stdout.read(), b'')
    expect.equal([row[3] for row in _rows(site, ids.decode())], ['one', 'two'])
    lines = log.decode().splitlines()
    expect.true('locked by another program' in lines[0], lines)
    expect.equal(lines[1:], ['error: publish: from line 3 on nothing is stored'])
    expect.equal(site.sql(f"SELECT count(*) FROM message WHERE user = '{user}'"), '2')


def publish_goes_on_when_nobody_reads_the_ids(site):
    user = site.user()
    process = subprocess.Popen([site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        process.stdin.write(b'one\n')
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        for _ in range(20):
            process.stdin.write(b'a line\n' * 10000)
        process.stdin.close()
        expect.equal(process.wait(30 * site.slow), 1)
        expect.equal(process.stderr.read(), b'error: stdout: Broken pipe\n')
    expect.equal(site.sql(f"SELECT count(*) FROM message WHERE user = '{user}'"), '200001')
    if not site.is_copy:  # where each is erased on its own, on every machine
        site.sql(f"DELETE FROM message WHERE user = '{user}'")


@own_table_only('what is published goes to the log')
def publish_says_why_nothing_can_be_stored(site):
    expect_failure(_publish(site, '--all', '-o', 'store=sqlite:/no/such/folder/file', 'text'), '/no/such/folder/file')
    with contextlib.closing(sqlite3.connect(site.db, isolation_level=None)) as db:
        db.execute('BEGIN IMMEDIATE')
        expect_failure(_publish(site, '--all', 'text'), site.db, 'locked')
        db.execute('ROLLBACK')


# ---- tail ----

class _Tail:
    """A `rowcast tail` and the lines it prints, until nobody reads them."""

    def __init__(self, site, *arguments):
        self.site = site
        self.end = lambda: site.insert('nobody reads this')  # something that it will print
        self.process = subprocess.Popen([site.rowcast.program, 'tail', '-c', site.rowcast.conf, *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        restore_signals=False)  # as under a shell that ignores SIGPIPE

    def expect(self, *messages):
        for message in messages:
            expect.equal(json.loads(self.process.stdout.readline()), message)

    def is_readable(self):
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        try:
            self.process.stdout.close()
            if not failed:
                self.end()
                expect.equal(self.process.wait(20 * self.site.slow), 1, 'status of a tail that nobody reads')
                expect.true('stdout: Broken pipe' in self.process.stderr.read(), 'it says why it ends')
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()


def tail_prints_what_comes_and_what_came_after_an_id_until_nobody_reads_it(site):
    user, other = site.user(), site.user()
    before = _newest(site)
    first = site.insert('with "quotes" \\ and\n\ttab', user, event='order')
    site.sql(f"INSERT INTO message(user, data, expires_at) VALUES('{user}', 'expired', 1)")
    second = site.insert('d\u00e4mlich', other, topic='news')
    with _Tail(site, '--after', str(before)) as all, _Tail(site, '--after', str(first), '--user', user) as own, \
            _Tail(site) as new:
        all.expect({'id': first, 'user': user, 'event': 'order', 'data': 'with "quotes" \\ and\n\ttab'},
                   {'id': second, 'user': other, 'topic': 'news', 'data': 'd\u00e4mlich'})
        # A tail without --after begins somewhen: until it is seen to print.
        ids = []
        wait_until(lambda: ids.append(site.insert('to all')) or new.is_readable(), 'a tail begins',
                   20 * site.slow, every_s=0.02)
        last = site.insert('the last', user)
        all.expect(*({'id': id, 'data': 'to all'} for id in ids), {'id': last, 'user': user, 'data': 'the last'})
        own.expect(*({'id': id, 'data': 'to all'} for id in ids), {'id': last, 'user': user, 'data': 'the last'})
        seen = json.loads(new.process.stdout.readline())
        expect.true(seen['id'] in ids, f'{seen} is one of {ids}')


def tail_prints_only_what_carries_the_topics_that_are_asked_for(site):
    user, other = site.user(), site.user()
    before = _newest(site)
    news, sport = 'news of ' + user, 'sport of ' + user
    site.insert('mine', user)
    rows = {data: site.insert(data, owner, topic) for data, owner, topic in (
        ('news', None, news), ('sport', None, sport), ('to user', user, news), ('to other', other, news), ('all', None, None))}
    after = ['--after', str(before)]
    with _Tail(site, *after, '--topic', news) as topic, _Tail(site, *after, '--topic', sport, '--topic', news) as topics, \
            _Tail(site, *after, '--topic', news, '--user', user) as own, _Tail(site, *after, '--topic', 'new') as none:
        last = site.insert('last', None, news)
        ends = site.insert('end', None, 'new')
        rows['last'] = last

        def line(data, topic, owner=None):
            return {'id': rows[data], **({'user': owner} if owner else {}), 'topic': topic, 'data': data}
        topic.expect(line('news', news), line('to user', news, user), line('to other', news, other), line('last', news))
        topics.expect(line('news', news), line('sport', sport), line('to user', news, user), line('to other', news, other),
                      line('last', news))
        own.expect(line('news', news), line('to user', news, user), line('last', news))
        none.expect({'id': ends, 'topic': 'new', 'data': 'end'})
        for tail in (topic, topics, own, none):
            tail.end = lambda: [site.insert('nobody reads this', user, name) for name in (news, 'new')]


def tail_prints_valid_json_whatever_lies_in_the_table(site):
    user = site.user()
    before = _newest(site)
    ill = "CAST(x'4372c3' AS TEXT)"
    site.sql(f'INSERT INTO message(user, topic, event, data) VALUES({ill}, {ill}, {ill}, {ill})')
    id = int(site.sql('SELECT max(id) FROM message'))
    good = site.insert('good', user)
    with _Tail(site, '--after', str(before)) as tail:
        tail.expect({'id': id, 'user': 'Cr\ufffd', 'topic': 'Cr\ufffd', 'event': 'Cr\ufffd', 'data': 'Cr\ufffd'},
                    {'id': good, 'user': user, 'data': 'good'})


def tail_says_what_it_cannot_read(site):
    empty = os.path.join(site.folder, 'empty.db')
    open(empty, 'w').close()
    for store, sentence in (('/no/such/file', '/no/such/file'), (empty, 'holds no messages yet')):
        expect_failure(rowcast(site, 'tail', '-c', site.rowcast.conf, '-o', 'store=sqlite:' + store), sentence)
