"""In which form messages come (format=json), and where a stream begins whose client
has no id (since=, last=)."""

import json
import time

import expect
from tap import own_table_only
from waiting import wait_until


def _lines(block):
    """Without heartbeats, which may stand in front of anything."""
    return [line for line in block.lines if not line.startswith(':')]


def _first(stream):
    """The cursor that the first block tells, once it is there."""
    block = stream.wait_block(where=_lines)
    lines = _lines(block)
    expect.equal([line.split(':')[0] for line in lines][:2], ['retry', 'id'], f'{block.lines}')
    return int(lines[1].removeprefix('id: '))


def _without_rows(site):
    """What earlier tests have sent to everyone would be among what is counted."""
    _erase(site, 'id > 0')


def _erase(site, where):
    site.sql(f'DELETE FROM message WHERE {where}')
    site.newest()  # in a copy, when the log has it


def _rows(site, n, user, topic=None, created_at=None):
    """n rows in one statement, which is their order; returns their ids."""
    columns = {'user': f"'{user}'", 'data': "'row ' || i", **({'topic': f"'{topic}'"} if topic else {}),
               **({'created_at': str(created_at)} if created_at else {})}
    before = site.newest()
    site.sql('INSERT INTO message(' + ', '.join(columns) + ')'
             f' WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT {", ".join(columns.values())} FROM n;')
    return [int(id) for id in site.sql(f"SELECT id FROM message WHERE user = '{user}' AND id > {before} ORDER BY id").split()]


def _ids(stream, n):
    return [int(event.id) for event in stream.wait_events(n)]


# ---- format=json ----

def a_message_in_json_says_all_that_it_is(site):
    user = site.user()
    with site.stream(user, topics=['news'], query='format=json') as stream:
        _first(stream)
        before = int(time.time())
        all = site.insert('one\ntwo "three" \\ Zoë 🎉', user, 'news', 'order')
        event = stream.wait_event()
        expect.equal((event.type, event.id), ('message', str(all)))
        told = json.loads(event.data)
        expect.within(told.pop('created_at'), before - 1, time.time() + 1, 'created_at')
        expect.equal(told, {'id': all, 'user': user, 'topic': 'news', 'event': 'order', 'data': 'one\ntwo "three" \\ Zoë 🎉'})
        bare = site.insert('')
        block = stream.wait_block(where=lambda b: b.event)
        expect.equal([line.split(':')[0] for line in _lines(block)], ['id', 'data'], 'one line, and no name')
        expect.equal(set(json.loads(block.event.data)), {'id', 'data', 'created_at'})
        expect.equal(block.event.id, str(bare))


def what_is_not_utf_8_is_json_all_the_same(site):
    user = site.user()
    with site.stream(user, query='format=json') as stream:
        _first(stream)
        site.sql(f"INSERT INTO message(user, data) VALUES('{user}', CAST(x'61ff62c328' AS TEXT))")
        expect.equal(json.loads(stream.wait_event().data)['data'], 'a\ufffdb\ufffd(')


def the_same_rows_come_live_from_memory_and_from_the_table(site):
    user = site.user()
    _without_rows(site)
    start = site.newest()
    live = site.stream(user, query='format=json&cursor=off')
    plain = site.stream(user, query='cursor=off')
    live.wait_comment(), plain.wait_comment()
    texts = ['a', 'b\nc', '', 'x' * 70000, '\u2028', '<>&']
    ids = [site.insert(text, user, event='e' if i % 2 else None) for i, text in enumerate(texts)]
    told = [event.data for event in live.wait_events(len(ids))]
    expect.equal([json.loads(data)['data'] for data in told], texts)
    expect.equal([event.data for event in plain.wait_events(len(ids))], texts)
    with site.stream(user, query='format=json', last_event_id=start) as replayed:
        expect.equal([event.data for event in replayed.wait_events(len(ids))], told)
    with site.stream(user, query='format=json&last=3') as replayed:
        expect.equal([event.data for event in replayed.wait_events(3)], told[-3:])


def streams_that_come_while_rows_do_miss_none_in_either_form(site):
    """Nobody wants JSON before the first, and nobody after it has gone."""
    user = site.user()
    for round in range(12):
        before = site.insert(f'{round} before', user)
        stream = site.stream(user, query='format=json', last_event_id=before - 1 if round % 3 == 0 else None)
        after = [site.insert(f'{round} after {i}', user) for i in range(3)]
        begins = _first(stream)
        expected = [id for id in [before] + after if id > begins]
        expect.equal(_ids(stream, len(expected)), expected, f'round {round}')
        stream.close()


def what_rowcast_tells_is_told_alike(site):
    user = site.user()
    with site.stream(user, query='format=json', last_event_id=10 ** 15) as stream:
        gap = stream.wait_event()
        expect.equal(gap.type, 'rowcast.gap')
        expect.equal(json.loads(gap.data)['reason'], 'ahead')
        site.insert('x', user)
        expect.equal(json.loads(stream.wait_event().data)['data'], 'x')
    token = site.token(user, ttl=2)
    with site.stream(token=token, query='format=json&cursor=off') as stream:
        expect.equal(stream.wait_event(type='rowcast.expired').type, 'rowcast.expired')
    with site.configured(max_streams_per_user=1):
        with site.subscribe(user):
            busy = site.stream(user, query='format=json')
            expect.equal(busy.wait_event().type, 'rowcast.busy')


# ---- cursor=event ----

def the_first_cursor_says_whose_stream_it_is(site):
    user = site.user()
    with site.stream(user, query='cursor=event') as stream:
        told = json.loads(stream.wait_event(type='rowcast.cursor').data)
        expect.equal(told, {'id': site.newest(), 'user': user, 'heartbeat': 0.3})
    with site.configured(heartbeat='15s'):
        with site.stream(user, query='cursor=event&last=1') as stream:
            expect.equal(json.loads(stream.wait_event(type='rowcast.cursor').data)['heartbeat'], 15)


# ---- since= and last= ----

def the_last_are_the_newest_that_match_and_then_it_goes_on(site):
    _without_rows(site)
    user, other = site.user(), site.user()
    mine = _rows(site, 30, user)
    _rows(site, 500, other)
    mine += _rows(site, 5, user, topic='news')
    _rows(site, 500, other)
    for query, topics, expected in (
            ('last=1', ['news'], mine[-1:]), ('last=7', ['news'], mine[-7:]), ('last=1000', ['news'], mine),
            ('last=3', [], mine[27:30]), ('last=30', [], mine[:30]), ('since=all&last=2', [], mine[28:30])):
        with site.stream(user, topics=topics, query=query) as stream:
            cursor = _first(stream)
            expect.equal(_ids(stream, len(expected)), expected, query)
            expect.equal(cursor, expected[0] - 1, f'{query}: the cursor of the first block')
            live = site.insert('live', user, 'none')
            live = site.insert('live', user)
            expect.equal(_ids(stream, 1), [live], query)
            _erase(site, f'id = {live}')


def where_there_is_none_the_first_block_stands_at_the_newest(site):
    _without_rows(site)
    user = site.user()
    for query in ('last=20', 'since=10m', f'since={int(time.time()) + 1000}', 'since=all', 'since=10m&last=5'):
        site.insert('for another', site.user())
        with site.stream(user, query=query) as stream:
            expect.equal(_first(stream), site.newest(), query)
            live = site.insert('live', user)
            expect.equal(_ids(stream, 1), [live], query)
            _erase(site, f'id = {live}')


def who_comes_back_with_the_first_cursor_gets_the_same(site):
    _without_rows(site)
    user = site.user()
    ids = _rows(site, 10, user)
    with site.stream(user, query='last=4') as stream:
        cursor = _first(stream)
    with site.stream(user, query='last=4', last_event_id=cursor) as stream:
        expect.equal(_ids(stream, 4), ids[-4:])
    with site.stream(user, query=f'last=4&lastEventId={ids[7]}') as stream:
        expect.equal(_first(stream), ids[7], 'an id says more')
        expect.equal(_ids(stream, 2), ids[8:])


@own_table_only('created_at is the time of the log')
def since_is_what_was_committed_since_then(site):
    _without_rows(site)
    user = site.user()
    now = int(time.time())
    old = _rows(site, 40, user, created_at=now - 7200)
    recent = _rows(site, 40, user, created_at=now - 300)
    for query, expected in ((f'since={now - 300}', recent), (f'since={now - 299}', []), ('since=10m', recent),
                            ('since=600', old + recent), ('since=1h&last=3', recent[-3:]), ('since=1d&last=50', (old + recent)[-50:]),
                            ('since=all', old + recent)):
        with site.stream(user, query=query + '&cursor=event') as stream:
            expect.equal(stream.wait_event().type, 'rowcast.cursor', query)
            live = site.insert('live', user)
            expect.equal(_messages_up_to(stream, live)[:-1], expected, query)
            _erase(site, f'id = {live}')


def _messages_up_to(stream, id):
    told = []
    while not told or told[-1] != id:
        event = stream.wait_event()
        if event.type == 'message':
            told.append(int(event.id))
        else:
            expect.equal(event.type, 'rowcast.cursor', 'nothing else comes')
    return told


@own_table_only('it is the same search, and so many rows take long by way of a log')
def a_start_among_very_many_rows_is_found(site):
    _without_rows(site)
    user = site.user()
    first = _rows(site, 3, user)
    for _ in range(4):
        _rows(site, 50000, 'crowd')
    last = _rows(site, 3, user)
    topics = [f'none/{i}' for i in range(30)]
    with site.stream(user, topics=topics, query='last=5') as stream:
        cursor = _first(stream)
        expect.equal(_ids(stream, 5), first[1:] + last)
        expect.equal(cursor, first[1] - 1)
    with site.stream(user, topics=topics, query='since=all') as stream:
        _first(stream)
        expect.equal([id for id in _ids(stream, 6) if id >= first[0]], first + last)
    _erase(site, "user = 'crowd'")


@own_table_only('the log is trimmed by other numbers; upstream.py has that')
def what_retention_has_deleted_is_no_gap_for_a_newcomer(site):
    _without_rows(site)
    user = site.user()
    with site.configured(keep_rows=20):
        token = site.token(user)

        def trimmed():
            site.publish(token, msg='x')
            return int(site.sql('SELECT min(id) FROM message')) > 1 and int(site.sql('SELECT trimmed FROM rowcast_state')) > 0
        wait_until(trimmed, 'retention has been at work', 20 * site.slow, every_s=0.01)
        for query in ('since=all', 'last=1000', 'since=30d'):
            with site.stream(user, query=query) as stream:
                _first(stream)
                expect.equal(stream.wait_event().type, 'message', query)
        with site.stream(user, last_event_id=0) as stream:
            expect.equal(stream.wait_event().type, 'rowcast.gap')


def who_is_turned_away_comes_back_without_an_id_and_gets_its_history(site):
    _without_rows(site)
    user = site.user()
    ids = _rows(site, 5, user)
    with site.configured(max_streams_per_user=1):
        stream = site.subscribe(user)
        busy = site.stream(user, query='last=3')
        expect.equal(busy.wait_event().type, 'rowcast.busy')
        expect.equal(busy.parser.last_event_id, '', 'an id would be taken for where it stands')
        stream.close()
        with site.stream(user, query='last=3') as stream:
            _first(stream)
            expect.equal(_ids(stream, 3), ids[-3:])


def without_cursors_there_is_no_first_block(site):
    _without_rows(site)
    user = site.user()
    ids = _rows(site, 4, user)
    with site.stream(user, query='last=2&cursor=off') as stream:
        blocks = [stream.wait_block(where=_lines) for _ in range(2)]
        expect.equal([_lines(block)[0] for block in blocks], [f'id: {id}' for id in ids[2:]])


def what_is_none_of_these_is_refused(site):
    token = site.token(site.user())
    for name, values in (('since', ('', 'x', 'yesterday', '-5m', '1.5h', '10x', '1700000000000', 'All', '2024-01-01')),
                         ('last', ('', '0', '-1', '1001', 'x', '1e3', '10m')),
                         ('format', ('', 'JSON', 'xml', 'ndjson', 'json,'))):
        for value in values:
            answer = site.no_stream(token=token, query=f'{name}={value}')
            expect.refusal(answer, 400, f'{name}={value}')
            expect.true(answer.json()['error'].startswith(name + ' '), f'{name}={value}: {answer.text}')
        expect.refusal(site.no_stream(token=token, query=f'{name}={name}&{name}={name}'), 400)
    for query, meant in (('sinse=all', 'since'), ('LAST=3', 'last'), ('formats=json', 'format')):
        expect.true(meant in site.no_stream(token=token, query=query).json()['error'].split('did you mean')[1], query)
