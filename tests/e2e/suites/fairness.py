"""What one peer asks for, others do not wait for: replays that nobody stays to
read, texts that are dear to encode, bodies that come slowly, and a program that
writes to the table without a rest. What is measured is that others are served
at all within seconds; how quickly is for the benchmark."""

import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import sqlite3
import threading
import time

import expect
import fcgi
from fcgi import PARAMS, STDIN, Peer, ask
from harness import HEARTBEAT_S
from tap import only_behind, own_table_only
from waiting import wait_until

SERVED_S = 5         # others have what is theirs within
N_ROWS = 300000      # of history
ATTACK_S = 3
N_SLOW = 100         # bodies at once

HISTORIAN = 'historian'  # who has a third of the history

NDJSON = {'Content-Type': 'application/x-ndjson'}


# ---- replays ----

def _hang_up_by_socket(site, token, until, n_opened):
    data = fcgi.request('GET', '/events', token, HTTP_LAST_EVENT_ID='1')
    while time.monotonic() < until:
        with Peer(site, data) as peer:
            peer.pump(1)
        n_opened.value += 1


def _hang_up_by_http(site, token, until, n_opened):
    data = (f'GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n'
            f'Last-Event-ID: 1\r\n\r\n').encode()
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', site.front.port), 5) as s:
            s.sendall(data)
            s.recv(4096)
            n_opened.value += 1


@contextlib.contextmanager
def _hanging_up(site, way):
    """A user who asks for all of the history, reads the head, hangs up and does
    it again, for the length of the attack or longer."""
    n_opened = multiprocessing.Value('i', 0)
    process = multiprocessing.get_context('fork').Process(
        target=way, args=(site, site.token(HISTORIAN), time.monotonic() + ATTACK_S, n_opened), daemon=True)
    began = time.monotonic()
    process.start()
    try:
        # However many rowcast lets in, it has seen the most of it.
        wait_until(lambda: n_opened.value > 3000 or time.monotonic() - began > ATTACK_S / 2, 'the attack is under way', 20 * site.slow)
        expect.true(n_opened.value > 0, 'an attack has begun')
        yield process
    finally:
        process.kill()
        process.join()
        print(f'# {way.__name__}: {n_opened.value} streams in {ATTACK_S} s')


@contextlib.contextmanager
def _with_history(site):
    """A table of many rows, of one user, of many, of topics and for everyone.
    It is made once, and each test has a copy."""
    made = os.path.join(site.folder, 'history.db')
    folder = site.new_folder(f'history for {site.user()}')
    if os.path.exists(made):
        shutil.copy(made, os.path.join(folder, 'rowcast.db'))
    with site.store_in(folder):
        if not os.path.exists(made):
            n = N_ROWS if site.slow == 1 else N_ROWS // 10
            site.sql(f"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {n}) INSERT INTO message(user, topic, data)"
                     f" SELECT CASE i % 3 WHEN 0 THEN '{HISTORIAN}' WHEN 1 THEN 'somebody ' || (i % 997) END,"
                     f" CASE WHEN i % 5 > 0 THEN 'topic ' || (i % 31) END, 'row ' || i FROM n; VACUUM INTO '{made}';")
        yield


def _three_behind(site):
    """A user who has missed three messages, and the id before them."""
    user = site.user()
    one, *_ = [site.insert(data, user) for data in ('one', 'two', 'three')]
    return user, one - 1


def _served(site, user, after):
    """How long it takes until the three are there."""
    began = time.monotonic()
    with site.stream(user, last_event_id=after, deadline_s=SERVED_S * site.slow) as stream:
        expect.equal([event.data for event in stream.wait_events(3, SERVED_S * site.slow)], ['one', 'two', 'three'])
    return time.monotonic() - began


@only_behind('lighttpd')
@own_table_only('a history that is put into the file is not in the log')
def replays_that_nobody_stays_to_read_hold_up_nobody_elses(site):
    with _with_history(site):
        user, after = _three_behind(site)
        live = site.subscribe(site.user())
        for way in (_hang_up_by_socket, _hang_up_by_http):
            took = []
            with _hanging_up(site, way) as attack:
                while attack.is_alive() or len(took) < 2:
                    took.append(_served(site, user, after))
                live.wait_comment(SERVED_S * site.slow)
            # And nothing is left to be done for those who have gone.
            took.append(_served(site, user, after))
            print(f'# {len(took)} who were 3 rows behind, the last of them after {max(took):.2f} s')


@only_behind('lighttpd')
@own_table_only('a history that is put into the file is not in the log')
def the_replays_of_one_user_come_after_the_first_of_another(site):
    """Here they stay: 16 streams that read all there is."""
    with _with_history(site):
        user, after = _three_behind(site)
        path = '/events?' + '&'.join(f'topic=topic%20{i}' for i in range(31))
        token = site.token(HISTORIAN, topics=['*'])
        peers = [Peer(site, fcgi.request('GET', path, token, HTTP_LAST_EVENT_ID='1')) for _ in range(16)]
        began, took = time.monotonic(), []
        while time.monotonic() - began < ATTACK_S:
            took.append(_served(site, user, after))
            for peer in peers:
                peer.pump()
                peer.raw = b''
        for peer in peers:
            peer.close()
        print(f'# {len(took)} who were 3 rows behind, the last of them after {max(took):.2f} s')


@only_behind('lighttpd')
def no_more_replays_are_begun_for_a_user_than_may_be_open(site):
    n, limit = 200, 16
    with _with_history(site):
        data = fcgi.request('GET', '/events', site.token(HISTORIAN), HTTP_LAST_EVENT_ID='1')
        peers = [Peer(site, data) for _ in range(n)]
        heads = [peer.head() for peer in peers]
        refused = sum(b'rowcast.busy' in head.body for head in heads)
        for peer in peers:
            peer.close()
        expect.equal(n - refused, limit, 'streams that were let in')


@only_behind('lighttpd')
def heartbeats_come_while_a_page_of_history_is_waited_for(site):
    """Nothing of all the rows is for this one, which takes a while to know."""
    patience_s = 10 * HEARTBEAT_S * site.slow
    with _with_history(site):
        user = site.user()
        with _hanging_up(site, _hang_up_by_socket):
            with site.stream(user, topics=[f'none {i}' for i in range(32)], last_event_id=1) as stream:
                expect.equal(stream.wait_status(patience_s), 200)
                last = site.insert('the last', user)
                began, n_pieces = time.monotonic(), 0
                while stream.parser.last_event_id != str(last):
                    expect.true(stream.pump(patience_s), f'silence for {patience_s:g} s, {time.monotonic() - began:.1f} s from the begin')
                    n_pieces += 1
                    expect.within(time.monotonic() - began, 0, 60 * site.slow, 'seconds until it has caught up')
        print(f'# caught up after {time.monotonic() - began:.2f} s, in {n_pieces} pieces')


# ---- texts ----

# One mebibyte of what is dear: ends of lines in all forms, what is no UTF-8,
# characters of all lengths, and beginnings that look like fields.
PIECES = ["char(13)", "char(10)", "char(13, 10)", "char(10, 13)", "'a' || char(13)", "char(13, 13, 10)", "char(0x2028)", "char(0x1f600)",
          "char(0xfeff)", "CAST(x'80' AS TEXT)", "CAST(x'f09f98' AS TEXT)", "CAST(x'c3' AS TEXT) || char(13)", "'data: ' || char(10)", "' '"]


def _of_a_mebibyte(piece):
    """An SQL expression: the piece again and again."""
    return f'''(SELECT CAST(substr(CAST(replace(hex(zeroblob(524288)), '00', p) AS BLOB), 1, 1048576) AS TEXT)
               FROM (SELECT {piece} || {piece} AS p))'''


@only_behind('lighttpd')
def no_text_holds_up_the_messages_behind_it(site):
    with site.store_in(site.new_folder('texts')):
        user, writer = site.user(), site.user()
        stream, own = site.subscribe(user), Peer(site, fcgi.request('GET', '/events', site.token(writer)))
        took = {}
        for piece in PIECES:
            site.sql(f"INSERT INTO message(user, data) SELECT '{writer}', {_of_a_mebibyte(piece)} FROM (VALUES(1), (2), (3));"
                     f"INSERT INTO message(user, data) VALUES('{user}', 'behind it');")
            began = time.monotonic()
            expect.equal(stream.wait_event(SERVED_S * site.slow).data, 'behind it', piece)
            took[piece] = time.monotonic() - began
            while own.pump():
                own.raw = b''
        own.close()
        slowest = max(took, key=took.get)
        print(f'# the slowest: {slowest}, {took[slowest]:.2f} s')


@only_behind('lighttpd')
def a_text_does_not_hold_up_the_end(site):
    with site.store_in(site.new_folder('texts at the end')):
        writer = site.user()
        site.subscribe(writer)
        site.sql(f"INSERT INTO message(user, data) SELECT '{writer}', {_of_a_mebibyte('char(13)')} FROM (VALUES(1), (2), (3), (4));")
        site.rowcast.stop(timeout_s=SERVED_S * site.slow)
        site.come_back(store='sqlite:' + site.db)


@only_behind('lighttpd')
def line_ends_in_many_posts_hold_up_nobody_elses_message(site):
    """64 KiB of them a message, as anybody may send to themselves."""
    n_posts, lines = 112 if site.slow == 1 else 12, '\n'.join([json.dumps({'msg': '\r' * 65536})] * 10)
    user, writer = site.user(), site.user()
    stream = site.subscribe(user)

    def post():
        with contextlib.closing(site.connect()) as connection:
            while not stop.is_set() and left:
                left.pop()
                expect.status(site.request('POST', '/msg', token, NDJSON, lines, connection), 201)

    token, stop, left = site.token(writer), threading.Event(), list(range(n_posts))
    posts = [threading.Thread(target=post, daemon=True) for _ in range(8)]
    for thread in posts:
        thread.start()
    took = []
    try:
        while any(thread.is_alive() for thread in posts) or not took:
            began = time.monotonic()
            site.insert('meanwhile', user)
            stream.wait_event(SERVED_S * site.slow)
            took.append(time.monotonic() - began)
    finally:
        stop.set()
        for thread in posts:
            thread.join()
        site.sql(f"DELETE FROM message WHERE user = '{writer}'")
    expect.equal(left, [], 'posts that were not made')
    print(f'# {len(took)} messages meanwhile, the slowest after {max(took):.2f} s')


# ---- bodies ----

@only_behind('lighttpd')
def who_is_refused_is_told_before_the_body(site):
    token = site.token(site.user())
    with contextlib.ExitStack() as stack:
        def awaiting(method, path, status, token=None, **more):
            head = fcgi.begin() + fcgi.records(PARAMS, fcgi.params(method, path, token, CONTENT_LENGTH='60000', **more))
            return f'{method} {path} {more}', status, stack.enter_context(Peer(site, head + fcgi.record(STDIN, b'x')))

        for what, status, peer in [
                awaiting('POST', '/healthz', None), awaiting('POST', '/metrics', None),
                awaiting('GET', '/healthz', None), awaiting('POST', '/nowhere', 404),
                awaiting('POST', '/msg', 400), awaiting('POST', '/msg', 401, 'no token'),
                awaiting('POST', '/msg', 401, site.token(site.user(), ttl=-1)),
                awaiting('POST', '/msg', 401, site.token(site.user(), secret=b'another secret, as long as the right one is')),
                awaiting('PUT', '/msg', 405, token), awaiting('DELETE', '/msg', 405, token),
                awaiting('POST', '/events', 405, token), awaiting('POST', '/status', None)]:
            began = time.monotonic()
            try:
                answer = peer.answer()
            except AssertionError as nothing:
                raise AssertionError(f'{what}: {nothing}')
            expect.true(status in (None, answer.status), f'{what}: {answer.status} {answer.body}')
            expect.within(time.monotonic() - began, 0, SERVED_S * site.slow, f'{what}: seconds until the answer')


def _goes_through(site, token, size=40000):
    """A message whose body comes in pieces, each after the one before was seen:
    intake looks at one connection after the other, so whoever has an answer
    knows that it has looked at those before."""
    with Peer(site, fcgi.begin() + fcgi.records(PARAMS, fcgi.params('POST', '/msg', token, CONTENT_LENGTH=str(size)))) as peer:
        for _ in range(4):
            peer.send(fcgi.record(STDIN, b'x' * (size // 4)))
            ask(site, 'GET', '/healthz')
        peer.send(fcgi.record(STDIN))
        expect.status(peer.answer(), 201, 'a message of 40 KB')


@only_behind('lighttpd')
def slow_bodies_of_those_who_have_no_right_delay_nobody(site):
    token = site.token(site.user())
    for method, path, claimed in (('POST', '/healthz', None), ('POST', '/msg', None), ('POST', '/msg', 'no token')):
        head = fcgi.begin() + fcgi.records(PARAMS, fcgi.params(method, path, claimed, CONTENT_LENGTH='60000'))
        peers = [Peer(site, head + fcgi.record(STDIN, b'x' * 20000)) for _ in range(N_SLOW)]
        began = time.monotonic()
        _goes_through(site, token)
        expect.within(time.monotonic() - began, 0, SERVED_S * site.slow, f'seconds for a message beside {N_SLOW} slow {method} {path}')
        for peer in peers:
            peer.close()


def slow_posts_through_the_web_server_delay_nobody(site):
    """Some web servers pass a body on as it comes."""
    slow = []
    for _ in range(N_SLOW):
        s = socket.create_connection(('127.0.0.1', site.front.port))
        s.sendall(b'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n' + b'x' * 20000)
        slow.append(s)
    try:
        user = site.user()
        began = time.monotonic()
        site.publish(site.token(user), msg='x' * 40000)
        expect.within(time.monotonic() - began, 0, SERVED_S * site.slow, f'seconds for a message beside {N_SLOW} slow ones')
    finally:
        for s in slow:
            s.close()


# ---- the table ----

def _load(db, user, pipe):
    """Transaction after transaction, each of them short, without a rest."""
    connection = sqlite3.connect(db, isolation_level=None, timeout=60)
    n = 0
    while not pipe.poll():
        connection.execute('BEGIN IMMEDIATE')
        connection.executemany('INSERT INTO message(user, data) VALUES(?, ?)', [(user, 'bulk')] * 10)
        connection.execute('COMMIT')
        n += 1
    connection.close()
    pipe.send(n)


@only_behind('lighttpd')
def short_transactions_without_a_rest_keep_nobody_from_publishing(site):
    loader, user = site.user(), site.user()
    token = site.token(user)
    pipe, end = multiprocessing.Pipe()
    process = multiprocessing.get_context('fork').Process(target=_load, args=(site.db, loader, end), daemon=True)
    process.start()
    n, worst, began = 0, 0.0, time.monotonic()
    try:
        while time.monotonic() - began < ATTACK_S:
            at = time.monotonic()
            expect.status(ask(site, 'POST', '/msg', token, b'beside it'), 201, f'message {n}')
            worst = max(worst, time.monotonic() - at)
            n += 1
        pipe.send('enough')
        print(f'# {n} messages beside {pipe.recv()} transactions, the slowest in {worst:.2f} s')
    finally:
        process.kill()
        process.join()
        site.sql(f"DELETE FROM message WHERE user = '{loader}'")
