"""A whole site in a temporary folder: rowcast behind a real web server, and
what a test does to it: publish, subscribe, write into the table, restart."""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse

import jwt
import redis
from backend import Rowcast, sanitized
from front import Front, which
from stream import Stream
from waiting import wait_until

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..', '..'))

# Short, so that tests need not wait for a heartbeat or a reconnect.
HEARTBEAT_S = 0.3
RETRY_MS = (200, 400)


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Site:
    """Where .upstream is a Redis every store is a copy of it, each of a stream of its
    own, as each has its own messages without."""

    def __init__(self, server, rowcast, source=SOURCE):
        self.server = server
        self.source = source
        self.slow = 6 if sanitized(rowcast) else 1  # what deadlines and bounds on time are multiplied by
        self.folder = tempfile.mkdtemp(prefix='rowcast-e2e-')
        os.chmod(self.folder, 0o755)  # the web server's user looks into it
        self.rowcast = Rowcast(os.path.abspath(rowcast), self.folder)
        self.rowcasts = [self.rowcast]  # whoever has the table: a test may start another
        self.front = Front(server, source, self.folder, self.rowcast.socket_path)
        self.secret = secrets.token_urlsafe(48).encode()
        with open(os.open(self.rowcast.key_file, os.O_WRONLY | os.O_CREAT, 0o600), 'wb') as f:
            f.write(self.secret)
        self.settings = {
            'listen': 'unix:' + self.rowcast.socket_path,
            'listen_mode': '0666',
            'store': 'sqlite:' + self.rowcast.db,
            'jwt_key_file': self.rowcast.key_file,
            'heartbeat': f'{HEARTBEAT_S * 1000:.0f}ms',
            'retry': '{}ms..{}ms'.format(*RETRY_MS),
        }
        self.upstream = None
        self.closed_with_it = []  # what tests have started beside it: kill() is called
        self._streams = []
        self._n_users = 0

    def complete(self, settings):
        settings = {**self.settings, **settings}
        if self.upstream and 'upstream' not in settings:
            settings['upstream'] = self.upstream.upstream
            # The names of stores are those of their folders, so a stream is known by them.
            settings['upstream_key'] = re.sub('[^a-z.]', '-', settings['store'].removeprefix(f'sqlite:{self.folder}/'))
            self.upstream_key = settings['upstream_key']
        return settings

    @property
    def db(self):
        return self.rowcast.db

    @property
    def url(self):
        return f'http://127.0.0.1:{self.front.port}'

    # ---- life ----

    def start(self):
        if self.upstream is not None:
            self.upstream.start()
            self.closed_with_it.append(self.upstream)
        self.start_rowcast()
        self.front.start()

    def stop(self):
        """Ends everything; raises if anything was wrong with rowcast's end."""
        try:
            self.close_streams()
            if self.rowcast.process is not None:
                self.rowcast.stop(timeout_s=20 * self.slow)
        finally:
            if self.rowcast.process is not None:
                self.rowcast.process.kill()
            try:
                self.front.stop()
            finally:
                self._close_others()

    def _close_others(self):
        while self.closed_with_it:
            self.closed_with_it.pop().kill()

    def kill(self):
        """What a run that was broken off may have left; nothing after stop()."""
        self._close_others()
        if self.rowcast.process is not None:
            self.rowcast.process.kill()
        if self.front.process is not None:
            os.killpg(self.front.process.pid, signal.SIGKILL)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_rowcast(self, listener=None, **settings):
        self.rowcast.configure(self.complete(settings))
        self.rowcast.start(listener, timeout_s=20 * self.slow)

    def stop_rowcast(self, number=signal.SIGTERM):
        self.rowcast.stop(number, timeout_s=20 * self.slow)

    def come_back(self, listener=None, **settings):
        """A start that the web server has noticed too."""
        self.start_rowcast(listener, **settings)
        self.wait_healthy()

    def restart_rowcast(self, number=signal.SIGTERM, **settings):
        self.stop_rowcast(number)
        self.come_back(**settings)

    def reload(self, **settings):
        """Other settings, by SIGHUP: they are in force when it returns."""
        self.rowcast.configure(self.complete(settings))
        log_before = len(self.rowcast.log_bytes())
        self.rowcast.send_signal(signal.SIGHUP)
        wait_until(lambda: 'are reloaded' in self.rowcast.log_since(log_before), 'the settings are reloaded', 10 * self.slow)

    def wait_healthy(self):
        """Until the web server reaches rowcast again, with each of its processes."""
        wait_until(lambda: self.request('GET', '/healthz').status == 200 and self.front.trusts_backend(),
                   'the web server reaches rowcast again', 10 * self.slow, every_s=0.02)

    @contextlib.contextmanager
    def configured(self, **settings):
        """rowcast with other settings for the length of a with block."""
        self.restart_rowcast(**settings)
        try:
            yield
        finally:
            self.close_streams()
            self.come_back()

    @contextlib.contextmanager
    def front_changed(self, *changes):
        """The web server with other lines in its sample, pairs of old and new, for the
        length of a with block."""
        usual = dict(self.front.replacements)
        self.front.replacements.update(changes)
        self.front.stop()
        try:
            self.front.start()
            self.wait_healthy()
            yield
        finally:
            self.close_streams()
            self.front.stop()
            self.front.replacements = usual
            self.front.start()
            self.wait_healthy()

    def new_folder(self, name):
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        return folder

    @contextlib.contextmanager
    def store_in(self, folder, **settings):
        """rowcast with its store in another folder, where the verbs of the table
        find it too, for the length of a with block."""
        usual = self.rowcast.db
        self.rowcast.db = os.path.join(folder, 'rowcast.db')
        try:
            with self.configured(store='sqlite:' + self.rowcast.db, **settings):
                yield
        finally:
            self.rowcast.db = usual

    @contextlib.contextmanager
    def handed_over(self, **settings):
        """rowcast on a socket that stays while it goes, as under systemd, for
        the length of a with block; gives the socket, to start it with."""
        self.stop_rowcast()
        if os.path.exists(self.rowcast.socket_path):
            os.unlink(self.rowcast.socket_path)
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(self.rowcast.socket_path)
                os.chmod(self.rowcast.socket_path, 0o666)
                listener.listen(4096)
                self.come_back(listener, **settings)
                yield listener
        finally:
            self.close_streams()
            if self.rowcast.running():
                self.stop_rowcast()
            os.unlink(self.rowcast.socket_path)
            self.come_back()

    # ---- who ----

    def user(self):
        """A user nobody else has: tests do not see each other's messages."""
        self._n_users += 1
        return f'user{self._n_users}'

    def token(self, user, scope=None, topics=(), ttl=3600, alg='HS256', secret=None, header=None, **claims):
        """A good token; claims replace what is in it, None leaves one out."""
        payload = {'sub': user, 'exp': int(time.time()) + ttl}
        if scope is not None:
            payload['scope'] = scope
        if topics:
            payload['topics'] = list(topics)
        payload.update(claims)
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.sign(secret or self.secret, payload, alg, header)

    def publisher(self):
        """A token that may send to anyone."""
        return self.token('publisher', scope='rowcast:publish')

    # ---- the table ----

    def sqlite3(self, statement, *options):
        """The sqlite3 shell as it comes: CompletedProcess with text."""
        return subprocess.run([which('sqlite3'), '-batch', '-bail', '-cmd', '.timeout 20000', *options, self.db],
                              input=statement, capture_output=True, text=True, timeout=60)

    def sql(self, statement):
        if self.upstream is not None and statement.lstrip().startswith(('SELECT', 'WITH')) and self.rowcast.running():
            self.wait_followed()
        done = self.sqlite3(statement)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f'sqlite3: {done.stderr.strip()} ({statement[:200]})')
        return done.stdout.strip()

    def insert(self, data, user=None, topic=None, event=None):
        """One row through the sqlite3 shell; returns its id. In a copy that is given
        when the row comes back from the log, known by its key: None while no rowcast
        is there that would bring it."""
        values = ', '.join('NULL' if v is None else "'" + v.replace("'", "''") + "'" for v in (user, topic, event, data))
        if not self.is_copy:
            return int(self.sql(f'INSERT INTO message(user, topic, event, data) VALUES({values}) RETURNING id;'))
        key = secrets.token_hex(8)
        self.sql(f"INSERT INTO message(user, topic, event, data, key) VALUES({values}, '{key}');")
        return self.id_of(f"key = '{key}'") if any(rowcast.running() for rowcast in self.rowcasts) else None

    @property
    def is_copy(self):
        """Is the table a copy of a log?"""
        return self.upstream is not None or bool(self.settings.get('upstream'))

    def id_of(self, where):
        """The id of the one row of which that holds, as soon as there is one."""
        connection = sqlite3.connect(self.db, isolation_level=None, timeout=20)
        try:
            found = wait_until(lambda: connection.execute(f'SELECT id FROM message WHERE {where}').fetchall(),
                               f'there is a row with {where}', 60 * self.slow, 0.002)
        finally:
            connection.close()
        if len(found) != 1:
            raise AssertionError(f'{len(found)} rows with {where}')
        return found[0][0]

    def wait_followed(self):
        """Until all that was inserted here is in the log, and the copy has all that the
        log has: at once where the table is no copy."""
        if self.upstream is None:
            return
        connection = sqlite3.connect(self.db, isolation_level=None, timeout=20)

        def followed():
            if connection.execute('SELECT EXISTS(SELECT 1 FROM rowcast_outbox)').fetchone()[0]:
                return False
            try:
                last = redis.id_of(self.upstream.info(self.upstream_key)['last-generated-id'])
            except redis.Refused:  # nobody has published yet
                return True
            return connection.execute('SELECT newest FROM rowcast_state').fetchone()[0] >= last
        try:
            wait_until(followed, 'the copy has all that the log has', 30 * self.slow, 0.002)
        finally:
            connection.close()

    def wait_trimmed(self):
        """Until the copy no longer has what the log has lost: at once where the table is
        no copy."""
        if self.upstream is None:
            return
        key = self.upstream_key
        floor = dict(zip(*[iter(self.upstream.call('XINFO', 'GROUPS', key)[0])] * 2))['last-delivered-id']
        statement = f'SELECT count(*) FROM rowcast_copy WHERE id <= {redis.id_of(floor)}'
        wait_until(lambda: self.sql(statement) == '0', 'the copy has deleted what the log has', 30 * self.slow, 0.02)

    def newest(self):
        """The highest id that was given; in a copy, as far as it has followed."""
        if self.is_copy:
            self.wait_followed()
            return int(self.sql('SELECT newest FROM rowcast_state'))
        return int(self.sql("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)"))

    # ---- HTTP ----

    def curl(self, path, *options, method=None, token=None, headers=None, data=None):
        """One request by curl."""
        command = [which('curl'), '-sS', '-i', '--http1.1', '--max-time', str(30 * self.slow), '-H', 'Expect:', *options]
        if method:
            command += ['-X', method]
        for name, value in {**self._authorization(token), **(headers or {})}.items():
            command += ['-H', f'{name}: {value}' if value else f'{name};']
        if data is not None:
            command += ['--data-binary', '@-']
            data = data.encode() if isinstance(data, str) else data
        done = subprocess.run(command + [self.url + path], input=data, capture_output=True)
        if done.returncode != 0:
            raise AssertionError(f'curl {path}: {done.stderr.decode().strip()}')
        head, _, body = done.stdout.partition(b'\r\n\r\n')
        status_line, *lines = head.decode('latin-1').split('\r\n')
        fields = {}
        for line in lines:
            name, _, value = line.partition(':')
            fields[name.lower()] = value.strip()
        return Answer(int(status_line.split(' ')[1]), fields, body)

    def request(self, method, path, token=None, headers=None, body=None, connection=None):
        """One request without the cost of a process; a connection of
        site.connect() is kept for the next."""
        own = connection is None
        connection = connection or self.connect()
        try:
            connection.request(method, path, body, {**self._authorization(token), **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            if own:
                connection.close()

    def connect(self):
        return http.client.HTTPConnection('127.0.0.1', self.front.port, timeout=30 * self.slow)

    @staticmethod
    def _authorization(token):
        return {} if token is None else {'Authorization': 'Bearer ' + token}

    def publish(self, token, **fields):
        """POST /msg as JSON; returns the id."""
        answer = self.request('POST', '/msg', token, {'Content-Type': 'application/json'}, json.dumps(fields))
        if answer.status != 201:
            raise AssertionError(f'POST /msg: {answer.status} {answer.text}')
        return answer.json()['id']

    def metric(self, name):
        """One of the numbers of /metrics."""
        lines = self.request('GET', '/metrics').text.split('\n')
        return int(next(line for line in lines if line.startswith(f'rowcast_{name} ')).split(' ')[1])

    def allocated_kib(self):
        """What rowcast has allocated, which does not depend on what its allocator keeps."""
        answer = self.request('GET', '/status', self.token(self.user(), scope='rowcast:admin'))
        return answer.json()['allocated_bytes'] >> 10

    # ---- streams ----

    def stream(self, user=None, token=None, topics=(), query='', last_event_id=None, headers=None,
               via='header', path='/events', deadline_s=None, receive_buffer=None):
        """GET /events; nothing is read yet. `topics` are asked for, and granted
        where the token is made here. via: header, cookie, query, nothing."""
        if token is None and user is not None:
            token = self.token(user, topics=topics)
        fields = {'Accept': 'text/event-stream'}
        parameters = [('topic', topic) for topic in topics]
        if token is not None:
            if via == 'header':
                fields['Authorization'] = 'Bearer ' + token
            elif via == 'cookie':
                fields['Cookie'] = 'theme=dark; rowcast_token=' + token
            elif via == 'query':
                parameters.append(('token', token))
        if last_event_id is not None:
            fields['Last-Event-ID'] = str(last_event_id)
        fields.update(headers or {})
        fields = {name: value for name, value in fields.items() if value is not None}
        query = '&'.join(filter(None, [urllib.parse.urlencode(parameters), query]))
        stream = Stream(('127.0.0.1', self.front.port), path + ('?' + query if query else ''), fields,
                        deadline_s or 10.0 * self.slow, receive_buffer)
        self._streams.append(stream)
        return stream

    def subscribe(self, *args, **kwargs):
        """A stream that stands: its first block is read and kept as .first."""
        stream = self.stream(*args, **kwargs)
        if stream.wait_status() != 200:
            with contextlib.suppress(AssertionError):
                stream.wait_end(2)
            raise AssertionError(f'GET /events: {stream.describe()}')
        stream.first = stream.wait_block()
        if stream.parser.last_event_id == '':
            raise AssertionError(f'the first block has no id: {stream.first}')
        return stream

    def no_stream(self, *args, **kwargs):
        """The answer to one that is asked for as a stream is, and is none."""
        stream = self.stream(*args, **kwargs)
        if stream.wait_status() == 200:
            raise AssertionError(f'GET /events: a stream was opened; {stream.describe()}')
        stream.wait_end()
        return Answer(stream.status, stream.headers, stream.body)

    def close_streams(self):
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    # ---- evidence ----

    def check_no_token_in_logs(self):
        """Every token begins like this: {" in base64url."""
        logs = {**self.front.logs(), 'rowcast.log': self.rowcast.log_bytes()}
        for name, content in logs.items():
            at = content.find(b'eyJ')
            if at >= 0 or self.secret in content:
                raise AssertionError(f'{name} has a token or the secret: {content[max(at - 150, 0):at + 50]!r}')
