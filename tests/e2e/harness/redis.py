"""A Redis under test: redis-server in a folder of its own, and the few words of
its protocol that a test says to it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

from front import free_port, which
from waiting import wait_until

PROGRAMS = [('redis-server', 'redis-server'), ('redis-sentinel', 'redis-sentinel')]  # (program, Debian package)


class Refused(Exception):
    """What Redis answered as an error, such as WRONGPASS ..."""


class Connection:
    """One connection, one question at a time (RESP2)."""

    def __init__(self, address, timeout_s=30.0):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._socket.connect(address)
        self._file = self._socket.makefile('rb')

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self._socket.sendall(b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words))

    def receive(self):
        line = self._file.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('Redis hung up')
        kind, rest = line[:1], line[1:-2]
        if kind == b'-':
            raise Refused(rest.decode())
        if kind == b':':
            return int(rest)
        if kind == b'+':
            return rest.decode()
        if kind == b'$':
            n = int(rest)
            if n < 0:
                return None
            text = self._file.read(n + 2)
            if len(text) < n + 2:
                raise ConnectionError('Redis hung up in an answer')
            return text[:-2].decode(errors='replace')
        n = int(rest)
        return None if n < 0 else [self.receive() for _ in range(n)]

    def call(self, *words):
        self.send(*words)
        return self.receive()

    def close(self):
        self._file.close()
        self._socket.close()


class Redis:
    """redis-server on a unix socket, and on a port where it has one. Options are
    lines of redis.conf by their names; a list gives one several lines."""

    def __init__(self, folder, port=0, **options):
        self.folder = folder
        self.port = port
        self.socket_path = os.path.join(folder, 'redis.sock')
        self.log = os.path.join(folder, 'redis.log')
        self.conf = os.path.join(folder, 'redis.conf')
        self.process = None
        self.stopped = False
        # Durable as rowcast-upstream(7) has it; what a test wants otherwise, it says.
        self.options = {'appendonly': 'yes', 'maxmemory-policy': 'noeviction', 'save': '""',
                        'repl-diskless-sync-delay': 0, **options}  # a replica need not wait for a second one
        os.makedirs(folder, exist_ok=True)

    @property
    def upstream(self):
        """The value of rowcast's setting."""
        return 'unix:' + self.socket_path

    # ---- life ----

    def start(self):
        lines = [('port', self.port), ('bind', '127.0.0.1'), ('unixsocket', f'"{self.socket_path}"'),
                 ('dir', f'"{self.folder}"'), ('logfile', f'"{self.log}"'), ('daemonize', 'no')]
        for name, values in self.options.items():
            lines += [(name.replace('_', '-'), value) for value in (values if isinstance(values, list) else [values])]
        if not os.path.exists(self.conf):  # Redis itself writes into it where it is told to follow another
            with open(self.conf, 'w') as f:
                f.writelines(f'{name} {value}\n' for name, value in lines)
        self.stopped = False
        self.process = subprocess.Popen([which('redis-server'), self.conf], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(self._ready, 'Redis takes commands', 20)

    def _ready(self):
        if self.process.poll() is not None:
            with open(self.log) as f:
                raise AssertionError('redis-server ended at its start:\n' + f.read()[-2000:])
        with contextlib.suppress(OSError):
            connection = Connection(self.socket_path)
            try:
                connection.call('PING')
                return True
            except Refused as e:  # it wants a password: it is there all the same
                return str(e).startswith('NOAUTH')
            finally:
                connection.close()

    def running(self):
        return self.process is not None

    def kill(self):
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.socket_path)

    def stop(self):
        """As an admin does it: all is on the disk."""
        process, self.process = self.process, None
        process.terminate()
        process.wait(20)

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def away(self):
        """Killed for the length of a with block."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    # ---- what is said to it ----

    def connect(self):
        return Connection(self.socket_path)

    def call(self, *words):
        connection = self.connect()
        try:
            return connection.call(*words)
        finally:
            connection.close()

    def entries(self, key='rowcast'):
        """All of a stream: [(id, {field: value})]."""
        return [(id, dict(zip(fields[::2], fields[1::2]))) for id, fields in self.call('XRANGE', key, '-', '+')]

    def info(self, key='rowcast'):
        """XINFO STREAM as a dict."""
        answer = self.call('XINFO', 'STREAM', key)
        return dict(zip(answer[::2], answer[1::2]))

    def role(self):
        return self.call('ROLE')[0]

    def cpu_s(self):
        with open(f'/proc/{self.process.pid}/stat') as f:
            user, system = f.read().rpartition(')')[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')

    # ---- its data ----

    def put_aside(self):
        """Its data as they are now, to be put back later."""
        aside = os.path.join(self.folder, f'aside-{time.monotonic_ns()}.rdb')
        self.call('SAVE')
        shutil.copy(os.path.join(self.folder, 'dump.rdb'), aside)
        return aside

    def put_back(self, aside, leave_meanwhile=lambda: None):
        """The older data under it, as a restore from a backup: what came since is gone."""
        self.kill()
        shutil.rmtree(os.path.join(self.folder, 'appendonlydir'), ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, 'dump.rdb'))
        leave_meanwhile()
        # With appendonly Redis does not look at an RDB: it is read first, as Redis's
        # own handbook has it, and the append-only file is made from that.
        shutil.copy(aside, os.path.join(self.folder, 'dump.rdb'))
        appendonly, self.options['appendonly'] = self.options['appendonly'], 'no'
        with open(self.conf) as f:
            written = f.read()
        os.unlink(self.conf)
        with open(self.conf, 'w') as f:
            f.write(written.replace(f'appendonly {appendonly}\n', 'appendonly no\n'))
        self.start()
        self.options['appendonly'] = appendonly
        if appendonly == 'yes':
            self.call('CONFIG', 'SET', 'appendonly', 'yes')
            wait_until(lambda: 'aof_rewrite_in_progress:0' in (info := self.call('INFO', 'persistence'))
                       and 'aof_rewrite_scheduled:0' in info, 'the append-only file is written', 20)
            with open(self.conf, 'w') as f:
                f.write(written)


def id_of(native):
    """rowcast's id of Redis's own (milliseconds-sequence)."""
    ms, seq = map(int, native.split('-'))
    return (ms - 1577836800000) * 4096 + seq


def native_id(id):
    """And back."""
    return f'{id // 4096 + 1577836800000}-{id % 4096}'


def why_not(rowcast):
    """Why nothing of it can be tested, or None."""
    packages = [package for program, package in PROGRAMS if which(program) is None]
    if packages:
        return 'not installed: apt-get install ' + ' '.join(packages)
    version = subprocess.run([rowcast, '--version'], capture_output=True, text=True, timeout=30).stdout
    return None if 'with Redis' in version else 'rowcast was built without Redis'
