"""The web servers, each run with its sample configuration out of conf/.

What differs from production (paths, the port) is replaced by exact strings; one
that the file no longer has is an error, so that tests and sample stay one."""

import os
import pwd
import shutil
import signal
import socket
import subprocess

from waiting import wait_until

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
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Front:
    """One web server in front of the FastCGI socket `backend`."""

    def __init__(self, server, source, folder, backend):
        self.server = server
        self.folder = folder
        self.log = os.path.join(folder, 'logs')
        self.process = None
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
        self.port = free_port()
        self._configure()
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
        with open(self.conf, 'w') as f:
            f.write(text)

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f'{self.server} ended at its start:\n{self.errors()}')
        with socket.socket() as s:
            return s.connect_ex(('127.0.0.1', self.port)) == 0

    def stop(self):
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f'{self.server} was still there 10 s after SIGTERM')

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
        log = self.logs().get('error.log', b'')
        return log.count(b'establishing connection failed') <= log.count(b'gw-server re-enabled')

    def rss_kib(self):
        """Resident memory of all its processes; they are one session."""
        total = 0
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                if os.getsid(int(pid)) == self.process.pid:
                    with open(f'/proc/{pid}/status') as f:
                        total += sum(int(line.split()[1]) for line in f if line.startswith('VmRSS:'))
            except (ProcessLookupError, FileNotFoundError):
                continue  # gone meanwhile
        return total
