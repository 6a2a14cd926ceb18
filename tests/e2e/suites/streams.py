"""GET /events: what a stream is made of."""

import re
import time

import expect
from harness import HEARTBEAT_S, RETRY_MS
from waiting import wait_until


def _newest(site):
    return str(site.newest())


def _lines(block):
    """Without heartbeats, which may stand in front of anything."""
    return [line for line in block.lines if not line.startswith(':')]


def the_headers_keep_every_proxy_from_buffering(site):
    with site.subscribe(site.user()) as stream:
        expect.true(re.fullmatch('text/event-stream(; *charset=utf-8)?', stream.headers['content-type'], re.I),
                    stream.headers['content-type'])
        expect.equal(stream.headers['cache-control'], 'no-cache, no-transform')
        if site.server != 'nginx':  # which heeds it and takes it out
            expect.equal(stream.headers['x-accel-buffering'], 'no')


def the_first_block_tells_when_to_reconnect_and_where_the_client_stands(site):
    newest = str(site.insert('before', site.user()))
    with site.subscribe(site.user()) as stream:
        lines = _lines(stream.first)
        expect.equal(stream.first.event, None, 'it has no data')
        expect.equal([line.split(':')[0] for line in lines], ['retry', 'id'])
        expect.equal(stream.parser.last_event_id, newest)
        expect.within(stream.parser.reconnection_time_ms, *RETRY_MS, 'retry')
    with site.subscribe(site.user(), last_event_id=newest) as stream:
        expect.equal(stream.parser.last_event_id, newest)


def each_stream_is_told_its_own_delay(site):
    told = {site.subscribe(site.user()).parser.reconnection_time_ms for _ in range(12)}
    expect.true(len(told) > 3, f'the delays are {sorted(told)}')


def a_client_that_has_seen_nothing_yet_resumes_exactly(site):
    user = site.user()
    with site.subscribe(user) as stream:
        cursor = stream.parser.last_event_id
    site.insert('missed', user)
    with site.subscribe(user, last_event_id=cursor) as stream:
        expect.equal(stream.wait_event().data, 'missed')


def a_message_is_these_lines_and_no_others(site):
    user = site.user()
    with site.subscribe(user) as stream:
        a = site.insert('one\ntwo', user, event='greeting')
        b = site.insert('plain', user)
        expect.equal(_lines(stream.wait_block(where=lambda b: b.event)),
                     [f'id: {a}', 'event: greeting', 'data: one', 'data: two'])
        expect.equal(_lines(stream.wait_block(where=lambda b: b.event)), [f'id: {b}', 'data: plain'])


def a_stream_gets_what_its_topics_and_its_user_match(site):
    user, other = site.user(), site.user()
    plain = site.subscribe(user)
    news = site.subscribe(user, topics=['news'])
    both = site.subscribe(user, topics=['news', 'sport'])
    site.insert('1', user)
    site.insert('2', user, 'news')
    site.insert('3', None, 'sport')
    site.insert('4', other, 'news')
    site.insert('5', user, 'weather')
    site.insert('6', None, 'news')
    site.insert('7', user, 'new')
    site.insert('8', user, 'newss')
    site.insert('9')
    for stream, expected in ((plain, '19'), (news, '1269'), (both, '12369')):
        expect.equal(''.join(stream.wait_event().data for _ in expected), expected)


def a_topic_that_the_token_does_not_grant_is_forbidden(site):
    user = site.user()
    for granted, asked in (((), ['news']), (['news'], ['sport']), (['news'], ['news', 'sport']),
                           (['news/*'], ['news']), (['news'], ['news/local']), (['news'], ['News']),
                           (['news/*'], ['news/*/../sport', 'sport'])):
        path = '/events?' + '&'.join('topic=' + topic for topic in asked)
        answer = site.curl(path, token=site.token(user, topics=granted), headers={'Accept': 'text/event-stream'})
        expect.refusal(answer, 403, f'{granted} {asked}')


def a_grant_may_be_a_prefix(site):
    user = site.user()
    token = site.token(user, topics=['news/*', 'sport'])
    stream = site.subscribe(token=token, query='topic=news/local&topic=sport')
    site.insert('1', None, 'news/local')
    site.insert('2', None, 'news/world')
    site.insert('3', None, 'sport')
    expect.equal([e.data for e in stream.wait_events(2)], ['1', '3'])
    with site.subscribe(token=site.token(user, topics=['*']), query='topic=any%20thing%3F') as stream:
        site.insert('4', None, 'any thing?')
        expect.equal(stream.wait_event().data, '4')


def an_asked_topic_is_a_name_and_no_pattern(site):
    user = site.user()
    stream = site.subscribe(token=site.token(user, topics=['*']), query='topic=news/*')
    site.insert('not this', None, 'news/local')
    site.insert('this', None, 'news/*')
    expect.only(stream, 'this')


def silence_is_broken_by_comments(site):
    with site.subscribe(site.user()) as stream:
        stream.wait_comment()
        began = time.monotonic()
        stream.wait_comment()
        stream.wait_comment()
        expect.within(time.monotonic() - began, HEARTBEAT_S, 20 * HEARTBEAT_S * site.slow, 'seconds for two heartbeats')
        expect.equal([block for block in stream.blocks if _lines(block)], [], 'a comment is all there is')


def a_heartbeat_carries_a_cursor_that_has_moved(site):
    user, other = site.user(), site.user()
    with site.subscribe(user) as stream:
        stream.wait_comment()
        for _ in range(3):
            newest = site.insert("other people's", other)
        # Possibly one for each row, if the rows come far apart.
        while stream.parser.last_event_id != str(newest):
            block = stream.wait_block(where=_lines)
            expect.equal([line.split(':')[0] for line in _lines(block)], ['id'])
        stream.wait_comment()  # told once, then silence is just silence
        expect.equal([block for block in stream.blocks if _lines(block)], [])
    with site.subscribe(user, last_event_id=newest) as back:
        site.insert('mine', user)
        expect.only(back, 'mine')


def cursor_off_leaves_out_every_block_without_data(site):
    user = site.user()
    stream = site.stream(user, query='cursor=off')
    expect.equal(stream.wait_status(), 200)
    stream.wait_comment()  # at once, so that the head goes out, whatever the web server
    site.insert("other people's", site.user())
    stream.wait_comment()
    stream.wait_comment()
    id = site.insert('mine', user)
    block = stream.wait_block()
    expect.equal(_lines(block), [f'id: {id}', 'data: mine'], 'the first block there is')
    stream.wait_comment()
    expect.equal(list(stream.blocks), [])


def cursor_event_shows_every_cursor_to_scripts(site):
    user = site.user()
    stream = site.stream(user, query='cursor=event')

    def wait_cursor(more=''):
        event = stream.wait_event()
        expect.equal((event.type, event.data), ('rowcast.cursor', f'{{"id":{event.id}{more}}}'))
        return int(event.id)

    first = wait_cursor(f',"user":"{user}","heartbeat":0.300')
    newest = site.insert("other people's", site.user())
    expect.true(first < newest, f'{first}, {newest}')
    while wait_cursor() != newest:  # others may have been on their way
        pass
    id = site.insert('mine', user)
    block = stream.wait_block(where=_lines)
    expect.equal(_lines(block), [f'id: {id}', 'data: mine'])


def a_client_that_leaves_frees_its_descriptor(site):
    user = site.user()
    site.subscribe(user).wait_comment()
    before = site.rowcast.n_held_descriptors()
    for i in range(12):
        stream = site.subscribe(user)
        stream.close() if i % 2 else stream.cut()
    # The web server sees it at the next write or the one after.
    wait_until(lambda: site.rowcast.n_held_descriptors() <= before, 'the descriptors are free again', 20 * site.slow)


def a_head_request_gets_no_stream(site):
    answer = site.curl('/events', '--head', token=site.token(site.user()))
    expect.true(answer.status in (200, 405), f'status {answer.status}')


def a_parameter_that_is_not_known_is_told_what_was_meant(site):
    user = site.user()
    token = site.token(user, topics=['a'])
    for query, meant in (('topics=a', 'topic'), ('lastEventID=5', 'lastEventId'), ('last-event-id=5', 'lastEventId'),
                         ('tokens=x', 'token'), ('cursor=on', 'cursor'), ('nothing', 'topic, lastEventId, cursor'),
                         ('topic=a&cursor=off&cursor=off', 'cursor'), ('untill=end', 'until'),
                         ('%3Cb%3E=1', 'topic, lastEventId, cursor')):
        answer = site.curl('/events?' + query, token=token, headers={'Accept': 'text/event-stream'})
        expect.refusal(answer, 400, query)
        sentence = answer.json()['error']
        expect.true(meant in sentence and '<' not in sentence, f'{query}: {sentence}')
    with site.subscribe(user, query='_=1234&&_x') as stream:  # what keeps caches off
        site.insert('hello', user)
        expect.equal(stream.wait_event().data, 'hello')
