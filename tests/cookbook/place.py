"""Where the recipes are followed: a machine below one folder, with rowcast, and the
site of webservers.md, to which every recipe adds what it says.

What is printed is what runs. Only places differ: each path of the machine has the
folder before it, http://localhost is this site's address, and ports are free ones."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import expect
import front
import harness
import recipe
import webdriver

COOKBOOK = os.path.join(harness.SOURCE, 'conf', 'cookbook')
# Paths of the machine that a recipe may speak of and that are made anew; whatever
# else it names, such as /usr/bin/php-cgi, is the real one.
PATHS = re.compile(r'(?<![\w./-])/(?=(?:srv|var|run|etc/(?:rowcast|cron\.d|logrotate\.d|lighttpd|apache2|nginx/sites)'
                   r'|usr/share/rowcast|usr/share/doc/rowcast)\b)')
DEBIAN_PYTHON = '/usr/bin/python3'  # the one that has Debian's modules

CONFS = {
    'lighttpd': '/etc/lighttpd/lighttpd.conf',
    'apache': '/etc/apache2/apache2.conf',
    'nginx': '/etc/nginx/sites-enabled/shop',
}
# What Debian has around, and before, what a site says.
APACHE_MODULES = ['mpm_event', 'authz_core', 'authz_host', 'alias', 'deflate', 'dir', 'env', 'filter', 'mime', 'reqtimeout', 'setenvif']
WHOLE = {
    'lighttpd': '{}',
    'apache': 'ServerName localhost\nServerRoot {folder}\nPidFile {folder}/run/apache2/pid\n{modules}TypesConfig /etc/mime.types\n{}',
    'nginx': 'pid {folder}/run/nginx.pid;\nevents {{ worker_connections 768; }}\n'
             'http {{\ninclude /etc/nginx/mime.types;\nsendfile on;\ngzip on;\n{}}}\n',
}


class Web(front.Front):
    """A web server with the site of webservers.md, `text`."""

    def __init__(self, server, place, text):
        self.server, self.folder, self.text = server, place.folder, text
        self.service = front.PROGRAMS[server][0]
        self.log = place.path('/var/log/' + self.service)
        self.conf = os.path.join(place.folder, server + '.conf')
        self.process = self.port = None
        self._errors_at_start = 0
        self.place = place
        os.makedirs(self.log, exist_ok=True)
        os.makedirs(place.path('/run/' + self.service), exist_ok=True)

    def _configure(self):
        asked_for = re.search(r'`a2enmod ([^`]+)`', self.place.text('webservers'))[1].split()
        modules = ''.join(f'LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n'
                          for name in APACHE_MODULES + ['proxy'] + asked_for)  # on which proxy_fcgi depends
        text = WHOLE[self.server].format(self.text, folder=self.folder, modules=modules)
        with open(self.conf, 'w') as f:
            f.write(self.place.placed(text, self.port))


class Place(harness.Site):
    def __init__(self, rowcast):
        super().__init__('lighttpd', rowcast)
        self.recipes = recipe.read_all(COOKBOOK)
        self._port_of_application = front.free_port()
        for path in ('/srv/shop/www', '/var/lib/rowcast', '/var/backups', '/run/rowcast', '/etc', '/usr/share/doc/rowcast/examples'):
            os.makedirs(self.path(path), exist_ok=True)
        open(self.path('/srv/shop/www/favicon.ico'), 'w').close()  # browsers ask, and complain
        self._install()
        self.base = dict(self.settings)
        self._rowcast_log = self.rowcast.log
        self.front = self.web('lighttpd')
        self._browser = None
        self.listener = None  # the socket that stays while rowcast goes, where there is one
        self._manager = threading.Thread(target=self._manage, daemon=True)

    def _install(self):
        """What `make install` would bring, and the program with its usual names."""
        one = self.rowcast
        one.conf, one.key_file = self.path('/etc/rowcast.conf'), self.path('/etc/rowcast.key')
        one.db, one.socket_path = self.path('/var/lib/rowcast/rowcast.db'), self.path('/run/rowcast/rowcast.sock')
        os.rename(self.settings['jwt_key_file'], one.key_file)
        self.settings.update(listen='unix:' + one.socket_path, store='sqlite:' + one.db, jwt_key_file=one.key_file)
        shutil.copytree(os.path.join(self.folder, 'share'), self.path('/usr/share/rowcast'))
        shutil.copytree(os.path.join(harness.SOURCE, 'conf', 'snippets'), self.path('/usr/share/doc/rowcast/examples/snippets'))
        for folder, _, names in os.walk(self.path('/usr/share/doc/rowcast/examples')):
            os.chmod(folder, 0o755)
            for name in names:
                path = os.path.join(folder, name)
                with open(path) as f:
                    text = self.placed(f.read())
                os.unlink(path)
                with open(path, 'w') as f:
                    f.write(text)
        os.mkdir(os.path.join(self.folder, 'bin'))
        self._program('rowcast', f'command=$1; shift\nexec {one.program} "$command" -c {one.conf} "$@"\n')
        # No test may start services of this machine: this one asks the test to.
        self._socket = self.path('/run/manager')
        self._program('systemctl', f'exec {DEBIAN_PYTHON} -c "import socket, sys\n'
                      's = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.sendall(\' \'.join(sys.argv[2:]).encode())\n'
                      f's.shutdown(1)\nsys.exit(s.recv(999).decode() or 0)" {self._socket} "$@"\n')
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._socket)
        self._listener.listen()

    def _program(self, name, text):
        path = os.path.join(self.folder, 'bin', name)
        with open(path, 'w') as f:
            f.write('#!/bin/sh\n' + text)
        os.chmod(path, 0o755)

    # ---- places ----

    def path(self, printed):
        return self.folder + printed

    def placed(self, text, port=None):
        """What a recipe says, for this machine; port: the web server's, not that of the site."""
        port = port or self.front.port
        text = PATHS.sub(self.folder + '/', text)
        text = re.sub(r'\bhttp://localhost(?=[/\s\'"`)]|$)', f'http://127.0.0.1:{port}', text)
        text = re.sub(r'(server\.port\s*=\s*)80\b', rf'\g<1>{port}\nserver.bind = "127.0.0.1"', text)
        text = re.sub(r'\b(Listen|listen) 80\b', rf'\1 127.0.0.1:{port}', text)
        return text.replace('8000', str(self._port_of_application))

    def web(self, server):
        """The site of webservers.md behind that server; behind lighttpd with what the
        other recipes add to it."""
        blocks = [block for each in [self.recipes['webservers'], *self.recipes.values()] for block in each.blocks
                  if block.file == CONFS[server]]
        for block in blocks:
            block.used = True
        text = ''.join(dict.fromkeys(block.text for block in blocks))
        return Web(server, self, text)

    # ---- following a recipe ----

    def follow(self, name, until=None):
        """Writes the recipe's files, or those before the section `until`, and gives rowcast
        the settings that it says; what is typed comes by type()."""
        cooked = self.recipes[name]
        if self._browser is not None:
            self._browser.open('about:blank')  # its stream is no business of this recipe
        settings, written = dict(self.base), set()
        for block in cooked.blocks:
            if block.heading == until:
                break
            if block.file is None or block.file in CONFS.values():
                continue
            block.used = True
            if block.file == '/etc/rowcast.conf':
                settings.update(line.split(' = ', 1) for line in self.placed(block.text).splitlines() if line.strip())
                continue
            path = self.path(block.file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'a' if path in written else 'w') as f:
                f.write(self.placed(block.text))
            os.chmod(path, 0o755 if block.text.startswith('#!') else 0o644)
            written.add(path)
        if settings != self.settings:
            self.settings = settings
            self.rowcast.db = settings['store'].removeprefix('sqlite:')
            self.restart_rowcast()
        return cooked

    def environment(self):
        return {**os.environ, 'PATH': f'{self.folder}/bin:{os.path.dirname(DEBIAN_PYTHON)}:{os.environ["PATH"]}:/usr/sbin:/sbin',
                'LC_ALL': 'C.UTF-8', 'PYTHONDONTWRITEBYTECODE': '1', 'no_proxy': '127.0.0.1,localhost',
                # npm, for those that bring packages of it
                'npm_config_prefer_offline': 'true', 'npm_config_ignore_scripts': 'true', 'npm_config_audit': 'false',
                'npm_config_fund': 'false', 'npm_config_update_notifier': 'false', 'npm_config_loglevel': 'error'}

    def shell(self, text, folder='/srv/shop', **more):
        """Runs what is printed, by a real shell."""
        return subprocess.run(['sh', '-ec', self.placed(text)], cwd=self.path(folder), env=self.environment(),
                              **{'capture_output': True, 'text': True, 'stdin': subprocess.DEVNULL, 'timeout': 30 * self.slow, **more})

    def begin(self, block, **more):
        """Types what goes on until end(), or the end of the site: a process, whose stdout
        is read."""
        block.used = True
        process = subprocess.Popen(['sh', '-ec', self.placed(block.text)], cwd=self.path('/srv/shop'), env=self.environment(), text=True,
                                   **{'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, **more},
                                   start_new_session=True)
        self.closed_with_it.append(_Group(process))
        return process

    def expect_line(self, process, wanted):
        """Reads up to a line that begins so; returns all that came."""
        lines = []
        deadline = threading.Timer(30 * self.slow, os.killpg, [process.pid, signal.SIGKILL])
        deadline.start()
        try:
            for line in process.stdout:
                lines.append(line)
                if line.startswith(wanted):
                    return ''.join(lines)
        finally:
            deadline.cancel()
        raise AssertionError(f'it did not say {wanted!r} in time: {lines}')

    def end(self, process):
        group = next(each for each in self.closed_with_it if getattr(each, 'process', None) is process)
        self.closed_with_it.remove(group)
        group.kill()

    def start_server(self, block):
        """Types what leaves a server running, which ends with the site."""
        script = self.begin(block)
        said = script.stdout.read()
        expect.equal(script.wait(), 0, f'{block}: {said}')

    def type(self, blocks):
        """Types them, one after the other. Returns all that was said; a console must say
        what is printed there, line by line, but for what an ellipsis stands for."""
        said = ''
        for block in blocks if isinstance(blocks, list) else [blocks]:
            block.used = True
            if block.language == 'sh':
                done = self.shell(block.text)
                expect.equal(done.returncode, 0, f'{block}: {done.stdout}{done.stderr}')
                said += done.stdout
            else:
                for command, answer in block.answers():
                    self._expect_answer(block, command, answer)
        return said

    def _expect_answer(self, block, command, answer):
        done = self.shell(command + '\n', stderr=subprocess.STDOUT, stdout=subprocess.PIPE, capture_output=False)
        said = done.stdout.rstrip('\n').split('\n')
        at = 0
        for line in self.placed('\n'.join(answer)).splitlines():
            wanted = '.*'.join(re.escape(part) for part in line.split('...'))
            while at < len(said) and not re.fullmatch(wanted, said[at]):
                at += 1
            expect.true(at < len(said), f'{block}: {command!r} should say {line!r}, and says\n{done.stdout}')
            at += 1
        if not answer:
            expect.equal(done.stdout, '', f'{block}: what {command!r} says')

    def one(self, name, heading):
        """The one block that is typed under a heading."""
        found = self.recipes[name].under(heading)
        expect.equal(len(found), 1, f'{name}.md, {heading}: blocks')
        return found[0]

    def text(self, name):
        """All of a recipe, for what it says in a sentence."""
        with open(os.path.join(COOKBOOK, name + '.md'), encoding='utf-8') as f:
            return f.read()

    def left_out(self):
        """The blocks that nobody has written or typed."""
        return [str(block) for each in self.recipes.values() for block in each.blocks if not block.used]

    def broken_links(self):
        """Those to another recipe, or file beside it, that is not there."""
        return [f'{name}: {link}' for name in self.recipes for link in re.findall(r'\]\(([\w./-]+)\)', self.text(name))
                if not os.path.exists(os.path.join(COOKBOOK, link))]

    # ---- services ----

    def start(self):
        self._manager.start()
        super().start()

    def start_rowcast(self, listener=None, **settings):
        super().start_rowcast(listener or self.listener, **{**self.settings, **settings})

    @contextlib.contextmanager
    def socket_activated(self):
        """As rowcast.socket has it, for the length of a with block."""
        with self.handed_over() as self.listener:
            try:
                yield
            finally:
                self.listener = None

    def _manage(self):
        while True:
            with contextlib.suppress(OSError):
                peer = self._listener.accept()[0]
                with peer:
                    asked = peer.makefile().read()
                    try:
                        self._do(asked.split())
                        said = ''
                    except Exception as e:
                        said = f'{asked}: {e}'
                    peer.sendall(said.encode())

    def _do(self, words):
        match words:
            case ['stop', 'rowcast']:
                self.stop_rowcast()
            case ['start', 'rowcast']:
                self.come_back()
            case ['restart', 'rowcast']:
                self.restart_rowcast()
            case ['reload', 'rowcast']:
                self.reload()
            case ['reload', 'apache2']:
                expect.equal(self.front.service, 'apache2', 'the web server that runs')
                self.front.process.send_signal(signal.SIGUSR1)
            case ['kill', '-s', number, '--kill-whom=main', server]:
                expect.equal(server, self.front.service, 'the web server that runs')
                self.front.process.send_signal(signal.Signals['SIG' + number])
            case _:
                raise AssertionError('the test knows no such service')

    @contextlib.contextmanager
    def behind(self, server):
        """Another web server before the same rowcast, for the length of a with block."""
        lighttpd, self.front = self.front, self.web(server)
        self.server = server
        try:
            self.front.start()
            yield
        finally:
            self.close_streams()
            self.front.stop()
            self.front, self.server = lighttpd, 'lighttpd'

    # ---- what arrives ----

    def browser(self):
        """Chromium, one for all, with nothing left of who used it before."""
        if self._browser is None:
            self._browser = webdriver.Browser(engine='chromium').start()
            self.closed_with_it.append(_Closed(self._browser))
        self._browser.open(self.url + '/rowcast/rowcast.js')
        self._browser.forget()
        return self._browser

    def page_shows(self, condition, *args):
        """Until that holds in the page."""
        try:
            self._browser.wait_until(condition, *args, within=30 * self.slow)
        except AssertionError as e:
            body = self._browser.eval('return `${location.href}: ${document.body.innerHTML}`')
            raise AssertionError(f'{e}, but there is {body}; {self._browser.console()}') from None

    def arrives(self, stream, data, event='message'):
        got = stream.wait_event(type=event)
        expect.equal(got.data, data, 'what arrives')
        return got


class _Closed:
    def __init__(self, browser):
        self.kill = browser.close


class _Group:
    """A process and those that it has started."""

    def __init__(self, process):
        self.process = process

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
