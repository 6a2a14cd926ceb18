"""The rowcast that was built, and what it says when it is asked."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types

from pages import TOP

sys.path.insert(0, os.path.join(TOP, 'tests', 'e2e', 'harness'))  # its jwt, not another's

import fcgi
import jwt
from waiting import is_listening

ROWCAST = os.environ.get('ROWCAST', os.path.abspath('app/rowcast'))
SECRET = b'0123456789abcdef0123456789abcdef'


def run(*arguments):
    return subprocess.run([ROWCAST, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def help_of(*command):
    done = run(*command, '--help')
    if done.returncode != 0 or not done.stdout:
        raise AssertionError(f'rowcast {" ".join(command)} --help: {done.returncode} {done.stderr}')
    return done.stdout


def commands():
    return re.findall(r'^  ([a-z]+) {2,}\S', help_of(), re.M)


def _entries(text, heading):
    """What stands at the left of a list in the help."""
    part = re.search(rf'^{heading}:\n((?:.+\n|\n(?= ))*)', text, re.M)
    return re.findall(r'^ {1,3}(\S+(?: \S+)*)', part.group(1), re.M) if part else []


def options(command):
    return {re.sub(r'^(\S+)  .*', r'\1', entry) for entry in _entries(help_of(command), 'Options')}


def statuses(command):
    return {entry[0] for entry in _entries(help_of(command), 'Exit status')}


def shares_a_log():
    return 'without Redis' not in run('--version').stdout


class Place:
    """A folder with a key, a configuration and room for a store and a socket."""

    def __init__(self, folder):
        self.folder = folder
        self.db, self.socket = os.path.join(folder, 'db'), os.path.join(folder, 's')
        self.conf = os.path.join(folder, 'rowcast.conf')
        key = os.path.join(folder, 'key')
        with open(key, 'wb') as f:
            f.write(SECRET)
        os.chmod(key, 0o600)
        with open(self.conf, 'w', encoding='utf-8') as f:
            f.write(f'jwt_key_file = {key}\nstore = sqlite:{self.db}\nlisten = unix:{self.socket}\n')

    def check(self, *options):
        return run('check', '-c', self.conf, *(word for option in options for word in ('-o', option)))


@contextlib.contextmanager
def place():
    folder = tempfile.mkdtemp(prefix='rowcast-manual.')
    try:
        yield Place(folder)
    finally:
        shutil.rmtree(folder)


class Server:
    """A rowcast that serves; asked over its socket, without a web server."""

    def __init__(self, at, process):
        self.db, self.process = at.db, process
        self._site = types.SimpleNamespace(slow=6, rowcast=types.SimpleNamespace(socket_path=at.socket))

    def ask(self, path, method='GET', body=b'', claims=None, **more):
        token = jwt.sign(SECRET, {'sub': '42', 'scope': 'rowcast:admin', **(claims or {})})
        return fcgi.ask(self._site, method, path, token, body, **more)

    def error(self, path, **more):
        return json.loads(self.ask(path, HTTP_ACCEPT='*/*', **more).body)['error']


@contextlib.contextmanager
def serving(*options):
    with place() as at:
        log = os.path.join(at.folder, 'log')
        with open(log, 'w', encoding='utf-8') as stderr:
            process = subprocess.Popen([ROWCAST, 'serve', '-c', at.conf,
                                        *(word for option in options for word in ('-o', option))],
                                       stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            deadline = time.monotonic() + 60
            while not is_listening(at.socket):
                if process.poll() is not None or time.monotonic() > deadline:
                    with open(log, encoding='utf-8') as f:
                        raise AssertionError('rowcast does not serve: ' + f.read())
                time.sleep(0.01)
            yield Server(at, process)
        finally:
            process.terminate()
            process.wait()
