"""Redis and Sentinel, each run with its sample configuration out of conf/.

As with the web servers, what differs from production (paths, ports, addresses) is
replaced by exact strings; one that the file no longer has is an error."""

import contextlib
import os
import re
import signal
import subprocess

from front import free_port, which
from redis import Connection, Refused
from waiting import wait_until

MASTER = 'rowcast'


def password(user):
    """What stands in the tests for the sample's CHANGE-ME of a user."""
    return f'secret-of-{user}'


class _Server:
    """One process with a folder of its own, which holds its configuration, data
    and log; started anew it goes on with them."""

    program = name = ''
    asks = None    # the user who asks whether it is ready
    own_port = ''  # as the sample has it

    def __init__(self, source, folder, replacements=(), port=None):
        self.folder = folder
        self.process = None
        self.port = port or free_port()
        os.makedirs(folder, exist_ok=True)
        self.conf = os.path.join(folder, self.name)
        self.log = os.path.join(folder, 'log')
        with open(os.path.join(source, 'conf', self.name)) as f:
            text = f.read()
        for old, new in [(f'\nport {self.own_port}\n', f'\nport {self.port}\n'), ('dir /var/lib/redis', 'dir ' + folder),
                         *replacements]:
            if old not in text:
                raise AssertionError(f'{self.name} has no {old!r} to replace')
            text = text.replace(old, new)
        text = re.sub(r'(?m)^logfile .*$', 'logfile ' + self.log, text)
        text = re.sub(r'CHANGE-ME-(\w+)', lambda match: password(match.group(1)), text)
        with open(self.conf, 'w') as f:
            f.write(text)

    def start(self, timeout_s=20.0):
        with open(os.path.join(self.folder, 'output'), 'ab') as output:
            self.process = subprocess.Popen([which(self.program), self.conf], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, start_new_session=True)
        wait_until(self._ready, f'{self.program} answers', timeout_s)

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f'{self.program} ended at its start:\n{self.said()}')
        return self.ask(self.asks, 'PING') == 'PONG'

    def said(self):
        text = ''
        for path in (os.path.join(self.folder, 'output'), self.log):
            if os.path.exists(path):
                with open(path, errors='replace') as f:
                    text += f.read()
        return text

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, number=signal.SIGKILL):
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(20)

    def ask(self, user, *command):
        """The answer to one command as text, lines where it is an array; an error too, and
        NO ANSWER where none came: a Redis that starts refuses connections, one that becomes
        a replica cuts its clients off. user None: whoever comes without a password."""
        try:
            with contextlib.closing(Connection(('127.0.0.1', self.port))) as connection:
                if user:
                    connection.call('AUTH', user, password(user))
                return _text(connection.call(*command))
        except Refused as e:
            return str(e)
        except OSError as e:
            return f'NO ANSWER: {e}'


def _text(answer):
    if isinstance(answer, list):
        return '\n'.join(map(_text, answer))
    return '' if answer is None else str(answer)


class Redis(_Server):
    """primary: the Redis that it begins as a replica of; None: it is one itself.
    n_replicas: as min-replicas-to-write."""

    program, name, own_port = 'redis-server', 'redis.conf', '6379'
    asks = 'admin'

    def __init__(self, source, folder, primary=None, n_replicas=1, port=None, more=()):
        replacements = [('min-replicas-to-write 1', f'min-replicas-to-write {n_replicas}'), *more]
        if primary is not None:
            replacements.append(('#replicaof 10.0.0.1 6379', f'replicaof 127.0.0.1 {primary.port}'))
        super().__init__(source, folder, replacements, port)

    def info(self, section):
        return dict(line.split(':', 1) for line in self.ask('admin', 'INFO', section).splitlines() if ':' in line)

    def n_replicas(self):
        """Those that have copied everything and keep up."""
        return sum('state=online' in value for key, value in self.info('replication').items() if re.match(r'slave\d', key))

    def add(self, data):
        """One entry of the log, as rowcast's user: was it taken?"""
        return re.fullmatch(r'\d+-\d+', self.ask('rowcast', 'XADD', 'rowcast', '*', 'data', data)) is not None

    def url(self):
        return f'redis://rowcast:{password("rowcast")}@127.0.0.1:{self.port}'


class Sentinel(_Server):
    program, name, own_port = 'redis-sentinel', 'sentinel.conf', '26379'

    def __init__(self, source, folder, primary, port=None):
        super().__init__(source, folder, [(f'sentinel monitor {MASTER} 127.0.0.1 6379 2',
                                           f'sentinel monitor {MASTER} 127.0.0.1 {primary.port} 2')], port)

    def primary_port(self):
        """None: it names nobody, or does not answer."""
        named = re.fullmatch(r'127\.0\.0\.1\n(\d+)', self.ask(None, 'SENTINEL', 'get-master-addr-by-name', MASTER))
        return int(named.group(1)) if named else None

    def n_known(self, what):
        """`replicas` or `sentinels`, besides itself."""
        return self.ask('sentinel', 'SENTINEL', what, MASTER).split('\n').count('name')


def sentinel_url(sentinels):
    at = ','.join(f'127.0.0.1:{sentinel.port}' for sentinel in sentinels)
    return f'redis-sentinel://rowcast:{password("rowcast")}@{at}/{MASTER}'
