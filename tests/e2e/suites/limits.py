"""max_streams and max_streams_per_user: refused, but not lost."""

import time

import expect
from waiting import wait_until


def _busy(stream):
    """The answer to a browser beyond a limit; returns the delay it is told."""
    expect.equal(stream.wait_status(), 200)
    expect.true(stream.headers['content-type'].startswith('text/event-stream'), stream.headers['content-type'])
    event = stream.wait_event(type='rowcast.busy')
    expect.true(event.data, 'a page sees the reason')
    expect.true(event.id != '', 'and the browser comes back with the id it would have started from')
    stream.wait_end()
    expect.true(stream.ended_cleanly, 'the end is clean')
    return stream.parser.reconnection_time_ms


def beyond_max_streams_a_browser_is_told_to_come_later(site):
    with site.configured(max_streams=3):
        streams = [site.subscribe(site.user()) for _ in range(3)]
        delays = [_busy(site.stream(site.user())) for _ in range(5)]
        for delay in delays:
            expect.within(delay, 10000, 30000, 'retry')
        expect.true(len(set(delays)) > 1, f'the delays are random: {delays}')
        # Those that are open do not suffer, and a place that is free is given.
        site.insert('hello')
        for stream in streams:
            expect.equal(stream.wait_event().data, 'hello')
        streams[0].close()
        wait_until(lambda: site.stream(site.user()).wait_block().event is None, 'the place is given', 20 * site.slow, 0.1)


def who_comes_back_after_busy_has_missed_nothing(site):
    with site.configured(max_streams=1):
        first = site.subscribe(site.user())
        user = site.user()
        refused = site.stream(user)
        _busy(refused)
        site.insert('meanwhile', user)
        first.close()
        def admitted():
            stream = site.stream(user, last_event_id=refused.parser.last_event_id)
            return stream if stream.wait_block().event is None else None
        again = wait_until(admitted, 'the place is given', 20 * site.slow, 0.1)
        expect.equal(again.wait_event().data, 'meanwhile')


def beyond_max_streams_any_other_client_gets_503(site):
    with site.configured(max_streams=1):
        site.subscribe(site.user())
        for accept in ('application/json', '*/*', None):
            stream = site.stream(site.user(), headers={'Accept': accept})
            expect.equal(stream.wait_status(), 503, f'Accept: {accept}')
            expect.true(int(stream.headers['retry-after']) > 0, 'Retry-After')


def beyond_max_streams_per_user_a_browser_is_told_to_come_soon(site):
    with site.configured(max_streams_per_user=2):
        user = site.user()
        streams = [site.subscribe(user) for _ in range(2)]
        for _ in range(3):
            expect.within(_busy(site.stream(user)), 1000, 2000, 'retry')
        site.subscribe(site.user())  # another user is not concerned
        site.insert('hello', user)
        for stream in streams:
            expect.equal(stream.wait_event().data, 'hello')


def beyond_max_streams_per_user_any_other_client_gets_429(site):
    with site.configured(max_streams_per_user=1):
        user = site.user()
        site.subscribe(user)
        stream = site.stream(user, headers={'Accept': 'application/json'})
        expect.equal(stream.wait_status(), 429)
        expect.true(int(stream.headers['retry-after']) > 0, 'Retry-After')


def a_page_reloaded_twenty_times_does_not_lock_its_user_out(site):
    """The heartbeat is long here, so that nothing but the limit itself can find
    the dead streams."""
    with site.configured(heartbeat='60s'):
        user = site.user()
        came_in = 0
        for _ in range(20):
            stream = site.stream(user)
            expect.equal(stream.wait_status(), 200)
            came_in += stream.wait_block().event is None
            stream.cut()
        # From the seventeenth on each has waited until the dead ones were found.
        expect.true(came_in >= (20 if site.slow == 1 else 16), f'{came_in} came in')
        began = time.monotonic()
        while True:
            stream = site.stream(user)
            event = stream.wait_block(where=lambda block: block.event or stream.parser.last_event_id).event
            if event is None:
                break
            expect.equal(event.type, 'rowcast.busy')
            expect.within(time.monotonic() - began, 0, 8 * site.slow, 'seconds until the user is let in again')
            time.sleep(stream.parser.reconnection_time_ms / 1000)  # as a browser does
        site.insert('hello', user)
        expect.equal(stream.wait_event().data, 'hello')


def limits_change_on_sighup(site):
    user = site.user()
    first = site.subscribe(user)
    site.reload(max_streams_per_user=1)
    try:
        expect.within(_busy(site.stream(user)), 1000, 2000, 'retry')
        site.insert('hello', user)
        expect.equal(first.wait_event().data, 'hello')
    finally:
        site.reload()
    site.subscribe(user)
