"""What runs out, and what clients can pin of it: descriptors and memory. About
rowcast alone, so behind one web server only."""

import contextlib
import json
import time
import urllib.parse

import expect
import fcgi
from fcgi import Peer, ask
from waiting import wait_until

RESERVE = 256        # descriptors kept free (HUB_SPARE_DESCRIPTORS)


@contextlib.contextmanager
def _limited(site, n, **settings):
    """rowcast with n descriptors."""
    site.rowcast.max_descriptors = n
    try:
        with site.configured(max_streams_per_user=10000, **settings):
            site.rowcast.max_descriptors = None  # of the next one
            yield
    finally:
        site.rowcast.max_descriptors = None


def _open_until_refused(site, user, limit):
    """Streams, straight on rowcast's socket, until one is refused."""
    peers = []
    while True:
        peer = Peer(site, fcgi.request('GET', '/events', site.token(user)))
        answer = peer.head()
        if b'rowcast.busy' in answer.body:
            expect.status(answer, 200)
            peer.close()
            return peers
        peers.append(peer)
        expect.true(len(peers) <= limit, f'{len(peers)} streams are open')


def without_descriptors_streams_are_refused_and_everything_else_goes_on(site):
    user, admin = site.user(), site.token(site.user(), scope='rowcast:admin')
    limit = 700
    with _limited(site, limit):
        held = site.subscribe(user)
        peers = _open_until_refused(site, user, limit)
        n_used = site.rowcast.n_descriptors()
        print(f'# of {limit} descriptors {len(peers) + 1} are streams, {limit - n_used} free')
        expect.within(limit - n_used, RESERVE - 10, RESERVE + 10, 'descriptors kept free')
        # Others are told by a status, browsers by an event; and nobody else suffers.
        expect.status(ask(site, 'GET', '/events', site.token(user), HTTP_ACCEPT='*/*'), 503)
        for _ in range(20):
            expect.status(ask(site, 'GET', '/events', site.token(user)), 200)
            expect.equal(ask(site, 'GET', '/healthz').body, b'ok')
            expect.status(ask(site, 'GET', '/status', admin), 200)
            expect.status(ask(site, 'POST', '/msg', site.token(site.user()), b'x'), 201)
        site.insert('a foreign row', user)
        site.publish(site.token(user), msg='a published one')
        expect.equal([e.data for e in held.wait_events(2)], ['a foreign row', 'a published one'])
        for peer in (peers[0], peers[-1]):
            content = b''
            while b'a published one' not in content:
                content += peer.record()[2]
            expect.true(b'a foreign row' in content, 'an open stream gets both')
        # As many as leave are let in, and not one more.
        before = site.rowcast.n_descriptors()
        for peer in peers[:10]:
            peer.close()
        wait_until(lambda: site.rowcast.n_descriptors() <= before - 10, 'ten are gone', 20 * site.slow)
        expect.equal(len(_open_until_refused(site, user, limit)), 10, 'let in after ten have left')


def with_the_last_descriptor_gone_the_open_streams_live_on(site):
    """Not streams, but connections that say nothing, take all there are: those
    have ten seconds. Nobody can be answered then, but those that are there."""
    user = site.user()
    with _limited(site, 300, workers=4):
        stream = site.subscribe(user)
        log_before = len(site.rowcast.log_bytes())
        silent = [Peer(site) for _ in range(400)]
        wait_until(lambda: 'no descriptors left' in site.rowcast.log_since(log_before), 'they have run out', 20 * site.slow)
        site.insert('a foreign row', user)
        expect.equal(stream.wait_event().data, 'a foreign row')
        for peer in silent:
            peer.close()
        wait_until(lambda: ask(site, 'GET', '/healthz').status == 200, 'there are descriptors again', 20 * site.slow)
        site.wait_healthy()
        site.publish(site.token(user), msg='a published one')
        expect.equal(stream.wait_event().data, 'a published one')
        site.subscribe(user)
        n_lines = site.rowcast.log_since(log_before).count('no descriptors left')
        print(f'# 400 silent connections to 300 descriptors: {n_lines} lines in the log')


# What the memory of one stream can grow to (rowcast-protocol(7),
# "Bounds"): a page and the largest message, each of whose bytes may be a line
# break, which goes out as `data: ` and a line break; and what it asks for.
PAGE_KIB = 60
LINE_BREAK_FACTOR = 7
FILTER_KIB = 20

STREAM_KIB = 4       # the stream itself

# Of the whole program: recent messages in memory (8 MiB), what is waiting to be
# sent (4 MiB), and a page that is read, come back, put into records, sent.
FIXED_KIB = 14 << 10
PAGES_ON_THEIR_WAY = 4


def _nothing_is_sent(site):
    before = site.metric('deliveries_total')
    time.sleep(0.3 * site.slow)
    return site.metric('deliveries_total') == before


def _stall(site, n, query, token, after, n_messages):
    """n streams that ask for all after that id and read nothing of it; returns
    what rowcast has allocated with them, in KiB. They are stalled when each has been
    sent n_messages, at least, and nothing more is sent: what was sent last does not
    fit into its socket."""
    enough = site.metric('deliveries_total') + n * n_messages
    data = fcgi.request('GET', '/events?' + query, token, HTTP_LAST_EVENT_ID=str(after))
    peers = [Peer(site, data) for _ in range(n)]
    try:
        wait_until(lambda: site.metric('streams') == n, 'all streams are open', 30 * site.slow)
        wait_until(lambda: site.metric('deliveries_total') >= enough and _nothing_is_sent(site),
                   'all streams are stalled', 60 * site.slow)
        return site.allocated_kib()
    finally:
        for peer in peers:
            peer.close()
        wait_until(lambda: site.metric('streams') == 0, 'all streams are gone', 30 * site.slow)


def what_a_stalled_stream_holds_is_bounded(site):
    n_large, n_small, n_many = (24, 200, 500) if site.slow == 1 else (4, 20, 50)
    topics = [f'{i:02}' + 't' * 253 for i in range(32)]
    query = '&'.join([urllib.parse.urlencode({'topic': topic}) for topic in topics] + ['_=' + 'x' * 30000])
    with site.configured(max_streams_per_user=10000, max_message='1M'):
        before = site.allocated_kib()
        for what, n, bound, query, messages, n_messages in (
                ('nothing, with 32 long topics and a long query', n_many, FILTER_KIB, query, [], 0),
                ('a page of small messages', n_small, PAGE_KIB, '', ['x' * 1000] * 1000, 200),
                # Almost a page, and the message that ends it; so many that a larger page would show.
                ('8 KiB of line breaks', n_many, PAGE_KIB + LINE_BREAK_FACTOR * 8, '', ['x' * 59000, '\n' * (8 << 10)] * 5, 4),
                # What anybody may do to themselves, unless max_message is raised.
                ('64 KiB of line breaks', n_small, PAGE_KIB + LINE_BREAK_FACTOR * 64, '', ['x' * 59000, '\n' * (64 << 10)], 2),
                ('the largest message of all', n_large, PAGE_KIB + LINE_BREAK_FACTOR * 1024, '', ['x' * 59000, '\n' * (1 << 20)], 2)):
            token = site.token(site.user(), topics=['*'])
            after = site.metric('newest_id')
            fixed = FIXED_KIB + PAGES_ON_THEIR_WAY * bound
            if messages:
                lines = '\n'.join(json.dumps({'msg': message}) for message in messages)
                expect.status(ask(site, 'POST', '/msg', token, lines.encode(), CONTENT_TYPE='application/x-ndjson'), 201)
            grown = [_stall(site, n, query, token, after, n_messages) - before for _ in range(3)]
            print(f'# {n} streams stalled on {what}: {max(grown) / n:.0f} KiB each (with all else that was allocated),'
                  f' the bound is {bound + STREAM_KIB}; three times one after the other: {grown} KiB')
            expect.true(min(grown) > n * bound / 4, f'{what}: it must really be held, to measure it')
            expect.within(max(grown), 0, n * (bound + STREAM_KIB) + fixed, f'{what}: KiB')
            expect.within(max(grown) - grown[0], 0, fixed, f'{what}: KiB that later rounds added')
