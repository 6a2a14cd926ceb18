"""rowcast as it comes: no setting but where its files are. What the others wait
for with short delays is looked at here once as users have it."""

import time

import expect
from waiting import wait_until

HEARTBEAT_S, RETRY_MS = 15, (2000, 6000)
PER_USER = 16
SOON_S = 5


def _as_it_comes(site):
    """The sample's defaults: everything but the places is left out."""
    places = ('listen', 'listen_mode', 'store', 'jwt_key_file')
    return site.configured(**{key: None for key in site.settings if key not in places})


def _lines(block):
    return [line for line in block.lines if not line.startswith(':')]


def _is_let_in(stream):
    """Not turned away; a stream that is has an event first."""
    expect.equal(stream.wait_status(), 200)
    block = stream.wait_block(where=lambda block: block.event or stream.parser.last_event_id)
    return block.event is None


def streams_as_users_have_them(site):
    with _as_it_comes(site):
        user, other = site.user(), site.user()
        before = site.insert('before', user)
        began = time.monotonic()
        plain = site.subscribe(user, deadline_s=SOON_S * site.slow)
        expect.within(plain.parser.reconnection_time_ms, *RETRY_MS, 'retry')
        back = site.stream(user, last_event_id=before - 1, deadline_s=SOON_S * site.slow)
        expect.equal(back.wait_event().data, 'before')
        # Without cursors, and as an event: something comes at once all the same.
        quiet = site.stream(user, query='cursor=off', deadline_s=SOON_S * site.slow)
        quiet.wait_comment()
        seen = site.stream(user, query='cursor=event', deadline_s=SOON_S * site.slow)
        expect.equal(seen.wait_event().type, 'rowcast.cursor')
        silent = site.subscribe(other)
        # Messages come at once, from the table and by HTTP.
        site.insert('from the table', user)
        site.publish(site.token(user), msg='by HTTP')
        for stream in (plain, back, quiet, seen):
            expect.equal([e.data for e in stream.wait_events(2)], ['from the table', 'by HTTP'])
        expect.within(time.monotonic() - began, 0, SOON_S * site.slow, 'seconds until now')

        # Meanwhile others: all that a user may have, and one more.
        third = site.user()
        streams = [site.subscribe(third) for _ in range(PER_USER)]
        busy = site.stream(third)
        expect.equal(busy.wait_status(), 200)
        event = busy.wait_event(type='rowcast.busy')
        expect.equal(event.id, streams[0].parser.last_event_id, 'the id it would have started from')
        expect.within(busy.parser.reconnection_time_ms, 1000, 2000, 'retry')
        # A tab is closed and another one opened, at once.
        for i in range(5):
            streams.pop(0).close()
            stream = site.stream(third)
            expect.true(_is_let_in(stream), f'{i}: one closed, one opened, and turned away')
            streams.append(stream)
        site.insert('to all of them', third)
        for stream in streams:
            expect.equal(stream.wait_event().data, 'to all of them')

        # Silence: a heartbeat comes, and not too early; it says where a client
        # stands whose cursor has moved past the messages of others.
        newest = str(site.newest())
        silent.wait_block(timeout=(HEARTBEAT_S + SOON_S) * site.slow, where=_lines)
        took = time.monotonic() - began
        expect.within(took, HEARTBEAT_S - SOON_S, (HEARTBEAT_S + SOON_S) * site.slow, 'seconds until a heartbeat')
        expect.equal(silent.parser.last_event_id, newest, 'the cursor that it tells')
        quiet.wait_comment(SOON_S * site.slow)
        wait_until(lambda: plain.pump() and plain.parser.last_event_id == newest, 'the others get theirs', SOON_S * site.slow)


def a_page_that_is_reloaded_again_and_again_gets_its_stream(site):
    with _as_it_comes(site):
        user = site.user()
        for _ in range(3 * PER_USER):
            stream = site.stream(user)
            if _is_let_in(stream):
                stream.close()
                continue
            # As a browser does: after the delay that it was told.
            wait_until(lambda: _is_let_in(site.stream(user)), 'a place is given', SOON_S * site.slow, every_s=0.5)
        with site.subscribe(user) as stream:
            site.insert('hello', user)
            expect.equal(stream.wait_event().data, 'hello')


def messages_and_texts_as_users_have_them(site):
    with _as_it_comes(site):
        user = site.user()
        stream = site.subscribe(user)
        for text in ('x', 'x' * 65536, '\r' * 65536, 'é\n' * 20000):
            site.publish(site.token(user), msg=text)
            expect.equal(stream.wait_event(20 * site.slow).data, text.replace('\r', '\n'))
        expect.refusal(site.request('POST', '/msg', site.token(user), {'Content-Type': 'text/plain'}, 'x' * 65537), 413)
        cursor = stream.parser.last_event_id
        stream.close()
        site.insert('meanwhile', user)
        site.stop_rowcast()
        site.rowcast.start()
        site.wait_healthy()
        with site.subscribe(user, last_event_id=cursor) as back:
            expect.equal(back.wait_event().data, 'meanwhile')
