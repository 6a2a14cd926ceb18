"""rowcast.js against rowcast itself, behind the web server: many tabs on one stream,
tokens that are renewed, servers that go away, a page that sleeps. What the client
does with each answer is tested in tests/client/, where the server can be told to fail."""

import contextlib
import json
import os
import random
import shutil
import threading
import time

import webdriver
from browser import expect, expect_equal
from tap import only_in
from webdriver import Browser

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = """<!DOCTYPE html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'; img-src data:">
<title>tabs</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>"""

TABS = 20
STEPS = 24                 # tabs that are opened or closed under load; picked, not tuned
RATE = 200                 # messages a second
RENEWALS = 20


def place(site):
    """Puts a page of ours beside rowcast.js; returns its address."""
    folder = os.path.join(site.front.folder, 'share', 'public')
    for name in ('page.js', 'worker.js'):
        shutil.copy(os.path.join(HERE, '..', '..', 'client', name), folder)
        os.chmod(os.path.join(folder, name), 0o644)
    with open(os.path.join(folder, 'tab.html'), 'w') as f:
        f.write(PAGE)
    return f'{site.url}/tab.html'


def begin(browser, **options):
    browser.eval('begin(arguments[0])', options)


def open_page(browser, address, **options):
    browser.open(address)
    browser.wait_until('window.ready')
    begin(browser, **options)


def wait_live(browser):
    browser.wait_until("stream.state === 'live'")


def wait_ids(browser, wanted):
    browser.wait_until('ids.length >= arguments[0]', len(wanted))
    expect_equal(browser.eval('return ids'), wanted, 'the ids that came')


def streams_of(site, user):
    admin = site.token('admin', scope='rowcast:admin')
    return site.request('GET', f'/presence?user={user}', admin).json()['streams']


def wait_streams(browser, site, user, n):
    """Asked from within the page: beside the stream, on the same origin."""
    browser.wait_until("""(() => {
        const [user, n, token] = arguments;
        fetch('presence?user=' + user, {headers: {Authorization: 'Bearer ' + token}}).then(a => a.json()).then(p => { window.held = p.streams; });
        return window.held === n;
    })()""", user, n, site.token('admin', scope='rowcast:admin'))


class Load:
    """Publishes for a user, on topics t0 to t4 and without, until it is left."""

    def __init__(self, site, user, topics=5, rate=RATE):
        self.site, self.user, self.topics, self.rate = site, user, topics, rate
        self.sent = []                   # (id, topic)
        self.over = threading.Event()
        self.problem = None

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.problem:
            raise self.problem

    def _run(self):
        token = self.site.publisher()
        connection = self.site.connect()
        try:
            n = 0
            due = time.monotonic()
            while not self.over.is_set():
                # One request for what is due: a busy machine publishes more at a time, and not less.
                n_due = max(1, int((time.monotonic() - due) * self.rate))
                due = max(due + n_due / self.rate, time.monotonic() - 1)
                topics = [f't{i % (self.topics + 1)}' if i % (self.topics + 1) < self.topics else None for i in range(n, n + n_due)]
                n += n_due
                lines = [json.dumps({'user': self.user, 'msg': 'x', **({'topic': topic} if topic else {})}) for topic in topics]
                answer = self.site.request('POST', '/msg', token, {'Content-Type': 'application/x-ndjson'}, '\n'.join(lines), connection)
                if answer.status != 201:
                    raise AssertionError(f'POST /msg: {answer.status} {answer.text}')
                self.sent += zip(answer.json()['ids'], topics)
                self.over.wait(1 / self.rate)
        except Exception as e:
            self.problem = e
        finally:
            connection.close()

    def wait_beyond(self, n):
        """Until n more have been published."""
        end = len(self.sent) + n
        while len(self.sent) < end and not self.problem:
            self.over.wait(0.002)

    def ids(self, after=0, topics=None):
        return [i for i, topic in list(self.sent) if i > after and (topics is None or topic is None or topic in topics)]


# ---- tabs ----

def twenty_tabs_open_and_close_at_random_under_load_and_each_has_its_own_once(site):
    seed = int(os.environ.get('SEED', time.time_ns() % 10**9))
    print(f'# SEED={seed}')
    roll = random.Random(seed)
    user = site.user()
    topics = [f't{n}' for n in range(5)]
    token = site.token(user, topics=topics)
    address = place(site)
    with Browser() as browser, Load(site, user) as load:
        alive = {}                       # tab: (its topics, after which id), in the order in which they came

        def add():
            wanted = roll.sample(topics, 2)
            after = roll.choice(load.ids() or [site.newest()])
            if alive:
                browser.switch_tab(next(iter(alive)))
            handle = browser.new_tab() if alive else browser.tab()
            open_page(browser, address, token=token, topics=wanted, lastEventId=after)
            alive[handle] = (wanted, after)

        load.wait_beyond(10)
        for _ in range(TABS // 2):
            add()
        for _ in range(STEPS):
            if len(alive) < TABS and roll.random() < 0.5 or len(alive) < 4:
                add()
                continue
            # The oldest leads; it is let go more often than any other.
            tab = next(iter(alive)) if roll.random() < 0.5 else roll.choice(list(alive))
            browser.switch_tab(tab)
            if roll.random() < 0.3:
                browser.eval('stream.close()')
            del alive[tab]
            browser.close_tab()
            load.wait_beyond(roll.randrange(20))
        while len(alive) < TABS:
            add()
        load.over.set()
        load.thread.join()
        for tab, (wanted, after) in alive.items():
            browser.switch_tab(tab)
            wait_ids(browser, load.ids(after, wanted))
            expect_equal(browser.eval('return [stream.user, stream.shared, gaps]'), [user, True, []], 'whose, shared, gaps')
        # Over HTTP/1.1 there are six connections to a server: pages and POSTs of the site need some of them.
        wait_streams(browser, site, user, 1)
        browser.open(address)
        browser.wait_until('window.ready')
        begin(browser, token=token)
        sent = browser.eval("return stream.send({msg: 'from a tab'})")
        wait_ids(browser, [sent['id']])


@only_in('chromium')
def the_next_tab_leads_when_the_leaders_process_is_killed(site):
    user = site.user()
    token = site.token(user, topics=['t0', 't1'])
    address = place(site)
    with Browser() as browser, Load(site, user, 2) as load:
        load.wait_beyond(10)
        after = load.ids()[-1]
        tabs = []
        for n in range(4):
            tabs.append(browser.new_tab() if tabs else browser.tab())
            open_page(browser, address, token=token, topics=[f't{n % 2}'], lastEventId=after)
            wait_live(browser)
        browser.switch_tab(tabs[0])
        with contextlib.suppress(webdriver.BrowserError):        # the driver tells of it too
            browser._do('POST', '/goog/cdp/execute', {'cmd': 'Page.crash', 'params': {}})
        for n, tab in enumerate(tabs[1:], 1):
            browser.switch_tab(tab)
            had = browser.eval('return ids.length')
            browser.wait_until('ids.length > arguments[0] + 50', had)
        load.over.set()
        load.thread.join()
        for n, tab in enumerate(tabs[1:], 1):
            browser.switch_tab(tab)
            wait_ids(browser, load.ids(after, [f't{n % 2}']))
        wait_streams(browser, site, user, 1)


# ---- tokens ----

def a_token_is_renewed_twenty_times_under_load_and_every_id_comes_once(site):
    user = site.user()
    address = place(site)
    with Browser() as browser, Load(site, user, 0) as load:
        load.wait_beyond(10)
        after = load.ids()[-1]
        browser.open(address)
        browser.wait_until('window.ready')
        # Each is good for an hour and says that its time is nearly over: how slow this machine is does not matter.
        tokens = [site.token(user, iat=int(time.time()) + 3599, exp=int(time.time()) + 3600, jti=str(n)) for n in range(RENEWALS + 3)]
        browser.eval("""const [tokens, options] = arguments;
            window.reasons = [];
            begin({...options, getToken: ({reason}) => { reasons.push(reason); return tokens[Math.min(reasons.length, tokens.length) - 1]; }})""",
                     tokens, {'lastEventId': after})
        browser.wait_until('reasons.length > arguments[0]', RENEWALS)
        load.over.set()
        load.thread.join()
        wait_ids(browser, load.ids(after))
        expect_equal(browser.eval('return [...new Set(reasons)]'), ['connect', 'renew'], 'why tokens were asked for')
        expect_equal(browser.eval('return [...new Set(states)]'), ['live'], 'the states')
        expect_equal(browser.eval('return gaps'), [], 'gaps')
        wait_streams(browser, site, user, 1)


def each_refusal_has_its_state_and_its_sentence(site):
    user = site.user()
    address = place(site)
    now = int(time.time())
    refusals = [
        ({'token': 'not.a.token'}, 'refused', 'token is invalid'),
        ({}, 'refused', 'token is required'),
        ({'token': site.token(user, exp=now - 10)}, 'expired', 'expired'),
        ({'token': site.token(user, nbf=now + 1000)}, 'refused', 'token is not valid yet'),
        ({'token': site.token(None)}, 'refused', 'token names no user'),
        ({'token': site.token(user), 'topics': ['secret']}, 'refused', 'secret'),
        ({'token': site.token(user), 'last': 5000}, 'refused', 'last'),
    ]
    with Browser() as browser:
        for options, state, sentence in refusals:
            open_page(browser, address, storage=None, **options)
            browser.wait_until('stream.state === arguments[0]', state)
            reason = browser.eval('return stream.reason')
            expect(sentence in reason, f'{options}: {reason!r} instead of {sentence!r}')
            expect_equal(browser.eval('return stream.retryAt'), None, 'when it is tried again')
        open_page(browser, address, token=site.token(user, iat=now))
        wait_live(browser)
        site.publish(site.token('admin', scope='rowcast:admin'), topic='rowcast.control', event='revoke', user=user, msg='{}')
        browser.wait_until("stream.state === 'refused'")
        expect('token was revoked' in browser.eval('return stream.reason'), 'the reason is missing')


# ---- who goes away ----

def nothing_is_lost_when_rowcast_or_the_web_server_goes(site):
    user = site.user()
    address = place(site)
    with Browser() as browser:
        open_page(browser, address, token=site.token(user))
        wait_live(browser)
        wanted = [site.insert('before', user)]
        wait_ids(browser, wanted)
        for go, come in ((site.stop_rowcast, site.come_back), (site.front.kill, site.front.start)):
            browser.eval('states.length = 0')
            go()
            browser.wait_until("states.includes('reconnecting') && stream.reason && stream.retryAt")
            if not site.is_copy:
                wanted.append(site.insert('meanwhile', user))
            come()
            wait_live(browser)
            wanted.append(site.insert('after', user))
            wait_ids(browser, wanted)
        expect_equal(browser.eval('return gaps'), [], 'gaps')


@only_in('chromium')
def a_page_that_slept_gets_what_it_missed(site):
    user = site.user()
    address = place(site)
    freeze = lambda browser, state: browser._do('POST', '/goog/cdp/execute', {'cmd': 'Page.setWebLifecycleState', 'params': {'state': state}})
    with Browser() as browser:
        open_page(browser, address, token=site.token(user))
        wait_live(browser)
        wanted = [site.insert('before', user)]
        wait_ids(browser, wanted)
        freeze(browser, 'frozen')
        wanted += [site.insert(f'asleep {n}', user) for n in range(5)]
        freeze(browser, 'active')
        wait_ids(browser, wanted)
        wanted.append(site.insert('awake', user))
        wait_ids(browser, wanted)
        expect_equal(browser.eval('return gaps'), [], 'gaps')
        wait_streams(browser, site, user, 1)


# ---- where it runs ----

def a_worker_and_a_page_share_and_without_web_locks_each_has_its_own(site):
    user = site.user()
    address = place(site)
    token = site.token(user)
    with Browser() as browser:
        open_page(browser, address, token=token)
        wait_live(browser)
        browser.eval('work(arguments[0])', {'url': f'{site.url}/events', 'token': token})
        browser.wait_until("workState === 'live'")
        wait_streams(browser, site, user, 1)
        first = site.insert('shared', user)
        wait_ids(browser, [first])
        browser.wait_until('seen.join() === arguments[0]', str(first))
        expect_equal(browser.eval('return [stream.shared, workShared]'), [True, True], 'shared')
        browser.open(address)
        browser.wait_until('window.ready')
        browser.eval("Object.defineProperty(navigator, 'locks', {value: undefined})")
        begin(browser, token=token, storage=None)
        wait_live(browser)
        expect_equal(browser.eval('return stream.shared'), False, 'shared, without Web Locks')
        second = site.insert('alone', user)
        wait_ids(browser, [second])
        expect_equal(browser.console(), [], 'complaints of the browser, of its policy for one')


def what_would_be_markup_is_text(site):
    user = site.user()
    address = place(site)
    texts = ['<img src=x onerror="document.title=1">', '<script>document.title=1</script>', '\u2028\u2029</style>', 'a\nb\n\nc', '\ufeffx', 'data: x\n\nevent: y']
    with Browser() as browser:
        browser.open(address)
        browser.wait_until('window.ready')
        begin(browser, token=site.token(user))
        browser.eval("window.texts = []; stream.addEventListener('message', e => texts.push(e.data))")
        wait_live(browser)
        for text in texts:
            site.publish(site.token(user), msg=text)
        browser.wait_until('texts.length === arguments[0]', len(texts))
        expect_equal(browser.eval('return texts'), texts, 'the texts that came')
        expect_equal(browser.eval('return document.title'), 'tabs', 'the title')


TESTS = [
    twenty_tabs_open_and_close_at_random_under_load_and_each_has_its_own_once,
    the_next_tab_leads_when_the_leaders_process_is_killed,
    a_token_is_renewed_twenty_times_under_load_and_every_id_comes_once,
    each_refusal_has_its_state_and_its_sentence,
    nothing_is_lost_when_rowcast_or_the_web_server_goes,
    a_page_that_slept_gets_what_it_missed,
    a_worker_and_a_page_share_and_without_web_locks_each_has_its_own,
    what_would_be_markup_is_text,
]
