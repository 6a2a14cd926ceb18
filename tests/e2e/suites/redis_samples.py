"""What conf/redis.conf and conf/sentinel.conf promise: that Redis and Sentinel start
with them and find each other, that rowcast's user may do what rowcast does and nothing
else, and that nobody does anything without a password."""

import contextlib
import os
import shutil
import signal
import tempfile

import expect
import redis
import redissample
from harness import SOURCE
from waiting import wait_until

NEEDS = redis.why_not
FAILOVER_S = 60
# How often a Sentinel looks, in ms, so that it need not be waited for; with the sample's own
# pace it finds the replicas after 10 s. When a primary counts as down is as the sample has it.
PACE = ('info-period', '200', 'ask-period', '200', 'publish-period', '200')


@contextlib.contextmanager
def _running(site, n_replicas=0, n_sentinels=0):
    """(the Redises, the first the primary; the Sentinels), for the length of a with block."""
    folder = tempfile.mkdtemp(prefix='redis', dir=site.folder)
    servers, sentinels = [], []
    try:
        for i in range(1 + n_replicas):
            servers.append(redissample.Redis(SOURCE, os.path.join(folder, f'redis{i}'), servers[0] if servers else None,
                                             n_replicas=min(1, n_replicas)))
            servers[-1].start()
        wait_until(lambda: servers[0].n_replicas() == n_replicas, 'the replicas are there', FAILOVER_S)
        for i in range(n_sentinels):
            sentinels.append(redissample.Sentinel(SOURCE, os.path.join(folder, f'sentinel{i}'), servers[0]))
            sentinels[-1].start()
            expect.equal(sentinels[-1].ask('sentinel', 'SENTINEL', 'DEBUG', *PACE), 'OK')
        yield servers, sentinels
    finally:
        for server in sentinels + servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def nobody_does_anything_without_a_password(site):
    with _running(site) as ([server], _):
        for command in (('GET', 'x'), ('XADD', 'rowcast', '*', 'data', 'x'), ('CONFIG', 'GET', '*'), ('INFO',)):
            expect.true(server.ask(None, *command).startswith('NOAUTH'), command)


def the_user_of_rowcast_has_its_own_keys_and_no_power_over_the_server(site):
    with _running(site) as ([server], _):
        expect.true(server.add('hello'), 'an id')
        expect.equal(server.ask('rowcast', 'SET', '{rowcast}:x', '1'), 'OK')
        expect.equal(server.ask('rowcast', 'EVAL', "return #redis.call('xrange', KEYS[1], '-', '+')", '1', 'rowcast'), '1')
        for command in (('GET', 'other'), ('XADD', 'other', '*', 'data', 'x'), ('SET', 'rowcast2', 'x'), ('SET', 'rowcast:x', '1'),
                        ('EVAL', "return redis.call('get', KEYS[1])", '1', 'other'), ('CONFIG', 'GET', 'requirepass'),
                        ('FLUSHALL',), ('FLUSHDB',), ('KEYS', '*'), ('SCAN', '0'), ('SHUTDOWN',),
                        ('ACL', 'LIST'), ('SCRIPT', 'FLUSH'), ('FUNCTION', 'LIST'), ('REPLICAOF', 'NO', 'ONE'),
                        ('CLIENT', 'LIST'), ('MONITOR',), ('SUBSCRIBE', '__sentinel__:hello'), ('SAVE',), ('XGROUP', 'DESTROY', 'rowcast', 'x')):
            expect.true('NOPERM' in server.ask('rowcast', *command), f'{command}: {server.ask("rowcast", *command)}')
        expect.equal(server.ask('admin', 'XLEN', 'rowcast'), '1')


def the_manual_gives_that_user_the_same_rights(site):
    with open(os.path.join(SOURCE, 'conf', 'redis.conf')) as conf, open(os.path.join(SOURCE, 'conf', 'man', 'rowcast-upstream.7')) as manual:
        rights = next(line.split('>CHANGE-ME-rowcast ')[1] for line in conf if line.startswith('user rowcast '))
        told = next(line.split('>PASSWORD ')[1] for line in manual if 'ACL SETUSER rowcast ' in line)
    expect.equal(told, rights)


def a_full_redis_refuses_and_forgets_nothing(site):
    with _running(site) as ([server], _):
        first = server.ask('rowcast', 'XADD', 'rowcast', '*', 'data', 'kept')
        expect.equal(server.ask('admin', 'CONFIG', 'SET', 'maxmemory', '1'), 'OK')
        expect.true(server.ask('rowcast', 'XADD', 'rowcast', '*', 'data', 'x').startswith('OOM'), 'it says that it is full')
        expect.true(first in server.ask('admin', 'XRANGE', 'rowcast', '-', '+'), 'what it had is there')


def what_was_written_is_there_after_a_kill(site):
    with _running(site) as ([server], _):
        expect.true(server.add('kept'), 'an id')
        server.stop(signal.SIGKILL)
        server.start()
        expect.true('kept' in server.ask('admin', 'XRANGE', 'rowcast', '-', '+'), 'what it had is there')


def without_a_password_a_sentinel_says_where_the_primary_is_and_no_more(site):
    with _running(site, n_sentinels=1) as ([server], [sentinel]):
        expect.equal(sentinel.primary_port(), server.port)
        for command in (('SENTINEL', 'masters'), ('SENTINEL', 'FAILOVER', 'rowcast'), ('SENTINEL', 'REMOVE', 'rowcast'),
                        ('SENTINEL', 'MONITOR', 'other', '127.0.0.1', '1', '1'), ('SENTINEL', 'SET', 'rowcast', 'quorum', '1'),
                        ('SENTINEL', 'RESET', '*'), ('SENTINEL', 'CONFIG', 'GET', '*'), ('INFO',), ('SHUTDOWN',)):
            expect.true('NOPERM' in sentinel.ask(None, *command), f'{command}: {sentinel.ask(None, *command)}')


def a_replica_takes_over_from_a_primary_that_was_killed(site):
    with _running(site, n_replicas=2, n_sentinels=3) as (servers, sentinels):
        for sentinel in sentinels:
            wait_until(lambda: sentinel.n_known('replicas') == 2 and sentinel.n_known('sentinels') == 2,
                       'the sentinel knows all', FAILOVER_S)
        wait_until(lambda: servers[0].add('before'), 'a write', FAILOVER_S)
        wait_until(lambda: all(server.ask('admin', 'XLEN', 'rowcast') == '1' for server in servers), 'the replicas have it', FAILOVER_S)
        servers[0].stop(signal.SIGKILL)

        def agreed():
            named = {sentinel.primary_port() for sentinel in sentinels}
            return next((server for server in servers[1:] if named == {server.port}), None)
        now = wait_until(agreed, 'the sentinels agree on another', FAILOVER_S)
        wait_until(lambda: now.add('after'), 'it takes writes', FAILOVER_S)
        expect.true('before' in now.ask('admin', 'XRANGE', 'rowcast', '-', '+'), 'what it had is there')
        servers[0].start()   # it comes back as a replica, without a word from anybody
        wait_until(lambda: servers[0].ask('admin', 'ROLE').startswith('slave') and now.n_replicas() == 2, 'it follows', FAILOVER_S)


def a_primary_that_sees_no_replica_takes_nothing(site):
    with _running(site, n_replicas=1) as (servers, _):
        wait_until(lambda: servers[0].add('x'), 'a write', FAILOVER_S)
        servers[1].stop()
        wait_until(lambda: servers[0].ask('rowcast', 'XADD', 'rowcast', '*', 'data', 'x').startswith('NOREPLICAS'), 'it refuses', FAILOVER_S)
