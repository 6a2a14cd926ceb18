"""The extension of npm in Chromium."""

import expect
from waiting import wait_until

NOTE = 'Fish & <b>chips</b>'


def messages_are_swapped_into_the_page(site):
    site.follow('php')
    site.follow('htmx')
    site.type(site.one('htmx', 'The files'))
    browser = site.browser()
    browser.open(f'{site.url}/board.php')
    site.page_shows("document.querySelector('b').textContent === '0'")
    page = browser.eval("return document.querySelector('main').outerHTML")
    site.type(site.one('htmx', 'A note'))
    site.page_shows("document.querySelector('li') && document.querySelector('b').textContent === '1'")
    expect.equal(browser.texts('li'), [NOTE], 'the notes')
    expect.equal(browser.console(), [], 'what the browser complains about')
    # A page that was made before and is opened now, and one whose history is lost.
    for name, cursor in (('before', None), ('gap', '9007199254740000')):
        text = site.request('GET', '/board.php').text
        if cursor is None:
            head = text[:text.index('<main')]
            text = head + page
        else:
            at = text.index('lastEventId=') + len('lastEventId=')
            text = text[:at] + cursor + text[text.index('"', at):].replace(f'<li>{"Fish &amp; &lt;b&gt;chips&lt;/b&gt;"}</li>', '')
        expect.true('<li>' not in text, text)
        with open(site.path(f'/srv/shop/www/{name}.html'), 'w') as f:
            f.write(text)
        browser.open(f'{site.url}/{name}.html')
        site.page_shows("document.querySelectorAll('li').length === 1")
        expect.equal(browser.texts('li'), [NOTE], 'the notes')


def a_page_that_was_left_holds_no_stream_and_is_new_on_the_way_back(site):
    site.follow('php')
    site.follow('htmx')
    browser = site.browser()
    for query in ('?1', '?2', '?3'):
        browser.open(f'{site.url}/board.php{query}')
        site.page_shows("document.querySelector('li')")
    wait_until(lambda: site.metric('streams') == 1, 'one stream is left', 20 * site.slow)
    site.type(site.one('htmx', 'A note'))
    browser.back()
    site.page_shows("location.search === '?2' && document.querySelectorAll('li').length === 2")
