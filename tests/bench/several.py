"""The systems of the part `several`: machines that share a log in Redis. Each machine
is a rowcast with a web server of its own; all of them, and Redis, are on this one.

Redis runs with conf/redis.conf as it is shipped, other paths, ports and passwords,
and so for Nchan too, whose client knows no users."""

import http.client
import os
import re
import time

from systems import LIVE_USER, SOURCE, SYSTEMS, Nchan, Rowcast, Server, settled_pids, stop_session, takes_connections_at

import redissample  # systems knows where these two are
from front import Front

REPLICAS_S = 30   # until replicas have copied an empty Redis
READY_S = 15      # until a node follows the log
REDIS = [('redis-server', 'redis-server')]


class Redises:
    """A primary and its replicas."""

    def __init__(self, folder, n_replicas=0, more=()):
        self.servers = []
        try:
            for k in range(1 + n_replicas):
                self.servers.append(redissample.Redis(SOURCE, os.path.join(folder, f'redis{k}'), self.primary if k else None,
                                                      min(1, n_replicas), more=more))
                self.servers[-1].start()
            deadline = time.monotonic() + REPLICAS_S
            while n_replicas and (self.primary.n_replicas() < n_replicas or int(self.primary.info('replication').get(
                    'min_slaves_good_slaves', n_replicas)) < n_replicas):
                if time.monotonic() > deadline:
                    raise RuntimeError('the replicas do not come')
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise

    @property
    def primary(self):
        return self.servers[0]

    def processes(self):
        return [option for k, server in enumerate(self.servers) for option in
                ('--pid', f'{"replica" if k else "redis"}={server.process.pid}')]

    def stop(self):
        for server in reversed(self.servers):
            server.stop()


class Several(Rowcast):
    """n_nodes rowcasts; streams and publishers are spread over all of them, but where
    a work says from the first to the last."""

    needs = [*Rowcast.needs, *REDIS]
    n_nodes, n_replicas = 2, 0

    def __init__(self, **settings):
        super().__init__(**settings)
        self.redises, self.fronts = None, []

    def start(self, folder):
        self.folder = folder
        self.redises = Redises(folder, self.n_replicas)
        self.make_tokens(folder)
        for _ in range(self.n_nodes):
            self.add_node()

    def add_node(self):
        """One more machine, with an empty copy. Its rowcast takes connections; whether
        it has copied anything yet is another matter."""
        k = len(self.fronts)
        folder = os.path.join(self.folder, f'node{k}')
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        path = os.path.join(folder, 'rowcast.sock')
        front = Front('lighttpd', SOURCE, folder, path)
        self.fronts.append(front)
        front.start()
        command = self.serve_command(path, os.path.join(folder, 'rowcast.db'), upstream=self.redises.primary.url(),
                                     upstream_replicas=self.n_replicas, node=f'node{k}', **self.settings)
        self.began = time.monotonic()
        self.servers.append(Server('rowcast', command, folder, lambda: takes_connections_at(path)))
        deadline = time.monotonic() + READY_S
        while metric(front, 'rowcast_upstream_up') != 1:
            if time.monotonic() > deadline:
                raise RuntimeError('the node does not find its log')
            time.sleep(0.01)

    def stop(self):
        while self.fronts:
            front = self.fronts.pop()
            if front.process is not None:
                stop_session(front.process)
        while self.servers:
            self.servers.pop().stop()
        if self.redises is not None:
            self.redises.stop()

    def processes(self):
        options = [option for server in self.servers for option in ('--pid', f'rowcast={server.process.pid}')]
        for front in self.fronts:
            for pid in settled_pids(front.process.pid):
                options += ['--pid', f'lighttpd={pid}']
        return options + self.redises.processes()

    def options(self, mode, to_users):
        self.front = self.fronts[0]
        options = super().options(mode, to_users)
        at = [f'127.0.0.1:{front.port}' for front in self.fronts]
        if mode == 'load':      # everywhere at once; publishers begin with the last, streams with the first
            options += [word for address in at[1:] for word in ('--get', address)]
            options += [word for address in reversed(at) for word in ('--post', address)]
        elif mode == 'storm':   # from the first to the last
            options += ['--back', at[-1], '--post', at[0]]
        else:                   # in at the first, out at the last
            options[options.index('--get') + 1] = at[-1]
            options += ['--post', at[0]]
        if mode == 'xadd':
            options += self.redis_options()
        self.front = None
        return options

    def redis_options(self):
        return ['--redis', f'127.0.0.1:{self.redises.primary.port}',
                '--redis-login', f'rowcast:{redissample.password("rowcast")}', '--redis-key', 'rowcast']

    def live_options(self):
        """Streams of one user at the machine that others come back to."""
        return ['--get', f'127.0.0.1:{self.fronts[-1].port}', '--get-path', '/events',
                '--get-header', 'Authorization: Bearer {token}', '--tokens', self.live_tokens, '--to', LIVE_USER,
                *self.redis_options()]


def metric(front, name):
    """A figure of GET /metrics; None while there is none."""
    connection = http.client.HTTPConnection('127.0.0.1', front.port, timeout=5)
    try:
        connection.request('GET', '/metrics')
        answer = connection.getresponse()
        found = re.search(rf'(?m)^{name} (\S+)$', answer.read().decode())
        return float(found.group(1)) if answer.status == 200 and found else None
    except OSError:
        return None
    finally:
        connection.close()


class NchanWithRedis(Nchan):
    name, title = 'nchan-redis', 'Nchan with its Redis store'
    needs = [*Nchan.needs, *REDIS]
    store = 'nchan_redis_pass log;'

    def __init__(self):
        super().__init__()
        self.redises = None

    def start(self, folder):
        self.redises = Redises(folder, more=[('user default off', 'user default on nopass ~* &* +@all')])
        self.upstream = f'upstream log {{ nchan_redis_server redis://127.0.0.1:{self.redises.primary.port}/; }}'
        super().start(folder)

    def stop(self):
        super().stop()
        if self.redises is not None:
            self.redises.stop()

    def processes(self):
        return super().processes() + self.redises.processes()


def _several(name, title, n_nodes, n_replicas=0):
    SYSTEMS[name] = type(name, (Several,), {'name': name, 'title': title, 'n_nodes': n_nodes, 'n_replicas': n_replicas})


_several('log-1', 'rowcast with a log, 1 machine', 1)
_several('log-2', '2 machines', 2)
_several('log-4', '4 machines', 4)
_several('log-2r1', '2 machines, 1 replica', 2, 1)
_several('log-2r2', '2 machines, 2 replicas', 2, 2)
SYSTEMS[NchanWithRedis.name] = NchanWithRedis
