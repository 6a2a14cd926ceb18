"""What rowcast is told to do, and what it tells of itself: the topics of its own. Kick and
revoke, whichever way they come."""

import json
import time

import expect
from harness import RETRY_MS
from shell import expect_failure, expect_misuse, rowcast
from waiting import wait_until

EVENTS = {'Accept': 'text/event-stream'}


def _admin(site):
    return site.token(site.user(), scope='rowcast:admin')


def _by_the_table(site, event, user):
    site.insert('', user=user, topic='rowcast.control', event=event)


def _by_http(site, event, user):
    site.publish(_admin(site), topic='rowcast.control', event=event, user=user, msg='')


def _by_a_command(site, event, user):
    done = rowcast(site, event, '--user', user, '-c', site.rowcast.conf)
    expect.equal((done.returncode, done.stderr), (0, ''), event)
    row = site.sql(f'SELECT user, topic, event FROM message WHERE id = {int(done.stdout)};')
    expect.equal(row, f'{user}|rowcast.control|{event}')


WAYS = (_by_the_table, _by_http, _by_a_command)


def _refused(site, token, path='/events', **more):
    answer = site.no_stream(token=token) if path == '/events' else site.request('GET', path, token, **more)
    expect.refusal(answer, 401, path, 'token was revoked')
    expect.true('invalid_token' in answer.headers['www-authenticate'], f'{path}: {answer.headers}')


def _is_live(site, stream):
    data = f'still there? {time.monotonic()}'
    site.insert(data)
    stream.wait_block(where=lambda block: block.event and block.event.data == data)


def who_is_kicked_goes_and_may_come_back(site):
    for way in WAYS:
        user, other = site.user(), site.user()
        token = site.token(user)
        streams = [site.subscribe(token=token) for _ in range(3)]
        bystander = site.subscribe(other)
        way(site, 'kick', user)
        for stream in streams:
            stream.parser.reconnection_time_ms = None
            stream.wait_end()
            expect.within(stream.parser.reconnection_time_ms or 0, *RETRY_MS, 'its own delay')
            expect.true(stream.ended_cleanly, 'an end, not a cut')
        _is_live(site, bystander)
        _is_live(site, site.subscribe(token=token))
        site.close_streams()


def who_is_kicked_misses_nothing(site):
    user = site.user()
    stream = site.subscribe(user)
    site.insert('before', user=user)
    expect.equal(stream.wait_event().data, 'before')
    _by_the_table(site, 'kick', user)
    stream.wait_end()
    site.insert('meanwhile', user=user)
    again = site.subscribe(user, last_event_id=stream.parser.last_event_id)
    expect.equal(again.wait_event().data, 'meanwhile')


def who_is_revoked_is_told_and_comes_back_with_a_later_token_only(site):
    for way in WAYS:
        user, now = site.user(), int(time.time())
        old, unknown, other = site.token(user, iat=now - 10), site.token(user), site.user()
        later = site.token(user, iat=now + 60)
        streams = [site.subscribe(token=token) for token in (old, unknown)]
        good, bystander = site.subscribe(token=later), site.subscribe(other)
        way(site, 'revoke', user)
        for stream in streams:
            event = stream.wait_event(type='rowcast.revoked')
            expect.equal(json.loads(event.data), {'reason': 'the token was revoked'})
            stream.wait_end()
        for token in (old, unknown):
            _refused(site, token)
            _refused(site, token, '/status')
            _refused(site, token, '/presence')
            expect.refusal(site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, 'x'), 401,
                           '/msg', 'token was revoked')
            expect.status(site.request('HEAD', '/events', token, EVENTS), 401)
        for stream in (good, bystander):
            _is_live(site, stream)
        site.publish(later, msg='x')
        site.close_streams()


def a_token_of_the_very_second_is_revoked_and_one_of_the_next_is_not(site):
    user = site.user()
    _by_the_table(site, 'revoke', user)
    until = int(site.sql(f"SELECT created_at FROM message WHERE user = '{user}';"))
    _refused(site, site.token(user, iat=until))
    _refused(site, site.token(user, iat=until + 0.99))
    site.subscribe(token=site.token(user, iat=until + 1))


def of_several_faults_it_is_the_last(site):
    user = site.user()
    _by_the_table(site, 'revoke', user)
    expect.refusal(site.no_stream(token=site.token(user, ttl=-10)), 401, 'expired', 'token is expired')
    with site.configured(jwt_audience='us', jwt_issuer='me'):
        expect.refusal(site.no_stream(token=site.token(user, iss='me')), 401, 'audience', 'token is for another audience')
        expect.refusal(site.no_stream(token=site.token(user, aud='us')), 401, 'issuer', 'token has another issuer')
        _refused(site, site.token(user, aud='us', iss='me'))


def a_revocation_outlives_a_restart_its_row_and_retention(site):
    user, kicked = site.user(), site.user()
    old = site.token(user, iat=int(time.time()))
    _by_a_command(site, 'revoke', user)
    _by_a_command(site, 'kick', kicked)
    site.restart_rowcast()
    _refused(site, old)
    stream = site.subscribe(kicked, last_event_id=0)
    site.sql('DELETE FROM message;')
    site.newest()  # in a copy, when the log has it: else it is retention that deletes
    site.restart_rowcast(keep_rows=1)
    _refused(site, old)
    _is_live(site, site.subscribe(kicked))
    stream.close()
    site.restart_rowcast()


def a_revocation_is_known_to_whoever_asks_after_its_commit(site):
    """No moment in which the token is still good."""
    for _ in range(30):
        user = site.user()
        token = site.token(user, iat=int(time.time()))
        expect.status(site.request('HEAD', '/events', token, EVENTS), 200)
        _by_the_table(site, 'revoke', user)
        _refused(site, token)


def another_process_on_the_file_obeys_too(site):
    user = site.user()
    token = site.token(user, iat=int(time.time()))
    stream = site.subscribe(token=token)
    # Whoever commits it has nothing to do with the one that serves.
    done = rowcast(site, 'revoke', '--user', user, '-o', f'store=sqlite:{site.db}', '-o', f'jwt_key_file={site.rowcast.key_file}',
                   '-c', '/dev/null')
    expect.equal(done.returncode, 0, done.stderr)
    stream.wait_event(type='rowcast.revoked')
    stream.wait_end()
    _refused(site, token)


def only_administrators_command_and_watch(site):
    user = site.user()
    everything = site.token(user, scope='rowcast:publish', topics=['*', 'row*', 'rowcast.*', 'rowcast.control'])
    stream = site.subscribe(user)
    for fields in ({'event': 'kick', 'user': user}, {'event': 'revoke', 'user': site.user()}, {}):
        answer = site.request('POST', '/msg', everything, {'Content-Type': 'application/json'},
                              json.dumps({'topic': 'rowcast.control', 'msg': '', **fields}))
        expect.refusal(answer, 403, str(fields), 'sending to a topic that begins with rowcast. needs a token with the scope rowcast:admin')
    for topic in ('rowcast.control', 'rowcast.status', 'rowcast.whatever'):
        expect.refusal(site.no_stream(token=everything, topics=[topic]), 403, topic,
                       f'the topic {topic} needs a token with the scope rowcast:admin')
    _is_live(site, stream)
    watcher = site.subscribe(token=_admin(site), topics=['rowcast.control'])
    site.insert('for the record', topic='rowcast.control', event='kick', user=None)
    expect.equal(watcher.wait_event(type='kick').data, 'for the record')
    _is_live(site, stream)


def a_command_is_used_as_others_are(site):
    for command in ('kick', 'revoke'):
        for arguments in ((), ('--user',), ('--user', 'a', '--user', 'b'), ('--user', 'a', 'b'), ('--all',)):
            expect_misuse(site, command, *arguments)
        expect_failure(rowcast(site, command, '--user', '', '-c', site.rowcast.conf), f'{command}: user is empty')
        expect_failure(rowcast(site, command, '--user', 'x' * 256, '-c', site.rowcast.conf), 'user')
        expect_failure(rowcast(site, command, '--user', 'a', '-c', '/no/such/file'), '/no/such/file')


def a_user_with_many_streams_is_gone_within_a_second_and_nobody_else_is_disturbed(site):
    user, other = site.user(), site.user()
    n = 1000
    with site.configured(max_streams_per_user=n):
        token = site.token(user, iat=int(time.time()))
        streams = [site.subscribe(token=token) for _ in range(n)]
        bystander = site.subscribe(other)
        began = time.monotonic()
        _by_the_table(site, 'revoke', user)
        _is_live(site, bystander)
        for stream in streams:
            stream.wait_block(where=lambda block: block.event and block.event.type == 'rowcast.revoked')
            stream.wait_end()
        took = time.monotonic() - began
        print(f'# {n} streams ended in {took:.3f} s', flush=True)
        _is_live(site, bystander)
        expect.true(not bystander.closed, 'it is still there')


def who_watches_gets_a_message_a_second_while_it_watches(site):
    watcher = site.subscribe(token=_admin(site), topics=['rowcast.status'])
    status = site.request('GET', '/status', _admin(site)).json()
    seconds = []
    for _ in range(3):
        event = watcher.wait_event(type='message')
        numbers = json.loads(event.data)
        expect.equal([name for name in status if name not in numbers], [], 'all that /status has')
        expect.equal(numbers['watchers'], 1)
        seconds.append(numbers['time'])
    expect.within(seconds[-1] - seconds[0], 2, 3 * site.slow, 'a message a second')
    other = site.subscribe(site.user())
    watcher.close()
    wait_until(lambda: site.sql("SELECT count(*) FROM message WHERE topic = 'rowcast.status'"
                                " AND created_at > strftime('%s', 'now') - 2;") == '0',
               'nothing more is written', 20 * site.slow)
    site.insert('for all')
    expect.only(other, 'for all')
