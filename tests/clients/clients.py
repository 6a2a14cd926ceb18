"""The clients, each started by its driver: what it says comes as facts, dicts of its
lines of JSON."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading

import webdriver

DRIVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'drivers')


class Running:
    """A client that holds a stream, or tries to."""

    def __init__(self, command, folder, name):
        self.facts = []
        self.errors = os.path.join(folder, name + '.errors')
        with open(self.errors, 'wb') as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                            start_new_session=True, env={**os.environ, 'CLIENTS': folder, 'NODE_NO_WARNINGS': '1'})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.facts.append(json.loads(line))

    def look(self):
        """Facts come by themselves here."""

    @property
    def closed(self):
        return any('closed' in fact for fact in self.facts) or self.process.poll() is not None

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def said(self):
        with open(self.errors, errors='replace') as f:
            return f.read()


class InPage:
    """An EventSource in a browser, which stays for the next."""

    SCRIPT = """
        const [key, url, headers] = arguments;
        window.facts ??= {};
        window.sources ??= {};
        const facts = window.facts[key] = [], events = window.sources[key] = new EventSource(url, headers);
        for (const name of ['message', 'order', 'rowcast.gap', 'rowcast.busy', 'rowcast.expired', 'rowcast.cursor', 'rowcast.end'])
            events.addEventListener(name, e => facts.push({event: e.type, data: e.data, id: e.lastEventId}));
        events.onerror = () => events.readyState === 2 && facts.push({closed: true});
    """

    def __init__(self, browser, key, url, token, via):
        self.browser, self.key, self.facts = browser, key, []
        if via == 'cookie':
            browser.eval('document.cookie = arguments[0]', f'rowcast_token={token}; SameSite=Strict')
        headers = {'headers': {'Authorization': 'Bearer ' + token}} if via == 'header' else {}
        browser.eval(self.SCRIPT, key, url, headers)

    def look(self):
        self.facts += self.browser.eval('return window.facts[arguments[0]].splice(0)', self.key)

    @property
    def closed(self):
        return any('closed' in fact for fact in self.facts)

    def kill(self):
        with contextlib.suppress(webdriver.BrowserError, OSError):
            self.browser.eval('window.sources[arguments[0]].close()', self.key)

    def said(self):
        return ''


class Client:
    """`via` is where its token goes while it is not asked to try each way, `query` the
    parameters that the README advises, `plain` whether it has settings at all, `advice`
    what the README says of them."""

    def __init__(self, name, command, via='header', query='', plain=False, advice=''):
        self.name, self.command = name, command
        self.via, self.query, self.plain, self.advice = via, query, plain, advice

    def prepare(self, line, folder):
        self.line, self.folder = line, folder

    def start(self, tag, token, via=None, plain=False, more=''):
        via = via or self.via
        query = f'_={tag}' + ('' if plain else self.query) + more
        if via == 'query':
            query += '&token=' + token
        url = f'{self.line.url}/events?{query}'
        return self._start(url, tag, token, 'none' if via == 'query' else via, plain)

    def _start(self, url, tag, token, via, plain):
        name = re.sub(r'\W+', '-', self.name) + tag
        return Running([*self.command, url, token, via, *(['plain'] if plain else [])], self.folder, name)

    def close(self):
        pass


class Browser(Client):
    def __init__(self, name, engine, **more):
        super().__init__(name, None, via='cookie', **more)
        self.engine, self.browser = engine, None

    def prepare(self, line, folder):
        super().prepare(line, folder)
        self.browser = webdriver.Browser(engine=self.engine).start()
        self.browser.open(line.url + '/')

    def _start(self, url, tag, token, via, plain):
        return InPage(self.browser, tag, url, token, via)

    def close(self):
        if self.browser is not None:
            self.browser.close()


def node(driver, *more):
    return ['node', os.path.join(DRIVERS, driver), *more]


# They lose the id of a block without data.
CURSOR = {'query': '&cursor=event', 'plain': True, 'advice': '`?cursor=event`'}


def all_clients(folder):
    event_source = node('eventsource.js')
    return [
        Browser('Chromium', 'chromium'),
        Browser('Firefox', 'firefox', **CURSOR),
        Browser('WebKit', 'webkit', **CURSOR),
        Client('`eventsource` 1', [*event_source, 'eventsource-1']),
        Client('`eventsource` 2', [*event_source, 'eventsource-2']),
        Client('`eventsource` 3', [*event_source, 'eventsource-3'], **CURSOR),
        Client('`eventsource` 4', [*event_source, 'eventsource-4'], **CURSOR),
        Client('`eventsource-client`', node('eventsource-client.js'), **CURSOR),
        Client('`@microsoft/fetch-event-source`', node('fetch-event-source.js'), plain=True,
               advice='throw in `onclose`; pass over messages without data'),
        Client('`reconnecting-eventsource`', [*event_source, 'reconnecting-eventsource'], plain=True, query='&cursor=event',
               advice='`?cursor=event`, and `addEventListener` for `message` and `rowcast.cursor`'),
        Client('`undici`', [*event_source, 'undici']),
        Client('Go, `donovanhide/eventsource`', [os.path.join(folder, 'go-client')], advice='pass over messages without data'),
        Client('PHP, Symfony `EventSourceHttpClient`', ['php', os.path.join(DRIVERS, 'client.php')], plain=True,
               advice='connect again at `isLast()`; pass over messages without data'),
        Client('curl in [a loop](tests/clients/drivers/curl.sh)', [os.path.join(DRIVERS, 'curl.sh')]),
    ]


# What is needed: a program, and Debian's package of it.
PROGRAMS = [('node', 'nodejs'), ('npm', 'npm'), ('go', 'golang-go'), ('php', 'php-cli'), ('curl', 'curl'),
            *[program for programs in webdriver.PROGRAMS.values() for program in programs]]
FILES = [('/usr/share/php/Symfony/Component/HttpClient/autoload.php', 'php-symfony-http-client'),
         ('/usr/share/gocode/src/github.com/donovanhide/eventsource', 'golang-github-donovanhide-eventsource-dev')]


def missing():
    return list(dict.fromkeys([package for program, package in PROGRAMS if not shutil.which(program)]
                              + [package for path, package in FILES if not os.path.exists(path)]))
