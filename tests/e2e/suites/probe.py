"""rowcast probe: nothing to say about the samples as they are, and the fault's and the
server's name where a line of one is broken."""

import contextlib
import os
import re
import socket
import subprocess
import threading

import expect
import tls
from front import free_port, which
from harness import SOURCE
from shell import expect_misuse, rowcast
from tap import only_behind
from waiting import is_listening, wait_until

NAMES = {'lighttpd': 'lighttpd', 'apache': 'Apache', 'nginx': 'nginx'}   # as they call themselves

# One line of each sample, and what breaks it.
BUFFERED = {
    'lighttpd': ('server.stream-response-body = 2', 'server.stream-response-body = 0'),
    'apache': ('ProxySet flushpackets=on', 'ProxySet'),
    'nginx': ('gzip off;', 'gzip off; fastcgi_ignore_headers X-Accel-Buffering;'),
}
SHORT = {
    'lighttpd': ('server.max-write-idle = 360', 'server.max-write-idle = 1'),
    'apache': ('Timeout 360\n', 'Timeout 1\n'),
    'nginx': ('fastcgi_read_timeout 360s', 'fastcgi_read_timeout 1s'),
}
PACKED = {
    'apache': ('\tSetEnv no-gzip 1\n\tSetEnv no-brotli 1\n', '\tSetOutputFilter DEFLATE\n'),
    'nginx': ('gzip off;', 'gzip on; gzip_types *; gzip_min_length 1;'),
}
DIRECTIVES = {   # what to change
    'lighttpd': ('server.stream-response-body', 'server.max-write-idle', 'deflate.mimetypes'),
    'apache': ('flushpackets=on', 'ProxyTimeout', 'no-gzip'),
    'nginx': ('fastcgi_buffering off', 'fastcgi_read_timeout', 'gzip off'),
}


def NEEDS(program):
    version = subprocess.run([program, '--version'], capture_output=True, text=True).stdout
    return None if 'with libcurl' in version else 'rowcast was built without libcurl'


@contextlib.contextmanager
def _changed(site, *changes):
    with site.front_changed(*changes):
        try:
            yield
        finally:
            # An Apache that holds back keeps who has gone, and would not stop before they are.
            site.restart_rowcast()


def _run(site, url=None, token=None, silence='2s', env=None, input=''):
    """token None: rowcast signs one itself."""
    arguments = ['-c', site.rowcast.conf] if token is None else ['--token', token]
    done = subprocess.run([site.rowcast.program, 'probe', url or site.url + '/events', '--for', silence, *arguments],
                          capture_output=True, text=True, input=input, timeout=120 * site.slow, env={**os.environ, **(env or {})})
    for secret in (token, site.secret.decode(), 'eyJ'):
        expect.true(not secret or secret == '-' or secret not in done.stdout + done.stderr, 'no token is shown')
    return done


def _faults(done):
    return [line for line in done.stdout.split('\n') if line.startswith('FAULT')]


def _fault(site, done, what, directive, server=None):
    expect.equal(done.returncode, 1, done.stdout + done.stderr)
    expect.true(any(what in line for line in _faults(done)), f'{what!r} in {done.stdout}')
    name = NAMES[server or site.server]
    expect.true(re.search(rf'^ +{name}: .*{re.escape(directive)}', done.stdout, re.MULTILINE), f'{name} and {directive} in {done.stdout}')


def _fine(done):
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
    expect.equal((_faults(done), done.stderr), ([], ''), done.stdout)
    expect.true('events come at once' in done.stdout, done.stdout)


# ---- the samples ----

def nothing_is_in_the_way_of_the_sample(site):
    done = _run(site)
    _fine(done)
    for part in ('a silent stream stays open', 'a client that has gone is noticed', 'six connections'):
        expect.true(part in done.stdout, f'{part!r} in {done.stdout}')


def any_token_will_do(site):
    """What it sends goes to its own user, under a name that no page listens to."""
    user = site.user()
    other, own = site.subscribe(site.user()), site.subscribe(user)
    done = _run(site, token=site.token(user))
    _fine(done)
    site.insert('after', user)
    names = set()
    while (event := own.wait_event()).data != 'after':
        names.add(event.type)
    expect.equal(names, {'rowcast-probe'}, 'what the user hears')
    site.insert('to all')
    expect.only(other, 'to all')
    expect.true(re.search('clients that have gone are noticed: of 15 streams', done.stdout), done.stdout)
    # They are gone within a minute.
    expect.equal(site.sql("SELECT count(*) FROM message WHERE event = 'rowcast-probe' AND expires_at IS NULL"), '0')


def a_prefix_and_a_token_from_stdin(site):
    token = site.token(site.user(), scope='rowcast:admin')
    _fine(_run(site, site.url + '/push/events?topic=x', '-', '1s', input=token + '\n'))


# ---- a line broken ----

def events_that_are_held_back_are_a_fault(site):
    with _changed(site, BUFFERED[site.server]):
        done = _run(site)
    _fault(site, done, 'events are held back', DIRECTIVES[site.server][0])
    expect.true(re.search(r'the first came when \d+ bytes|the whole answer is collected', done.stdout), done.stdout)


def a_time_out_below_the_heartbeat_is_a_fault(site):
    with site.configured(heartbeat='5s'), _changed(site, SHORT[site.server]):
        done = _run(site, silence='20s')
    _fault(site, done, 'a silent stream is cut after', DIRECTIVES[site.server][1])
    after_s = float(re.search(r'cut after ([\d.]+) s', done.stdout)[1])
    expect.true(0.5 < after_s < 5, f'before the heartbeat: {done.stdout}')


def a_heartbeat_keeps_a_short_time_out_away(site):
    with _changed(site, (SHORT[site.server][0], SHORT[site.server][1].replace('1', '3'))):
        _fine(_run(site, silence='5s'))


@only_behind('apache')
def apache_compresses(site):
    _compression(site, ('LoadModule alias_module', 'LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so\nLoadModule alias_module'))


@only_behind('nginx')
def nginx_compresses(site):
    _compression(site)


def _compression(site, *more):
    with _changed(site, PACKED[site.server], *more):
        done = _run(site)
    _fault(site, done, 'the stream is compressed (gzip)', DIRECTIVES[site.server][2])
    expect.true('events come at once' in done.stdout, f'where it is not asked for: {done.stdout}')


@only_behind('apache')
def a_token_that_apache_keeps_to_itself_is_a_fault(site):
    with _changed(site, ('CGIPassAuth On', 'CGIPassAuth Off')):
        _fault(site, _run(site), 'the token does not get through', 'CGIPassAuth On')


def a_head_that_somebody_has_changed_is_a_fault(site):
    change = {
        'lighttpd': ('server.stream-response-body = 2', 'server.stream-response-body = 2\n$HTTP["url"] =~ "/events$" {\n'
                     'setenv.set-response-header = ( "Cache-Control" => "max-age=60", "ETag" => "x" ) }'),
        'apache': ('LimitRequestBody 67108864\n', 'LimitRequestBody 67108864\nHeader set Cache-Control "max-age=60"\nHeader set ETag "x"\n'),
        'nginx': ('gzip off;', 'gzip off; fastcgi_hide_header Cache-Control; add_header Cache-Control max-age=60; add_header ETag x;'),
    }[site.server]
    with _changed(site, change):
        done = _run(site)
    expect.equal(done.returncode, 1, done.stdout)
    expect.true(re.search('FAULT Cache-Control is .*max-age=60', done.stdout) and 'gives the stream ETag: x' in done.stdout, done.stdout)


# ---- a chain ----

@contextlib.contextmanager
def _nginx_before(site, lines, listen=''):
    """An nginx as people have it in front of another web server; gives its port."""
    folder, port = site.new_folder(f'before{free_port()}'), free_port()
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, 'nginx.conf'), 'w') as f:
        temporary = ''.join(f'{name}_temp_path {folder}/{name};\n' for name in ('client_body', 'proxy', 'fastcgi', 'scgi', 'uwsgi'))
        f.write(f'pid {folder}/pid; error_log {folder}/error.log; events {{ }}\n'
                f'http {{ access_log off; {temporary}\n'
                f'server {{ listen 127.0.0.1:{port}{listen}; location / {{ proxy_pass {site.url}; {lines} }} }} }}\n')
    process = subprocess.Popen([which('nginx'), '-c', folder + '/nginx.conf', '-g', 'daemon off;'], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def listens():
        expect.equal(process.poll(), None, 'nginx runs')
        return is_listening(port)
    try:
        wait_until(listens, 'nginx takes connections', 10 * site.slow)
        yield port
    finally:
        process.terminate()
        process.wait()


def an_nginx_in_front_is_heard_before_it_is_judged(site):
    """It heeds X-Accel-Buffering, which each of the samples passes on; and what comes to
    it in chunks, as HTTP/1.1, it holds back in no case."""
    for lines in ('', 'proxy_http_version 1.1;', 'proxy_http_version 1.1; proxy_buffering off;'):
        with _nginx_before(site, lines) as port:
            _fine(_run(site, f'http://127.0.0.1:{port}/events'))


def an_nginx_in_front_that_collects_is_named(site):
    with _nginx_before(site, 'proxy_ignore_headers X-Accel-Buffering;') as port:
        done = _run(site, f'http://127.0.0.1:{port}/events')
    _fault(site, done, 'events are held back', 'proxy_buffering off', server='nginx')


def _relay(listener, target):
    """Passes on what comes, and keeps the other side's connection when a client goes."""
    def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := reader.recv(65536):
                with contextlib.suppress(OSError):   # the other side is gone: read on all the same
                    writer.sendall(data)

    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(target)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=pump, args=ends, daemon=True).start()


@only_behind('nginx')
def a_proxy_that_misses_nobody_is_a_fault(site):
    """Whoever has gone through it stays open behind it."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        threading.Thread(target=_relay, args=(listener, ('127.0.0.1', site.front.port)), daemon=True).start()
        url = f'http://127.0.0.1:{listener.getsockname()[1]}/events'
        done = _run(site, url, silence='12s')
        _fault(site, done, 'a client that had gone was not noticed', 'fastcgi_ignore_client_abort off')
        done = _run(site, url, token=site.token(site.user(), ttl=60), silence='1s')
        _fault(site, done, 'clients that had gone were not noticed', 'fastcgi_ignore_client_abort off')
    site.restart_rowcast()   # which ends them


# ---- HTTP/2 ----

def http_2_is_counted(site):
    port = free_port()
    certificate, changes = tls.changes(site, port)
    with _changed(site, *changes):
        done = _run(site, f'https://localhost:{port}/events', env={'SSL_CERT_FILE': certificate})
        _fine(done)
        said = re.search(r'HTTP/2 is spoken: a connection takes (\d+) streams.* at once(.*)', done.stdout)
        expect.true(said, done.stdout)
        expect.equal(int(said[1]), {'lighttpd': 8, 'apache': 100, 'nginx': 128}[site.server])
        if site.server == 'apache':   # six, or twice that after the first answer
            expect.true(re.search('works on no more than (6|12) to begin with', said[2]), done.stdout)
        # Its certificate is nobody's.
        done = _run(site, f'https://localhost:{port}/events', env={'SSL_CERT_FILE': '/etc/ssl/certs/ca-certificates.crt'})
        expect.equal((done.returncode, done.stdout), (2, ''), 'another certificate')
        expect.true('certificate' in done.stderr and 'SSL_CERT_FILE' in done.stderr, done.stderr)


# ---- what cannot be probed ----

def _cannot(done, *parts):
    expect.equal((done.returncode, done.stdout), (2, ''), done.stderr)
    for part in parts:
        expect.true(part in done.stderr, f'{part!r} in {done.stderr!r}')
    expect.equal(done.stderr.count('\n'), 1, f'one sentence: {done.stderr}')


def what_is_no_stream_is_named(site):
    token = site.token(site.user())
    for path in ('/', '/index.html', '/event', '/events/', '/xevents'):
        _cannot(_run(site, site.url + path, token), '/events')
    _cannot(_run(site, 'ftp://127.0.0.1/events', token), 'http')
    _cannot(_run(site, f'http://127.0.0.1:{free_port()}/events', token), 'nothing answers')
    _cannot(_run(site, site.url + '/events', 'no-token'), '401', 'token is invalid')
    _cannot(_run(site, site.url + '/events', site.token('x', ttl=-10)), 'expired')


def another_server_is_not_rowcast(site):
    """Pages, redirections, refusals that are not rowcast's own."""
    answers = {
        'return 404;': '404',
        'default_type text/html; return 200 "<p>hello";': 'page',
        'return 302 https://example.com/events;': 'https://example.com/events',
        'return 403;': '403',
        'return 401;': '401',
        'return 502;': 'does not reach rowcast',
    }
    for line, part in answers.items():
        with _nginx_before(site, line) as port:
            _cannot(_run(site, f'http://127.0.0.1:{port}/events', site.token('x')), 'nginx', part)


def a_rowcast_that_is_away_is_no_fault_of_the_way(site):
    token = site.token('x')
    site.stop_rowcast()
    try:
        _cannot(_run(site, token=token), 'rowcast is away')
    finally:
        site.come_back()


def without_a_token_it_needs_a_key(site):
    done = rowcast(site, 'probe', site.url + '/events', '-c', os.path.join(SOURCE, 'conf', 'none.conf'))
    expect.equal(done.returncode, 2, done.stdout)
    expect.true('--token' in done.stderr, done.stderr)


def misuse_says_how_it_is_used(site):
    expect_misuse(site, 'probe')
    expect_misuse(site, 'probe', 'http://a/events', 'http://b/events')
    expect_misuse(site, 'probe', '--nothing', 'http://a/events')
    for silence in ('0', 'soon', '2d', '-1s'):
        expect_misuse(site, 'probe', 'http://a/events', '--for', silence)
