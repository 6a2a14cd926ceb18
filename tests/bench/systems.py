"""The systems that are set side by side: how each is started, and what the load
client must know to talk to it.

Every start is from nothing, in an own folder, on free ports of 127.0.0.1, each
server in a session of its own, so that all its processes are found for CPU and
memory, and ended."""

import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, 'tests', 'e2e', 'harness'))

import jwt
from front import Front, free_port, which

NCHAN_MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so'
LIVE_USER = 'live'
N_USERS = 12000  # that have a token; more streams share them
START_S = 15
STOP_S = 15
SETTLE_S = 0.3  # without a new process: then there will be none


class Server:
    """One server process with its children."""

    def __init__(self, name, command, folder, ready):
        self.name = name
        self.output = os.path.join(folder, name + '.output')
        with open(self.output, 'wb') as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            start_new_session=True)
        deadline = time.monotonic() + START_S
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                with open(self.output, errors='replace') as output:
                    raise RuntimeError(f'{name} did not start:\n{output.read()[-2000:]}')
            time.sleep(0.01)

    def stop(self):
        stop_session(self.process)


def stop_session(process):
    """Ends a process and, should any remain, all others of its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
    for pid in pids_of_session(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def pids_of_session(session):
    """All processes of a session, the least first."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.getsid(int(pid)) == session:
                found.append(int(pid))
        except ProcessLookupError:
            pass
    return sorted(found)


def settled_pids(session):
    """The same once the server has made all its workers, which it may do after
    it has begun to listen."""
    pids, since = pids_of_session(session), time.monotonic()
    while time.monotonic() - since < SETTLE_S:
        time.sleep(SETTLE_S / 10)
        before, pids = pids, pids_of_session(session)
        if pids != before:
            since = time.monotonic()
    return pids


def raise_descriptor_limit():
    """A stream is a descriptor: all servers inherit what this allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def takes_connections_at(path):
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


def takes_connections(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


class System:
    """Started by start(folder), ended by stop(). `name` stands on the command
    line, `title` in the table; `needs` are (path or program, Debian package)."""

    name = title = ''
    needs = []

    def __init__(self):
        self.servers = []

    @classmethod
    def missing(cls):
        return [package for program, package in cls.needs
                if not (os.path.exists(program) if program.startswith('/') else which(program))]

    def stop(self):
        """The front goes first: it is the one with clients."""
        while self.servers:
            self.servers.pop().stop()

    def processes(self):
        """Options that tell the load client whose CPU and memory to read."""
        return [option for server in self.servers for pid in settled_pids(server.process.pid)
                for option in ('--pid', f'{server.name}={pid}')]

    def options(self, mode, to_users):
        """Where the streams are and how to publish, as options of the load client."""
        raise NotImplementedError


class Rowcast(System):
    name, title = 'rowcast', 'rowcast behind lighttpd'
    needs = [('lighttpd', 'lighttpd')]
    program = 'app/rowcast'

    def __init__(self, **settings):
        super().__init__()
        self.settings = settings
        self.front = None
        self.db = None  # a path, where the table is not to go with the folder

    def make_table(self, folder):
        """Starts rowcast and ends it again, so that there is an empty table."""
        self._configure(folder)
        self._serve(folder).stop()

    def start(self, folder):
        self._configure(folder)
        self.servers.append(self._serve(folder))
        self.front = Front('lighttpd', SOURCE, folder, self.path)
        self.front.start()

    def _configure(self, folder):
        self.path = os.path.join(folder, 'rowcast.sock')
        self.db = self.db or os.path.join(folder, 'rowcast.db')
        self.make_tokens(folder)
        self.command = self.serve_command(self.path, self.db, **self.settings)

    def make_tokens(self, folder):
        self.key_file = os.path.join(folder, 'key')
        self.secret = secret = secrets.token_urlsafe(48).encode()
        with open(os.open(self.key_file, os.O_WRONLY | os.O_CREAT, 0o600), 'wb') as f:
            f.write(secret)
        self.tokens = os.path.join(folder, 'tokens')
        self.expires = expires = int(time.time()) + 7200
        self.write_tokens(self.tokens)
        self.publisher = jwt.sign(secret, {'sub': 'publisher', 'scope': 'rowcast:publish', 'exp': expires})
        # Streams that are there while all others are cut.
        self.live_tokens = os.path.join(folder, 'live-tokens')
        with open(self.live_tokens, 'w') as f:
            f.write(jwt.sign(secret, {'sub': LIVE_USER, 'exp': expires}) + '\n')

    def write_tokens(self, path, **claims):
        with open(path, 'w') as f:
            f.writelines(jwt.sign(self.secret, {'sub': f'u{k}', 'exp': self.expires, **claims}) + '\n' for k in range(N_USERS))

    def serve_command(self, path, db, **settings):
        settings = {'listen': 'unix:' + path, 'listen_mode': '0666', 'store': 'sqlite:' + db,
                    'jwt_key_file': self.key_file, 'max_streams': '12000', **settings}
        return [self.program, 'serve', *(word for key, value in settings.items() for word in ('-o', f'{key}={value}'))]

    def _serve(self, folder):
        return Server('rowcast', self.command, folder, lambda: takes_connections_at(self.path))

    def stop(self):
        if self.front is not None and self.front.process is not None:
            stop_session(self.front.process)
            self.front.process = None
        super().stop()

    def processes(self):
        options = super().processes()
        for pid in settled_pids(self.front.process.pid):
            options += ['--pid', f'lighttpd={pid}']
        return options

    def options(self, mode, to_users):
        kind, body = 'application/x-www-form-urlencoded', 'msg={msg}&all=1'
        get_path, post_path, more = '/events', '/msg', []
        if mode in ('bulk', 'storm'):
            kind, body = 'application/x-ndjson', '{"msg":"{msg}","all":true}'
        elif mode == 'answers':
            kind, body = 'application/x-ndjson', '{"data":"{msg}"}'
            get_path, post_path = '/events?topic=answer:{a}&inbox=off&until=end', '/msg?topic=answer:{a}&follow=1'
            self.write_tokens(self.tokens, topics=['answer:*'])
            more = ['--db', self.db]
        elif mode == 'post':
            body = 'msg={msg}&topic=answer:0'
        elif mode == 'amid':
            more = ['--single-body', 'msg={msg}&user=u{i}']
        elif to_users:
            body = 'msg={msg}&user=u{i}'
        return ['--get', f'127.0.0.1:{self.front.port}', '--get-path', get_path,
                '--get-header', 'Authorization: Bearer {token}', '--tokens', self.tokens, *more,
                '--post-path', post_path, '--post-header', 'Authorization: Bearer ' + self.publisher,
                '--post-header', 'Content-Type: ' + kind, '--body', body]


class Before(Rowcast):
    """Another build of rowcast, beside the one that is measured (--before); everything else,
    the settings of both servers too, is that of this tree."""

    name, title = 'before', 'rowcast before'


class Nchan(System):
    name, title = 'nchan', 'Nchan in nginx'
    needs = [('nginx', 'nginx-light'), (NCHAN_MODULE, 'libnginx-mod-nchan')]

    # Buffers long enough that no subscriber misses a message; no access log.
    CONF = '''\
load_module {module};
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log;
events {{ worker_connections 19000; }}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	keepalive_requests 100000000;
	keepalive_timeout 600s;
	nchan_shared_memory_size 512M;
	{upstream}
	server {{
		listen 127.0.0.1:{port} backlog=4096;
		location = /pub {{
			nchan_publisher;
			nchan_channel_id $arg_channel;
			nchan_message_buffer_length 5000;
			nchan_message_timeout 30s;
			{store}
		}}
		location = /sub {{
			nchan_subscriber eventsource;
			nchan_channel_id $arg_channel;
			nchan_subscriber_first_message newest;
			{store}
		}}
	}}
}}
'''

    upstream = store = ''  # what else stands in it

    def start(self, folder):
        self.port = free_port()
        conf = os.path.join(folder, 'nginx.conf')
        with open(conf, 'w') as f:
            f.write(self.CONF.format(module=NCHAN_MODULE, folder=folder, port=self.port, upstream=self.upstream,
                                     store=self.store))
        self.servers.append(Server('nginx', [which('nginx'), '-c', conf, '-p', folder], folder,
                                   lambda: takes_connections(self.port)))

    def options(self, mode, to_users):
        channel = 'u{i}' if to_users else 'all'
        return ['--get', f'127.0.0.1:{self.port}', '--get-path', '/sub?channel=' + channel,
                '--post-path', '/pub?channel=' + channel]


class Go(System):
    name, title = 'go', 'Go'
    needs = [('go', 'golang-go')]
    program = None  # built by build()

    @classmethod
    def build(cls, folder):
        """Builds peer.go, once, into the folder of the whole run."""
        if cls.program is None:
            program = os.path.join(folder, 'peer')
            subprocess.run(['go', 'build', '-o', program, os.path.join(HERE, 'peer.go')], check=True, cwd=folder,
                           env={**os.environ, 'GO111MODULE': 'off', 'CGO_ENABLED': '0', 'GOFLAGS': '',
                                'GOPROXY': 'off', 'GOCACHE': os.path.join(folder, 'go-cache'),
                                'GOPATH': os.path.join(folder, 'go')})
            cls.program = Go.program = program

    def start(self, folder):
        self.port = free_port()
        self.servers.append(Server('go', [self.program, '-listen', f'127.0.0.1:{self.port}'], folder,
                                   lambda: takes_connections(self.port)))

    def options(self, mode, to_users):
        query = '?user=u{i}' if to_users else ''
        return ['--get', f'127.0.0.1:{self.port}', '--get-path', '/events' + query, '--post-path', '/msg' + query]


class GoBehindLighttpd(Go):
    name, title = 'go-lighttpd', 'Go behind lighttpd'
    needs = [('go', 'golang-go'), ('lighttpd', 'lighttpd')]

    # The settings that rowcast's sample has, less the access log.
    CONF = '''\
server.modules = ( "mod_proxy" )
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{folder}"
server.errorlog = "{folder}/lighttpd.error.log"
server.stream-response-body = 1
server.max-worker = 2
server.max-fds = 20000
server.max-connections = 9900
server.max-write-idle = 3600
server.max-keep-alive-requests = 100000
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => {backend} )) )
'''

    def start(self, folder):
        super().start(folder)
        backend, self.port = self.port, free_port()
        conf = os.path.join(folder, 'lighttpd.conf')
        with open(conf, 'w') as f:
            f.write(self.CONF.format(port=self.port, folder=folder, backend=backend))
        self.servers.append(Server('lighttpd', [which('lighttpd'), '-D', '-f', conf], folder,
                                   lambda: takes_connections(self.port)))


SYSTEMS = {system.name: system for system in (Rowcast, Before, Nchan, Go, GoBehindLighttpd)}
