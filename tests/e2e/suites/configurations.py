"""What cannot work is said before it does not work: by check, by serve at its
start, and on SIGHUP. Behind one web server only."""

import os

import expect
from shell import expect_no_start, rowcast
from waiting import wait_until

OWN_TABLE_ONLY = 'its configurations are those of one machine'


def _check(site, *options, conf=None):
    """Only what is tested may be wrong: the web server of these tests is another
    user than rowcast, so anybody may connect, and that is warned of."""
    return rowcast(site, 'check', '-c', conf or site.rowcast.conf, '-o', 'listen_mode=0660', *options)


def _conf(site, name, text):
    path = os.path.join(site.folder, name)
    with open(path, 'w') as f:
        f.write(f'jwt_key_file = {site.rowcast.key_file}\nstore = sqlite:{site.db}\nlisten = unix:{site.rowcast.socket_path}\n{text}')
    return path


def _key(site, name, content, mode=0o600):
    path = os.path.join(site.folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'wb') as f:
        f.write(content)
    return path


def check_has_no_word_to_say_about_what_is_right(site):
    done = _check(site)
    expect.equal((done.returncode, done.stderr), (0, ''))
    done = _check(site, conf=_conf(site, 'defaults.conf', ''))
    expect.equal(done.returncode, 0, done.stderr)
    expect.true('heartbeat' not in done.stderr, done.stderr)


def a_store_whose_folder_is_not_there_is_an_error(site):
    for store in ('/no/such/folder/rowcast.db', site.folder + '/none/rowcast.db', site.rowcast.conf + '/rowcast.db'):
        done = _check(site, '-o', 'store=sqlite:' + store)
        expect.equal(done.returncode, 1, f'{store}: {done.stdout}')
        expect.true(store in done.stderr, done.stderr)


def a_short_secret_is_an_error_and_a_rather_short_one_a_warning(site):
    for n, status, alg in ((1, 1, 'HS256'), (5, 1, 'HS256'), (15, 1, 'HS256'), (5, 1, 'HS512'), (16, 0, 'HS256'), (31, 0, 'HS256'), (63, 0, 'HS512')):
        path = _key(site, f'key of {n}', b'k' * n)
        done = _check(site, '-o', 'jwt_key_file=' + path, '-o', 'jwt_alg=' + alg)
        expect.equal(done.returncode, status, f'{n} bytes, {alg}: {done.stderr}')
        expect.true(path in done.stderr, f'{n} bytes, {alg}: {done.stderr!r} names the file')
        expect.true(n < 5 or 'kkkkk' not in done.stderr, 'the secret is not told')
    for n, alg in ((32, 'HS256'), (64, 'HS512')):
        done = _check(site, '-o', 'jwt_key_file=' + _key(site, f'key of {n}', b'k' * n), '-o', 'jwt_alg=' + alg)
        expect.equal((done.returncode, done.stderr), (0, ''), f'{n} bytes, {alg}')
    path = _key(site, 'short', b'12345')
    expect_no_start(site, '-c', site.rowcast.conf, '-o', 'jwt_key_file=' + path, '-o', f'listen=unix:{site.folder}/short.sock',
                    '-o', f'store=sqlite:{site.folder}/short.db', says=[path])


def a_key_that_is_given_twice_is_an_error_that_names_the_line(site):
    for text in ('heartbeat = 10s\nheartbeat = 20s\n', 'heartbeat = 10s\n# between\nheartbeat = 10s\n', 'max_streams = 5\n\nmax_streams=6\n',
                 f'store = sqlite:{site.db}\n', 'allow_origin = https://a.example\nallow_origin = https://b.example\n'):
        path = _conf(site, 'twice.conf', text)
        done = _check(site, conf=path)
        expect.equal(done.returncode, 1, text)
        last = 3 + len(text.rstrip('\n').split('\n'))
        expect.true(f'{path}:{last}' in done.stderr, f'{text!r}: {done.stderr}')
    second = _key(site, 'second.key', b'another secret, as long as the right one is')
    expect.equal(_check(site, conf=_conf(site, 'keys.conf', f'jwt_key_file = {second}\n')).returncode, 0, 'two keys')
    # An option says it anew.
    expect.equal(_check(site, '-o', 'heartbeat=10s', conf=_conf(site, 'once.conf', 'heartbeat = 20s\n')).returncode, 0, 'an option')


def a_key_of_another_user_is_refused(site):
    if os.geteuid() != 0:
        return  # who is not root has no file of another user
    path = _key(site, 'theirs', b'a secret that is quite long enough')
    os.chown(path, 1234, -1)
    done = _check(site, '-o', 'jwt_key_file=' + path)
    expect.equal(done.returncode, 1, done.stdout)
    expect.true(path in done.stderr, done.stderr)
    expect_no_start(site, '-c', site.rowcast.conf, '-o', 'jwt_key_file=' + path, '-o', f'listen=unix:{site.folder}/theirs.sock',
                    '-o', f'store=sqlite:{site.folder}/theirs.db', says=[path])


def a_heartbeat_behind_which_web_servers_hang_up_is_a_warning(site):
    for heartbeat in ('1h', '10m'):
        done = _check(site, '-o', 'heartbeat=' + heartbeat)
        expect.equal(done.returncode, 0, f'{heartbeat}: {done.stderr}')
        expect.true('heartbeat' in done.stderr, f'{heartbeat}: {done.stderr!r}')


def on_sighup_the_keys_that_need_a_restart_are_named(site):
    def said(settings, *names):
        log = len(site.rowcast.log_bytes())
        site.reload(**settings)
        for name in names:
            wait_until(lambda: any(name in line for line in site.rowcast.log_since(log).split('\n') if 'restart' in line),
                       f'{name} is named, which was changed', 5 * site.slow)
        return site.rowcast.log_since(log)

    try:
        # Settings that take part in a reload are in force, and not named.
        text = said({'max_streams': 500, 'max_streams_per_user': 8, 'keep_for': '3d', 'keep_rows': 5000, 'log_level': 'info'})
        expect.true('restart' not in text, text)
        changed = {'listen': f'unix:{site.folder}/elsewhere.sock', 'store': f'sqlite:{site.folder}/elsewhere.db', 'workers': 7}
        for key, value in changed.items():
            text = said({key: value}, key)
            lines = [line for line in text.split('\n') if 'restart' in line]
            others = set(changed) - {key}
            expect.true(not any(f' {other}' in line for other in others for line in lines), f'only {key} was changed: {text}')
        said(changed, *changed)
        expect.equal(os.path.exists(site.folder + '/elsewhere.db'), False, 'nothing is made')
        expect.status(site.request('GET', '/healthz'), 200)
    finally:
        site.reload()
    text = said({})
    expect.true('restart' not in text, f'nothing was changed: {text}')


def the_first_line_of_the_log_says_what_has_started(site):
    site.restart_rowcast()
    wait_until(lambda: 'serve: ready' in site.rowcast.log_since(site.rowcast.log_at_start), 'it is ready', 20 * site.slow)
    first = site.rowcast.log_since(site.rowcast.log_at_start).split('\n')[0]
    version = rowcast(site, '--version').stdout.split()[1]
    for what, part in (('the socket', site.rowcast.socket_path), ('the store', site.db), ('the version', version)):
        expect.true(part in first, f'{what}, {part}, in {first!r}')
