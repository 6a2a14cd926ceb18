"""One message that cannot be stored, and a store that cannot take any for a while:
the others in the same transaction are stored all the same, and what was wrong is
over when it is over. Behind one web server only."""

import contextlib
import os
import resource
import sqlite3

import expect
import fcgi
from fcgi import Peer, ask
from waiting import wait_until

OWN_TABLE_ONLY = '/msg and what is acknowledged there do not depend on the file'

N_GOOD = 40


def _post(site, token, text):
    return site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, text)


def _together(site, requests):
    """Answers to requests that all come at once: those that wait for the same
    lock go into one transaction."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(site)) for _ in requests]
        holder = sqlite3.connect(site.db, isolation_level=None, timeout=20)
        try:
            holder.execute('BEGIN IMMEDIATE')
            for peer, data in zip(peers, requests):
                peer.send(data)
            # Who has an answer knows that intake has taken those before.
            ask(site, 'GET', '/healthz')
            holder.execute('COMMIT')
        finally:
            holder.close()
        return [peer.answer() for peer in peers]


@contextlib.contextmanager
def _trigger(site, action):
    """An application's own, on what has a word in it."""
    site.sql(f"CREATE TRIGGER theirs BEFORE INSERT ON message WHEN NEW.data LIKE 'poison%' BEGIN SELECT RAISE({action}); END;")
    try:
        yield
    finally:
        site.sql('DROP TRIGGER theirs;')


def a_trigger_that_refuses_a_message_refuses_no_other(site):
    for action in ("ROLLBACK, 'not this'", "ABORT, 'not this'", "FAIL, 'not this'", 'IGNORE'):
        users = [site.user() for _ in range(N_GOOD)]
        bad = site.user()
        with _trigger(site, action):
            for n_poison in (1, 3):
                requests = [(user, fcgi.request('POST', '/msg', site.token(user), f'good {user}'.encode())) for user in users]
                for i in range(n_poison):  # among the others, the first and the last too
                    requests.insert(i * (len(requests) - 1) // max(n_poison - 1, 1), (None, fcgi.request('POST', '/msg', site.token(bad), b'poison')))
                answers = _together(site, [data for _, data in requests])
                for (user, _), answer in zip(requests, answers):
                    if user is None:
                        expect.true(answer.status >= 400, f'RAISE({action}): the poison: {answer.status} {answer.body}')
                    else:
                        expect.status(answer, 201, f'RAISE({action}): a good one beside {n_poison}')
                        expect.equal(site.sql(f"SELECT user, data FROM message WHERE id = {answer.json()['id']}"), f'{user}|good {user}', action)
            # Lines of one request are all or nothing.
            lines = b'{"msg": "good too"}\n{"msg": "poison"}\n{"msg": "good too"}\n'
            data = [fcgi.request('POST', '/msg', site.token(bad), lines, CONTENT_TYPE='application/x-ndjson'),
                    fcgi.request('POST', '/msg', site.token(users[0]), b'beside lines')]
            answers = _together(site, data)
            expect.true(answers[0].status >= 400, f'RAISE({action}): lines with a poison: {answers[0].status}')
            expect.status(answers[1], 201, f'RAISE({action}): beside lines')
            expect.equal(site.sql(f"SELECT count(*) FROM message WHERE user = '{bad}'"), '0', f'RAISE({action})')
        # Nothing is left behind: the next is stored, the same text too.
        expect.status(_post(site, site.token(bad), 'poison'), 201)
        wait_until(lambda: site.request('GET', '/healthz').status == 200, 'healthz says so', 10 * site.slow)


def a_message_that_the_table_refuses_refuses_no_other(site):
    publisher = site.publisher()
    users = [site.user() for _ in range(N_GOOD)]
    requests = [fcgi.request('POST', '/msg', site.token(user), b'good') for user in users]
    for i, fields in enumerate((b'{"msg":"x","user":"42.0"}', b'{"msg":"x","topic":"1.0e+15"}')):
        requests.insert(10 * i, fcgi.request('POST', '/msg', publisher, fields, CONTENT_TYPE='application/json'))
    answers = _together(site, requests)
    expect.equal(sorted(answer.status for answer in answers), [201] * N_GOOD + [400] * 2)


def healthz_is_right_again_by_itself(site):
    """Nobody publishes: the writer finds out."""
    with site.store_in(site.new_folder('health')):
        user = site.user()
        token = site.token(user)
        pid = site.rowcast.process.pid
        site.publish(token, msg='before')
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (os.path.getsize(site.db + '-wal'), hard))
        expect.refusal(_post(site, token, 'x' * 60000), 503)
        expect.refusal(site.request('GET', '/healthz'), 503, 'while it cannot be written')
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        wait_until(lambda: site.request('GET', '/healthz').status == 200, 'healthz is right again', 10 * site.slow, every_s=0.02)
        expect.equal(site.sql('SELECT group_concat(data) FROM message'), 'before', 'what it has tried left nothing')
        site.publish(token, msg='after')


def a_lock_that_is_over_is_over_for_healthz_too(site):
    user = site.user()
    holder = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    try:
        holder.execute('BEGIN IMMEDIATE')
        expect.refusal(_post(site, site.token(user), 'x'), 503)
        for _ in range(20):
            expect.refusal(site.request('GET', '/healthz'), 503, 'while it is locked')
    finally:
        holder.close()
    wait_until(lambda: site.request('GET', '/healthz').status == 200, 'healthz is right again', 10 * site.slow, every_s=0.02)


def who_wants_a_stream_while_the_store_cannot_be_read_is_told_to_come_back(site):
    """Browsers come back after no status but 200."""
    page_size = 4096
    with site.store_in(site.new_folder('unreadable for a moment')):
        user = site.user()
        before = site.insert('before', user)
        root = int(site.sql("SELECT rootpage FROM sqlite_schema WHERE name = 'message'")) - 1
        site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
        fd = os.open(site.db, os.O_RDWR)
        try:
            whole = os.pread(fd, page_size, root * page_size)
            os.pwrite(fd, os.urandom(page_size), root * page_size)
            # So that nobody trusts what is in memory.
            site.sqlite3('CREATE TABLE other(x); DROP TABLE other; PRAGMA wal_checkpoint(TRUNCATE);')
            # Who asks for nothing that was before may not need the store at all.
            for how in ({}, {'query': 'cursor=off'}):
                expect.equal(site.stream(user, **how).wait_status(), 200, str(how))
            for how in ({'last_event_id': before - 1}, {'query': f'lastEventId={before - 1}'}):
                stream = site.stream(user, **how)
                expect.equal(stream.wait_status(), 200, str(how))
                expect.true(stream.headers['content-type'].startswith('text/event-stream'), stream.headers['content-type'])
                stream.wait_end()
                expect.true(stream.ended_cleanly, f'{how}: the end is clean')
                expect.true(stream.parser.reconnection_time_ms, f'{how}: a delay is told')
                expect.equal([block.event for block in stream.blocks if block.event], [], f'{how}: what is not known is not told')
            # Who does not say that it is a browser has a status, or the same end.
            other = site.stream(user, headers={'Accept': 'application/json'}, last_event_id=before - 1)
            expect.true(other.wait_status() in (200, 503), f'status {other.status}')
            other.wait_end()
            os.pwrite(fd, whole, root * page_size)
        finally:
            os.close(fd)
        site.insert('so that nobody trusts what is in memory')
        site.wait_healthy()   # until then who comes is told to come back
        with site.subscribe(user, last_event_id=before - 1) as stream:
            expect.equal(stream.wait_event().data, 'before', 'what was there all the time')
