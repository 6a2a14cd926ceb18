"""A rowcast process under test: its configuration, its log, its end."""

import contextlib
import os
import re
import signal
import subprocess

from waiting import is_listening, wait_until

# What a sanitizer writes when it has found something.
SANITIZER = re.compile(rb'ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer'
                       rb'|ERROR: ThreadSanitizer|SUMMARY: \w+Sanitizer')


def sanitized(program):
    """Was it built with a sanitizer? Such a build is several times slower."""
    with open(program, 'rb') as f:
        content = f.read()
    return b'__asan_init' in content or b'__tsan_init' in content


class Rowcast:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.socket_path = os.path.join(folder, 'rowcast.sock')
        self.db = os.path.join(folder, 'data', 'rowcast.db')
        self.conf = os.path.join(folder, 'rowcast.conf')
        self.log = os.path.join(folder, 'rowcast.log')
        self.key_file = os.path.join(folder, 'key')
        self.process = None
        self.max_descriptors = None  # the limit it is started with; None: as we have it
        self.prefix = []  # a program, with its arguments, that it is run by
        os.mkdir(os.path.dirname(self.db))

    def configure(self, settings):
        """A list gives a key as many lines, None leaves it out."""
        with open(self.conf, 'w') as f:
            for key, values in settings.items():
                for value in values if isinstance(values, list) else [values]:
                    if value is None:
                        continue
                    f.write(f'{key} = {value}\n')

    def start(self, listener=None, timeout_s=20.0):
        """Starts it and waits until it takes connections. `listener`, a socket
        that listens already, becomes its descriptor 0."""
        if self.process is not None:
            self.stop()  # which tells if it has died meanwhile
        self.log_at_start = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        limited = ['prlimit', f'--nofile={self.max_descriptors}'] if self.max_descriptors else []
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [*limited, *self.prefix, self.program, 'serve', '-c', self.conf], stderr=log, stdout=log,
                stdin=listener or subprocess.DEVNULL, start_new_session=True)
        if listener is None:
            wait_until(self._ready, 'rowcast takes connections', timeout_s)

    def _ready(self):
        if self.process.poll() is not None:
            status, self.process = self.process.returncode, None
            raise AssertionError(f'rowcast ended at its start with status {status}:\n{self.log_since(self.log_at_start)}')
        return is_listening(self.socket_path)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout_s=20.0):
        """Ends it; raises unless it ends in time, with status 0 (-number after
        SIGKILL) and nothing found by a sanitizer."""
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(number)
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f'rowcast was still there {timeout_s:g} s after signal {number}')
        expected = -number if number == signal.SIGKILL else 0
        found = SANITIZER.search(self.log_bytes(self.log_at_start))
        if found:
            report = self.log_since(self.log_at_start + found.start())
            raise AssertionError('a sanitizer found something:\n' + '\n'.join(report.split('\n')[:60]))
        if status != expected:
            raise AssertionError(f'rowcast ended with status {status}')

    def log_bytes(self, offset=0):
        with open(self.log, 'rb') as f:
            f.seek(offset)
            return f.read()

    def log_since(self, offset):
        return self.log_bytes(offset).decode(errors='replace')

    def rss_kib(self):
        with open(f'/proc/{self.process.pid}/status') as f:
            return next(int(line.split()[1]) for line in f if line.startswith('VmRSS:'))

    def n_descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def n_held_descriptors(self):
        """Without those of the store: its handles open their files when they
        are first used, and keep them."""
        folder, n = f'/proc/{self.process.pid}/fd', 0
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                n += not os.readlink(os.path.join(folder, fd)).startswith(self.db)
        return n

    def cpu_s(self):
        """Seconds of processor time that it has used."""
        with open(f'/proc/{self.process.pid}/stat') as f:
            user, system = f.read().rpartition(')')[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')

    def n_threads(self):
        return len(os.listdir(f'/proc/{self.process.pid}/task'))
