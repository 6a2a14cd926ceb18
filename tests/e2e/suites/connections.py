"""Many tabs of a real browser, each with a stream of its own: how many are open at once,
and that conf/cookbook/tabs.md says so."""

import contextlib
import os
import re

import expect
import tls
from front import Front, free_port
from harness import SOURCE
from webdriver import Browser

N_TABS = 9
WAIT_S = 60


def _table():
    """{(HTTP, server): the numbers in its row, in order}"""
    with open(os.path.join(SOURCE, 'conf', 'cookbook', 'tabs.md')) as f:
        rows = re.findall(r'^\| (HTTP/[\d.]+) \| ([^|]+) \| ([^|]+) \|', f.read(), re.MULTILINE)
    return {(http, server): [int(number) for number in re.findall(r'\d+', text)] for http, server, text in rows}


@contextlib.contextmanager
def _behind(site, server):
    """The sample of that web server with TLS, in front of the same rowcast; gives the address."""
    folder, port = site.new_folder(f'tabs-{server}'), free_port()
    os.chmod(folder, 0o755)
    front = Front(server, SOURCE, folder, site.rowcast.socket_path)
    usual, site.server = site.server, server
    try:
        front.replacements.update(tls.changes(site, port)[1])
    finally:
        site.server = usual
    try:
        front.start()
        yield f'https://localhost:{port}'
    finally:
        if front.process is not None:
            front.stop()


def _open_tabs(browser, url, token):
    """N_TABS with the page, all of it loaded, and then a stream in each."""
    tabs = [browser.tab()] + [browser.new_tab() for _ in range(N_TABS - 1)]
    for tab in tabs:
        browser.switch_tab(tab)
        browser.open(url + '/status.html')
        browser.wait_until('document.readyState === "complete"')
    for tab in tabs:
        browser.switch_tab(tab)
        browser.eval('window.heard = []; window.source = new EventSource("events?token=" + arguments[0]);'
                     'source.onopen = () => { window.is_open = true; }; source.onmessage = e => heard.push(e.data);', token)
    return tabs


def _open_ones(browser, tabs):
    found = []
    for tab in tabs:
        browser.switch_tab(tab)
        if browser.eval('return window.is_open === true'):
            found.append(tab)
    return found


def _wait_open(browser, tabs, n):
    """Until n are open: browsers and servers take them in their order."""
    for tab in tabs[:n]:
        browser.switch_tab(tab)
        browser.wait_until('window.is_open === true', within=WAIT_S)


def _round(site, browser, tabs, user, text):
    """A message to all that listen; gives the tabs that hear it."""
    site.insert(text, user)
    open_ones = _open_ones(browser, tabs)
    for tab in open_ones:
        browser.switch_tab(tab)
        browser.wait_until('heard.includes(arguments[0])', text, within=WAIT_S)
    return open_ones


def _fits(site, url, n):
    """n of N_TABS get a stream, the next one when a tab is closed."""
    user = site.user()
    with Browser() as browser:
        tabs = _open_tabs(browser, url, site.token(user))
        _wait_open(browser, tabs, n)
        expect.equal(len(_round(site, browser, tabs, user, 'first')), n, 'tabs with a stream')
        if n == N_TABS:
            return
        # Everything else waits as well.
        browser.switch_tab(tabs[0])
        browser.eval('window.answered = false; fetch("healthz").then(() => { window.answered = true; });')
        _round(site, browser, tabs, user, 'second')
        browser.switch_tab(tabs[0])
        expect.equal(browser.eval('return window.answered'), False, 'another request while all are taken')
        for tab in tabs[1:N_TABS - n + 2]:   # for those that wait, and for this one
            browser.switch_tab(tab)
            browser.eval('source.close()')
        browser.switch_tab(tabs[0])
        browser.wait_until('window.answered', within=WAIT_S)
        browser.switch_tab(tabs[n])
        browser.wait_until('window.is_open === true', within=WAIT_S)


def http_1_1_has_room_for_six_tabs(site):
    expect.equal(_table()['HTTP/1.1', 'any of them'], [6])
    _fits(site, site.url, 6)


def http_2_in_lighttpd_has_room_for_eight(site):
    expect.equal(_table()['HTTP/2', 'lighttpd'], [8])
    with _behind(site, 'lighttpd') as url:
        _fits(site, url, 8)


def http_2_in_nginx_has_room_for_all_of_them(site):
    expect.true(_table()['HTTP/2', 'nginx'][0] > N_TABS, 'nginx')
    with _behind(site, 'nginx') as url:
        _fits(site, url, N_TABS)


def http_2_in_apache_works_on_six_to_begin_with(site):
    """Six of the hundred that it takes; it may come to trust a connection with more."""
    expect.equal(_table()['HTTP/2', 'Apache'], [100, 6])
    user = site.user()
    with _behind(site, 'apache') as url, Browser() as browser:
        tabs = _open_tabs(browser, url, site.token(user))
        _wait_open(browser, tabs, 6)
        expect.within(len(_round(site, browser, tabs, user, 'first')), 6, N_TABS, 'tabs with a stream')


TESTS = [http_1_1_has_room_for_six_tabs, http_2_in_lighttpd_has_room_for_eight, http_2_in_nginx_has_room_for_all_of_them,
         http_2_in_apache_works_on_six_to_begin_with]
