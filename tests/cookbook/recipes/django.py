"""Debian's Django, with its own server behind lighttpd."""

import expect


def a_view_shows_what_is_there_and_then_what_changes(site):
    site.follow('django')
    site.start_server(site.one('django', 'By the table'))
    stream = site.subscribe('42')
    browser = site.browser()
    browser.open(f'{site.url}/orders/')
    expect.equal(browser.texts('li'), ['paid'], 'the orders of 42')
    browser.eval('window.isTheSame = true')
    form = {'Content-Type': 'application/x-www-form-urlencoded'}
    expect.status(site.request('POST', '/orders/ship', headers=form, body='id=1'), 204)
    site.page_shows("document.querySelector('#order-1').textContent === 'shipped'")
    expect.true(browser.eval('return window.isTheSame'), 'it was not loaded anew')
    expect.equal(browser.console(), [], 'what the browser complains about')
    # Nothing is sent where nothing is committed.
    expect.status(site.request('POST', '/orders/ship', headers=form, body='id=7'), 500)
    expect.status(site.request('POST', '/orders/ship', headers=form, body='id=2'), 204)
    site.arrives(stream, '{"id": 1, "state": "shipped"}', 'order')
    site.insert('the end', user='42')
    expect.only(stream, 'the end')


def a_message_of_another_database_is_sent_once_and_none_is_lost(site):
    site.follow('django')
    stream = site.subscribe('42')
    site.type(site.one('django', 'By POST'))
    site.arrives(stream, 'packed', 'order')
    expect.equal(site.sql('SELECT count(*) FROM orders_outgoing'), '0', 'rows that wait')
    away, refused = site.recipes['django'].under('What can go wrong')
    site.type(away)
    back = site.subscribe('42', last_event_id=stream.parser.last_event_id)
    site.arrives(back, 'on its way', 'order')
    site.type(refused)
    site.insert('the end', user='42')
    expect.only(back, 'the end')
