"""Whoever reaches the FastCGI socket may say what they like: it costs them their
connection, and nobody else anything. No web server stands between here, so
these run behind one of them only."""

import os
import random
import resource
import selectors
import time

import expect
import fcgi
from fcgi import ABORT, BEGIN, GET_VALUES, PARAMS, STDIN, Peer, ask
from witness import untroubled

N_HALF_OPEN = 200    # requests at once
N_SLOW = 1300        # bodies at once; more than wait for all workers
ANSWER_S = 5         # an ordinary request is answered within, come what may
REQUEST_S = 10       # for a request to arrive, its body included


def _stored(site, user):
    return int(site.sql(f"SELECT count(*) FROM message WHERE user = '{user}'"))


def _ends(site, peers, deadline_s):
    """Until rowcast has hung up on all of them."""
    deadline = time.monotonic() + deadline_s * site.slow
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer, selectors.EVENT_READ)
        while selector.get_map():
            expect.true(time.monotonic() < deadline, f'{len(selector.get_map())} connections are still open')
            for key, _ in selector.select(0.1):
                key.fileobj.pump()
                if key.fileobj.closed:
                    selector.unregister(key.fileobj)


def _refused(site, what, data):
    """rowcast hangs up, without waiting for anything and without a word."""
    with Peer(site, data) as peer:
        began = time.monotonic()
        expect.equal(peer.wait_closed(), b'', what)
        expect.within(time.monotonic() - began, 0, ANSWER_S * site.slow, f'{what}: seconds until the end')


def _still_answers(site):
    expect.equal(ask(site, 'GET', '/healthz').body, b'ok')


def requests_cut_at_any_byte_leave_nothing_behind(site):
    user = site.user()
    token = site.token(user)
    whole = [fcgi.request('GET', '/events', token), fcgi.request('POST', '/msg', token, b'cut')]
    with untroubled(site):
        for data in whole:
            for at in range(len(data)):
                Peer(site, data[:at]).close()
            half_closed = [Peer(site, data[:at]) for at in range(len(data))]
            for peer in half_closed:
                peer.half_close()
            _ends(site, half_closed, REQUEST_S + 10)
            for at, peer in enumerate(half_closed):
                expect.equal(peer.raw, b'', f'the answer to {at} of {len(data)} bytes')
                peer.close()
        expect.equal(_stored(site, user), 0, 'messages of requests that never ended')
    print(f'# {sum(map(len, whole))} places, each once closed and once half-closed')


def large_bodies_cut_anywhere_store_nothing(site):
    user = site.user()
    data = fcgi.request('POST', '/msg', site.token(user), b'x' * 60000, CONTENT_TYPE='text/plain')
    with untroubled(site):
        peers = [Peer(site, data[:at]) for at in [*range(20000, len(data), 1000), len(data) - 1]]
        for i, peer in enumerate(peers):
            peer.half_close() if i % 2 else peer.close()
        half_closed = peers[1::2]
        _ends(site, half_closed, 3 * REQUEST_S)
        for peer in half_closed:
            expect.true(peer.raw == b'' or b'Status: 408' in peer.raw, f'the answer: {peer.raw[:100]!r}')
            peer.close()
        expect.equal(_stored(site, user), 0, 'messages of requests that never ended')
        expect.status(ask(site, 'POST', '/msg', site.token(user), b'x' * 60000), 201, 'the same body, whole')


def a_whole_request_is_answered_though_its_sender_says_goodbye(site):
    user = site.user()
    with Peer(site, fcgi.request('POST', '/msg', site.token(user), b'x')) as peer:
        peer.half_close()
        peer.wait_closed()
    expect.equal(_stored(site, user), 1, 'it was whole, so it is stored')


def random_bytes_do_no_harm(site):
    seed = int(os.environ.get('SEED', random.randrange(1 << 30)))
    print(f'# SEED={seed}')
    dice = random.Random(seed)
    token = site.token(site.user())
    valid = [fcgi.request('GET', '/events', token), fcgi.request('POST', '/msg', token, b'x' * 200),
             fcgi.begin() + fcgi.records(PARAMS, fcgi.params('POST', '/msg', token), size=50, padding=b'~' * 7)]
    with untroubled(site):
        for i in range(1500 if site.slow == 1 else 300):
            if i % 3 == 0:
                data = dice.randbytes(dice.choice([1, 7, 8, 9, 100, 5000]))
            elif i % 3 == 1:  # that begin well
                data = fcgi.begin() + fcgi.record(dice.choice([PARAMS, STDIN, dice.randrange(256)]), dice.randbytes(300))
            else:             # that were good
                data = bytearray(dice.choice(valid))
                for _ in range(dice.choice([1, 1, 3])):
                    data[dice.randrange(len(data))] = dice.randrange(256)
            with Peer(site, bytes(data)) as peer:
                if dice.random() < 0.5:
                    peer.half_close()
                peer.pump()
        _still_answers(site)


def what_is_no_request_is_hung_up_on_at_once(site):
    token = site.token(site.user())
    params = fcgi.records(PARAMS, fcgi.params('GET', '/healthz', token))
    end = fcgi.record(STDIN)
    with untroubled(site):
        for what, data in (
                ('a version that is not 1', fcgi.record(BEGIN, bytes(8), version=2)),
                ('request id 0', fcgi.request('GET', '/healthz', id=0)),
                ('BEGIN of 7 bytes', fcgi.record(BEGIN, b'\0\1' + bytes(5)) + params + end),
                ('BEGIN twice', fcgi.begin() + fcgi.begin() + params + end),
                ('STDIN without BEGIN and PARAMS', end),
                ('PARAMS without BEGIN', params + end),
                ('STDIN without PARAMS', fcgi.begin() + end),
                ('STDIN before the end of PARAMS', fcgi.begin() + fcgi.record(PARAMS, fcgi.params('GET', '/healthz')) + end),
                ('a second id in between', fcgi.begin() + fcgi.records(PARAMS, b'', id=2) + end),
                ('an unknown type', fcgi.record(77, b'what?')),
                ('an unknown type within', fcgi.begin() + fcgi.record(77)),
                ('GET_VALUES', fcgi.record(GET_VALUES, fcgi.pairs({'FCGI_MPXS_CONNS': ''}), id=0)),
                ('GET_VALUES within', fcgi.begin() + fcgi.record(GET_VALUES, id=0)),
                ('an answer', fcgi.record(fcgi.STDOUT, b'Status: 200 OK\r\n\r\n') + fcgi.record(fcgi.END, bytes(8))),
                *((f'role {role}', fcgi.begin(role=role) + params + end) for role in (0, 2, 3, 255)),
                ('a name longer than the parameters', fcgi.begin() + fcgi.records(PARAMS, b'\x7f\0name') + end),
                ('a name of 2 GiB', fcgi.begin() + fcgi.records(PARAMS, b'\xff\xff\xff\xff\xff\xff\xff\xff') + end),
                ('lengths that are cut', fcgi.begin() + fcgi.records(PARAMS, b'\x80\0') + end),
                ('an HTTP request', b'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'),
                ('ABORT before anything', fcgi.record(ABORT)),
                ('ABORT of another request', fcgi.begin() + fcgi.record(ABORT, id=2)),
                ('an empty record of another request in the body', fcgi.begin() + params + fcgi.record(STDIN, id=2)),
                ('GET_VALUES in the body', fcgi.begin() + params + fcgi.record(GET_VALUES, id=0)),
        ):
            _refused(site, what, data)
        # Nothing of it is wrong, but there is nothing in it.
        _refused(site, 'no parameters', fcgi.begin() + fcgi.records(PARAMS, b'') + end)


def what_pads_an_empty_record_is_not_read_as_a_record(site):
    """libfcgi does: it would wait for the body of this one, for ever."""
    head = fcgi.begin() + fcgi.record(PARAMS, fcgi.params('GET', '/healthz'))
    trap = fcgi.record(STDIN, b'x' * 60000)[:8]
    with untroubled(site):
        peers = [Peer(site, head + fcgi.record(PARAMS, padding=trap) + fcgi.record(STDIN)) for _ in range(50)]
        for _ in range(10):
            _still_answers(site)
        _ends(site, peers, ANSWER_S)
        _refused(site, 'padding behind the end of STDIN', head + fcgi.record(PARAMS) + fcgi.record(STDIN, padding=trap))


def what_pads_begin_request_is_not_read_as_a_record(site):
    """libfcgi does, and would wait for these parameters in the thread that all
    requests come through."""
    body = bytes([0, fcgi.RESPONDER, 0, 0, 0, 0, 0, 0])
    trap = fcgi.record(PARAMS, b'x' * 65535)[:8]
    rest = fcgi.records(PARAMS, fcgi.params('GET', '/healthz')) + fcgi.record(STDIN)
    with untroubled(site):
        for padding in (trap, b'~', b'~' * 255):
            _refused(site, 'padding behind BEGIN_REQUEST', fcgi.record(BEGIN, body, padding=padding) + rest)
            _refused(site, 'padding behind BEGIN_REQUEST, and no more', fcgi.record(BEGIN, body, padding=padding))
        for _ in range(10):
            _still_answers(site)


def an_abort_in_the_body_stores_nothing_and_is_answered(site):
    user = site.user()
    with untroubled(site):
        for keep in (False, True):
            begun = fcgi.begin(keep=keep) + fcgi.records(PARAMS, fcgi.params('POST', '/msg', site.token(user)))
            for size in (1, 100, 60000, 200000):
                with Peer(site, begun + fcgi.records(STDIN, b'x' * size)[:-8] + fcgi.record(ABORT)) as peer:
                    expect.equal(peer.record(), (fcgi.STDOUT, 1, b''), f'abort after {size} bytes')
                    expect.equal(peer.record(), (fcgi.END, 1, bytes(8)), f'abort after {size} bytes')
                    if keep:
                        peer.send(fcgi.request('GET', '/healthz'))
                        expect.equal(peer.answer().body, b'ok')
                    expect.equal(peer.wait_closed(), b'', 'a clean end')
        expect.equal(_stored(site, user), 0)


def who_may_not_send_a_body_is_told_before_it_comes(site):
    slow = [Peer(site, fcgi.begin() + fcgi.records(PARAMS, fcgi.params(method, path, token)) + fcgi.record(STDIN, b'x'))
            for method, path, token in (('POST', '/msg', None), ('POST', '/msg', 'bad'), ('PUT', '/msg', 'bad'), ('POST', '/x', None))]
    for peer, status in zip(slow, (400, 401, 405, 404)):
        began = time.monotonic()
        expect.status(peer.answer(), status)
        expect.within(time.monotonic() - began, 0, 2 * site.slow, 'seconds until the answer')
        peer.close()


def an_abort_ends_a_stream(site):
    with untroubled(site):
        for id in (1, 300):
            with Peer(site, fcgi.request('GET', '/events', site.token(site.user()), id=id)) as peer:
                expect.status(peer.head(id), 200)
                peer.send(fcgi.record(ABORT, id=id))
                expect.true(peer.wait_closed().endswith(fcgi.record(fcgi.STDOUT, id=id) + fcgi.record(fcgi.END, bytes(8), id)),
                            'the stream ends as FastCGI 5.5 has it')


def ten_megabytes_of_params_take_no_memory(site):
    with untroubled(site):
        for size in (1, 1000, 65535):
            with Peer(site, fcgi.begin()) as peer:
                cut = fcgi.record(PARAMS, fcgi.pairs({'X': 'x' * (size - 6)}) if size > 6 else b'x') * max(1, (64 << 10) // size)
                sent = 0
                while sent < 10 << 20 and peer.send(cut):
                    sent += len(cut)
                expect.true(sent < 10 << 20, f'10 MB of PARAMS in records of {size} bytes were all taken')
                peer.wait_closed()
        _still_answers(site)


def a_head_in_any_pieces_is_understood(site):
    token = site.token(site.user())
    large = {'HTTP_X': 'x' * 40000}
    for what, data in (
            ('records of a byte', fcgi.begin() + fcgi.records(PARAMS, fcgi.params('GET', '/status', token), size=1)),
            ('records of seven bytes, padded', fcgi.begin() + fcgi.records(PARAMS, fcgi.params('GET', '/status', token), size=7, padding=b'~' * 255)),
            ('40 kB', fcgi.begin() + fcgi.records(PARAMS, fcgi.params('GET', '/status', token, **large), size=9000))):
        with Peer(site, data + fcgi.record(STDIN)) as peer:
            expect.status(peer.answer(), 403, what)


def a_request_has_the_id_that_it_has(site):
    user = site.user()
    for id in (2, 255, 256, 65535):
        with Peer(site, fcgi.request('POST', '/msg', site.token(user), b'x', id)) as peer:
            expect.status(peer.answer(id), 201, f'request {id}')
        with Peer(site, fcgi.request('GET', '/events', site.token(user), id=id)) as peer:
            expect.status(peer.head(id), 200, f'stream {id}')
            site.insert('hello', user)
            content = b''
            while b'data: hello\n\n' not in content:  # a heartbeat may come first
                type, of, part = peer.record()
                expect.equal((type, of), (fcgi.STDOUT, id))
                content += part


def a_connection_that_is_kept_serves_one_request_after_another(site):
    user = site.user()
    token = site.token(user)
    with untroubled(site):
        with Peer(site) as peer:
            for i in range(1, 101):
                # Refusals keep it as well; and each request may have an id of its own.
                peer.send(fcgi.request('POST', '/msg', token if i % 2 else 'bad', b'x', i, keep=True))
                expect.status(peer.answer(i), 201 if i % 2 else 401, f'request {i}')
            peer.send(fcgi.request('GET', '/events', token, keep=True))
            expect.status(peer.head(), 200)
        expect.equal(_stored(site, user), 50)
        with Peer(site, fcgi.request('GET', '/healthz', keep=False)) as peer:
            expect.equal(peer.answer().body, b'ok')
            expect.equal(peer.wait_closed(), b'', 'one that is not kept')


def of_requests_in_one_breath_the_first_is_answered_and_nobody_waits_for_the_others(site):
    """No web server sends a second request before it has the first answer
    (rowcast does not multiplex: FastCGI 4.1). What libfcgi has read of it with
    the first one is lost: it must not be taken for anything else."""
    user = site.user()
    token = site.token(user)
    with untroubled(site):
        for _ in range(20):
            with Peer(site, b''.join(fcgi.request('POST', '/msg', token, b'x', id, keep=True) for id in (1, 2, 3))) as peer:
                expect.status(peer.answer(1), 201)
                expect.equal(peer.wait_closed(), b'', 'nothing but the end follows')
        expect.equal(_stored(site, user), 20)


def a_body_without_end_is_cut_off(site):
    with untroubled(site):
        with Peer(site, fcgi.begin() + fcgi.records(PARAMS, fcgi.params('POST', '/msg', site.token(site.user())))) as peer:
            cut, sent = fcgi.record(STDIN, b'x' * 60000), 0
            while sent < 64 << 20 and peer.send(cut):
                sent += len(cut)
            expect.true(sent < 64 << 20, '64 MiB of a body were all taken')
            peer.wait_closed()
        print(f'# hung up on after {sent / (1 << 20):.1f} MiB')


def hundreds_of_slow_requests_hold_nobody_up_and_are_ended_in_time(site):
    user = site.user()
    token = site.token(user)
    slow_begin = fcgi.begin() + fcgi.records(PARAMS, fcgi.params('POST', '/msg', site.token(site.user())))
    n_slow = min(N_SLOW, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 3)
    with untroubled(site):
        began = time.monotonic()
        half_open = [Peer(site, fcgi.begin() if i % 2 else b'\1') for i in range(N_HALF_OPEN)]
        slow = [Peer(site, slow_begin) for _ in range(n_slow)]
        answered, worst, n_late, next_at = 0, 0.0, 0, 0.0
        # Until all of them are ended: the bodies have no more time than the heads.
        while half_open or n_late < n_slow:
            expect.within(time.monotonic() - began, 0, REQUEST_S + 3 + 5 * site.slow, 'seconds until they are ended')
            if time.monotonic() >= next_at:
                next_at = time.monotonic() + 0.5
                for peer in slow:
                    peer.pump()
                    if not peer.closed:
                        peer.send(fcgi.record(STDIN, b'x'))
                n_late = sum(b'Status: 408' in peer.raw for peer in slow)
                for peer in half_open:
                    peer.pump()
                half_open = [peer for peer in half_open if not peer.closed]
            for data in (fcgi.request('POST', '/msg', token, b'x'), fcgi.request('GET', '/events', token)):
                at = time.monotonic()
                with Peer(site, data) as peer:
                    expect.true(peer.head().status in (200, 201), 'an ordinary request meanwhile')
                worst = max(worst, time.monotonic() - at)
                answered += 1
            time.sleep(0.05)  # a pace, not a wait
        expect.within(worst, 0, ANSWER_S * site.slow, 'seconds that the slowest ordinary request took')
        print(f'# {N_HALF_OPEN} half-open requests and {n_slow} slow bodies for {time.monotonic() - began:.1f} s; {answered} ordinary'
              f' requests meanwhile, the slowest {worst * 1000:.0f} ms; {n_late} slow ones were told so (408)')
        for peer in slow:
            peer.close()
