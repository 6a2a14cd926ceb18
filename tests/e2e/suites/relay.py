"""rowcast publish --sse: an event stream on stdin becomes the rows of a topic, and its end
the topic's."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time

import expect
from shell import expect_failure, expect_misuse, rowcast
from tap import own_table_only
from traffic import nightly, seed
from waiting import wait_until

DONE, ABORTED = ('rowcast.end', '{"reason":"done"}'), ('rowcast.end', '{"reason":"aborted"}')

IS_ABORTED = 'the topic is ended as aborted'


def _topic(site):
    return f'run:{site.user()}'


def _arguments(site, topic, *options):
    return ['publish', '-c', site.rowcast.conf, '--sse', '--topic', topic, *options]


def _copy(site, topic, text, *options, status=0):
    """Copies a whole stream; returns what was printed."""
    done = subprocess.run([site.rowcast.program, *_arguments(site, topic, *options)], capture_output=True,
                          input=text if isinstance(text, bytes) else text.encode(), timeout=60 * site.slow)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    expect.equal(done.returncode, status, done.stderr)
    return done


def _rows(site, topic, columns='event, data'):
    site.wait_followed()
    with contextlib.closing(sqlite3.connect(site.db)) as db:
        return db.execute(f'SELECT {columns} FROM message WHERE topic = ? ORDER BY id', [topic]).fetchall()


def _log(*sentences):
    return ''.join(f'error: publish: {sentence}\n' for sentence in sentences)


class _Copying:
    """A `rowcast publish --sse` whose stdin is still open, and who reads the topic."""

    def __init__(self, site, topic, **more):
        self.site, self.topic = site, topic
        self.reader = site.subscribe(site.user(), topics=[topic], query='inbox=off&until=end')
        self.process = subprocess.Popen([site.rowcast.program, *_arguments(site, topic)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def write(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def say(self, text):
        """One event, until it has been read."""
        self.write(f'data: {text}\n\n')
        expect.equal(self.reader.wait_event().data, text)

    def expect_end(self, end, status, *log):
        """The reader sees that end and nothing after it, and the command says why."""
        event = self.reader.wait_event()
        expect.equal((event.type, event.data), end)
        self.reader.wait_end()
        expect.equal(self.process.wait(30 * self.site.slow), status)
        self.process.stdin.close()
        said = self.process.stderr.read().decode()  # to its end, which is that of the last who has it
        expect.equal(said, _log(*log))
        expect.equal(_rows(self.site, self.topic)[-1], end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def each_event_is_a_row_with_its_name(site):
    topic = _topic(site)
    reader = site.subscribe(site.user(), topics=[topic], query='inbox=off')
    done = _copy(site, topic, '\ufeff: a comment\nretry: 10\n\nid: 7\ndata: Hel\n\nevent: delta\nid\ndata: lo\ndata:  \ndata\ndata: w\u00f6rld\n\n'
                 'event: nothing\n\nevent: message\ndata\n\ndata: [DONE] \n\ndata:[DONE]\n\n')
    rows = [(None, 'Hel'), ('delta', 'lo\n \n\nw\u00f6rld'), (None, ''), (None, '[DONE] '), DONE]
    expect.equal(done.stderr, '')
    expect.equal(_rows(site, topic), rows)
    expect.equal(_rows(site, topic, 'id'), [(int(id),) for id in done.stdout.split()], 'the ids are printed')
    expect.equal([(e.type, e.data) for e in reader.wait_events(5)], [(event or 'message', data) for event, data in rows])


def every_way_to_end_a_line_and_every_cut_makes_the_same_rows(site):
    dice = random.Random(seed())
    events = [(dice.choice([None, 'delta', '\u00e9v\u00e9nement']), '\n'.join(
        dice.choice(['', ' ', 'a', ': b', 'data: c', '\u20ac\U0001f600', 'x' * 300]) for _ in range(dice.randint(1, 3))))
        for _ in range(200)]
    for _ in range(3):
        topic = _topic(site)
        stream = dice.choice([b'', b'\xef\xbb\xbf'])
        for event, data in [*events, (None, '[DONE]')]:
            lines = ([f'event: {event}'] if event else []) + [f'data: {line}' for line in data.split('\n')] + ['']
            for line in lines:
                # LF behind a CR would be one end with it.
                end = dice.choice(['\r', '\r\n'] if not line and stream.endswith(b'\r') else ['\n', '\r', '\r\n'])
                stream += (line + end).encode()
        with _Copying(site, topic) as copying:
            at = 0
            while at < len(stream):
                n = dice.choice([1, 2, 3, 50, 1000])
                copying.process.stdin.write(stream[at:at + n])
                copying.process.stdin.flush()
                at += n
            copying.process.stdin.close()
            expect.equal(copying.process.wait(30 * site.slow), 0, copying.process.stderr)
        expect.equal(_rows(site, topic), [*events, DONE])


def each_event_is_there_as_soon_as_it_has_come(site):
    with _Copying(site, _topic(site)) as copying:
        for text in ('first', 'second', 'third'):
            copying.say(text)
        copying.write('event: rowcast.end\ndata: {"reason":"done","tokens":3}\n\n')
        copying.expect_end(('rowcast.end', '{"reason":"done","tokens":3}'), 0)


def it_ends_with_the_stream_whatever_comes_after(site):
    """Also where the writer does not close: an API may keep its connection."""
    for last, end in (('data: [DONE]\n\n', DONE), ('event: rowcast.end\ndata: bye\n\n', ('rowcast.end', 'bye')),
                      ('event: rowcast.end\ndata\n\n', ('rowcast.end', '')), ('event: last\ndata: [DONE]\n\n', DONE)):
        with _Copying(site, _topic(site)) as copying:
            copying.say('one')
            copying.write(last + 'data: two\n\nevent: error\ndata: three\n\n')
            copying.expect_end(end, 0)
            expect.equal([data for _, data in _rows(site, copying.topic)], ['one', end[1]])


def who_writes_a_moment_longer_is_not_ended_by_it(site):
    with _Copying(site, _topic(site)) as copying:
        copying.write('data: [DONE]\n\n')
        expect.equal(copying.reader.wait_event().data, DONE[1])
        copying.write(': and some more\n' * 10000)
        copying.process.stdin.close()
        expect.equal(copying.process.wait(30 * site.slow), 0)


def a_stream_that_breaks_off_ends_the_topic_as_aborted(site):
    for text, rows in (('', []), ('data: a\n\n', ['a']), ('data: a\n\ndata: b', ['a']), ('data: a\n\nevent: rowcast.end\ndata: b\n', ['a']),
                       ('data: a\n\ndata: [DONE]\n', ['a']), ('event: rowcast.end\n\n', [])):
        topic = _topic(site)
        done = _copy(site, topic, text, status=1)
        expect.equal(done.stderr, _log('stdin ended before [DONE] or rowcast.end', IS_ABORTED))
        expect.equal(_rows(site, topic), [*((None, data) for data in rows), ABORTED], text)
    folder = os.open('/', os.O_RDONLY)
    topic = _topic(site)
    try:
        done = rowcast(site, *_arguments(site, topic), input=None, stdin=folder)
    finally:
        os.close(folder)
    expect_failure(done, _log('stdin: Is a directory', IS_ABORTED))
    expect.equal(_rows(site, topic), [ABORTED])


def a_signal_ends_the_topic_as_aborted(site):
    for number, name in ((signal.SIGTERM, 'Terminated'), (signal.SIGINT, 'Interrupt'), (signal.SIGHUP, 'Hangup')):
        with _Copying(site, _topic(site)) as copying:
            copying.say('one')
            copying.process.send_signal(number)
            copying.expect_end(ABORTED, 1, f'a signal came: {name}', IS_ABORTED)


def a_signal_that_is_ignored_stays_so(site):
    """As by nohup."""
    with _Copying(site, _topic(site), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as copying:
        copying.say('one')
        copying.process.send_signal(signal.SIGHUP)
        copying.say('two')
        copying.write('data: [DONE]\n\n')
        copying.expect_end(DONE, 0)


def whoever_is_killed_the_topic_ends(site):
    """The writer, the command, or the group of both, at any event: readers see whole events
    and then that it was aborted."""
    dice = random.Random(seed())
    for _ in range(200 if nightly() else 12):
        topic, n = _topic(site), dice.randint(1, 30)
        reader = site.subscribe(site.user(), topics=[topic], query='inbox=off&until=end')
        writer = subprocess.Popen(['/bin/sh', '-c', 'while :; do i=$((i + 1)); printf "data: %s\\n\\n" $i; done'],
                                  stdout=subprocess.PIPE, process_group=0)
        command = subprocess.Popen([site.rowcast.program, *_arguments(site, topic)], stdin=writer.stdout, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, process_group=writer.pid)
        writer.stdout.close()
        seen = [reader.wait_event().data for _ in range(n)]
        whom = dice.choice(['writer', 'command', 'both'])
        began = time.monotonic()
        if whom == 'both':
            os.killpg(writer.pid, signal.SIGKILL)
        else:
            {'writer': writer, 'command': command}[whom].kill()
        while (event := reader.wait_event()).type != 'rowcast.end':
            seen.append(event.data)
        took = time.monotonic() - began
        expect.equal(event.data, ABORTED[1], whom)
        expect.equal(seen, [str(i + 1) for i in range(len(seen))], whom)
        reader.wait_end()
        expect.equal(command.wait(30 * site.slow), 1 if whom == 'writer' else -signal.SIGKILL, whom)
        writer.kill()
        writer.wait()
        expect.equal(_rows(site, topic), [*((None, data) for data in seen), ABORTED], whom)
        print(f'# {whom} killed: ended after {took * 1000:.0f} ms, {len(seen)} events')


def what_has_ended_stays_so(site):
    topic = _topic(site)
    _copy(site, topic, 'data: a\n\ndata: [DONE]\n\n')
    for text in ('data: b\n\n', 'data: b\n\ndata: [DONE]\n\n', 'data: [DONE]\n\n'):
        done = _copy(site, topic, text, status=1)
        expect.equal((done.stdout, done.stderr), ('', _log('event 1 is refused: the topic has ended')), text)
    done = _copy(site, topic, '', status=1)
    expect.equal(done.stderr, _log('stdin ended before [DONE] or rowcast.end', 'somebody else had ended the topic'))
    expect.equal(_rows(site, topic), [(None, 'a'), DONE])


def who_stops_the_topic_stops_the_command_and_who_writes_to_it(site):
    with _Copying(site, _topic(site)) as copying:
        copying.say('one')
        site.insert('{"reason":"stopped"}', topic=copying.topic, event='rowcast.end')
        expect.equal(copying.reader.wait_event().data, '{"reason":"stopped"}')
        copying.write('data: two\n\n')
        expect.equal(copying.process.wait(30 * site.slow), 1)
        expect.equal(copying.process.stderr.read().decode(), _log('event 2 is refused: the topic has ended'))
        try:
            wait_until(lambda: copying.write('data: three\n\n'), 'nobody reads what is written', 5)
            raise AssertionError('it was read')
        except BrokenPipeError:
            pass
        expect.equal(_rows(site, copying.topic), [(None, 'one'), ('rowcast.end', '{"reason":"stopped"}')])


def an_event_that_is_no_message_is_named_and_ends_the_topic_as_aborted(site):
    for event, sentence in (
            ('event: error\ndata: x', "event may not be error or open, those are the browser's own"),
            ('event: rowcast.gap\ndata: x', "event may not begin with rowcast., those are the server's own"),
            ('event: ' + 'e' * 256 + '\ndata: x', 'event is 256 bytes long, at most 255 are allowed'),
            ('event: ' + 'e' * 9999 + '\ndata: x', 'event is 256 bytes long, at most 255 are allowed'),
            ('data: a\0b', 'data may not contain U+0000'), ('event: a\0b\ndata: x', 'event may not contain U+0000'),
            ('data: 123456789\ndata: 0123456', None), (f'data: {"x" * 1000000}', None),
            ('event: rowcast.end\ndata: 12345678901234567', None)):
        topic = _topic(site)
        done = _copy(site, topic, f'data: 1234567890123456\n\ndata: two\n\n{event}\n\ndata: four\n\ndata: [DONE]\n\n',
                     '-o', 'max_message=16', status=1)
        said = f'event 3 is no message: {sentence}' if sentence else 'event 3 is larger than max_message'
        expect.equal(done.stderr, _log(said, IS_ABORTED))
        expect.equal(_rows(site, topic), [(None, '1234567890123456'), (None, 'two'), ABORTED], event[:100])
        expect.equal(len(done.stdout.split()), 2)


@own_table_only('a view has no BEFORE triggers')
def an_event_that_the_table_refuses_is_named_and_those_before_stand(site):
    topic = _topic(site)
    site.sql("CREATE TRIGGER of_the_application BEFORE INSERT ON message WHEN NEW.data = 'no'"
             " BEGIN SELECT RAISE(ABORT, 'not here'); END")
    try:
        done = _copy(site, topic, 'data: one\n\ndata: two\n\ndata: no\n\ndata: four\n\ndata: [DONE]\n\n', status=1)
    finally:
        site.sql('DROP TRIGGER of_the_application')
    expect.true('not here' in done.stderr, done.stderr)
    expect.true(done.stderr.endswith(_log('event 3 is refused by the table', IS_ABORTED)), done.stderr)
    expect.equal(_rows(site, topic), [(None, 'one'), (None, 'two'), ABORTED])


def what_is_not_utf_8_is_stored_as_a_browser_reads_it(site):
    topic = _topic(site)
    done = _copy(site, topic, b'event: \xff\ndata: Cr\xc3\n\ndata: \xed\xa0\x80\n\ndata: [DONE]\n\n')
    expect.equal(done.stderr, '')
    expect.equal(_rows(site, topic), [('\ufffd', 'Cr\ufffd'), (None, 3 * '\ufffd'), DONE])


def much_comes_at_once_in_few_transactions(site):
    topic = _topic(site)
    reader = site.subscribe(site.user(), topics=[topic], query='inbox=off&until=end')
    n = 100000
    text = ''.join(f'data: {i}\n\n' for i in range(n))
    done = _copy(site, topic, text + 'data: [DONE]\n\n')
    expect.equal(len(done.stdout.split()), n + 1)
    expect.equal([e.data for e in reader.wait_events(n + 1, 60 * site.slow)], [*map(str, range(n)), DONE[1]])
    reader.wait_end()
    if not site.is_copy:  # where each is erased on its own, on every machine
        site.sql(f"DELETE FROM message WHERE topic = '{topic}'")


def nobody_need_read_the_ids(site):
    with _Copying(site, _topic(site)) as copying:
        copying.say('one')
        copying.process.stdout.close()
        copying.say('two')
        copying.say('three')
        copying.write('data: [DONE]\n\n')
        event = copying.reader.wait_event()
        expect.equal((event.type, event.data), DONE)
        expect.equal(copying.process.wait(30 * site.slow), 1)
        expect.equal(copying.process.stderr.read(), b'error: stdout: Broken pipe\n')


@own_table_only('what is published goes to the log, whoever has the lock')
def where_nothing_can_be_stored_it_says_that_readers_wait(site):
    with _Copying(site, _topic(site)) as copying:
        copying.say('one')
        with contextlib.closing(sqlite3.connect(site.db, isolation_level=None)) as db:
            db.execute('BEGIN IMMEDIATE')
            copying.write('data: two\n\n')
            expect.equal(copying.process.wait(60 * site.slow), 1)
            db.execute('ROLLBACK')
        said = copying.process.stderr.read().decode().splitlines(keepends=True)
        expect.equal(['locked by another program' in line for line in said], [True, False, True, False], said)
        expect.equal(said[1] + said[3], _log('from event 2 on nothing is stored', 'the topic could not be ended: its readers wait'))
        expect.equal(_rows(site, copying.topic), [(None, 'one')])


def it_is_said_how_it_is_used(site):
    topic = _topic(site)
    for wrong in (['--sse'], ['--sse', '--all'], ['--sse', '--topic', topic, '--user', '42'], ['--sse', '--topic', topic, '--all'],
                  ['--sse', '--topic', topic, '--event', 'e'], ['--sse', '--topic', topic, '--key', 'k'],
                  ['--sse', '--topic', topic, '--ttl', '1h'], ['--sse', '--topic', topic, 'text']):
        expect_misuse(site, 'publish', *wrong)
    for name, sentence in (('', 'topic is empty'), ('t' * 256, 'at most 255 are allowed'),
                           ('rowcast.control', 'a topic that begins with rowcast. does not end')):
        expect_failure(rowcast(site, *_arguments(site, name), input='data: x\n\n'), sentence)
    expect_failure(rowcast(site, *_arguments(site, topic, '--topic', 'another'), input='data: x\n\n'), 'topic is given twice')
    expect.equal(_rows(site, topic), [])
