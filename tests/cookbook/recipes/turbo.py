"""Turbo of npm in Chromium."""

import expect
from waiting import wait_until

WASHED = 'Wash <the> dishes (done)'
# What is loaded a second time is the page as it is now.
LOST_ONCE = """<?php
if (isset($_COOKIE['again'])) {
	require 'tasks.php';
} else {
	setcookie('again', '1');
	readfile('lost.html');
}
"""


def stream_elements_change_the_page(site):
    site.follow('php')
    site.follow('turbo')
    site.type(site.one('turbo', 'The files'))
    browser = site.browser()
    browser.open(f'{site.url}/tasks.php')
    site.page_shows("document.querySelector('turbo-stream-source').streamSource?.readyState === 1")
    before = site.request('GET', '/tasks.php').text
    browser.eval('window.isTheSame = true')
    site.type(site.one('turbo', 'A change'))
    site.page_shows("document.querySelector('#task-1')?.textContent === arguments[0]", WASHED)
    expect.equal(browser.texts('li'), [WASHED], 'the tasks')
    # A page that was made before and is opened now, and one whose history is lost.
    at = before.index('lastEventId=') + len('lastEventId=')
    lost = before[:at] + '9007199254740000' + before[before.index('"', at):]
    for name, text in (('before.html', before), ('lost.html', lost), ('lost.php', LOST_ONCE)):
        with open(site.path(f'/srv/shop/www/{name}'), 'w') as f:
            f.write(text)
    for name in ('before.html', 'lost.php'):
        expect.true('<li' not in site.request('GET', f'/{name}').text, f'{name} has nothing yet')
        browser.open(f'{site.url}/{name}')
        site.page_shows("document.querySelector('#task-1')?.textContent === arguments[0]", WASHED)
        expect.equal(browser.texts('li'), [WASHED], 'the tasks')
    # Left in the browser's own way, not in Turbo's.
    browser.open(f'{site.url}/tasks.php?again')
    wait_until(lambda: site.metric('streams') == 1, 'one stream is left', 20 * site.slow)
    expect.equal(browser.console(), [], 'what the browser complains about')
