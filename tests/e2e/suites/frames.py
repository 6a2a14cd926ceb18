"""FastCGI by hand where two readers of it could disagree, where a request does
not come to its end, and where nobody reads the answer: each in numbers, and
meanwhile others are served. Behind one web server only."""

import contextlib
import fcntl
import select
import time

import expect
import fcgi
from fcgi import ABORT, BEGIN, END, GET_VALUES, PARAMS, STDIN, STDOUT, Peer, ask
from waiting import wait_until

N_EACH = 50          # of each kind: more than there are workers
ANSWER_S = 5         # others are answered within
REQUEST_S = 10       # for a request to arrive, its body included
END_S = 5            # from SIGTERM to the end of the process
PERIOD_S = 0.5       # of those who send little by little

# What a reader that does not skip it takes for the begin of PARAMS.
TRAP = bytes([1, PARAMS, 0, 1, 0xff, 0xff, 0, 0])


def _padded_begin(padding, keep=False):
    return fcgi.record(BEGIN, bytes([0, 1, keep, 0, 0, 0, 0, 0]), padding=padding)


def _awaiting_body(token, already=20000):
    """The begin of a request whose body goes on."""
    return fcgi.begin() + fcgi.records(PARAMS, fcgi.params('POST', '/msg', token, CONTENT_LENGTH='60000')) + fcgi.record(STDIN, b'x' * already)


def _others_are_answered(site, token):
    for method, path, body in (('GET', '/healthz', b''), ('POST', '/msg', b'small'), ('POST', '/msg', b'x' * 60000)):
        began = time.monotonic()
        answer = ask(site, method, path, token, body)
        expect.true(answer.status in (200, 201), f'{method} {path}: {answer.status} {answer.body}')
        expect.within(time.monotonic() - began, 0, ANSWER_S * site.slow, f'seconds for another\'s {method} {path}')


@contextlib.contextmanager
def _all_closed(peers):
    try:
        yield peers
    finally:
        for peer in peers:
            peer.close()


def what_pads_the_begin_of_a_request_is_not_read_as_a_record(site):
    token = site.token(site.user())
    rest = fcgi.records(PARAMS, fcgi.params('GET', '/healthz')) + fcgi.record(STDIN)
    for padding in (TRAP, TRAP + b'x' * 247, bytes([1, STDIN, 0, 1, 0xff, 0xff, 0, 0]), bytes([1, GET_VALUES, 0, 0, 0xff, 0xff, 0, 0]),
                    bytes([1, BEGIN, 0, 1, 0, 8, 0, 0]), bytes([1, PARAMS, 0, 1, 0, 0, 0, 0])):
        for keep in (False, True):
            with _all_closed([Peer(site, _padded_begin(padding, keep) + rest) for _ in range(N_EACH)]) as peers:
                _others_are_answered(site, token)
                for peer in peers:
                    began = time.monotonic()
                    expect.equal(peer.wait_closed(), b'', f'padded with {padding[:8]}')
                    expect.within(time.monotonic() - began, 0, ANSWER_S * site.slow, 'seconds until rowcast hangs up')


def harmless_padding_of_the_begin_is_refused_or_skipped(site):
    """But never waited for, and never taken for anything else."""
    rest = fcgi.records(PARAMS, fcgi.params('GET', '/healthz')) + fcgi.record(STDIN)
    for padding in (b'\0', bytes(7), bytes(8), b'~' * 8, b'\0' * 255, b'~' * 255):
        with Peer(site, _padded_begin(padding) + rest) as peer:
            began = time.monotonic()
            content = peer.wait_closed()
            expect.true(content == b'' or b'Status: 200' in content, f'{len(padding)} of {padding[:1]}: {content[:100]}')
            expect.within(time.monotonic() - began, 0, ANSWER_S * site.slow, 'seconds until it is over')


def _waiting_bytes(peer):
    """What has come and is not read."""
    return int.from_bytes(fcntl.ioctl(peer.fileno(), 0x541B, bytes(4)), 'little')  # FIONREAD


def _unread(site, n):
    """Connections that are kept, and full of answers that nobody reads."""
    data = fcgi.request('GET', '/metrics', keep=True)
    peers = [Peer(site) for _ in range(n)]
    for peer in peers:
        for _ in range(1000):
            before = _waiting_bytes(peer)
            peer.send(data)
            try:
                wait_until(lambda: _waiting_bytes(peer) > before, 'an answer', 0.3 * site.slow, every_s=0.0005)
            except AssertionError:
                break  # there is no room for it
        else:
            raise AssertionError('a thousand answers fit into a socket')
    return peers


def _is_hung_up_on(peer):
    """Without reading what there is."""
    poll = select.poll()
    poll.register(peer, 0)
    return bool(poll.poll(0))


def a_request_has_ten_seconds_and_so_has_an_answer(site):
    """Whatever else comes on its connection: each kind sends its beginning, and
    then a piece from time to time. And the answer must be taken."""
    token, other = site.token(site.user()), site.token(site.user())
    body = _awaiting_body(token)
    params = fcgi.record(PARAMS, fcgi.params('POST', '/msg', token))
    kinds = {
        'nothing': (b'', b''),
        'a byte': (b'\1', b''),
        'BEGIN': (fcgi.begin(), b''),
        'BEGIN byte by byte': (b'', None),
        'PARAMS little by little': (fcgi.begin(), fcgi.record(PARAMS, fcgi.pairs({'X': 'x'}))),
        'PARAMS without end': (fcgi.begin() + params, b''),
        'a record that does not end': (fcgi.begin() + params + fcgi.record(PARAMS, b'x' * 60000)[:100], b'x'),
        'a small body little by little': (_awaiting_body(token, 1), fcgi.record(STDIN, b'x')),
        'a body little by little': (body, fcgi.record(STDIN, b'x')),
        'a body that does not go on': (body, b''),
        'records of another request': (body, fcgi.record(STDIN, b'x', id=2)),
        'ABORT of another request': (body, fcgi.record(ABORT, id=2)),
        'BEGIN of another request': (body, fcgi.begin(id=2)),
        'PARAMS in the body': (body, fcgi.record(PARAMS, fcgi.pairs({'X': 'x'}))),
        'management records': (body, fcgi.record(GET_VALUES, fcgi.pairs({'FCGI_MPXS_CONNS': ''}), id=0)),
        'unknown management records': (body, fcgi.record(77, b'x', id=0)),
        'unknown records': (body, fcgi.record(77, b'x')),
        'empty padding in the body': (body, fcgi.record(STDIN, b'x', padding=b'~' * 255)),
    }
    unread, began = _unread(site, 12), time.monotonic()
    peers, opened = list(unread), []
    print(f'# {len(unread)} connections with {_waiting_bytes(unread[0])} unread bytes')
    for what, (first, piece) in kinds.items():
        for _ in range(N_EACH // 5):
            opened.append((what, piece, Peer(site, first), time.monotonic()))
            peers.append(opened[-1][2])
    with _all_closed(peers):
        next_at, n_pieces, ended = 0.0, 0, {}
        while len(ended) < len(opened):
            now = time.monotonic()
            send = now >= next_at
            if send:
                next_at, n_pieces = now + PERIOD_S, n_pieces + 1
            for i, (what, piece, peer, at) in enumerate(opened):
                if i in ended:
                    continue
                while peer.pump():
                    pass
                if peer.closed or b'Status: 408' in peer.raw:
                    ended[i] = now - at
                    continue
                expect.within(now - at, 0, REQUEST_S + ANSWER_S * site.slow, f'seconds that rowcast waits for {what}')
                if send and piece != b'':
                    peer.send(piece if piece is not None else fcgi.begin()[n_pieces % 8:][:1])
            if send:
                _others_are_answered(site, other)
            opened[0][2].pump(0.05) if 0 not in ended else time.sleep(0.05)  # a pace, not a wait
        wait_until(lambda: all(map(_is_hung_up_on, unread)), 'unread answers are given up', ANSWER_S * site.slow)
        print(f'# {len(opened)} requests in {len(kinds)} ways, the last ended after {max(ended.values()):.1f} s,'
              f' all after {time.monotonic() - began:.1f} s')


def sigterm_ends_it_in_time_whatever_peers_do(site):
    user = site.user()
    token = site.token(user)
    rest = fcgi.records(PARAMS, fcgi.params('GET', '/healthz')) + fcgi.record(STDIN)
    body = _awaiting_body(token)
    for what, make in (
            ('padding of BEGIN', lambda: [Peer(site, _padded_begin(TRAP) + rest) for _ in range(N_EACH)]),
            ('answers that nobody reads', lambda: _unread(site, 5)),
            ('everything else', lambda: [Peer(site, data) for _ in range(N_EACH) for data in (
                b'', b'\1', fcgi.begin(), body, body + fcgi.record(STDIN, b'x', id=2), body + fcgi.record(GET_VALUES, id=0),
                fcgi.request('GET', '/events', token, keep=True))])):
        with _all_closed(make()):
            # Who gets an answer knows that those before have been looked at.
            with contextlib.suppress(AssertionError), Peer(site, fcgi.request('GET', '/healthz')) as last:
                last.deadline_s = ANSWER_S * site.slow
                last.answer()
            try:
                site.rowcast.stop(timeout_s=END_S * site.slow)
            except AssertionError as late:
                raise AssertionError(f'{what}: {late}')
            finally:
                site.come_back()


# ---- a request that is taken back ----

def _ends_and_goes_on(site, peer, id, what):
    """END_REQUEST comes, whatever of an answer before it, and the connection is
    good for the next request."""
    while True:
        try:
            type, of, content = peer.record()
        except AssertionError as nothing:
            raise AssertionError(f'{what}: {nothing}')
        expect.equal(of, id, f'{what}: the request that a record of type {type} is about')
        if type == END:
            break
        expect.equal(type, STDOUT, f'{what}: the type of a record')
    for again in (id, id + 1):
        peer.send(fcgi.request('GET', '/healthz', id=again, keep=True))
        expect.equal(peer.answer(again).body, b'ok', f'{what}: the next request')


def an_aborted_request_is_ended_and_a_kept_connection_goes_on(site):
    user = site.user()
    token = site.token(user)
    for id in (1, 300):
        begin = fcgi.begin(id, keep=True)
        post = begin + fcgi.records(PARAMS, fcgi.params('POST', '/msg', token), id)
        for what, data in (
                ('in PARAMS', begin + fcgi.record(PARAMS, fcgi.params('POST', '/msg', token), id)),
                ('before the body', post),
                ('in a small body', post + fcgi.record(STDIN, b'x', id)),
                ('in a body', post + fcgi.record(STDIN, b'x' * 60000, id)),
                ('of GET before its end', begin + fcgi.records(PARAMS, fcgi.params('GET', '/events', token), id))):
            with Peer(site, data) as peer:
                # Once in one piece, once when what came before has been seen.
                peer.send(fcgi.record(ABORT, id=id))
                _ends_and_goes_on(site, peer, id, f'request {id}, {what}')
            with Peer(site, data) as peer:
                ask(site, 'GET', '/healthz')
                peer.send(fcgi.record(ABORT, id=id))
                _ends_and_goes_on(site, peer, id, f'request {id}, later {what}')
        with Peer(site, fcgi.request('GET', '/events', token, id=id, keep=True)) as peer:
            expect.status(peer.head(id), 200)
            peer.send(fcgi.record(ABORT, id=id))
            _ends_and_goes_on(site, peer, id, f'request {id}, a stream')
    expect.equal(site.sql(f"SELECT count(*) FROM message WHERE user = '{user}'"), '0', 'messages that were taken back')


def a_refusal_keeps_the_connection_for_the_next_request(site):
    """Streams that are refused too."""
    user = site.user()
    with site.configured(max_streams_per_user=1), Peer(site, fcgi.request('GET', '/events', site.token(user))) as first:
        first.head()
        with Peer(site) as peer:
            for id, accept in enumerate(('text/event-stream', '*/*') * 3, 1):
                peer.send(fcgi.request('GET', '/events', site.token(user), id=id, keep=True, HTTP_ACCEPT=accept))
                answer = peer.answer(id)
                expect.equal(answer.status, 200 if accept == 'text/event-stream' else 429)


def what_comes_after_a_refusal_is_not_taken_for_a_request(site):
    """Who is refused before the body was there may be sending it still."""
    head = fcgi.begin(keep=True) + fcgi.records(PARAMS, fcgi.params('POST', '/msg', 'no token', CONTENT_LENGTH='120000'))
    for before, after in ((b'', b'x' * 60000), (b'x' * 60000, b'x' * 60000), (b'x' * 60000, fcgi.request('POST', '/msg'))):
        with Peer(site, head + (fcgi.record(STDIN, before) if before else b'')) as peer:
            peer.deadline_s = ANSWER_S * site.slow  # it does not wait for the body
            expect.status(peer.answer(), 401)
            peer.send(fcgi.record(STDIN, after) + fcgi.record(STDIN))
            peer.send(fcgi.request('GET', '/healthz', id=2, keep=True))
            try:
                expect.equal(peer.answer(2).body, b'ok')
            except AssertionError:
                expect.equal((peer.closed, peer.raw), (True, b''), 'either the next answer or the end')
