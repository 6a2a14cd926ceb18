"""rowcast publish reads lines from a program that knows nothing of it: what is no
message is named and left out or mended, and everything else is stored. Behind one
web server only."""

import contextlib
import re
import sqlite3
import subprocess

import expect

MAX = 100  # bytes of a message, where it matters


def _publish(site, user, input, *options):
    return subprocess.run([site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user, '-o', f'max_message={MAX}', *options],
                          input=input, capture_output=True, timeout=60 * site.slow)


def _stored(site, user):
    site.wait_followed()
    with contextlib.closing(sqlite3.connect(site.db)) as db:
        return [data for data, in db.execute('SELECT data FROM message WHERE user = ? ORDER BY id', [user])]


def _named(done):
    """The lines that stderr names, in its order."""
    return [int(number) for number in re.findall(r'\b(?:line |stdin:)(\d+)', done.stderr.decode())]


def a_bad_line_is_named_and_every_good_one_is_stored(site):
    long = b'x' * (MAX + 1)
    for what, lines, bad in (
            ('a byte that is not UTF-8', [b'one', b'cr\xc3', b'two'], [2]),
            ('the first line', [b'\xff', b'one', b'two'], [1]),
            ('the last line, without its end', [b'one', b'two', b'\xff'], [3]),
            ('a line that is too long', [b'one', long, b'two'], [2]),
            ('one that is very much too long', [b'one', long * 50000, b'two'], [2]),
            ('the last one, too long and without its end', [b'one', b'two', long * 5000], [3]),
            ('a NUL', [b'one', b'a\0b', b'two'], [2]),
            ('surrogates', [b'one', b'\xed\xa0\x80', b'two'], [2]),
            ('many', [b'\xff', b'one', long, b'\x80', b'two', long, b'a\xe2\x82', b'three'], [1, 3, 4, 6, 7]),
            ('all', [b'\xff', long, b'\xfe'], [1, 2, 3]),
            ('empty lines', [b'', b'\xff', b'', b'two'], [2]),
            ('what is just not too long', [b'x' * MAX, long, b'y' * MAX], [2])):
        user = site.user()
        done = _publish(site, user, b'\n'.join(lines))
        expect.equal(done.returncode, 1, f'{what}: the status, at the end')
        expect.equal(_named(done), bad, f'{what}: the lines that are named: {done.stderr[:500]}')
        stored = _stored(site, user)
        good = [line.decode() for number, line in enumerate(lines, 1) if number not in bad]
        # A line that is bad may be left out, or be mended.
        others = [data for data in stored if data not in good]
        expect.equal([data for data in stored if data in good], good, f'{what}: what is stored')
        expect.true(all('\ufffd' in data for data in others), f'{what}: what else is stored: {others}')
        expect.equal(len(done.stdout.split()), len(stored), f'{what}: the ids that are printed')


def lines_after_the_end_of_their_topic_are_refused_in_the_same_words(site):
    topic = f'run:{site.user()}'

    def publish(*options, input=b''):
        return subprocess.run([site.rowcast.program, 'publish', '-c', site.rowcast.conf, *options], input=input, capture_output=True,
                              timeout=60 * site.slow)

    expect.equal(publish('--topic', topic, input=b'one\ntwo\n').returncode, 0)
    done = publish('--event', 'rowcast.end', '--all', 'x')
    expect.true(done.returncode == 1 and b'topic is missing' in done.stderr, f'an end of nothing: {done.stderr}')
    done = publish('--topic', topic, '--event', 'rowcast.end', '{}')
    expect.equal((done.returncode, done.stderr), (0, b''))
    done = publish('--topic', topic, input=b'three\nfour\n')
    expect.equal((done.returncode, done.stdout, _named(done)), (1, b'', [1, 2]), f'{done.stderr}')
    expect.equal(done.stderr.count(b'the topic has ended'), 2, f'{done.stderr}')
    done = publish('--topic', topic, 'five')
    expect.true(done.returncode == 1 and b'the topic has ended' in done.stderr, f'{done.stderr}')
    site.wait_followed()
    with contextlib.closing(sqlite3.connect(site.db)) as db:
        expect.equal([data for data, in db.execute('SELECT data FROM message WHERE topic = ? ORDER BY id', [topic])], ['one', 'two', '{}'])


def good_lines_alone_end_well(site):
    user = site.user()
    done = _publish(site, user, b'one\ntwo\n')
    expect.equal((done.returncode, done.stderr), (0, b''))
    expect.equal(_stored(site, user), ['one', 'two'])


def the_writer_is_never_cut_off(site):
    """It would die of SIGPIPE, and a build with it."""
    user, n = site.user(), 20000 if site.slow == 1 else 2000
    writer = f"""
        printf 'first\\n'; printf 'bad \\377\\n'; head -c 3000000 /dev/zero | tr '\\0' x; printf '\\n'
        i=0; while [ $i -lt {n} ]; do echo line $i; i=$((i+1)); done; printf '\\303\\nlast\\n'; echo written >&2
    """
    shell = f'set -o pipefail; ( trap "echo broken >&2" PIPE; {writer} ) | "$@" >/dev/null; echo "${{PIPESTATUS[*]}}" >&2'
    done = subprocess.run(['bash', '-c', shell, 'sh', site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user],
                          capture_output=True, text=True, timeout=60 * site.slow)
    expect.true('written' in done.stderr and 'broken' not in done.stderr, f'the writer: {done.stderr[:500]}')
    expect.equal(done.stderr.strip().split('\n')[-1], '0 1', 'the statuses of writer and rowcast')
    stored = [data for data in _stored(site, user) if '\ufffd' not in data]
    expect.equal(stored, ['first', *(f'line {i}' for i in range(n)), 'last'])


def a_good_line_is_stored_at_once_whatever_came_before_it(site):
    user = site.user()
    stream = site.subscribe(user)
    with subprocess.Popen([site.rowcast.program, 'publish', '-c', site.rowcast.conf, '--user', user, '-o', f'max_message={MAX}'],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for number, bad in enumerate((b'\xff\n', b'x' * 500000 + b'\n', b'')):
            process.stdin.write(bad + f'good {number}\n'.encode())
            process.stdin.flush()
            event = stream.wait_event()
            while '\ufffd' in event.data:
                event = stream.wait_event()
            expect.equal(event.data, f'good {number}')
        process.stdin.close()
        expect.equal(process.wait(20 * site.slow), 1, 'the status, at the end')
        process.stderr.read()
