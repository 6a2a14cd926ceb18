"""The page in Chromium, served by php-cgi behind lighttpd."""

import re

import expect


def _ship(site, order, **more):
    body = '&'.join(f'{name}={value}' for name, value in {'id': order, **more}.items())
    return site.request('POST', '/ship.php', headers={'Content-Type': 'application/x-www-form-urlencoded'}, body=body)


def a_page_shows_what_is_there_and_then_what_changes(site):
    site.follow('php')
    site.type(site.one('php', 'The data'))
    page = site.request('GET', '/index.php')
    expect.status(page, 200)
    token = re.search(r'rowcast_token=([^;]+)', page.headers['set-cookie'])[1]
    cursor = re.search(r'name="rowcast-cursor" content="(\d+)"', page.text)[1]
    expect.true('<li id="order-1">paid</li>' in page.text and 'order-2' not in page.text, page.text)
    stream = site.subscribe(token=token, via='cookie')

    browser = site.browser()
    browser.open(f'{site.url}/index.php')
    site.page_shows("document.querySelector('#order-1').textContent === 'paid'")
    browser.eval('window.isTheSame = true')
    # Committed after the page was made: the stream brings it, whenever it begins.
    site.type(site.one('php', 'The change'))
    site.page_shows("document.querySelector('#order-1').textContent === 'shipped'")
    expect.true(browser.eval('return window.isTheSame'), 'it was not loaded anew')
    expect.equal(browser.console(), [], 'what the browser complains about')
    # A page from before, opened now.
    with open(site.path('/srv/shop/www/before.html'), 'w') as f:
        f.write(page.text)
    browser.open(f'{site.url}/before.html')
    site.page_shows("document.querySelector('#order-1').textContent === 'shipped'")
    site.arrives(stream, '{"id":1,"user":"42","state":"shipped"}', 'order')
    again = site.subscribe(token=token, via='cookie', last_event_id=cursor)
    site.arrives(again, '{"id":1,"user":"42","state":"shipped"}', 'order')


def what_is_rolled_back_is_never_sent(site):
    site.follow('php')
    stream = site.subscribe('43')
    refused = _ship(site, 2, pretend=1)
    expect.equal((refused.status, refused.text), (500, 'the parcel service said no'), 'the change')
    expect.equal(site.sql("SELECT state FROM orders WHERE id = 2"), 'paid', 'the order')
    expect.status(_ship(site, 2), 200)
    expect.only(stream, '{"id":2,"user":"43","state":"shipped"}')


def a_token_of_another_make_and_a_message_that_is_none_are_told_so(site):
    site.follow('php')
    site.type(site.recipes['php'].under('What can go wrong'))


def a_private_key_signs_what_the_public_one_judges(site):
    site.follow('php')
    site.type(site.one('php', 'With a key pair'))
    alg, key = re.search(r'`jwt_alg = (\w+)` and `jwt_key_file = ([^`]+)`', site.text('php')).groups()
    with site.configured(jwt_alg=alg, jwt_key_file=site.path(key)):
        token = site.shell('''php -r 'require "/srv/shop/rs256.php"; echo token_rs256("42");' ''').stdout
        site.insert('signed', user='42')
        site.arrives(site.stream(token=token, query='last=1'), 'signed')
