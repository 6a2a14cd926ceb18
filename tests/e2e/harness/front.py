"""The web servers, each run with its sample configuration out of conf/.

What differs from production (paths, the port) is replaced by exact strings; one
that the file no longer has is an error, so that tests and sample stay one."""

import contextlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess

from waiting import is_listening, wait_until

# (program, Debian package)
PROGRAMS = {
    'lighttpd': ('lighttpd', 'lighttpd'),
    'apache': ('apache2', 'apache2-bin'),
    'nginx': ('nginx', 'nginx'),
}


def which(program):
    """Web servers live where only root's PATH may look."""
    return shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def free_port():
    """Below those that the kernel gives to whoever connects (32768 and up): one
    of these could be taken by a client while its web server is restarted."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(('127.0.0.1', port))
            except OSError:
                continue  # taken
            return port


class Front:
    """One web server in front of the FastCGI socket `backend`; lighttpd can
    have a second one, and then sends requests to either."""

    def __init__(self, server, source, folder, backend, second=None):
        self.server = server
        self.folder = folder
        self.backend, self.second = backend, second
        self.log = os.path.join(folder, 'logs')
        self.process = None
        self.port = None
        self._errors_at_start = 0
        share = os.path.join(folder, 'share')
        os.mkdir(share)
        shutil.copytree(os.path.join(source, 'public'), os.path.join(share, 'public'))
        for name in ('away.sse', 'away.asis'):
            shutil.copy(os.path.join(source, 'conf', name), share)
        for name in ('logs', 'run', 'spool'):
            os.mkdir(os.path.join(folder, name))
            if os.geteuid() == 0:  # the server gives up root and becomes this one
                os.chown(os.path.join(folder, name), pwd.getpwnam('www-data').pw_uid, -1)
        for parent, folders, files in os.walk(share):  # a source may be read-only or private
            for name in folders:
                os.chmod(os.path.join(parent, name), 0o755)
            for name in files:
                os.chmod(os.path.join(parent, name), 0o644)
        self.template = os.path.join(source, 'conf', server + '.conf')
        self.conf = os.path.join(folder, server + '.conf')
        self.replacements = {
            '/run/rowcast/rowcast.sock': backend,
            '/usr/share/rowcast': share,
            **{
                'lighttpd': {
                    '/var/log/lighttpd/': self.log + '/',
                    '/var/cache/lighttpd/uploads': os.path.join(folder, 'spool'),
                    '/run/lighttpd.pid': os.path.join(folder, 'run', 'pid'),
                },
                'apache': {
                    '/var/log/apache2/': self.log + '/',
                    '/run/apache2': os.path.join(folder, 'run'),
                },
                'nginx': {
                    '/var/log/nginx/': self.log + '/',
                    '/var/lib/nginx/': os.path.join(folder, 'spool') + '/',
                    '/run/nginx.pid': os.path.join(folder, 'run', 'pid'),
                },
            }[server],
        }

    def start(self):
        """Where it has run before, it takes the same port again."""
        self.port = self.port or free_port()
        self._configure()
        self._errors_at_start = len(self.logs().get('error.log', b''))
        program = which(PROGRAMS[self.server][0])
        command = {
            'lighttpd': [program, '-D', '-f', self.conf],
            'apache': [program, '-f', self.conf, '-D', 'FOREGROUND'],
            'nginx': [program, '-c', self.conf, '-g', 'daemon off;'],
        }[self.server]
        with open(os.path.join(self.log, 'output'), 'ab') as output:
            # A session of its own: lighttpd signals its whole process group.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, start_new_session=True)
        wait_until(self._ready, f'{self.server} takes connections')

    def _configure(self):
        listen = {
            'lighttpd': ('server.port          = 80\n',
                         f'server.port = {self.port}\nserver.bind = "127.0.0.1"\n'),
            'apache': ('Listen 80\n', f'Listen 127.0.0.1:{self.port}\n'),
            'nginx': ('listen 80;', f'listen 127.0.0.1:{self.port};'),
        }[self.server]
        with open(self.template) as f:
            text = f.read()
        for old, new in [listen, *self.replacements.items()]:
            if old not in text:
                raise AssertionError(f'{self.template} has no {old!r} to replace')
            text = text.replace(old, new)
        if self.second:
            before, entry, after = re.fullmatch(r'(.*"" => \(\()(.*?)(\)\).*)', text, re.DOTALL).groups()
            text = before + entry + '), (' + entry.replace(self.backend, self.second) + after
        with open(self.conf, 'w') as f:
            f.write(text)

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f'{self.server} ended at its start:\n{self.errors()}')
        return is_listening(self.port)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f'{self.server} was still there a minute after SIGTERM')
        # What writes its error log ends after it.
        wait_until(lambda: not list(_session(process.pid)), f'all of {self.server} is gone')

    def kill(self):
        """SIGKILL to every process of it; returns when none is left."""
        process, self.process = self.process, None

        def all_gone():
            pids = list(_session(process.pid))
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(all_gone, f'{self.server} is gone')

    def logs(self):
        """Everything it has written, by file name."""
        content = {}
        for name in os.listdir(self.log):
            with open(os.path.join(self.log, name), 'rb') as f:
                content[name] = f.read()
        return content

    def errors(self):
        logs = self.logs()
        return b''.join(logs.get(name, b'') for name in ('output', 'error.log')).decode(errors='replace')

    def trusts_backend(self):
        """A lighttpd process that could not connect says so, once, and does not
        try again before it has looked, once a second, and says that too. Which
        process answers a request is chance, so only the log tells about all."""
        log = self.logs().get('error.log', b'')[self._errors_at_start:]
        return log.count(b'establishing connection failed') <= log.count(b'gw-server re-enabled')

    def children(self):
        """The processes that it has started, sed and its shell beside lighttpd and
        Apache not counted."""
        children = []
        for pid in _session(self.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone meanwhile
                with open(f'/proc/{pid}/comm') as f:
                    if pid != self.process.pid and f.read().strip() == PROGRAMS[self.server][0]:
                        children.append(pid)
        return children

    def rss_kib(self):
        """Resident memory of all its processes; they are one session."""
        total = 0
        for pid in _session(self.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone meanwhile
                with open(f'/proc/{pid}/status') as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith('VmRSS:'))
        return total


def _session(leader):
    """The processes of a session that still run. A zombie does not, unless it
    is but the first of several threads: the others have its sockets still."""
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone meanwhile
            if os.getsid(pid) == leader:
                with open(f'/proc/{pid}/stat') as f:
                    zombie = f.read().rpartition(')')[2].startswith(' Z')
                if not zombie or len(os.listdir(f'/proc/{pid}/task')) > 1:
                    yield pid
