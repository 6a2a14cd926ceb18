"""rowcast.js in a real browser: real Web Locks, BroadcastChannel, sessionStorage,
frozen and hidden pages. The server is the one of tests/client/, which can be told
to fail; what is the same in Node is tested there."""

import base64
import contextlib
import json
import os
import subprocess
import urllib.parse
import urllib.request

from browser import Browser, expect, expect_equal
from tap import only_in

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = os.path.join(HERE, '..', '..', 'client', 'server.mjs')
TABS = 8                    # twenty of them: tabs.py


def token(user='42'):
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip('=')
    return f"{part({'alg': 'none'})}.{part({'sub': user})}.x"


class Server:
    """tests/client/server.mjs in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(['node', SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.origin = self.process.stdout.readline().strip()
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def do(self, name, *args):
        query = urllib.parse.urlencode({'do': json.dumps({'name': name, 'args': args})})
        with self.http.open(f'{self.origin}/control?{query}', timeout=20) as answer:
            return json.load(answer)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@contextlib.contextmanager
def browsing():
    with Browser() as browser:
        server = Server()
        try:
            yield browser, server
        finally:
            server.stop()


def open_page(browser, server, query='', **options):
    browser.open(f'{server.origin}/{query}')
    browser.wait_until('window.ready')
    begin(browser, **options)


def begin(browser, **options):
    browser.eval('begin(arguments[0])', {'token': token(), **options})


def wait_live(browser):
    browser.wait_until("stream.state === 'live'")


def ids(browser):
    return browser.eval('return ids')


def wait_ids(browser, wanted):
    browser.wait_until('ids.length >= arguments[0]', len(wanted))
    expect_equal(ids(browser), wanted, 'the ids that came')


def wait_streams(browser, server, n):
    """Until the server holds so many, asked from within the page: beside the stream, on the same origin."""
    browser.wait_until("""(() => {
        fetch('control?do=' + encodeURIComponent('{"name":"streams","args":[]}')).then(a => a.json()).then(n => { window.held = n; });
        return window.held === arguments[0];
    })()""", n)


def tabs(browser, server, n, **options):
    handles = []
    for i in range(n):
        handles.append(browser.new_tab() if i else browser.tab())
        open_page(browser, server, topics=[f't{i % 5}'], lastEventId=0, **options)
    for handle in handles:
        browser.switch_tab(handle)
        wait_live(browser)
    return handles


def wanted(first, last, tab, every=6):
    """The ids of publish_topics() that tab number `tab` is to have."""
    return [n for n in range(first, last + 1) if n % every == tab % 5 or n % every == 5]


def publish_topics(server, first, last, every=6):
    for n in range(first, last + 1):
        fields = {'data': 'x'} if n % every == 5 else {'data': 'x', 'topic': f't{n % every}'}
        expect_equal(server.do('publish', fields), n, 'the id')


def many_tabs_hold_one_stream_and_each_has_its_own_messages(_):
    with browsing() as (browser, server):
        handles = tabs(browser, server, TABS)
        publish_topics(server, 1, 60)
        for i, handle in enumerate(handles):
            browser.switch_tab(handle)
            wait_ids(browser, wanted(1, 60, i))
            expect(browser.eval('return stream.shared'), 'not shared')
        wait_streams(browser, server, 1)
        sent = browser.eval("return stream.send({msg: 'from a tab'})")
        expect_equal(sent, {'id': 61}, 'what send() resolves to')


def the_next_tab_leads_when_the_leader_is_closed(_):
    with browsing() as (browser, server):
        handles = tabs(browser, server, 5)
        last = 0
        for closed in range(4):
            browser.switch_tab(handles[closed])
            browser._do('DELETE', '/window')
            publish_topics(server, last + 1, last + 30)
            last += 30
            for i in range(closed + 1, 5):
                browser.switch_tab(handles[i])
                wait_ids(browser, wanted(1, last, i))
            wait_streams(browser, server, 1)


def a_reload_goes_on_where_the_page_stopped(_):
    with browsing() as (browser, server):
        open_page(browser, server)
        wait_live(browser)
        server.do('burst', 3)
        wait_ids(browser, [1, 2, 3])
        browser.open('about:blank')
        server.do('burst', 2)
        open_page(browser, server)
        wait_ids(browser, [4, 5])
        browser.reload()
        browser.wait_until('window.ready')
        begin(browser, storage=None)
        wait_live(browser)
        server.do('burst', 1)
        wait_ids(browser, [6])


def a_page_begins_where_its_meta_says(_):
    with browsing() as (browser, server):
        server.do('burst', 5)
        open_page(browser, server, '?meta=3')
        wait_ids(browser, [4, 5])
        # In this document the stream has gone on since; in a new one the page says anew.
        browser.eval('stream.close()')
        begin(browser)
        wait_live(browser)
        server.do('burst', 1)
        wait_ids(browser, [6])
        browser.reload()
        browser.wait_until('window.ready')
        begin(browser)
        wait_ids(browser, [4, 5, 6])


def a_worker_shares_with_the_page(_):
    with browsing() as (browser, server):
        open_page(browser, server)
        wait_live(browser)
        browser.eval('work(arguments[0])', {'url': f'{server.origin}/events', 'token': token(), 'lastEventId': 0})
        browser.wait_until("workState === 'live'")
        server.do('burst', 3)
        browser.wait_until('seen.length === 3')
        wait_ids(browser, [1, 2, 3])
        expect(browser.eval('return workShared'), 'the worker does not share')
        wait_streams(browser, server, 1)


@only_in('chromium')                    # by its own commands
def a_frozen_page_leads_no_more_and_catches_up(_):
    with browsing() as (browser, server):
        handles = tabs(browser, server, 2)
        browser.switch_tab(handles[0])
        freeze = lambda state: browser._do('POST', '/goog/cdp/execute', {'cmd': 'Page.setWebLifecycleState', 'params': {'state': state}})
        freeze('frozen')
        server.do('burst', 5)
        browser.switch_tab(handles[1])
        wait_ids(browser, [1, 2, 3, 4, 5])
        browser.switch_tab(handles[0])
        freeze('active')
        wait_ids(browser, [1, 2, 3, 4, 5])
        server.do('burst', 2)
        for handle in handles:
            browser.switch_tab(handle)
            wait_ids(browser, [1, 2, 3, 4, 5, 6, 7])
        wait_streams(browser, server, 1)


def going_back_to_a_page_goes_on_where_it_stopped(_):
    with browsing() as (browser, server):
        open_page(browser, server, lastEventId=0)
        wait_live(browser)
        server.do('burst', 2)
        wait_ids(browser, [1, 2])
        browser.eval("location.href = 'index.html'")
        browser.wait_until("location.pathname === '/index.html' && document.readyState === 'complete'")
        server.do('burst', 2)
        browser._do('POST', '/back')
        browser.wait_until("location.pathname === '/' && window.ready")
        if not browser.eval('return !!window.stream'):     # the browser did not keep the page
            begin(browser)
            wait_ids(browser, [3, 4])
        else:
            wait_ids(browser, [1, 2, 3, 4])


@only_in('chromium')                    # by its own commands
def without_a_network_it_says_offline_and_comes_back_with_it(_):
    with browsing() as (browser, server):
        open_page(browser, server)
        wait_live(browser)
        network = lambda offline: browser._do('POST', '/goog/cdp/execute', {'cmd': 'Network.emulateNetworkConditions', 'params': {
            'offline': offline, 'latency': 0, 'downloadThroughput': -1, 'uploadThroughput': -1}})
        network(True)
        server.do('cut')
        browser.wait_until("states.includes('offline')")     # the emulation lets through what it is not quick enough for
        server.do('burst', 2)
        network(False)
        wait_ids(browser, [1, 2])
        wait_live(browser)


def without_web_locks_every_tab_has_its_own_and_says_so(_):
    with browsing() as (browser, server):
        browser.open(f'{server.origin}/')
        browser.wait_until('window.ready')
        browser.eval("Object.defineProperty(navigator, 'locks', {value: undefined})")
        begin(browser)
        wait_live(browser)
        expect_equal(browser.eval('return stream.shared'), False, 'shared')
        server.do('burst', 1)
        wait_ids(browser, [1])


def a_burst_of_ten_thousand_comes_whole_and_others_have_their_turn(_):
    with browsing() as (browser, server):
        handles = tabs(browser, server, 2)
        for handle in handles:
            browser.switch_tab(handle)
            browser.eval('window.stopCounting = countTurns()')
        server.do('burst', 10000)
        for handle in handles:
            browser.switch_tab(handle)
            browser.wait_until('ids.length >= 10000')
            browser.eval('stopCounting()')
            expect_equal(ids(browser), list(range(1, 10001)), 'the ids that came')
            most = browser.eval('return most')
            print(f'# at most {most} messages in one turn of the event loop')
            expect(most <= 300, f'{most} messages in one turn of the event loop')     # some 60 are in 4 KiB, 1,000 in what the browser reads at once


def nothing_is_complained_of_under_a_strict_policy(_):
    with browsing() as (browser, server):
        open_page(browser, server)
        wait_live(browser)
        expect_equal([line for line in browser.console() if 'favicon' not in line], [], 'complaints of the browser')


TESTS = [
    many_tabs_hold_one_stream_and_each_has_its_own_messages,
    the_next_tab_leads_when_the_leader_is_closed,
    a_reload_goes_on_where_the_page_stopped,
    a_page_begins_where_its_meta_says,
    a_worker_shares_with_the_page,
    a_frozen_page_leads_no_more_and_catches_up,
    going_back_to_a_page_goes_on_where_it_stopped,
    without_a_network_it_says_offline_and_comes_back_with_it,
    without_web_locks_every_tab_has_its_own_and_says_so,
    a_burst_of_ten_thousand_comes_whole_and_others_have_their_turn,
    nothing_is_complained_of_under_a_strict_policy,
]
