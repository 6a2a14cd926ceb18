"""/metrics: every family from the start, each thing that happens counted once, in its
place, and nobody's name in it. Behind one web server only."""

import contextlib
import os
import resource
import sqlite3
import subprocess
import time

import expect
import fcgi
from exposition import Exposition
from fcgi import Peer
from front import which
from shell import rowcast
from tap import own_table_only
from waiting import wait_until

EVENTS = {'Accept': 'text/event-stream'}

CODES = ('200', '201', '204', '304', '400', '401', '403', '404', '405', '408', '409', '413', '415', '429', '503')
PATHS = ('/events', '/msg', '/healthz', '/metrics', '/status', '/presence', 'other')

# name: type, labels and their values; as those who watch rely on them
FAMILIES = {
    'rowcast_build_info': ('gauge', {'version': None}),
    'process_start_time_seconds': ('gauge', {}),
    'rowcast_streams': ('gauge', {}),
    'rowcast_users': ('gauge', {}),
    'rowcast_streams_behind': ('gauge', {}),
    'rowcast_limit': ('gauge', {'name': ('max_streams', 'max_streams_per_user', 'descriptors', 'keep_rows')}),
    'rowcast_streams_opened_total': ('counter', {}),
    'rowcast_deliveries_total': ('counter', {}),
    'rowcast_stream_closes_total': ('counter', {'reason': ('client', 'expired', 'drain', 'kicked', 'revoked', 'ended', 'write', 'store')}),
    'rowcast_streams_refused_total': ('counter', {'reason': ('max_streams', 'max_streams_per_user', 'descriptors')}),
    'rowcast_requests_total': ('counter', {'path': PATHS, 'code': CODES}),
    'rowcast_auth_failures_total': ('counter', {'reason': ('missing', 'invalid', 'expired', 'not_yet', 'user', 'audience',
                                                           'issuer', 'revoked', 'scope', 'topic', 'origin')}),
    'rowcast_messages_total': ('counter', {'way': ('http', 'table', 'upstream')}),
    'rowcast_replayed_messages_total': ('counter', {}),
    'rowcast_gaps_total': ('counter', {'reason': ('expired', 'ahead', 'invalid')}),
    'rowcast_commit_duration_seconds': ('histogram', {}),
    'rowcast_delivery_lag_seconds': ('histogram', {}),
    'rowcast_commit_failures_total': ('counter', {'reason': ('busy', 'full', 'replaced', 'refused', 'error')}),
    'rowcast_store_bytes': ('gauge', {'file': ('db', 'wal')}),
    'rowcast_oldest_age_seconds': ('gauge', {}),
    'rowcast_oldest_id': ('gauge', {}),
    'rowcast_newest_id': ('gauge', {}),
    'rowcast_sent_id': ('gauge', {}),
    'rowcast_trimmed_messages_total': ('counter', {}),
    'rowcast_publish_queue_messages': ('gauge', {}),
    'rowcast_reloads_total': ('counter', {'result': ('ok', 'failed')}),
}
SHARED = {
    'rowcast_upstream_up': ('gauge', {}),
    'rowcast_nodes': ('gauge', {}),
    'rowcast_outbox_messages': ('gauge', {}),
    'rowcast_upstream_lag_seconds': ('gauge', {}),
    'rowcast_upstream_refused_entries_total': ('counter', {}),
}


def _told(site):
    answer = site.request('GET', '/metrics')
    expect.status(answer, 200)
    return Exposition(answer.text)


def _risen(site, family, expected, act):
    """act() raises these numbers of the family, by so much, and no others of it."""
    before = _told(site)
    result = act()
    found = {}

    def risen():
        found.clear()
        found.update(_told(site).since(before, family))
        return found == expected
    try:
        wait_until(risen, '', 10 * site.slow)
    except AssertionError:
        raise AssertionError(f'{family}: expected {expected} to rise, got {found}') from None
    return result


def _version(site):
    done = subprocess.run([site.rowcast.program, '--version'], capture_output=True, text=True)
    return done.stdout.split()[1]


def _until(site, name, value):
    """Until that is told: what is counted just after it has happened."""
    wait_until(lambda: _told(site)(name) == value, f'{name} is {value}', 10 * site.slow)


# ---- all of it ----

def every_family_is_told_from_the_start_with_each_value_of_its_labels_at_0(site):
    with site.configured():
        told = _told(site)
    families = {**FAMILIES, **(SHARED if site.upstream else {})}
    expect.equal(told.families, {name: type for name, (type, _) in families.items()}, 'families and types')
    for name, (type, labels) in families.items():
        expect.true(f'# HELP {name} ' in told.text, f'{name} has no help')
        if type == 'histogram':
            expect.equal((told.samples[name + '_count', ()], told.samples[name + '_sum', ()]), (0, 0), name)
            continue
        combinations = [()]
        for label, values in labels.items():
            combinations = [c + ((label, v),) for c in combinations for v in (values or (_version(site),))]
        there = {pairs: number for (n, pairs), number in told.samples.items() if n == name}
        expect.equal(sorted(there), sorted(combinations), name)
        # What has asked whether rowcast is there has been answered.
        if type == 'counter' and name != 'rowcast_requests_total':
            expect.equal(set(there.values()), {0.0}, name)
        if name == 'rowcast_requests_total':
            expect.equal({path for ((_, path), _), n in there.items() if n > 0} - {'/healthz', '/metrics'}, set(), name)


def promtool_finds_nothing_to_complain_of(site):
    user = site.user()
    site.publish(site.token(user), msg='something to count')
    site.subscribe(user).close()
    done = subprocess.run([which('promtool'), 'check', 'metrics'], input=_told(site).text, capture_output=True, text=True, timeout=60)
    expect.equal((done.returncode, done.stdout, done.stderr), (0, '', ''), 'promtool check metrics')


def it_is_text_as_prometheus_asks_for_it_and_head_is_answered_too(site):
    answer = site.request('GET', '/metrics')
    expect.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    expect.true(answer.text.endswith('\n'), 'the last line has its end')
    answer = site.request('HEAD', '/metrics')
    expect.equal((answer.status, answer.body), (200, b''), 'HEAD')


def nobody_is_named(site):
    """Whoever may ask for it learns numbers, and no user, topic, key or id: a label has but
    the values that are known beforehand."""
    name = 'zaphod-beeblebrox'
    token = site.token(name, scope='rowcast:publish', topics=[name])
    stream = site.subscribe(token=token, topics=[name])
    site.publish(token, user=name, topic=name, key=name, msg=name)
    stream.wait_event()
    with contextlib.suppress(AssertionError):
        site.stream(token=token, last_event_id=name).wait_event(type='rowcast.gap')
    site.request('GET', '/' + name)
    told = _told(site)
    expect.true(name not in told.text, 'a name is told')
    known = {v for _, labels in {**FAMILIES, **SHARED}.values() for values in labels.values() for v in values or ()}
    for (n, pairs), _ in told.samples.items():
        for label, value in pairs:
            expect.true(value in known or label in ('le', 'version'), f'{n}: {label}="{value}"')


# ---- streams ----

def _alone(site):
    """Until the streams of the tests before are gone."""
    _until(site, 'streams', 0)


def a_stream_is_opened_and_closed_once(site):
    _alone(site)
    user = site.user()
    before = _told(site)
    stream = site.subscribe(user)
    wait_until(lambda: _told(site)('streams') == before('streams') + 1, 'it is open', 10 * site.slow)
    told = _told(site)
    expect.equal(told.since(before, 'requests_total')[('/events', '200')], 1, 'its head')
    expect.equal(told('streams_opened_total') - before('streams_opened_total'), 1)
    _risen(site, 'stream_closes_total', {'client': 1}, stream.close)
    _until(site, 'streams', before('streams'))
    told = _told(site)
    expect.equal(told('streams_opened_total') - before('streams_opened_total'), 1, 'it did not open again')
    expect.equal(sum(told.of('stream_closes_total').values()) + told('streams'), told('streams_opened_total'), 'each that opened')


def users_are_told_apart_from_streams(site):
    _alone(site)
    user = site.user()
    for _ in range(3):
        site.subscribe(user)
    site.subscribe(site.user())
    _until(site, 'streams', 4)
    expect.equal(_told(site)('users'), 2)


def why_streams_end_is_counted(site):
    _alone(site)
    user, other = site.user(), site.user()
    _risen(site, 'stream_closes_total', {'kicked': 2}, lambda: (
        [site.subscribe(user) for _ in range(2)], site.insert('', user=user, topic='rowcast.control', event='kick')))
    _risen(site, 'stream_closes_total', {'revoked': 1}, lambda: (
        site.subscribe(token=site.token(other, iat=1)), site.insert('', user=other, topic='rowcast.control', event='revoke')))
    _risen(site, 'stream_closes_total', {'expired': 1}, lambda: site.subscribe(site.user(), token=site.token(site.user(), ttl=2)).wait_end(20 * site.slow))


def who_is_behind_is_counted_while_that_lasts(site):
    """A reader that takes nothing: straight on the socket, since a web server reads."""
    _until(site, 'streams_behind', 0)
    user = site.user()
    peer = Peer(site, fcgi.request('GET', '/events', site.token(user)))
    wait_until(lambda: _told(site)('users') >= 1, 'it is open', 10 * site.slow)
    for _ in range(20):
        site.insert('x' * 100000, user)
    _until(site, 'streams_behind', 1)
    peer.close()
    _until(site, 'streams_behind', 0)


def refusals_are_counted_by_the_limit(site):
    with site.configured(max_streams=1):
        site.subscribe(site.user())
        _risen(site, 'streams_refused_total', {'max_streams': 2}, lambda: (
            site.stream(site.user()).wait_end(), site.no_stream(site.user(), headers={'Accept': '*/*'})))
    with site.configured(max_streams_per_user=1):
        user = site.user()
        site.subscribe(user)
        _risen(site, 'streams_refused_total', {'max_streams_per_user': 2}, lambda: (
            site.stream(user).wait_end(), site.no_stream(user, headers={'Accept': '*/*'})))


def where_descriptors_run_out_that_is_counted(site):
    site.rowcast.max_descriptors = 600
    try:
        with site.configured(max_streams=10000):
            site.rowcast.max_descriptors = None  # of the next one
            expect.equal(_told(site)('limit', name='descriptors'), 600)
            before = _told(site)
            for _ in range(400):
                stream = site.stream(site.user())
                stream.wait_block()
                if _told(site).since(before, 'streams_refused_total'):
                    break
            expect.equal(_told(site).since(before, 'streams_refused_total'), {'descriptors': 1})
    finally:
        site.rowcast.max_descriptors = None


# ---- requests ----

def answers_are_counted_by_path_and_code(site):
    user = site.user()
    token, admin = site.token(user), site.token(user, scope='rowcast:admin')
    ndjson = {'Content-Type': 'application/x-ndjson'}
    for path, code, ask in (
            ('/msg', '201', lambda: site.request('POST', '/app/msg', token, body=b'msg=x&key=' + user.encode(),
                                                 headers={'Content-Type': 'application/x-www-form-urlencoded'})),
            ('/msg', '200', lambda: site.request('POST', '/msg', token, body=b'msg=x&key=' + user.encode(),
                                                 headers={'Content-Type': 'application/x-www-form-urlencoded'})),
            ('/msg', '400', lambda: site.request('POST', '/msg', token, ndjson, b'nonsense\n')),
            ('/msg', '401', lambda: site.request('POST', '/msg', 'x.y.z', {}, b'x')),
            ('/msg', '403', lambda: site.request('POST', '/msg?all=1', token, {'Content-Type': 'text/plain'}, b'x')),
            ('/msg', '405', lambda: site.request('PUT', '/msg', token, {}, b'x')),
            ('/msg', '413', lambda: site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, b'x' * 100000)),
            ('/msg', '415', lambda: site.request('POST', '/msg', token, {'Content-Type': 'image/png'}, b'x')),
            ('/events', '200', lambda: site.request('HEAD', '/events', token)),
            ('/events', '400', lambda: site.request('GET', '/events?nonsense=1', token)),
            ('/healthz', '200', lambda: site.request('GET', '/healthz')),
            ('/status', '200', lambda: site.request('GET', '/status', admin)),
            ('/status', '403', lambda: site.request('GET', '/status', token)),
            ('/presence', '200', lambda: site.request('GET', '/presence', admin)),
            ('/presence', '200', lambda: site.request('GET', f'/presence?user={user}&detail=1', admin)),
            ('/presence', '400', lambda: site.request('GET', '/presence', None))):
        before = _told(site)
        answer = ask()
        expect.equal(answer.status, int(code), f'{path}: {answer.text[:200]}')
        # The first scrape counts in the second.
        expect.equal(_told(site).since(before, 'requests_total'), {(path, code): 1, ('/metrics', '200'): 1}, f'{path} {code}')


def what_is_no_path_of_ours_is_other(site):
    """The web server passes on nothing else, so it is asked as a web server asks."""
    def ask():
        peer = Peer(site, fcgi.request('GET', '/wp-login.php'))
        expect.status(peer.answer(), 404)
        peer.close()
    before = _told(site)
    ask()
    expect.equal(_told(site).since(before, 'requests_total'), {('other', '404'): 1, ('/metrics', '200'): 1})


# ---- who may ----

def each_reason_to_deny_is_counted_once(site):
    now = int(time.time())
    with site.configured(jwt_issuer='me', jwt_audience='us'):
        user, revoked = site.user(), site.user()

        def token(**claims):
            return site.token(user, **{'iss': 'me', 'aud': 'us', **claims})
        site.insert('', user=revoked, topic='rowcast.control', event='revoke')
        for reason, status, ask in (
                ('missing', 400, lambda: site.request('GET', '/events')),
                ('missing', 400, lambda: site.request('POST', '/msg', body=b'x')),
                ('invalid', 401, lambda: site.request('GET', '/events', token(secret=b'another secret that is long enough'))),
                ('expired', 401, lambda: site.request('GET', '/events', token(exp=now - 10))),
                ('expired', 200, lambda: site.request('GET', '/events', token(exp=now - 10), EVENTS)),  # rowcast.expired
                ('not_yet', 401, lambda: site.request('GET', '/events', token(nbf=now + 1000))),
                ('user', 401, lambda: site.request('GET', '/events', token(sub=None))),
                ('audience', 401, lambda: site.request('GET', '/events', token(aud='them'))),
                ('issuer', 401, lambda: site.request('GET', '/events', token(iss='you'))),
                ('revoked', 401, lambda: site.request('GET', '/events', token(sub=revoked, iat=now - 10))),
                ('scope', 403, lambda: site.request('GET', '/status', token())),
                ('scope', 403, lambda: site.request('GET', '/presence', token())),
                ('scope', 403, lambda: site.request('POST', '/msg?all=1', token(), {'Content-Type': 'text/plain'}, b'x')),
                ('scope', 403, lambda: site.request('GET', '/events?topic=rowcast.status', token())),
                ('topic', 403, lambda: site.request('GET', '/events?topic=prices', token())),
                ('origin', 403, lambda: site.request('POST', '/msg', None, {
                    'Cookie': 'rowcast_token=' + token(), 'Origin': 'http://evil.example', 'Sec-Fetch-Site': 'cross-site',
                    'Content-Type': 'text/plain'}, b'x'))):
            answer = _risen(site, 'auth_failures_total', {reason: 1}, ask)
            expect.equal(answer.status, status, f'{reason}: {answer.text[:200]}')


# ---- messages ----

def each_message_is_counted_once_by_the_way_it_came(site):
    user = site.user()
    token = site.token(user)
    ndjson = {'Content-Type': 'application/x-ndjson'}
    _risen(site, 'messages_total', {'http': 1}, lambda: site.publish(token, msg='one'))
    _risen(site, 'messages_total', {'http': 3}, lambda: expect.status(
        site.request('POST', '/msg', token, ndjson, b'{"msg":"a","key":"%b"}\n{"msg":"b"}\n{"msg":"c"}\n' % user.encode()), 201))
    # Of these, only the second is new.
    _risen(site, 'messages_total', {'http': 1}, lambda: expect.status(
        site.request('POST', '/msg', token, ndjson, b'{"msg":"a","key":"%b"}\n{"msg":"d"}\n' % user.encode()), 201))
    _risen(site, 'messages_total', {'table': 1}, lambda: site.insert('by another program', user))
    # Where there is a log the command brings it there by itself: on no machine is it an INSERT.
    way = 'upstream' if site.upstream else 'table'
    _risen(site, 'messages_total', {way: 2}, lambda: expect.equal(
        rowcast(site, 'publish', '--user', user, '-c', site.rowcast.conf, input='one\ntwo\n').returncode, 0))


def messages_of_both_ways_at_once_are_told_apart(site):
    """While rows of other programs come between those of /msg, and are read before their
    publisher knows their ids."""
    user = site.user()
    token = site.token(user)
    other = sqlite3.connect(site.db, isolation_level=None, timeout=20)

    def publish():
        connection = site.connect()
        for i in range(60):
            expect.status(site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, b'http', connection), 201)
            other.execute("INSERT INTO message(user, data) VALUES(?, 'table'), (?, 'table')", (user, user))
        connection.close()
    try:
        _risen(site, 'messages_total', {'http': 60, 'table': 120}, publish)
    finally:
        other.close()


def replays_are_counted_and_are_deliveries_without_a_lag(site):
    user = site.user()
    ids = [site.insert(f'row {i}', user) for i in range(20)]
    _until(site, 'sent_id', _told(site)('newest_id'))
    before = _told(site)
    with site.subscribe(user, last_event_id=ids[0] - 1) as stream:
        stream.wait_events(20)
    wait_until(lambda: _told(site)('deliveries_total') == before('deliveries_total') + 20, 'they are delivered', 10 * site.slow)
    told = _told(site)
    expect.equal(told('replayed_messages_total') - before('replayed_messages_total'), 20)
    expect.equal(told('delivery_lag_seconds_count'), before('delivery_lag_seconds_count'))


def live_deliveries_have_a_lag_and_are_no_replay(site):
    user = site.user()
    streams = [site.subscribe(user) for _ in range(3)]
    before = _told(site)
    for _ in range(4):
        site.insert('live', user)
    for stream in streams:
        stream.wait_events(4)
    wait_until(lambda: _told(site)('delivery_lag_seconds_count') == before('delivery_lag_seconds_count') + 12, 'they are counted', 10 * site.slow)
    told = _told(site)
    expect.equal(told('deliveries_total') - before('deliveries_total'), 12)
    expect.equal(told('replayed_messages_total'), before('replayed_messages_total'))
    expect.within(told('delivery_lag_seconds_sum') - before('delivery_lag_seconds_sum'), 0.00001, 60 * site.slow, 'seconds')
    expect.equal(told('delivery_lag_seconds_bucket', le='+Inf'), told('delivery_lag_seconds_count'))


def gaps_are_counted_by_the_reason(site):
    user = site.user()
    # A table of its own: retention would begin with what the tests before have left.
    with site.store_in(site.new_folder('gaps-counted'), keep_rows=5):
        first = site.insert('the first', user)
        for i in range(200):
            site.insert(f'row {i}', user)
        wait_until(lambda: _told(site)('oldest_id') > first + 1, 'retention has been at work', 30 * site.slow, 0.02)
        _risen(site, 'gaps_total', {'expired': 1}, lambda: site.stream(user, last_event_id=first).wait_event(type='rowcast.gap'))
        expect.true(_told(site)('trimmed_messages_total') > 0, 'rows were trimmed')
    newest = site.newest()
    _risen(site, 'gaps_total', {'ahead': 1}, lambda: site.stream(user, last_event_id=newest + 1000000).wait_event(type='rowcast.gap'))
    _risen(site, 'gaps_total', {'invalid': 1}, lambda: site.stream(user, last_event_id='nonsense').wait_event(type='rowcast.gap'))


# ---- the store ----

def how_large_and_how_old_the_store_is(site):
    user = site.user()
    id = site.insert('x' * 500000, user)
    _until(site, 'newest_id', id)
    _until(site, 'sent_id', id)
    told = _told(site)
    expect.true(told('store_bytes', file='db') >= 4096, 'the file')
    expect.equal(told('store_bytes', file='db'), os.path.getsize(site.db))
    expect.true(told('store_bytes', file='wal') > 0, 'what is not in it yet')
    table = 'rowcast_copy' if site.is_copy else 'message'
    oldest, created_at = map(int, site.sql(f'SELECT id, created_at FROM {table} ORDER BY id LIMIT 1').split('|'))
    expect.equal(told('oldest_id'), oldest)
    wait_until(lambda: abs(time.time() - created_at - _told(site)('oldest_age_seconds')) < 5, 'its age', 10 * site.slow)
    expect.equal(told('publish_queue_messages'), 0)


def commits_are_timed(site):
    token = site.token(site.user())
    before = _told(site)
    for _ in range(3):
        site.publish(token, msg='x')
    told = _told(site)
    expect.equal(told('commit_duration_seconds_count') - before('commit_duration_seconds_count'), 3)
    expect.within(told('commit_duration_seconds_sum') - before('commit_duration_seconds_sum'), 0.00001, 60 * site.slow, 'seconds')


def _post(site, token, text):
    return site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, text)


@own_table_only('/msg does not depend on the file')
def a_table_that_is_locked_or_refuses_is_a_failure_of_its_kind(site):
    token = site.token(site.user())
    other = sqlite3.connect(site.db, isolation_level=None, timeout=20)
    other.execute('BEGIN IMMEDIATE')
    answer = _risen(site, 'commit_failures_total', {'busy': 1}, lambda: _post(site, token, b'locked out'))
    expect.status(answer, 503)
    other.execute('ROLLBACK')
    site.wait_healthy()
    other.execute("CREATE TRIGGER refuses BEFORE INSERT ON message WHEN NEW.data = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END")
    answer = _risen(site, 'commit_failures_total', {'refused': 1}, lambda: _post(site, token, b'bad'))
    expect.status(answer, 400)
    other.execute('DROP TRIGGER refuses')
    other.close()
    expect.equal(_told(site).since(_told(site), 'commit_failures_total'), {})


@own_table_only('/msg does not depend on the file')
def a_file_that_may_not_grow_is_an_error(site):
    token = site.token(site.user())
    pid = site.rowcast.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (os.path.getsize(site.db + '-wal') + 1, hard))
    try:
        expect.status(_risen(site, 'commit_failures_total', {'error': 1}, lambda: _post(site, token, b'x' * 60000)), 503)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    site.wait_healthy()


@own_table_only('/msg does not depend on the file')
def a_full_disk_is_a_failure_of_its_kind(site):
    folder = site.new_folder('metrics-small')
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'rowcast-e2e', folder], capture_output=True)
    if done.returncode != 0:
        return  # only root may, and not everywhere
    try:
        with site.store_in(folder):
            token = site.token(site.user())
            with contextlib.suppress(OSError), open(os.path.join(folder, 'ballast'), 'wb', buffering=0) as f:
                while True:
                    f.write(bytes(4096))
            before = _told(site)
            n_failed = sum(_post(site, token, b'x' * 60000).status == 503 for _ in range(40))
            expect.true(n_failed > 0, 'all of it was stored')
            expect.equal(_told(site).since(before, 'commit_failures_total'), {'full': n_failed})
            os.unlink(os.path.join(folder, 'ballast'))
            site.wait_healthy()
    finally:
        subprocess.run(['umount', '-l', folder], check=True)


# ---- the configuration ----

def limits_and_reloads_are_told(site):
    told = _told(site)
    expect.equal(told('limit', name='max_streams'), 10000)
    expect.equal(told('limit', name='max_streams_per_user'), 16)
    expect.equal(told('limit', name='keep_rows'), 1000000)
    _risen(site, 'reloads_total', {'ok': 1}, lambda: site.reload(max_streams=77, max_streams_per_user=7, keep_rows=7000))
    told = _told(site)
    expect.equal((told('limit', name='max_streams'), told('limit', name='max_streams_per_user'), told('limit', name='keep_rows')),
                 (77, 7, 7000))

    def fail():
        site.rowcast.configure(site.complete({'max_streams': 'many'}))
        log = len(site.rowcast.log_bytes())
        site.rowcast.send_signal(1)
        wait_until(lambda: 'nothing was reloaded' in site.rowcast.log_since(log), 'it is refused', 10 * site.slow)
    _risen(site, 'reloads_total', {'failed': 1}, fail)
    expect.equal(_told(site)('limit', name='max_streams'), 77, 'what was before stays in force')
    site.reload()


def when_it_was_started_is_told(site):
    before = time.time()
    with site.configured():
        expect.within(_told(site)('process_start_time_seconds'), before - 1, time.time() + 1, 'Unix seconds')


# ---- several machines ----

def the_log_is_told_of_where_there_is_one(site):
    if site.upstream is None:
        expect.true('upstream_' not in _told(site).text and 'rowcast_nodes' not in _told(site).text, 'and only there')
        return
    key, user = site.upstream_key, site.user()
    wait_until(lambda: _told(site)('nodes') == 1, 'this machine is alive', 20 * site.slow)
    expect.equal(_told(site)('upstream_up'), 1)
    expect.within(_told(site)('upstream_lag_seconds'), 0, 5 * site.slow, 'seconds behind')
    site.wait_followed()
    _risen(site, 'messages_total', {'upstream': 1}, lambda: site.upstream.call('XADD', key, '*', 'data', 'of another machine'))
    _risen(site, 'upstream_refused_entries_total', {(): 1}, lambda: site.upstream.call('XADD', key, '*', 'nonsense', 'no message'))
    with site.upstream.away():
        _until(site, 'upstream_up', 0)
        site.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'waits')")
        _until(site, 'outbox_messages', 1)
        wait_until(lambda: _told(site)('upstream_lag_seconds') > 0.5, 'the lag grows', 20 * site.slow)
    _until(site, 'upstream_up', 1)
    _until(site, 'outbox_messages', 0)


def a_log_without_room_is_a_failure_of_its_kind(site):
    if site.upstream is None:
        return  # there is none
    token = site.token(site.user())
    site.upstream.call('CONFIG', 'SET', 'maxmemory', '1')
    try:
        expect.status(_risen(site, 'commit_failures_total', {'full': 1}, lambda: _post(site, token, b'no room')), 503)
    finally:
        site.upstream.call('CONFIG', 'SET', 'maxmemory', '0')
    expect.status(_post(site, token, b'room'), 201)
