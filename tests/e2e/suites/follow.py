"""POST /msg?follow=1: an answer is written token by token, and read while it is written;
and the last will of whoever breaks off, whatever it is that broke."""

import json
import os
import random
import secrets
import signal
import subprocess
import time

import expect
from front import which
from tap import only_behind
from waiting import wait_until
from writing import Writing

ABORTED = '{"reason":"aborted"}'
NDJSON, SSE = 'application/x-ndjson', 'text/event-stream'


def _topic():
    return 'run:' + secrets.token_hex(6)


def _line(data, **fields):
    return json.dumps({'msg': data, **fields}) + '\n'


def _rows(site, topic):
    """[(id, event, data)] of the topic."""
    text = site.sql("SELECT json_group_array(json_array(id, event, data)) FROM"
                    f" (SELECT * FROM message WHERE topic = '{topic}' ORDER BY id)")
    return [tuple(row) for row in json.loads(text)]


def _texts(site, topic):
    return [(event, data) for _, event, data in _rows(site, topic)]


def _read(site, topic, start='', **kwargs):
    return site.subscribe(site.user(), topics=[topic], query='inbox=off' + start, **kwargs)


def _read_to_end(stream, timeout=None):
    """What a reader has of an answer, and the data of its end."""
    tokens = []
    while True:
        event = stream.wait_event(timeout)
        if event.type == 'rowcast.end':
            return tokens, event.data
        tokens.append(event.data)


def _ends(site, topic, data=ABORTED):
    """Until the topic has ended, once, with that, and nothing after it."""
    wait_until(lambda: 'rowcast.end' in [event for event, _ in _texts(site, topic)], f'{topic} has ended', 30 * site.slow)
    texts = _texts(site, topic)
    expect.equal(texts[-1], ('rowcast.end', data))
    expect.equal([event for event, _ in texts].count('rowcast.end'), 1)


# ---- while it comes ----

def tokens_come_out_while_the_body_is_open(site):
    topic = _topic()
    reader = _read(site, topic)
    with Writing(site, topic) as body:
        for i in range(5):
            body.say(_line(f'token {i}'))
            expect.equal(reader.wait_event().data, f'token {i}')
        body.say(_line('{"reason":"done"}', event='rowcast.end'))
        expect.equal(reader.wait_event(type='rowcast.end').data, '{"reason":"done"}')
        answer = body.answer()
    expect.status(answer, 201)
    expect.equal(answer.json()['ids'], [id for id, _, _ in _rows(site, topic)])


def events_come_out_while_the_stream_is_open(site):
    topic = _topic()
    reader = _read(site, topic)
    with Writing(site, topic, type=SSE) as body:
        body.say(': hi\n\ndata: a\n')
        body.say('data: b\n\nevent: delta\nda')
        event = reader.wait_event()
        expect.equal((event.type, event.data), ('message', 'a\nb'))
        body.say('ta: c\r\n\r\n')
        event = reader.wait_event()
        expect.equal((event.type, event.data), ('delta', 'c'))
        body.end()
        answer = body.answer()
    expect.status(answer, 201)
    expect.equal(answer.json()['ids'], [id for id, _, _ in _rows(site, topic)])
    expect.equal([event for event, _ in _texts(site, topic)], [None, 'delta'], 'the topic is open')


def a_small_body_is_followed_as_any(site):
    topic = _topic()
    answer = site.curl(f'/msg?topic={topic}&follow=1', token=site.publisher(), headers={'Content-Type': NDJSON},
                       data=_line('a') + _line('b'))
    expect.status(answer, 201)
    expect.equal(answer.json()['ids'], [id for id, _, _ in _rows(site, topic)])
    answer = site.curl(f'/msg?topic={topic}&follow=1', token=site.publisher(), headers={'Content-Type': SSE}, data='')
    expect.status(answer, 200)
    expect.equal(answer.json(), {'ids': []})


def many_lines_at_once_have_as_many_ids(site):
    topic, n = _topic(), 20000
    with Writing(site, topic, deadline_s=60 * site.slow) as body:
        body.say(''.join(_line(str(i)) for i in range(n)))
        body.end()
        answer = body.answer()
    expect.status(answer, 201)
    rows = _rows(site, topic)
    expect.equal([int(data) for _, _, data in rows], list(range(n)))
    expect.equal(answer.json()['ids'], [id for id, _, _ in rows])


@only_behind('lighttpd')
def lighttpd_wants_a_length(site):
    with Writing(site, _topic(), chunked=True) as body:
        body.say(_line('a'))
        expect.status(body.answer(), 411)


# ---- what is refused ----

def a_malformed_line_is_named_and_what_came_before_stays(site):
    for type, good, bad, number in ((NDJSON, _line('a'), 'nonsense\n', 2), (SSE, 'data: a\n\n', 'event: open\ndata: b\n\n', 3)):
        topic = _topic()
        with Writing(site, topic, type=type) as body:
            body.say(good)
            wait_until(lambda: _texts(site, topic) == [(None, 'a')], 'the first is stored')
            body.say(bad)
            answer = body.answer()
        expect.refusal(answer, 400, type)
        expect.true(answer.json()['error'].startswith(f'line {number}: '), answer.text)
        _ends(site, topic)
        expect.equal(_texts(site, topic), [(None, 'a'), ('rowcast.end', ABORTED)])


def a_line_for_another_topic_is_malformed(site):
    topic, other = _topic(), _topic()
    body = _line('a', topic=topic) + _line('b', topic=other)
    answer = site.curl(f'/msg?topic={topic}&follow=1', token=site.publisher(), headers={'Content-Type': NDJSON}, data=body)
    expect.refusal(answer, 400, 'another topic')
    expect.equal(_texts(site, topic), [(None, 'a'), ('rowcast.end', ABORTED)])
    expect.equal(_texts(site, other), [])


def who_may_not_is_told_by_the_head_alone(site):
    path, ndjson = f'/msg?topic={_topic()}&follow=1', {'Content-Type': NDJSON}
    expect.refusal(site.curl(path, headers=ndjson, data=_line('a')), 400, 'no token')
    expect.refusal(site.curl(path, headers=ndjson, token='x', data=_line('a')), 401, 'a bad token')
    expect.refusal(site.curl(path, headers=ndjson, token=site.token(site.user()), data=_line('a')), 403, 'no scope')
    expect.refusal(site.curl(path, headers={'Content-Type': 'text/plain'}, token=site.publisher(), data='a'), 415, 'text')
    expect.refusal(site.curl(path, headers={**ndjson, 'Content-Encoding': 'gzip'}, token=site.publisher(), data='a'), 415, 'gzip')
    expect.refusal(site.curl(path + '&user=7', headers=ndjson, token=site.publisher(), data=_line('a')), 400, 'user')


def a_topic_that_has_ended_is_409(site):
    topic = _topic()
    site.insert('', topic=topic, event='rowcast.end')
    site.wait_followed()
    answer = site.curl(f'/msg?topic={topic}&follow=1', token=site.publisher(), headers={'Content-Type': NDJSON}, data=_line('a'))
    expect.refusal(answer, 409, 'ended', 'the topic has ended')
    # And by a row while the body is open: so Stop comes to the writer.
    topic = _topic()
    with Writing(site, topic) as body:
        body.say(_line('a'))
        wait_until(lambda: _texts(site, topic) == [(None, 'a')], 'the first is stored')
        site.insert('{"reason":"stop"}', topic=topic, event='rowcast.end')
        site.wait_followed()
        body.say(_line('b'))
        expect.refusal(body.answer(), 409, 'stopped', 'the topic has ended')
    _ends(site, topic, '{"reason":"stop"}')
    expect.equal(_texts(site, topic), [(None, 'a'), ('rowcast.end', '{"reason":"stop"}')])


# ---- the last will ----

def a_writer_that_is_cut_off_leaves_its_topic_aborted(site):
    for type, text in ((NDJSON, _line('a') + '{"msg":"ha'), (SSE, 'data: a\n\ndata: ha')):
        topic = _topic()
        reader = _read(site, topic)
        with Writing(site, topic, type=type) as body:
            body.say(text)
            expect.equal(reader.wait_event().data, 'a')
        expect.equal(_read_to_end(reader), ([], ABORTED))
        _ends(site, topic)


def a_program_that_is_killed_leaves_its_topic_aborted(site):
    """curl, which reads from another program: as in rowcast-protocol(7)."""
    topic = _topic()
    reader = _read(site, topic)
    length = ['-H', 'Transfer-Encoding:', '-H', 'Content-Length: 1000000'] if site.server == 'lighttpd' else []
    curl = subprocess.Popen([which('curl'), '-sST', '-', '-X', 'POST', '-H', 'Authorization: Bearer ' + site.publisher(),
                             '-H', 'Content-Type: ' + NDJSON, '-H', 'Expect:', *length,
                             f'{site.url}/msg?topic={topic}&follow=1'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        for i in range(3):
            curl.stdin.write(_line(f'{i}').encode())
            curl.stdin.flush()
            expect.equal(reader.wait_event().data, f'{i}')
    finally:
        curl.kill()
        curl.wait()
        curl.stdin.close()
    expect.equal(_read_to_end(reader), ([], ABORTED))
    _ends(site, topic)


def the_web_server_killed_leaves_them_aborted(site):
    topics = [_topic() for _ in range(3)]
    bodies = [Writing(site, topic) for topic in topics]
    for topic, body in zip(topics, bodies):
        body.say(_line('a'))
        wait_until(lambda: _texts(site, topic) == [(None, 'a')], 'the first is stored')
    site.front.kill()
    try:
        for topic, body in zip(topics, bodies):
            _ends(site, topic)
            body.cut()
    finally:
        site.front.start()
        site.wait_healthy()


def rowcast_stopped_leaves_them_aborted_before_it_goes(site):
    topic = _topic()
    with Writing(site, topic) as body:
        body.say(_line('a'))
        wait_until(lambda: _texts(site, topic) == [(None, 'a')], 'the first is stored')
        site.stop_rowcast()
        try:
            if not site.is_copy:
                expect.equal(_texts(site, topic), [(None, 'a'), ('rowcast.end', ABORTED)])
        finally:
            site.come_back()
    _ends(site, topic)


def rowcast_killed_ends_them_when_it_is_started_again(site):
    topics = [_topic() for _ in range(3)]
    bodies = [Writing(site, topic) for topic in topics]
    for topic, body in zip(topics, bodies):
        body.say(_line('a'))
        wait_until(lambda: _texts(site, topic) == [(None, 'a')], 'the first is stored')
    site.stop_rowcast(signal.SIGKILL)
    site.come_back()
    for topic, body in zip(topics, bodies):
        _ends(site, topic)
        body.cut()
    site.restart_rowcast()
    for topic in topics:
        _ends(site, topic)
        expect.equal(_texts(site, topic), [(None, 'a'), ('rowcast.end', ABORTED)])
    expect.equal(site.sql('SELECT count(*) FROM rowcast_following'), '0')


def where_the_socket_is_handed_over_the_old_one_ends_its_own(site):
    """The new one finds the wills of a process that lives."""
    topic, later = _topic(), _topic()
    with site.handed_over() as listener:
        body = Writing(site, topic)
        body.say(_line('a'))
        wait_until(lambda: _texts(site, topic) == [(None, 'a')], 'the first is stored')
        site.stop_rowcast()
        site.start_rowcast(listener)
        site.wait_healthy()
        _ends(site, topic)
        body.cut()
        with Writing(site, later) as body:
            body.say(_line('a', event='rowcast.end'))
            expect.status(body.answer(), 201)
        expect.equal(site.sql('SELECT count(*) FROM rowcast_following'), '0')


def who_breaks_off_ends_the_topic_for_all_who_write_to_it(site):
    topic = _topic()
    with Writing(site, topic) as first, Writing(site, topic) as second:
        first.say(_line('a'))
        wait_until(lambda: len(_texts(site, topic)) == 1, 'the first is stored')
        second.say(_line('b'))
        wait_until(lambda: len(_texts(site, topic)) == 2, 'the second is stored')
        second.cut()
        _ends(site, topic)
        first.say(_line('c'))
        expect.refusal(first.answer(), 409, 'the other one')
    expect.equal(len(_rows(site, topic)), 3)


# ---- many ----

def three_hundred_bodies_hold_nobody_up(site):
    n = 300
    topics = [_topic() for _ in range(n)]
    user = site.user()
    stream = site.subscribe(user)
    bodies = [Writing(site, topic) for topic in topics]
    try:
        for round in range(3):
            for body in bodies:
                body.say(_line(f'{round}'))
            site.publish(site.token(user), msg=f'hello {round}')
            expect.equal(stream.wait_event().data, f'hello {round}')
        for topic in topics[::50]:
            wait_until(lambda: len(_rows(site, topic)) == 3, 'all three are stored', 30 * site.slow)
        for i, body in enumerate(bodies):
            if i % 2:
                body.cut()
            else:
                body.say(_line('', event='rowcast.end'))
        for body in bodies[::2]:
            answer = body.answer()
            expect.status(answer, 201)
            expect.equal(len(answer.json()['ids']), 4)
    finally:
        for body in bodies:
            body.cut()
    for i, topic in enumerate(topics):
        if i % 20 < 2:
            _ends(site, topic, ABORTED if i % 2 else '')
    named = ', '.join(f"'{topic}'" for topic in topics)
    wait_until(lambda: site.sql(f"SELECT count(*) FROM message WHERE event = 'rowcast.end' AND topic IN ({named})") == str(n),
               'all have ended', 30 * site.slow)


def a_writer_killed_at_any_token_leaves_the_same_to_all(site):
    """WRITERS=200 takes as many."""
    dice = random.Random(int(os.environ.get('SEED', time.time_ns())))
    times = []
    for _ in range(int(os.environ.get('WRITERS', 8))):
        topic, n_said = _topic(), dice.randrange(1, 40)
        early = [_read(site, topic) for _ in range(2)]
        with Writing(site, topic) as body:
            join_at = dice.randrange(n_said)
            for i in range(n_said):
                body.say(_line(f'{i} '))
                if i == join_at:
                    joined = _read(site, topic, '&since=all')
            # It dies in the middle of the next, or before it.
            body.say(_line('never')[:dice.randrange(1, 15)])
        killed = time.monotonic()
        texts = []
        for stream in [*early, joined]:
            tokens, data = _read_to_end(stream, 10 * site.slow)
            times.append(time.monotonic() - killed)
            expect.equal(data, ABORTED)
            texts.append(tokens)
        late = _read(site, topic, '&since=all')
        tokens, data = _read_to_end(late)
        texts.append(tokens)
        expect.equal(texts, [texts[0]] * 4, 'what each reader has')
        expect.equal(texts[0], [f'{i} ' for i in range(len(texts[0]))])
        _ends(site, topic)
        # Whoever comes later has it, and then there is no more.
        token = site.token(site.user(), topics=[topic])
        last = _rows(site, topic)[-1][0]
        path = f'/events?topic={topic}&inbox=off&until=end'
        whole = site.curl(path, token=token, headers={'Accept': SSE, 'Last-Event-ID': '0'})
        expect.status(whole, 200)
        expect.true(whole.text.rstrip().endswith('data: ' + ABORTED), whole.text[-200:])
        expect.status(site.curl(path, token=token, headers={'Accept': SSE, 'Last-Event-ID': str(last)}), 204)
        site.close_streams()
    times.sort()
    print(f'# {len(times)} readers knew of the end after {times[len(times) // 2] * 1000:.0f} ms in the median,'
          f' {times[-1] * 1000:.0f} ms at most')


def readers_that_come_and_go_have_each_token_once(site):
    """Fifty answers, each with a reader that leaves at random and comes back with the id that
    it has seen last."""
    dice = random.Random(int(os.environ.get('SEED', time.time_ns())))
    n_answers, n_tokens = 50 if site.slow == 1 else 10, 40
    topics = [_topic() for _ in range(n_answers)]
    bodies = [Writing(site, topic) for topic in topics]
    readers = [_read(site, topic, deadline_s=30 * site.slow) for topic in topics]
    seen = [[] for _ in topics]
    last = [reader.parser.last_event_id for reader in readers]
    try:
        for i in range(n_tokens):
            for topic, body in zip(topics, bodies):
                body.say(_line(f'{topic} {i}'))
            for k in dice.sample(range(n_answers), n_answers // 5):
                for _ in range(dice.randrange(4)):
                    if readers[k].pump() is False:
                        break
                while readers[k].blocks:
                    block = readers[k].blocks.popleft()
                    if block.event:
                        seen[k].append(block.event.data)
                        last[k] = block.event.id
                readers[k].close()
                readers[k] = site.stream(site.user(), topics=[topics[k]], query='inbox=off', last_event_id=last[k],
                                         deadline_s=30 * site.slow)
        for body in bodies:
            body.say(_line('done', event='rowcast.end'))
        for k, reader in enumerate(readers):
            tokens, data = _read_to_end(reader)
            expect.equal(data, 'done')
            expect.equal(seen[k] + tokens, [f'{topics[k]} {i}' for i in range(n_tokens)])
    finally:
        for body in bodies:
            body.cut()
