"""Every way to read: what a stream leaves out (inbox=off), other forms (NDJSON, JSON), an
answer instead of a stream (poll=1), messages that are joined (join=), topics that end
(until=end)."""

import json
import random

import expect
from tap import own_table_only
from waiting import wait_until

NDJSON, JSON, EVENTS = 'application/x-ndjson', 'application/json', 'text/event-stream'


# ---- verbs ----

def _topic(site):
    return f'topic-{site.user()}'


def _insert(site, *rows):
    """Rows (data, user, topic, event) in one transaction; returns their ids."""
    before = site.newest()

    def quoted(text):
        return 'NULL' if text is None else "'" + text.replace("'", "''") + "'"
    values = ', '.join('(' + ', '.join(quoted(field) for field in (*row, None, None, None)[:4]) + ')' for row in rows)
    site.sql(f'INSERT INTO message(data, user, topic, event) VALUES{values}')
    if site.is_copy:
        wait_until(lambda: int(site.sql(f'SELECT count(*) FROM message WHERE id > {before}')) >= len(rows), 'they come back from the log',
                   20 * site.slow)
    return [int(id) for id in site.sql(f'SELECT id FROM message WHERE id > {before} ORDER BY id').split()][-len(rows):]


def _poll(site, user, query='', topics=(), accept=JSON, status=200, token=None, **headers):
    path = '/events?poll=1' + ''.join(f'&topic={topic}' for topic in topics) + ('&' + query if query else '')
    answer = site.request('GET', path, token or site.token(user, topics=topics),
                          {**({'Accept': accept} if accept else {}), **headers})
    expect.status(answer, status, path)
    return answer


def _list(site, user, query='', topics=(), **more):
    """The data of a poll's messages, and its cursor."""
    answer = _poll(site, user, query, topics, **more)
    expect.equal(answer.headers['content-type'], JSON)
    told = answer.json()
    return [m['data'] for m in told['messages']], told['cursor'], told.get('gap')


class _Lines:
    """An NDJSON stream; without heartbeats."""

    def __init__(self, site, user, query='', topics=(), token=None, accept=NDJSON, **more):
        self.stream = site.stream(user, token=token, topics=topics, query=query, headers={'Accept': accept}, **more)
        expect.equal(self.stream.wait_status(), 200, self.stream.describe())
        expect.equal(self.stream.headers['content-type'], NDJSON)
        self._n = 0

    def _all(self):
        whole = self.stream.body.rpartition(b'\n')[0]
        return [json.loads(line) for line in whole.split(b'\n') if line]

    def next(self):
        def find():
            lines = self._all()
            if len(lines) > self._n:
                self._n += 1
                return lines[self._n - 1]
        return self.stream._wait(find, 'a line', None)

    def rest(self):
        """To its end."""
        self.stream.wait_end()
        return self._all()[self._n:]


# ---- inbox=off ----

def a_stream_without_inbox_gets_its_topics_and_nothing_else(site):
    user, topic = site.user(), _topic(site)
    start = site.newest()
    live = site.subscribe(user, topics=[topic], query='inbox=off')
    both = site.subscribe(user, topics=[topic], query='inbox=on')
    _insert(site, ('to all',), ('to one', user), ('topic', None, topic), ('mine', user, topic), ('other', site.user(), topic),
            ('elsewhere', None, topic + 'x'), ('last', None, topic))
    expect.equal([e.data for e in live.wait_events(3)], ['topic', 'mine', 'last'])
    expect.equal([e.data for e in both.wait_events(5)], ['to all', 'to one', 'topic', 'mine', 'last'])
    replayed = site.subscribe(user, topics=[topic], query='inbox=off', last_event_id=start)
    expect.equal([e.data for e in replayed.wait_events(3)], ['topic', 'mine', 'last'])
    expect.equal(_list(site, user, 'inbox=off&last=2', [topic])[0], ['mine', 'last'])


def its_cursor_moves_past_what_it_leaves_out(site):
    user, topic = site.user(), _topic(site)
    stream = site.subscribe(user, topics=[topic], query='inbox=off')
    last = site.insert('to all')
    stream._wait(lambda: stream.parser.last_event_id == str(last) or None, 'the cursor', None)


def a_gap_is_told_to_it_too(site):
    user, topic = site.user(), _topic(site)
    stream = site.stream(user, topics=[topic], query='inbox=off', last_event_id=10 ** 15)
    stream.wait_event(type='rowcast.gap')


def inbox_and_until_need_a_topic(site):
    token = site.token(site.user())
    for query, sentence in (('inbox=off', 'inbox=off needs a topic'), ('until=end', 'until=end needs a topic'),
                            ('inbox=no', 'inbox must be on or off'), ('until=x', 'until must be end'), ('poll=0', 'poll must be 1'),
                            ('join=', 'join must be the name of an event, of at most 255 bytes'),
                            ('join=rowcast.end', 'join must be the name of an event, of at most 255 bytes')):
        expect.refusal(site.request('GET', f'/events?{query}', token), 400, query, sentence)


# ---- NDJSON ----

def lines_come_live_and_replayed(site):
    user, topic = site.user(), _topic(site)
    start = site.newest()
    live = _Lines(site, user, topics=[topic])
    a, b = _insert(site, ('one\ntwo', user, topic, 'order'), ('', user))
    for lines in (live, _Lines(site, user, topics=[topic], last_event_id=start)):
        first = lines.next()
        expect.equal({k: first[k] for k in first if k != 'created_at'},
                     {'id': a, 'user': user, 'topic': topic, 'event': 'order', 'data': 'one\ntwo'})
        expect.equal(set(lines.next()), {'id', 'user', 'data', 'created_at'})
    expect.equal(b, a + 1 if not site.is_copy else b)


def an_empty_line_is_the_heartbeat(site):
    lines = _Lines(site, site.user())
    lines.stream._wait(lambda: lines.stream.body.count(b'\n') >= 3 or None, 'heartbeats', None)
    expect.equal(lines.stream.body.strip(), b'')


def what_rowcast_tells_is_a_line(site):
    user = site.user()
    newest = site.newest()
    gap = _Lines(site, user, last_event_id=10 ** 15).next()
    expect.equal((gap['event'], gap['id'] >= newest, gap['data']['reason'], set(gap)), ('rowcast.gap', True, 'ahead', {'event', 'id', 'data'}))
    lines = _Lines(site, None, token=site.token(user, ttl=2))
    expect.equal(lines.rest()[-1], {'event': 'rowcast.expired', 'data': {'reason': 'the token has expired'}})
    # Who comes with one that is expired, and accepts events, is told in the form that it named first.
    late = site.request('GET', '/events', site.token(user, ttl=-60), {'Accept': f'{NDJSON}, {EVENTS}'})
    expect.equal((late.status, late.headers['content-type']), (200, NDJSON))
    expect.equal(json.loads(late.text), {'event': 'rowcast.expired', 'data': {'reason': 'the token has expired'}})
    with site.configured(max_streams_per_user=1), site.subscribe(user):
        # Who accepts events too is told in band, in the form it named first; else it has a status.
        busy = _Lines(site, user, accept=f'{NDJSON}, {EVENTS}').rest()
        expect.equal([line['event'] for line in busy], ['rowcast.busy'])
        expect.true('reason' in busy[0]['data'] and 'id' in busy[0], f'{busy}')
        refused = site.request('GET', '/events', site.token(user), {'Accept': NDJSON})
        expect.equal((refused.status, 'retry-after' in refused.headers), (429, True))
    cursor = _Lines(site, user, 'cursor=event').next()
    expect.equal((cursor['event'], cursor['data']['user'], cursor['id']), ('rowcast.cursor', user, cursor['data']['id']))


def at_the_end_it_says_where_it_stands(site):
    user = site.user()
    lines = _Lines(site, user)
    last = site.insert('for another', site.user())
    site.insert('mine', user)
    expect.equal(lines.next()['data'], 'mine')
    site.restart_rowcast()
    end = lines.rest()
    expect.equal([line['event'] for line in end], ['rowcast.cursor'])
    expect.true(end[0]['id'] > last, f'{end}')


# ---- poll=1 ----

def a_poll_answers_what_is_there_and_ends(site):
    user = site.user()
    start = site.newest()
    expect.equal(_list(site, user), ([], start, None))
    ids = _insert(site, ('a', user), ('b', site.user()), ('c\nd', user))
    expect.equal(_list(site, user, f'lastEventId={start}'), (['a', 'c\nd'], ids[-1], None))
    expect.equal(_list(site, user, f'lastEventId={ids[0]}'), (['c\nd'], ids[-1], None))
    expect.equal(_list(site, user, f'lastEventId={ids[-1]}'), ([], ids[-1], None))
    expect.equal(_list(site, user), ([], ids[-1], None))
    answer = _poll(site, user, f'lastEventId={start}', accept=NDJSON)
    expect.equal(answer.headers['content-type'], NDJSON)
    lines = [json.loads(line) for line in answer.text.split('\n') if line]
    expect.equal([line.get('data') for line in lines], ['a', 'c\nd', {'id': ids[-1]}])
    expect.equal(lines[-1], {'event': 'rowcast.cursor', 'id': ids[-1], 'data': {'id': ids[-1]}})
    for accept in (EVENTS, None, '*/*'):
        answer = _poll(site, user, f'lastEventId={start}', accept=accept)
        expect.equal(answer.headers['content-type'], EVENTS)
        blocks = [block.split('\n') for block in answer.text.replace('\n:\n', '\n').strip('\n').split('\n\n')]
        expect.equal([[line for line in block if not line.startswith('retry') and line != ':'] for block in blocks],
                     [[f'id: {start}'], [f'id: {ids[0]}', 'data: a'], [f'id: {ids[2]}', 'data: c', 'data: d']])
    expect.equal(_poll(site, user, f'lastEventId={start}&format=json', accept=EVENTS).text.count('"created_at"'), 2)


def a_poll_of_many_pages_is_whole(site):
    user = site.user()
    start = site.newest()
    texts = [f'{i} ' + 'x' * random.randrange(3000) for i in range(400)]
    ids = _insert(site, *((text, user) for text in texts))
    expect.equal(_list(site, user, f'lastEventId={start}'), (texts, ids[-1], None))
    expect.equal(_list(site, user, 'last=300')[0], texts[-300:])
    expect.equal(_list(site, user, f'lastEventId={start}', **{'Accept-Encoding': 'identity'})[0], texts)


def a_poll_that_knows_it_all_is_answered_304(site):
    user = site.user()
    start = site.newest()
    site.insert('a', user)
    query = f'lastEventId={start}'
    first = _poll(site, user, query)
    tag = first.headers['etag']
    expect.equal(first.headers['cache-control'], 'private, no-cache')
    again = _poll(site, user, query, status=304, **{'If-None-Match': tag})
    expect.equal((again.body, again.headers['etag']), (b'', tag))
    _poll(site, user, query, status=304, **{'If-None-Match': f'"x", {tag}'})
    # Another's answer, another form, and what is new are other answers.
    _poll(site, site.user(), query, **{'If-None-Match': tag})
    _poll(site, user, query, accept=NDJSON, **{'If-None-Match': tag})
    site.insert('b', user)
    expect.equal([m['data'] for m in _poll(site, user, query, **{'If-None-Match': tag}).json()['messages']], ['a', 'b'])
    head = site.request('HEAD', f'/events?poll=1&{query}', site.token(user), {'Accept': JSON})
    expect.equal((head.status, head.body, 'etag' in head.headers), (200, b'', True))


def a_poll_tells_the_gap(site):
    user = site.user()
    _, cursor, gap = _list(site, user, f'lastEventId={10 ** 15}')
    expect.equal((gap['reason'], gap['requested'], cursor), ('ahead', str(10 ** 15), site.newest()))
    expect.equal(_list(site, user, 'lastEventId=x')[2]['reason'], 'invalid')
    lines = [json.loads(line) for line in _poll(site, user, 'lastEventId=x', accept=NDJSON).text.split('\n') if line]
    expect.equal([line['event'] for line in lines], ['rowcast.gap', 'rowcast.cursor'])


def who_polls_on_from_the_cursor_misses_nothing(site):
    """While others publish; each poll goes on from what the last one said."""
    user = site.user()
    cursor, told, ids = site.newest(), [], []
    for i in range(30):
        ids.append(site.insert(f'{i}', user))
        if i % 3 == 0:
            site.insert('for another', site.user())
        data, cursor, gap = _list(site, user, f'lastEventId={cursor}')
        expect.equal(gap, None)
        told += data
    expect.equal(told, [f'{i}' for i in range(30)])


# ---- join= ----

def deltas_are_joined_and_the_id_is_the_last(site):
    user, topic = site.user(), _topic(site)
    start = site.newest()
    words = [random.choice(['a', ' ', 'b\n', '\n', 'ä', '€', '"']) for _ in range(600)]
    live = [site.subscribe(user, topics=[topic], query=query) for query in ('join=delta', '')]
    ids = _insert(site, *((word, None, topic, 'delta') for word in words), ('end', None, topic))
    joined, plain = [], []
    for stream, told in zip(live, (joined, plain)):
        while not told or told[-1].data != 'end':
            told.append(stream.wait_event())
    expect.equal(len(plain), 601)
    expect.true(len(joined) < 100, f'{len(joined)} events')
    expect.equal(''.join(e.data for e in joined[:-1]), ''.join(words))
    expect.equal(joined[-2].id, str(ids[-2]))
    late = site.subscribe(user, topics=[topic], query='join=delta', last_event_id=start)
    events = late.wait_events(2)
    expect.equal([(e.id, e.type, e.data) for e in events],
                 [(str(ids[-2]), 'delta', ''.join(words)), (str(ids[-1]), 'message', 'end')])
    # Whoever was cut in the middle goes on from there.
    middle = site.subscribe(user, topics=[topic], query='join=delta', last_event_id=ids[299])
    expect.equal(middle.wait_event().data, ''.join(words[300:]))
    expect.equal(_list(site, user, f'join=delta&lastEventId={start}', [topic])[0], [''.join(words), 'end'])
    lines = _poll(site, user, f'join=delta&lastEventId={start}', [topic], accept=NDJSON).text.split('\n')
    expect.equal(json.loads(lines[1] if lines[0] == '' else lines[0])['data'], ''.join(words))


def others_are_not_joined(site):
    user, topic, other = site.user(), _topic(site), _topic(site)
    start = site.newest()
    _insert(site, ('a', None, topic, 'delta'), ('b', user, topic, 'delta'), ('c', None, other, 'delta'), ('d', None, other, 'delta'),
            ('e', None, other, 'x'), ('f', None, other, 'delta'), ('g', None, None, 'delta'), ('h', None, None, 'delta'))
    expect.equal(_list(site, user, f'join=delta&lastEventId={start}', [topic, other])[0], ['a', 'b', 'cd', 'e', 'f', 'g', 'h'])


# ---- until=end ----

def a_stream_ends_when_its_topics_have(site):
    user, topics = site.user(), [_topic(site), _topic(site)]
    start = site.newest()
    token = site.token(user, topics=topics)
    stream = site.subscribe(token=token, topics=topics, query='until=end')
    stays = site.subscribe(token=token, topics=topics)
    _insert(site, ('a', None, topics[0]), ('{"reason":"done"}', None, topics[0], 'rowcast.end'), ('b', None, topics[1]))
    expect.equal([e.type for e in stream.wait_events(3)], ['message', 'rowcast.end', 'message'])
    end, = _insert(site, ('', None, topics[1], 'rowcast.end'))
    expect.equal(stream.wait_event(type='rowcast.end').id, str(end))
    stream.wait_end()
    expect.true(stream.ended_cleanly, 'an end, not a cut')
    # Who comes back, or new, is told that there is nothing more; who has missed it gets it first.
    for last in (end, None):
        expect.status(site.no_stream(token=token, topics=topics, query='until=end', last_event_id=last), 204)
    for query, last in (('until=end', start), ('until=end&since=all', None), ('until=end&last=9', None)):
        late = site.stream(token=token, topics=topics, query=query, last_event_id=last)
        types = []
        while len(types) < 4:
            event = late.wait_event()
            if event.type != 'rowcast.gap' and (event.data in ('a', 'b', '') or event.type == 'rowcast.end'):
                types.append(event.type)
        expect.equal(types, ['message', 'rowcast.end', 'message', 'rowcast.end'], query)
        late.wait_end()
        expect.status(site.no_stream(token=token, topics=topics, query=query, last_event_id=late.parser.last_event_id), 204)
    site.insert('still there', user)
    stays.wait_block(where=lambda b: b.event and b.event.data == 'still there')
    # One of two: it waits for the other.
    third = _topic(site)
    both = site.subscribe(user, topics=[topics[0], third], query='until=end')
    _insert(site, ('', None, third, 'rowcast.end'))
    both.wait_event(type='rowcast.end')
    both.wait_end()


def lines_end_with_it_too(site):
    user, topic = site.user(), _topic(site)
    lines = _Lines(site, user, 'until=end', [topic])
    _insert(site, ('a', None, topic), ('{"reason":"done"}', None, topic, 'rowcast.end'))
    told = lines.rest()
    expect.equal([(line.get('event'), line['data']) for line in told[:2]], [(None, 'a'), ('rowcast.end', '{"reason":"done"}')])
    expect.equal([line['event'] for line in told[2:]], ['rowcast.cursor'])


def readers_that_join_and_leave_at_random_have_each_token_of_their_answer_once(site):
    """Ten answers at once, three readers each, who leave and come back in the middle."""
    user = site.user()
    topics = [_topic(site) for _ in range(10)]
    texts = {topic: [f'{random.randrange(1000)} ' for _ in range(60)] for topic in topics}
    token = site.token(user, topics=topics)
    with site.configured(max_streams_per_user=100):
        readers = [{'topic': topic, 'text': '', 'stream': None, 'last': site.newest(), 'over': False} for topic in topics for _ in range(3)]
        left = [(topic, word) for topic in topics for word in texts[topic]]
        at = dict.fromkeys(topics, 0)

        def read(reader, to_its_end=False):
            if reader['stream'] is None:
                reader['stream'] = site.stream(token=token, topics=[reader['topic']], last_event_id=reader['last'],
                                               query='inbox=off&until=end' + random.choice(['', '&join=delta']))
            stream = reader['stream']
            while to_its_end or stream.pump(0):
                if to_its_end and not stream.closed:
                    stream.wait_end()
                while stream.blocks:
                    block = stream.blocks.popleft()
                    if block.event and block.event.type == 'delta':
                        reader['text'] += block.event.data
                    elif block.event:
                        expect.equal(block.event.type, 'rowcast.end')
                        reader['over'] = True
                reader['last'] = stream.parser.last_event_id or reader['last']
                if stream.closed:
                    break

        while left:
            rows = []
            for _ in range(random.randrange(1, 20)):
                open_ = [topic for topic in topics if at[topic] < 60]
                if not open_:
                    break
                topic = random.choice(open_)
                rows.append((texts[topic][at[topic]], None, topic, 'delta'))
                at[topic] += 1
                left.pop()
                if at[topic] == 60:
                    rows.append(('{"reason":"done"}', None, topic, 'rowcast.end'))
            _insert(site, *rows)
            for reader in random.sample(readers, 8):
                if reader['over']:
                    continue
                read(reader)
                if reader['stream'] and random.random() < 0.3:
                    reader['stream'].close()
                    reader['stream'] = None
        for reader in readers:
            if not reader['over']:
                read(reader, to_its_end=True)
            expect.true(reader['over'], 'it has seen the end')
            expect.equal(reader['text'], ''.join(texts[reader['topic']]))
