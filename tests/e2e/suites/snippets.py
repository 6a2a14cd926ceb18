"""The snippets, each included into a site as Debian installs it: streams work, and every
other page is as it was."""

import contextlib
import http.client
import os
import re
import secrets

import expect
from front import Front
from harness import SOURCE
from shell import rowcast
from tap import only_behind
from writing import Writing

PLAIN_APACHE = '''# What Debian's apache2.conf, with the modules and the site that it enables, comes to.
{modules}
DefaultRuntimeDir /run/apache2
PidFile /run/apache2/apache2.pid
Timeout 300
KeepAlive On
User www-data
Group www-data
ErrorLog /var/log/apache2/error.log
LogLevel warn
TypesConfig /etc/mime.types
Listen 80
ServerName localhost
<Directory />
	Options FollowSymLinks
	AllowOverride None
	Require all denied
</Directory>
<Directory {root}>
	Options Indexes FollowSymLinks
	AllowOverride None
	Require all granted
</Directory>
<Directory /tmp>
	Require all granted
</Directory>
LogFormat "%h %l %u %t \\"%r\\" %>s %O" common
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css text/javascript application/javascript
DirectoryIndex index.html
#include the snippet
<VirtualHost *>
	DocumentRoot {root}
	CustomLog /var/log/apache2/access.log common
</VirtualHost>
'''
APACHE_MODULES = ['mpm_event', 'alias', 'authn_core', 'authz_core', 'authz_host', 'autoindex', 'deflate', 'dir', 'env', 'filter', 'mime',
                  'negotiation', 'reqtimeout', 'setenvif', 'status']
NEEDED_BY_SNIPPET = ['proxy', 'proxy_fcgi', 'asis', 'headers']   # a2enmod


def _plain(site, root):
    """The configuration of a plain site, with a place for the snippet."""
    if site.server == 'apache':
        modules = '\n'.join(f'LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so' for name in APACHE_MODULES + NEEDED_BY_SNIPPET)
        return PLAIN_APACHE.format(modules=modules, root=root)
    if site.server == 'lighttpd':
        with open('/etc/lighttpd/lighttpd.conf') as f:
            text = f.read()
        text = re.sub(r'server\.port *= 80', 'server.port          = 80', text)
        text = re.sub(r'include_shell ".*use-ipv6.*\n', '', text)   # it would listen on port 80 as well
        text = text.replace('include "/etc/lighttpd/conf-enabled/*.conf"', '#include the snippet')
    else:
        with open('/etc/nginx/nginx.conf') as f:
            text = f.read()
        with open('/etc/nginx/sites-available/default') as f:
            default = re.sub(r'^\s*#.*\n', '', f.read(), flags=re.MULTILINE)
        default = default.replace('listen 80 default_server;', 'listen 80;').replace('listen [::]:80 default_server;', '')
        default = default.replace('server_name _;', 'server_name _;\n#include the snippet\n')
        text = re.sub(r'include /etc/nginx/modules-enabled.*', '', text)
        text = text.replace('include /etc/nginx/sites-enabled/*;', default)
    expect.true('#include the snippet' in text, 'this is the Debian that is known here')
    return text.replace('/var/www/html', root)


@contextlib.contextmanager
def _existing(site, is_included=True, name='existing'):
    """A plain site, with the snippet or without, in front of the same rowcast."""
    folder = os.path.join(site.folder, f'{name}-{is_included}-{site.user()}')
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    front = Front(site.server, SOURCE, folder, site.rowcast.socket_path)
    root = os.path.join(folder, 'html')
    os.mkdir(root)
    for page in ('index.html', 'about.html', 'status.txt'):
        with open(os.path.join(root, page), 'w') as f:
            f.write(f'<p>{page}\n')
        os.chmod(os.path.join(root, page), 0o644)
    share = os.path.join(folder, 'share')
    snippet = os.path.join(folder, 'snippet.conf')
    with open(os.path.join(SOURCE, 'conf', 'snippets', site.server + '.conf')) as f:
        text = f.read()
    for path in ('/run/rowcast/rowcast.sock', '/usr/share/rowcast/'):
        expect.true(path in text, f'the snippet has {path}')
    with open(snippet, 'w') as f:
        f.write(text.replace('/run/rowcast/rowcast.sock', site.rowcast.socket_path).replace('/usr/share/rowcast', share))
    include = {'lighttpd': f'include "{snippet}"', 'apache': f'Include {snippet}', 'nginx': f'include {snippet};'}[site.server]
    front.template = os.path.join(folder, 'template.conf')
    with open(front.template, 'w') as f:
        f.write(_plain(site, root).replace('#include the snippet', include if is_included else ''))
    front.replacements = {old: new for old, new in {**front.replacements, '/var/log/nginx/': front.log + '/'}.items()
                          if old in open(front.template).read()}
    try:
        front.start()
        yield front
    finally:
        site.close_streams()
        if front.process is not None:
            front.stop()


def _get(front, path, source='127.0.0.1', method='GET', **headers):
    connection = http.client.HTTPConnection('127.0.0.1', front.port, timeout=30, source_address=(source, 0))
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@contextlib.contextmanager
def _as_front(site, front):
    """What goes to the site goes to that web server."""
    usual, site.front = site.front, front
    try:
        yield
    finally:
        site.close_streams()
        site.front = usual


def other_pages_are_as_they_were(site):
    """To the last header, on paths that exist, that do not, and that look like ours."""
    paths = ['/', '/index.html', '/about.html', '/status.txt', '/none', '/blog/events', '/events/', '/eventss', '/a/metrics', '/message',
             '/rowcast', '/rowcasts/events', '/server-status']
    answers = []
    for is_included in (False, True):
        with _existing(site, is_included) as front:
            got = {}
            for path in paths:
                for headers in ({}, {'Accept-Encoding': 'gzip'}):
                    status, fields, body = _get(front, path, **headers)
                    body = re.sub(rb'port \d+|ETag[^\n]*|:\d{5}', b'', body)
                    got[path, bool(headers)] = status, {n: v for n, v in fields.items() if n not in ('date', 'etag', 'last-modified')}, body
            answers.append(got)
    expect.equal([answers[0][path, False][0] for path in paths[:5]], [200, 200, 200, 200, 404], 'without the snippet')
    for key, before in answers[0].items():
        if site.server == 'apache' and key[0] == '/rowcast':
            continue   # mod_dir leads to /rowcast/, which is ours
        if 'location' in before[1]:
            before[1]['location'] = answers[1][key][1]['location'] = ''
        expect.equal(answers[1][key], before, f'{key}')


def streams_work_at_both_paths(site):
    with _existing(site) as front, _as_front(site, front):
        site.wait_healthy()
        for path in ('/events', '/rowcast/events'):
            user = site.user()
            stream = site.subscribe(user, path=path, headers={'Accept-Encoding': 'gzip, br'})
            expect.equal(stream.headers.get('content-encoding'), None, path)
            site.insert('hello', user)
            expect.equal(stream.wait_event().data, 'hello', path)
            site.close_streams()
        status, _, body = _get(front, '/rowcast/rowcast.js')
        expect.equal((status, b'connect' in body), (200, True), 'rowcast.js')
        status, fields, body = _get(front, '/rowcast/')
        expect.equal((status, b'rowcast' in body), (200, True), 'the page')


def what_is_written_as_it_comes_is_passed_on_as_it_comes(site):
    with _existing(site) as front, _as_front(site, front):
        site.wait_healthy()
        for path in ('/msg', '/rowcast/msg'):
            topic = 'run:' + secrets.token_hex(6)
            reader = site.subscribe(site.user(), topics=[topic], query='inbox=off')
            with Writing(site, topic, path=path) as body:
                for i in range(3):
                    body.say(f'{{"msg":"{i}"}}\n')
                    expect.equal(reader.wait_event().data, f'{i}', path)
            expect.equal(reader.wait_event(type='rowcast.end').data, '{"reason":"aborted"}')


def numbers_stay_on_this_machine(site):
    admin = site.token('admin', scope='rowcast:admin')
    with _existing(site) as front:
        for path in ('/metrics', '/rowcast/metrics', '/status', '/rowcast/status'):
            for authorization in ('', 'Bearer ' + admin):
                expect.equal(_get(front, path, source='127.0.0.2', Authorization=authorization)[0], 403, f'{path} from elsewhere')
            expect.equal(_get(front, path, Authorization='Bearer ' + admin)[0], 200, f'{path} from here')


def a_browser_is_told_to_come_again_while_rowcast_is_away(site):
    token = site.token('x')
    with _existing(site) as front:
        site.stop_rowcast()
        try:
            for path in ('/events', '/rowcast/events'):
                status, fields, body = _get(front, path, Authorization='Bearer ' + token, Accept='text/event-stream')
                expect.equal((status, fields['content-type'].split(';')[0], body.startswith(b'retry: ')), (200, 'text/event-stream', True), f'{path}: {body}')
            expect.true(_get(front, '/healthz')[0] in (502, 503), 'everything else hears the truth')
        finally:
            site.come_back()


def the_probe_finds_nothing_in_the_way(site):
    if 'with libcurl' not in rowcast(site, '--version').stdout:
        return   # then there is no probe
    with _existing(site) as front:
        for path in ('/events', '/rowcast/events'):
            done = rowcast(site, 'probe', f'http://127.0.0.1:{front.port}{path}', '--for', '1s', '-c', site.rowcast.conf)
            expect.equal(done.returncode, 0, done.stdout + done.stderr)


@only_behind('nginx')
def a_token_in_the_query_is_not_in_the_logs(site):
    """As far as a snippet can see to that: nginx's does, the others say what to write."""
    token = site.token(site.user())
    with _existing(site) as front, _as_front(site, front):
        site.subscribe(token=token, via='query')
        site.close_streams()
        _get(front, '/about.html')
        front.stop()
        for name, content in front.logs().items():
            expect.true(token.encode() not in content, name)
        expect.true(b'about.html' in front.logs()['access.log'], 'what is logged')
