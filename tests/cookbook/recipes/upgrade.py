"""A restart under load, with the socket that stays."""

import expect
from recipes.backup import Load


def nobody_is_refused_and_no_stream_misses_anything(site):
    site.follow('upgrade')
    site.type(site.one('upgrade', 'Before'))
    with site.socket_activated():
        stream = site.subscribe('busy')
        with Load(site, 'busy') as load:
            load.wait(20)
            site.type(site.one('upgrade', 'The new program'))
            load.wait(len(load.sent) + 20)
        got = []
        stream.wait_end()
        expect.true(stream.ended_cleanly and stream.parser.reconnection_time_ms is not None, 'it is told when to come back')
        got += [block.event.data for block in stream.blocks if block.event]
        back = site.subscribe('busy', last_event_id=stream.parser.last_event_id)
        got += [event.data for event in back.wait_events(len(load.sent) - len(got))]
        expect.equal(got, load.sent, 'what came')
