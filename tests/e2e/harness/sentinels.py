"""A primary, two replicas and three Sentinels, each Redis behind a link of its own
(link.py): several machines on this one."""

import contextlib
import os
import subprocess

from front import which
from link import Link
from redis import Connection, Redis, Refused, free_port
from waiting import wait_until

NAME = 'rowcast'
DOWN_AFTER_MS = 1000

# How often a Sentinel looks, in ms: so that a test need not wait for half a minute
# until what it has killed is taken in again. When a primary counts as down is not in it.
PACE = {'info-period': 200, 'ping-period': 100, 'ask-period': 200, 'publish-period': 200, 'slave-reconf-timeout': 1000,
        'min-link-reconnect-period': 200, 'tilt-period': 1000}


class Machine:
    """A Redis and the link to it."""

    def __init__(self, folder, **options):
        self.redis = Redis(folder, port=free_port(), **options)
        self.link = Link(free_port(), self.redis.port)
        self.redis.options['replica-announce-ip'] = '127.0.0.1'
        self.redis.options['replica-announce-port'] = self.link.port

    @property
    def port(self):
        """By which everybody knows it."""
        return self.link.port

    def start(self):
        self.redis.start()
        self.link.start()

    def kill(self):
        """What is under way goes with it: the link first, so that nothing that is
        written in the last moment gets out."""
        self.link.kill()
        self.redis.kill()


class Sentinels:
    """With `password`, Redis wants it of user `user` and of Sentinel and replicas too."""

    def __init__(self, folder, n_replicas=2, n_sentinels=3, **options):
        self.folder = folder
        self.machines = [Machine(os.path.join(folder, f'redis{i}'), **options) for i in range(n_replicas + 1)]
        self.n_sentinels = n_sentinels
        self.ports = []
        self.processes = []

    @property
    def upstream(self):
        return 'redis-sentinel://' + ','.join(f'127.0.0.1:{port}' for port in self.ports) + '/' + NAME

    def start(self):
        first, *others = self.machines
        for machine in others:
            machine.redis.options['replicaof'] = f'127.0.0.1 {first.port}'
        for machine in self.machines:
            machine.start()
        wait_until(lambda: self.n_in_sync() == len(others), 'the replicas follow', 30)
        for i in range(self.n_sentinels):
            self._start_sentinel(i, first.port)
        wait_until(self._agreed, 'the Sentinels know each other and the replicas', 30, 0.05)

    def _start_sentinel(self, i, port):
        folder = os.path.join(self.folder, f'sentinel{i}')
        os.makedirs(folder)
        self.ports.append(free_port())
        conf = os.path.join(folder, 'sentinel.conf')
        with open(conf, 'w') as f:
            f.write(f'port {self.ports[i]}\nbind 127.0.0.1\ndir {folder}\nlogfile {folder}/log\ndaemonize no\n'
                    f'sentinel monitor {NAME} 127.0.0.1 {port} {self.n_sentinels // 2 + 1}\n'
                    f'sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n'
                    f'sentinel failover-timeout {NAME} 1000\nsentinel parallel-syncs {NAME} 2\n')
        self.processes.append(subprocess.Popen([which('redis-sentinel'), conf], stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))

        def paced():
            if self.processes[i].poll() is not None:
                raise AssertionError(f'redis-sentinel ended at its start with status {self.processes[i].returncode}')
            with contextlib.suppress(OSError), contextlib.closing(Connection(('127.0.0.1', self.ports[i]))) as connection:
                connection.call('SENTINEL', 'DEBUG', *(word for pair in PACE.items() for word in pair))
                return True
        wait_until(paced, 'the Sentinel answers', 20)

    def _agreed(self):
        for port in self.ports:
            try:
                connection = Connection(('127.0.0.1', port))
            except OSError:
                return False
            try:
                told = connection.call('SENTINEL', 'MASTER', NAME)
                told = dict(zip(told[::2], told[1::2]))
                if (told['flags'], int(told['num-slaves']), int(told['num-other-sentinels'])) != \
                        ('master', len(self.machines) - 1, self.n_sentinels - 1):
                    return False
                if any('down' in (replica := dict(zip(r[::2], r[1::2])))['flags'] or replica['master-link-status'] != 'ok'
                       for r in connection.call('SENTINEL', 'REPLICAS', NAME)):
                    return False
            except (Refused, OSError, KeyError):
                return False
            finally:
                connection.close()
        return True

    def primary(self):
        """Whom Sentinel names; only if it also says so of itself."""
        for port in self.ports:
            with contextlib.suppress(OSError, Refused):
                connection = Connection(('127.0.0.1', port), timeout_s=2)
                try:
                    _, named = connection.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME) or (None, None)
                finally:
                    connection.close()
                for machine in self.machines:
                    if str(machine.port) == named and machine.redis.running():
                        probe = Connection(('127.0.0.1', machine.redis.port), timeout_s=1)
                        try:
                            if probe.call('ROLE')[0] == 'master':
                                return machine
                        finally:
                            probe.close()
        return None

    def wait_primary(self, other_than=None):
        return wait_until(lambda: (p := self.primary()) is not None and p is not other_than and p, 'there is a primary', 60, 0.02)

    def n_in_sync(self):
        """Replicas that follow their primary."""
        n = 0
        for machine in self.machines:
            with contextlib.suppress(OSError, Refused):
                role = machine.redis.call('ROLE') if machine.redis.running() else ['gone']
                n += role[0] == 'slave' and role[3] == 'connected'
        return n

    def wait_whole(self):
        """Until all are there again and every Sentinel says so: what is killed next
        has somebody to follow it."""
        wait_until(lambda: self.n_in_sync() == len(self.machines) - 1 and self._agreed(), 'all is well with Redis again', 60, 0.05)

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()
        for machine in self.machines:
            machine.kill()
