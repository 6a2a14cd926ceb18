"""What may be asked of /events by its query, what is only nearly that, and what
the head of the answer says."""

import expect
import fcgi
from fcgi import Peer
from tap import only_behind

SSE = {'Accept': 'text/event-stream'}


def _lines(block):
    """Without heartbeats, which may stand in front of anything."""
    return [line for line in block.lines if not line.startswith(':')]


def a_near_miss_is_refused_and_told_what_was_meant(site):
    token = site.token(site.user(), topics=['*'])
    for query, meant in (
            ('topics=a', 'topic'), ('Topic=a', 'topic'), ('TOPIC=a', 'topic'), ('topic[]=a', 'topic'), ('topi=a', 'topic'),
            ('lastEventID=5', 'lastEventId'), ('lasteventid=5', 'lastEventId'), ('LastEventId=5', 'lastEventId'),
            ('last_event_id=5', 'lastEventId'), ('last-event-id=5', 'lastEventId'), ('Last-Event-ID=5', 'lastEventId'), ('lastEventIds=5', 'lastEventId'),
            ('Cursor=off', 'cursor'), ('cursors=off', 'cursor'), ('Token=x', 'token'),
            ('topic=a&topics=b', 'topic'), ('topics=b&topic=a', 'topic'), ('_=1&topics=b', 'topic'), ('topics', 'topic'), ('topics=', 'topic')):
        for headers in (SSE, {'Accept': None}):
            answer = site.no_stream(token=token, query=query, headers=headers)
            expect.refusal(answer, 400, query)
            error = answer.json()['error']
            name = query.split('&')[-1 if query.startswith(('topic=', '_')) else 0].split('=')[0]
            expect.true(meant in error.replace(name, '', 1), f'{query}: {error!r} does not say that {meant} is meant')


def any_other_name_and_any_other_value_is_refused(site):
    token = site.token(site.user(), topics=['*'])
    for query in ('foo=1', 'channel=a', 'nothing=', 'x', 'user=42', 'msg=x', 'topic=a&foo=1', '%66oo=1'):
        expect.refusal(site.no_stream(token=token, query=query), 400, query)
    for query in ('cursor=of', 'cursor=OFF', 'cursor=', 'cursor', 'cursor=0', 'cursor=false', 'cursor=events', 'cursor=off%20'):
        answer = site.no_stream(token=token, query=query)
        expect.refusal(answer, 400, query)
        expect.true('cursor' in answer.json()['error'], f'{query}: {answer.text}')


def names_that_begin_with_an_underscore_and_what_is_empty_are_let_pass(site):
    user = site.user()
    for query in ('_=1234', '_', '_x=1&_y', '_topics=a', '_=1&topic=a', '&&', 'topic=a&', '&topic=a', '%74opic=a', '_cursor=off', '_=%ff%00'):
        if '%00' in query:
            continue  # a matter of the web server
        with site.subscribe(token=site.token(user, topics=['*']), query=query) as stream:
            site.insert('hello', user, 'a' if 'opic=a' in query else None)
            expect.equal(stream.wait_event().data, 'hello', query)


def a_parameter_of_another_request_is_no_matter_here(site):
    """The names are those of /events; the others have theirs."""
    user = site.user()
    expect.status(site.request('GET', '/msg?msg=x&event=e', site.token(user)), 201)


def a_cursor_can_be_asked_for_as_an_event(site):
    user, other = site.user(), site.user()
    newest = site.insert('before', other)
    with site.stream(user, query='cursor=event') as stream:
        block = stream.wait_block()
        lines = _lines(block)
        expect.equal(sorted(line.split(':')[0] for line in lines), ['data', 'event', 'id', 'retry'], f'{lines}')
        event = block.event
        expect.equal((event.type, event.id, event.data),
                     ('rowcast.cursor', str(newest), f'{{"id":{newest},"user":"{user}","heartbeat":0.300}}'))
        moved = site.insert("other people's", other)
        while event.id != str(moved):
            event = stream.wait_event(type='rowcast.cursor')
            expect.equal(event.data, f'{{"id":{event.id}}}')
        mine = site.insert('mine', user)
        event = stream.wait_event()
        expect.equal((event.type, event.id, event.data), ('message', str(mine), 'mine'))
        stream.wait_comment()  # told once, then silence is just silence
        expect.equal([block for block in stream.blocks if _lines(block)], [])
    with site.stream(user, query='cursor=event', last_event_id=newest) as stream:
        event = stream.wait_event(type='rowcast.cursor')
        expect.equal((event.id, event.data), (str(newest), f'{{"id":{newest},"user":"{user}","heartbeat":0.300}}'), 'where it stands when it resumes')
        expect.equal(stream.wait_event().data, 'mine')


def a_page_that_sees_its_cursor_loses_nothing_when_it_is_reloaded(site):
    user = site.user()
    with site.stream(user, query='cursor=event') as stream:
        cursor = stream.wait_event(type='rowcast.cursor').id
    site.insert('meanwhile', user)
    with site.stream(user, query=f'cursor=event&lastEventId={cursor}') as stream:
        expect.equal([e.data for e in stream.wait_events(2)], [f'{{"id":{cursor},"user":"{user}","heartbeat":0.300}}', 'meanwhile'])


def without_cursors_a_stream_begins_with_a_comment(site):
    user = site.user()
    with site.stream(user, query='cursor=off') as stream:
        stream.keep_bytes()
        stream.wait_comment()
        expect.equal(bytes(stream.kept[:2]), b':\n', 'the first line')
        id = site.insert('mine', user)
        expect.equal(_lines(stream.wait_block(where=_lines)), [f'id: {id}', 'data: mine'], 'the first block that is one')


def the_head_forbids_every_proxy_to_keep_or_change(site):
    user = site.user()
    with site.configured(max_streams_per_user=1):
        with site.subscribe(user) as stream:
            busy = site.stream(user)
            expect.equal(busy.wait_status(), 200)
            for what, headers in (('a stream', stream.headers), ('a refusal that is a stream', busy.headers)):
                said = {part.strip() for part in headers['cache-control'].split(',')}
                expect.equal(said, {'no-cache', 'no-transform'}, what)
                expect.true(headers['content-type'].startswith('text/event-stream'), what)
                if site.server != 'nginx':  # which heeds it and takes it out
                    expect.equal(headers['x-accel-buffering'], 'no', what)


def a_head_request_gets_the_same_head_and_no_stream(site):
    user = site.user()
    with site.configured(max_streams_per_user=1):
        with site.subscribe(user) as stream:
            for _ in range(3):
                answer = site.curl('/events', '--head', token=site.token(user), headers=SSE)
                expect.status(answer, 200)
                expect.equal(answer.body, b'')
                for name in ('content-type', 'cache-control'):
                    expect.equal(answer.headers.get(name), stream.headers[name], name)
            site.insert('hello', user)
            expect.equal(stream.wait_event().data, 'hello')
        expect.status(site.curl('/events', '--head', token='bad'), 401)
        expect.status(site.curl('/events', '--head'), 400)
        expect.status(site.curl('/events?topics=a', '--head', token=site.token(user)), 400)


@only_behind('lighttpd')
def a_head_request_ends_by_itself_and_keeps_its_connection(site):
    token = site.token(site.user())
    with Peer(site) as peer:
        for id in (1, 2, 3):
            peer.send(fcgi.request('HEAD', '/events', token, id=id, keep=True))
            answer = peer.answer(id)
            expect.status(answer, 200)
            expect.equal(answer.body, b'')


def a_body_with_a_content_encoding_is_refused(site):
    user = site.user()
    token = site.token(user)
    for encoding in ('gzip', 'br', 'deflate', 'zstd', 'GZIP', 'x-gzip', 'gzip, identity', 'aes128gcm'):
        answer = site.request('POST', '/msg', token, {'Content-Type': 'text/plain', 'Content-Encoding': encoding}, b'x')
        expect.refusal(answer, 415, encoding)
    expect.equal(site.sql(f"SELECT count(*) FROM message WHERE user = '{user}'"), '0')
    for encoding in ('identity', 'Identity'):
        expect.status(site.request('POST', '/msg', token, {'Content-Type': 'text/plain', 'Content-Encoding': encoding}, b'x'), 201, encoding)


def a_preflight_allows_what_it_asks_for(site):
    origin = 'https://app.example'
    usual = {'authorization', 'content-type', 'last-event-id', 'cache-control', 'x-requested-with'}
    with site.configured(allow_origin=origin):
        for path, method in (('/msg', 'POST'), ('/events', 'GET')):
            for asked in ('', 'authorization', 'cache-control,last-event-id', 'x-requested-with', 'Traceparent, X-Anything-1',
                          'authorization,sentry-trace,baggage'):
                headers = {'Origin': origin, 'Access-Control-Request-Method': method}
                if asked:
                    headers['Access-Control-Request-Headers'] = asked
                answer = site.request('OPTIONS', path, headers=headers)
                expect.true(answer.status in (200, 204), f'{path}: status {answer.status}')
                allowed = {name.strip().lower() for name in answer.headers.get('access-control-allow-headers', '').split(',')}
                needed = usual | {name.strip().lower() for name in asked.split(',') if name}
                expect.true(needed <= allowed, f'{path}, asked for {asked!r}: {sorted(needed - allowed)} is missing in {sorted(allowed)}')
            # What is no name of a header does not come back.
            answer = site.request('OPTIONS', path, headers={'Origin': origin, 'Access-Control-Request-Method': method,
                                                            'Access-Control-Request-Headers': 'a b, <script>, "x"'})
            expect.true('<' not in answer.headers.get('access-control-allow-headers', ''), f'{answer.headers}')
            foreign = site.request('OPTIONS', path, headers={'Origin': 'https://evil.example', 'Access-Control-Request-Method': method,
                                                             'Access-Control-Request-Headers': 'x-anything'})
            expect.equal(foreign.headers.get('access-control-allow-origin'), None, 'a preflight from elsewhere')
