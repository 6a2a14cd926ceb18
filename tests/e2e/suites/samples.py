"""What the sample configurations promise beside streaming: room for what rowcast
takes, answers while it is away, logs that can be rotated, numbers that stay on
this machine."""

import contextlib
import http.client
import os
import signal
import socket

import expect
from tap import only_behind
from waiting import wait_until

ORIGIN = 'https://www.example.com'   # lighttpd's sample names it


def _names(n, name):
    names = [f'{i:02}' + name for i in range(n)]
    expect.equal({len(n.encode()) for n in names}, {255}, 'bytes of a topic')
    return names


# ---- room ----

def all_topics_that_a_stream_may_have_fit_into_a_request(site):
    """With a token in the query, and cookies."""
    names = [_names(32, 'x' * 253)]
    if site.server != 'apache':          # which takes 16 KiB
        names.append(_names(32, 'x' + '\u00e9' * 126))
    for topics in names:
        user = site.user()
        token = site.token(user, topics=['*'])
        stream = site.subscribe(token=token, via='query', topics=topics, headers={'Cookie': 'theme=' + 'x' * 7000})
        for topic in (topics[0], topics[31]):
            site.insert('hello', topic=topic)
            expect.equal(stream.wait_event().data, 'hello', topic)


@only_behind('apache')
def a_query_that_apache_would_leave_out_is_refused_at_once(site):
    """Not a stream without the topics that were asked for."""
    token = site.token(site.user(), topics=['*'])
    for n in (16000, 16300, *range(16330, 16390, 4), 20000, 30000):
        stream = site.stream(token=token, query=f'topic=mine&_={"x" * (n - len("/events?topic=mine&_="))}')
        if stream.wait_status() == 200:
            site.insert(f'{n} bytes', topic='mine')
            expect.equal(stream.wait_event().data, f'{n} bytes')
        else:
            expect.equal(stream.status, 414, f'a URL of {n} bytes')


# ---- away ----

def while_rowcast_is_away_a_page_of_another_site_is_told_to_come_again(site):
    """No CORS, no answer: its EventSource would never come back."""
    site.stop_rowcast()
    try:
        for path in ('/events', '/some/prefix/events?topic=a'):
            answer = site.request('GET', path, headers={'Origin': ORIGIN, 'Accept': 'text/event-stream'})
            expect.status(answer, 200, path)
            expect.equal(answer.body, b'retry: 3000\n\n')
            expect.equal(answer.headers.get('access-control-allow-origin'), ORIGIN)
            expect.equal(answer.headers.get('access-control-allow-credentials'), 'true')
            expect.true('Origin' in answer.headers.get('vary', ''), f'Vary: {answer.headers.get("vary")}')
            expect.equal(answer.headers.get('cache-control'), 'no-cache')
        answer = site.request('GET', '/events')
        expect.status(answer, 200)
        expect.equal(answer.headers.get('access-control-allow-origin'), None, 'without an Origin')
        expect.true('Origin' in answer.headers.get('vary', ''), 'caches are told even so')
    finally:
        site.come_back()
    answer = site.request('GET', '/healthz', headers={'Origin': ORIGIN})
    expect.equal(answer.headers.get('access-control-allow-origin'), None, "rowcast's own answers are its own matter")


# ---- what goes on ----

def _ask_from(site, source, path, method='GET', token=None):
    """127.0.0.2 stands for everybody else."""
    connection = http.client.HTTPConnection('127.0.0.1', site.front.port, timeout=30 * site.slow, source_address=(source, 0))
    try:
        connection.request(method, path, headers={'Authorization': 'Bearer ' + token} if token else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def who_is_connected_is_told_to_an_administrator_from_anywhere_and_to_nobody_else(site):
    """rowcast asks for the scope, whatever a request says of itself."""
    admin = site.token(site.user(), scope='rowcast:admin')
    publisher = site.token(site.user(), scope='rowcast:publish')
    user = site.user()
    with site.subscribe(user):
        for prefix in ('', '/x'):
            for source in ('127.0.0.1', '127.0.0.2'):
                expect.equal(_ask_from(site, source, f'{prefix}/presence')[0], 400, f'{prefix} without a token from {source}')
                expect.equal(_ask_from(site, source, f'{prefix}/presence', token='x')[0], 401)
                expect.equal(_ask_from(site, source, f'{prefix}/presence', token=publisher)[0], 403)
                status, body = _ask_from(site, source, f'{prefix}/presence?user={user}&detail=1', token=admin)
                expect.true(status == 200 and user.encode() in body, f'{status} {body}')


def what_goes_on_is_for_this_machine_alone(site):
    def ask(source, path, method='GET'):
        return _ask_from(site, source, path, method, admin)

    admin = site.token(site.user(), scope='rowcast:admin')
    for word, shown in (('metrics', b'rowcast_'), ('status', b'{')):
        encoded = f'%{ord(word[0]):02x}{word[1:-1]}%{ord(word[-1]):02X}'
        for path in (f'/{word}', f'/x/{word}', f'/{encoded}', f'/x/{encoded}', f'//{word}', f'/x//{word}', f'//x///{encoded}',
                     f'/./{word}', f'/x/../{word}', f'/healthz/../{word}', f'/healthz/%2e%2e/{word}', f'/events/{word}',
                     f'/{word}?x=/healthz', f'/x%2f{word}', f'/index.html/{word}', f'/{word}?'):
            for method in ('GET', 'HEAD', 'POST', 'OPTIONS'):
                status, body = ask('127.0.0.2', path, method)   # of rowcast itself it would be 200, 204 or 405
                expect.true(status in (403, 404), f'{method} {path}: {status} {body[:100]}')
        for path in (f'/{word}', f'/x/{word}', f'/{encoded}'):
            status, body = ask('127.0.0.1', path)
            expect.true(status == 200 and shown in body, f'{path} on this machine: {status} {body[:100]}')
    expect.equal(ask('127.0.0.2', '/healthz'), (200, b'ok'))


# ---- logs ----

# As Debian's logrotate does it.
REOPEN = {'lighttpd': signal.SIGHUP, 'apache': signal.SIGUSR1, 'nginx': signal.SIGUSR1}


def after_a_rotation_errors_land_in_the_new_file(site):
    user = site.user()
    token = site.token(user)
    held = site.subscribe(token=token, via='query')
    # Apache: the process that holds the stream is one from before the rotation.
    for name in ('error.log', 'access.log'):
        wait_until(lambda: os.path.exists(os.path.join(site.front.log, name)), f'there is {name}', 10 * site.slow)
        os.rename(os.path.join(site.front.log, name), os.path.join(site.front.log, name + '.1'))
    before = site.front.children()
    site.front.process.send_signal(REOPEN[site.server])
    # Whatever is logged first is proof that the logs are open again.
    wait_until(lambda: site.request('GET', '/healthz').status == 200 and b'/healthz' in site.front.logs().get('access.log', b''),
               'the new access log is written', 10 * site.slow)
    if site.server == 'nginx':   # says next to nothing else
        os.kill(before[0], signal.SIGKILL)
        expected = f'worker process {before[0]} exited on signal 9'
    else:
        site.stop_rowcast(signal.SIGKILL)
        site.request('GET', f'/events?token={token}')
        site.request('GET', f'/%zz?token={token}', headers={'Referer': f'http://x/?token={token}'})
        expected = 'FastCGI' if site.server == 'apache' else '/events?...'
    wait_until(lambda: expected in site.front.logs().get('error.log', b'').decode(errors='replace'),
               f'{expected!r} is in the new error log', 10 * site.slow)
    if site.server == 'apache':
        # mod_proxy_fcgi told of the stream that broke off in a process of before.
        wait_until(lambda: any(f'[pid {pid}:' in site.front.logs()['error.log'].decode(errors='replace') for pid in before),
                   'a process from before the reload writes there too', 10 * site.slow)
    if not site.rowcast.running():
        site.start_rowcast()
    held.close()
    site.check_no_token_in_logs()
    site.front.stop()
    site.front.start()
    site.wait_healthy()


def a_rotation_drops_no_stream_and_loses_no_message(site):
    """Whatever signal logrotate sends: none is a stop."""
    with site.configured(heartbeat='15s'):
        user = site.user()
        streams = [site.subscribe(user) for _ in range(8)]
        sent = []
        for turn in range(3):
            access = os.path.join(site.front.log, 'access.log')
            with contextlib.suppress(FileNotFoundError):
                os.rename(access, f'{access}.{turn}')
            sent.append(f'before {turn}')
            site.insert(sent[-1], user)
            site.front.process.send_signal(REOPEN[site.server])
            wait_until(lambda: site.request('GET', '/healthz').status == 200 and os.path.exists(access), 'the new log is written', 20 * site.slow)
            sent.append(f'after {turn}')
            site.insert(sent[-1], user)
        for stream in streams:
            expect.equal([event.data for event in stream.wait_events(len(sent))], sent)
            expect.true(not (stream.pump() and stream.closed), 'the stream goes on')
        site.close_streams()
    # Apache's processes from before are gone with it.
    site.front.stop()
    site.front.start()
    site.wait_healthy()


# ---- reloads ----

@only_behind('apache')
def reloads_with_open_streams_do_not_use_apache_up(site):
    """Each leaves processes behind that end with their last stream."""
    with site.configured(heartbeat='15s'):
        for i in range(20):
            for _ in range(3):
                site.subscribe(site.user())
            begun = site.front.errors().count('resuming normal operations')
            site.front.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: site.front.errors().count('resuming normal operations') > begun, 'Apache has reloaded', 20 * site.slow)
        site.subscribe(site.user())
        for stream in site._streams:
            expect.true(not (stream.pump() and stream.closed), 'the streams go on')
    site.front.stop()
    site.front.start()
    site.wait_healthy()


@only_behind('lighttpd')
def a_reload_with_open_streams_is_over_soon(site):
    streams = [site.subscribe(site.user()) for _ in range(4)]
    begun = site.front.errors().count('server started')
    site.front.process.send_signal(signal.SIGUSR1)
    for stream in streams:
        stream.wait_end(5 * site.slow)
        stream.close()
    wait_until(lambda: site.front.errors().count('server started') > begun, 'lighttpd is there again', 5 * site.slow)
    site.wait_healthy()
    site.subscribe(site.user())


# ---- others on the way ----

def a_client_of_http_1_0_gets_a_stream(site):
    """No chunks: it would take them for the stream."""
    user = site.user()
    with socket.create_connection(('127.0.0.1', site.front.port), timeout=10 * site.slow) as s:
        s.sendall(f'GET /events HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {site.token(user)}\r\n\r\n'.encode())
        reader = s.makefile('rb')
        expect.true(b' 200 ' in reader.readline(), 'a stream')
        for line in iter(reader.readline, b'\r\n'):
            expect.true(not line.lower().startswith(b'transfer-encoding'), f'{line}')
        expect.true(reader.readline().startswith(b'retry: '), 'the first block')
        site.insert('hello', user)
        expect.equal(next(line for line in reader if line.startswith(b'data')), b'data: hello\n')


def trace_shows_nobody_what_the_browser_sends(site):
    for path in ('/events', '/index.html'):
        answer = site.request('TRACE', path, headers={'Cookie': 'rowcast_token=secret'})
        expect.true(answer.status in (404, 405, 501), f'{path}: {answer.status}')
        expect.true(b'secret' not in answer.body, f'{path}: {answer.body}')


def _compressed_answers_and_streams(site):
    changes = {
        'apache': ('DirectoryIndex index.html\n', 'DirectoryIndex index.html\nSetOutputFilter DEFLATE\n'
                   'LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so\n'),
        'nginx': ('server_tokens off;', 'server_tokens off; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;'),
    }
    packed = {'Accept-Encoding': 'gzip, br'}
    with site.front_changed(changes[site.server]):
        expect.equal(site.request('GET', '/index.html', headers=packed).headers.get('content-encoding'), 'gzip', 'the page')
        user = site.user()
        stream = site.subscribe(user, headers=packed)
        expect.equal(stream.headers.get('content-encoding'), None, 'a stream')
        site.insert('hello', user)
        expect.equal(stream.wait_event().data, 'hello')


@only_behind('apache')
def where_apache_compresses_streams_are_not_held_back(site):
    """mod_deflate would wait until there is enough to compress."""
    _compressed_answers_and_streams(site)


@only_behind('nginx')
def where_nginx_compresses_streams_do_not_cost_its_memory(site):
    _compressed_answers_and_streams(site)
