"""Tokens, keys and messages stay out of every log, whatever way they are sent
and whether or not rowcast is there: read with log_level = debug."""

import base64
import contextlib
import os
import select
import signal
import socket
import subprocess

import expect
from tap import own_table_only
from waiting import wait_until

# Each stands for a secret, and is unlike anything else in a log.
MESSAGE = 'aMessageThatIsNobodysBusiness'
BASIC = 'aPasswordThatSomebodyHasSent'


def _raw(site, requests):
    """What no HTTP client would send, all at once; waits until each has been
    answered or hung up on. Those that a server waits for more of are left."""
    waiting = set()
    for request in requests:
        s = socket.create_connection(('127.0.0.1', site.front.port), timeout=10 * site.slow)
        with contextlib.suppress(ConnectionError):
            s.sendall(request)
        waiting.add(s)
    while waiting:
        ready = select.select(waiting, [], [], 0.5 * site.slow)[0]
        for s in ready or waiting.copy():
            s.close()
            waiting.discard(s)


def _ask_in_every_way(site, token, bad):
    """Good tokens and bad ones, in every place, in requests good and bad."""
    for t in (token, bad):
        for path in ('/events', '/msg', '/status', '/push/events'):
            query = f'{path}?token={t}&topic=a&msg={MESSAGE}'
            # HEAD: no stream may hold us up here.
            for method in ('HEAD', 'PUT', 'OPTIONS'):
                site.request(method, query, headers={'Referer': f'http://localhost{query}', 'Cookie': f'rowcast_token={t}'})
            site.request('POST', query, t, {'Content-Type': 'application/json', 'User-Agent': MESSAGE}, f'{{"msg":"{MESSAGE}","user":1')
        for headers in ({'Authorization': f'Bearer {t}'}, {'Authorization': f'bearer  {t}'}, {'Authorization': t},
                        {'Cookie': f'rowcast_token="{t}'}, {'Cookie': f'rowcast_token={t}; x={MESSAGE}'},
                        {'Authorization': 'Basic ' + base64.b64encode(f'{t}:{BASIC}'.encode()).decode()}):
            site.request('POST', '/msg', headers=headers, body=f'msg={MESSAGE}')
            site.request('POST', '/msg', headers={**headers, 'Content-Type': 'application/x-ndjson'}, body=f'{{"msg":"{MESSAGE}"}}\nx')
            site.request('POST', '/msg', headers={**headers, 'Content-Type': 'text/' + MESSAGE}, body=MESSAGE)
        # To places where nothing is, and where something is but not that.
        paths = ('/event', '/events/', '/msg/', '/nothing/here', '/index.html', '/', '/console.js/', '/events/x', '/../events',
                 '/%2e%2e/%2e%2e/etc/passwd', '/%zz', '/public', '/rowcast-away.sse', '/rowcast-away.asis', '/.', '/a%00b')
        _raw(site, [f'GET {path}?token={t} HTTP/1.1\r\nHost: localhost\r\nReferer: http://localhost/?token={t}\r\n\r\n'.encode()
                    for path in paths])
        _raw(site, [lines.encode() for lines in (
            f'GET /events?token={t}\r\n\r\n', f'GET /events?token={t} HTTP/9.9\r\n\r\n', f'GET /events?token={t} and more HTTP/1.1\r\n\r\n',
            f'GET  /events?token={t} HTTP/1.1\r\nHost: x\r\n\r\n', f'GET events?token={t} HTTP/1.1\r\nHost: x\r\n\r\n',
            f'GET /events?token={t}\0 HTTP/1.1\r\nHost: x\r\n\r\n', f'GET /events?token={t}\x01 HTTP/1.1\r\nHost: x\r\n\r\n',
            f'GET http://localhost/events?token={t} HTTP/1.1\r\nHost: y\r\n\r\n', f'G\x07T /events?token={t} HTTP/1.1\r\nHost: x\r\n\r\n',
            f'GET /events#?token={t} HTTP/1.1\r\nHost: x\r\n\r\n', f'GET /events?token={t} HTTP/1.1\r\nHost: x y\r\n\r\n',
            f'GET /events HTTP/1.1\r\nCookie: rowcast_token={t}\r\n\r\n', f'GET /events HTTP/1.1\r\nHost: x\r\nCookie rowcast_token={t}\r\n\r\n',
            f'GET /events HTTP/1.1\r\nHost: x\r\n Authorization: Bearer {t}\r\n\r\n',
            f'GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {t}\0\r\n\r\n',
            f'GET /events HTTP/1.1\r\nHost: x\r\nCookie: rowcast_token={t}{"x" * 70000}\r\n\r\n',
            f'GET /events?token={t}{"x" * 70000} HTTP/1.1\r\nHost: x\r\n\r\n',
            f'POST /msg?token={t} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 40}\r\n\r\n{MESSAGE}',
            f'POST /nothing?token={t} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 40}\r\n\r\n{MESSAGE}',
            f'POST /msg?token={t} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{MESSAGE}',
            f'POST /msg?token={t} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{MESSAGE}\r\n',
            f'POST /msg?token={t} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{MESSAGE}',
            f'TRACE /events?token={t} HTTP/1.1\r\nHost: x\r\n\r\n')])


def _check(site, secrets):
    logs = {**site.front.logs(), 'rowcast.log': site.rowcast.log_bytes()}
    # nginx cannot leave the query out, so it writes next to nothing there.
    expect.true(logs['access.log'] and (logs['error.log'] or site.server == 'nginx'), 'there are logs to look into')
    for name, content in logs.items():
        for what, secret in secrets.items():
            at = content.find(secret.encode())
            if at >= 0:
                raise AssertionError(f'{name} has {what}: {content[max(at - 300, 0):at + 60]!r}')
    print(f'# {", ".join(f"{name}: {len(content)} bytes" for name, content in sorted(logs.items()))}')


def no_secret_is_in_any_log_whether_rowcast_is_there_or_not(site):
    user = site.user()
    token = site.token(user, scope='rowcast:publish')
    bad = site.token(user, secret=b'another secret, as long as the right one is')
    header, payload, signature = token.split('.')
    secrets = {'a token': payload[:40], "a token's signature": signature, "a bad token's signature": bad.split('.')[2],
               'a message': MESSAGE, 'a password': BASIC, 'the key': site.secret.decode()}
    with site.configured(log_level='debug'):
        for via in ('header', 'cookie', 'query'):
            stream = site.subscribe(token=token, via=via)
            site.publish(token, user=user, msg=MESSAGE)
            expect.equal(stream.wait_event().data, MESSAGE)
            expect.equal(site.stream(token=bad, via=via).wait_status(), 401)
        _ask_in_every_way(site, token, bad)
        # Rows that the table refuses, and a key that is none.
        for row in (f"'{MESSAGE}\n', '{MESSAGE}'", f"'x', CAST('{MESSAGE}' AS BLOB)"):
            site.sqlite3(f'INSERT INTO message(event, data) VALUES({row})')
        log_before = len(site.rowcast.log_bytes())
        os.chmod(site.rowcast.key_file, 0o620)
        site.rowcast.send_signal(signal.SIGHUP)
        wait_until(lambda: 'nothing was reloaded' in site.rowcast.log_since(log_before), 'the key file is refused',
                   10 * site.slow)
        os.chmod(site.rowcast.key_file, 0o600)
        expect.true('token refused' in site.rowcast.log_since(0), 'the level is debug')
        site.close_streams()
        site.stop_rowcast()
        _ask_in_every_way(site, token, bad)
    _check(site, secrets)


def _lines(site, since):
    return site.rowcast.log_since(since).splitlines()


@own_table_only('its first id is not 1')
def the_first_lines_say_which_rowcast_this_is(site):
    version = subprocess.run([site.rowcast.program, '--version'], capture_output=True, text=True).stdout.splitlines()[0]
    with site.store_in(site.new_folder('first-lines')):
        store = f'store sqlite:{site.db}'
        for inserted, deleted, ready in ((0, 0, 'no messages yet'), (3, 0, 'messages 1 to 3'), (0, 2, 'messages 3 to 3'),
                                         (0, 3, 'no messages after 3')):
            for _ in range(inserted):
                site.insert('a message')
            if deleted:
                site.sql(f'DELETE FROM message WHERE id <= {deleted}')
            log_before = len(site.rowcast.log_bytes())
            site.restart_rowcast(store='sqlite:' + site.db)
            wait_until(lambda: 'serve: ready' in site.rowcast.log_since(log_before).partition('serve: done')[2],
                       'it is ready', 10 * site.slow)
            lines = _lines(site, log_before)
            at = lines.index('info: serve: done') + 1
            expect.equal(lines[at:at + 2], [f'info: serve: {version} on unix:{site.rowcast.socket_path}, {store}',
                                            f'info: serve: ready, {ready}'])
    log_before = len(site.rowcast.log_bytes())
    with site.handed_over():
        wanted = f'info: serve: {version} on the socket passed as descriptor 0, store sqlite:{site.db}'
        expect.true(wanted in _lines(site, log_before), site.rowcast.log_since(log_before))


def a_reload_names_what_needs_a_restart_and_drops_no_stream(site):
    user = site.user()
    stream = site.subscribe(user)
    stream.wait_comment()
    log_before = len(site.rowcast.log_bytes())
    site.reload(workers=7, listen='unix:/elsewhere', heartbeat='200ms', max_streams=9999)
    lines = [line for line in _lines(site, log_before) if 'serve: ' in line]
    expect.equal(lines, ['warn: serve: listen, workers: changed, but need a restart',
                         'info: serve: keys, limits and retention are reloaded'])
    # They are told again as long as they differ, and no longer when they are as at the start.
    log_before = len(site.rowcast.log_bytes())
    site.reload(allow_origin='https://a.example', workers=7)
    expect.true('warn: serve: workers, allow_origin: changed, but need a restart' in _lines(site, log_before),
                site.rowcast.log_since(log_before))
    log_before = len(site.rowcast.log_bytes())
    site.reload()
    expect.true('need a restart' not in site.rowcast.log_since(log_before), site.rowcast.log_since(log_before))
    id = site.publish(site.token(user), msg='still there')
    expect.equal(int(stream.wait_event().id), id)
