"""The status page in a real browser: charts, machines, who is connected, and what an
administrator may do about it. See browser.py for what a site is."""

import itertools
import json
import math
import os

import npm
from browser import a_user, expect, expect_equal, sql_text, wait_for_state
from webdriver import ENTER, TAB, Browser

ADMIN = "rowcast:admin"

NUMBERS = """(() => {
    const value = (id) => document.querySelector(`#chart-${id} .value`).textContent;
    return value('streams') !== '–' && value('messages') !== '–' && value('store') !== '–';
})()"""
ROW = "[...document.querySelectorAll('.people tbody')].find(b => b.querySelector('.person').textContent === arguments[0])"


def page(site):
    return site.url.rstrip("/") + "/status.html"


def open_page(browser, site, **claims):
    browser.open(page(site) + "#token=" + site.token(a_user(), ADMIN, **claims))


def expect_live(browser):
    wait_for_state(browser, "live")
    browser.wait_until(NUMBERS, within=20)


def open_live(browser, site, **claims):
    open_page(browser, site, **claims)
    expect_live(browser)


def wait_for_row(browser, user):
    browser.wait_until(f"!!{ROW}", user, within=20)


def search(browser, text):
    browser.clear("#query")
    browser.type("#query", text)


def press(browser, user, button):
    """Presses a button of a user's row, as soon as it is there."""
    browser.wait_until(f"{ROW} && ({ROW}.querySelector('.acts button:nth-of-type({button})').click(), true)", user)


def chart(browser, name):
    return browser.text(f"#chart-{name} .value")


# ---- who may ----

def a_link_with_an_administrators_token_shows_numbers(site):
    with Browser() as browser:
        open_live(browser, site)
        expect("#" not in browser.address(), "the token stayed in the address bar")
        for name in ("streams", "messages", "deliveries", "commits", "store", "memory", "gaps"):
            browser.wait_until(f"document.querySelector('#chart-{name} .value').textContent !== '–'")
        expect_equal(browser.eval("return document.querySelectorAll('.chart canvas').length"), 8, "charts")
        expect_equal(browser.eval("return document.querySelectorAll('#nodes-body tr').length"), 1, "machines")
        expect_equal(browser.console(), [], "complaints of the browser: a policy, a script")
        browser.reload()
        wait_for_state(browser, "live")
        browser.wait_until(NUMBERS, within=20)


def a_token_without_the_scope_is_refused_with_the_servers_sentence_at_the_field(site):
    with Browser() as browser:
        browser.open(page(site) + "#token=" + site.token(a_user(), "rowcast:publish", topics=["*"]))
        wait_for_state(browser, "refused")
        expect("rowcast.status" in browser.text("#token-fault") or "rowcast:admin" in browser.text("#token-fault"),
               f"the reason shown: {browser.text('#token-fault')!r}")
        expect_equal(browser.eval("return document.querySelector('#token').getAttribute('aria-invalid')"), "true", "the field")
        expect(not browser.eval("return document.querySelector('#people').offsetWidth"), "who is connected is shown")
        browser.type("#token", "Bearer " + site.token(a_user(), ADMIN))
        browser.click("#connect")
        wait_for_state(browser, "live")
        browser.wait_until(NUMBERS, within=20)
        expect_equal(browser.eval("return document.querySelector('#token').hasAttribute('aria-invalid')"), False, "the field")
        browser.click("#disconnect")
        wait_for_state(browser, "not connected")


def without_a_token_the_cookie_is_used(site):
    with Browser() as browser:
        browser.open(page(site))
        wait_for_state(browser, "refused")
        browser.eval("document.cookie = 'rowcast_token=' + arguments[0]", site.token(a_user(), ADMIN))
        browser.reload()
        wait_for_state(browser, "live")
        browser.wait_until(NUMBERS, within=20)


# ---- numbers ----

def what_is_published_and_delivered_is_counted(site):
    with Browser() as browser:
        user = a_user()
        streams = [site.subscribe(user) for _ in range(3)]
        open_live(browser, site)
        browser.wait_until("parseInt(document.querySelector('#chart-streams .value').textContent) >= 4")
        many = " UNION ALL ".join(f"SELECT {sql_text(user)}, 'n {n}'" for n in range(60))
        site.sql("INSERT INTO message(user,data) " + many)
        most = "parseFloat(document.querySelector('#chart-%s .range').textContent.replace(/[^0-9.]/g, '')) >= %d"
        browser.wait_until(most % ("messages", 30))
        browser.wait_until(most % ("deliveries", 90))
        browser.wait_until("/p50 [0-9.]+ m?s.*p99 [0-9.]+ m?s/.test(document.querySelector('#chart-lag .value').textContent)")
        for stream in streams:
            stream.close()


def the_charts_are_told_in_words_and_as_a_table(site):
    with Browser() as browser:
        open_page(browser, site)
        browser.eval("document.querySelector('#past summary').click()")  # before there is a number
        expect_live(browser)
        browser.wait_until("/^Streams over the last 5 minutes: now \\d+; between \\d+ and \\d+$/"
                           ".test(document.querySelector('#chart-streams [role=img]').getAttribute('aria-label'))", within=20)
        browser.wait_until("document.querySelectorAll('#chart-streams canvas').length === 1")
        browser.wait_until("document.querySelectorAll('#past-table tbody tr').length > 0")
        expect_equal(browser.texts("#past-table thead th")[:2], ["Time", "Streams"], "the table's head")


# ---- who is connected ----

def a_user_is_listed_with_topics_since_and_behind_until_it_leaves(site):
    with Browser() as browser:
        user = a_user()
        stream = site.subscribe(token=site.token(user, topics=["*"]), topics=["prices", "<b>shop</b>"])
        open_live(browser, site)
        search(browser, user)
        wait_for_row(browser, user)
        cells = browser.eval(f"return [...{ROW}.querySelectorAll('td[data-label]')].map(c => c.textContent)", user)
        expect_equal((cells[0], cells[2]), ("prices<b>shop</b>", "nothing"), "topics and behind")
        expect(cells[1].endswith("s"), f"since some seconds: {cells[1]}")
        expect_equal(browser.eval("return document.querySelectorAll('.people b').length"), 0, "elements made of topics")
        stream.close()
        browser.wait_until(f"!{ROW}", user, within=40)
        expect(browser.eval("return document.querySelector('#people-none').offsetWidth > 0"), "nobody is there, and that is said")


def a_search_finds_all_whose_name_begins_so(site):
    with Browser() as browser:
        start = a_user()
        streams = [site.subscribe(start + end) for end in ("", "-a", "-b")] + [site.subscribe("x" + start)]
        open_live(browser, site)
        search(browser, start)
        browser.wait_until("[...document.querySelectorAll('.person')].map(w => w.textContent).join() === arguments[0]",
                           ",".join((start, start + "-a", start + "-b")))
        search(browser, start + "-")
        browser.wait_until("document.querySelectorAll('.person').length === 2")
        for stream in streams:
            stream.close()


def the_list_goes_on_page_by_page(site):
    with Browser() as browser:
        start = a_user()
        streams = [site.subscribe(f"{start}-{n:02}") for n in range(30)]
        open_live(browser, site)
        search(browser, start)
        browser.wait_until("document.querySelectorAll('.person').length === 25 && !document.querySelector('#people-next').hidden")
        browser.click("#people-next")
        browser.wait_until("document.querySelectorAll('.person').length === 5")
        expect_equal(browser.texts(".person")[0], f"{start}-25", "the first of the next page")
        browser.click("#people-first")
        browser.wait_until("document.querySelectorAll('.person').length === 25")
        for stream in streams:
            stream.close()


# ---- what may be done about it ----

def end_streams_ends_them_and_only_this_users(site):
    with Browser() as browser:
        user, other = a_user(), a_user()
        stream, others = site.subscribe(user), site.subscribe(other)
        open_live(browser, site)
        search(browser, user)
        press(browser, user, 1)
        stream.wait_end(10 * site.slow)
        browser.wait_until("document.querySelector('#people-result').textContent.includes(arguments[0])", user)
        browser.wait_until(f"!{ROW}", user, within=20)
        site.insert("still there", other)
        expect_equal(others.wait_event().data, "still there", "the other's stream")
        with site.subscribe(user):       # who may come back
            pass
        others.close()


def revoke_asks_first_and_names_the_user(site):
    with Browser() as browser:
        user = a_user()
        token = site.token(user)
        stream = site.subscribe(token=token)
        open_live(browser, site)
        search(browser, user)
        press(browser, user, 2)
        browser.wait_until("document.querySelector('#revoking').open")
        expect_equal(browser.text("#revoking-title"), f"Revoke {user}?", "the question")
        expect_equal(browser.text("#revoking-yes"), f"Revoke {user}", "the button")
        browser.click("#revoking button[value=no]")
        browser.wait_until("!document.querySelector('#revoking').open")
        site.insert("not revoked", user)
        expect_equal(stream.wait_event().data, "not revoked", "after Cancel")
        press(browser, user, 2)
        browser.wait_until("document.querySelector('#revoking').open")
        browser.click("#revoking-yes")
        expect_equal(stream.wait_event().type, "rowcast.revoked", "the stream's last event")
        stream.wait_end(10 * site.slow)
        expect_equal(site.request("GET", "/events", token).status, 401, "the token")
        browser.wait_until("document.querySelector('#people-result').textContent.includes('revoked')")


def the_keyboard_alone_is_enough(site):
    with Browser() as browser:
        user = a_user()
        stream = site.subscribe(user)
        open_live(browser, site)
        browser.eval("document.querySelector('#query').focus()")
        browser.keys(user)
        wait_for_row(browser, user)
        browser.wait_until("document.querySelectorAll('.person').length === 1")
        browser.keys(TAB)
        label = "return document.activeElement.getAttribute('aria-label')"
        expect_equal(browser.eval(label), f"End streams of {user}", "after the search")
        browser.keys(TAB)
        expect_equal(browser.eval(label), f"Revoke {user}", "and then")
        browser.keys(ENTER)
        browser.wait_until("document.querySelector('#revoking').open")
        expect_equal(browser.eval("return document.activeElement.value"), "no", "Cancel has the focus, not what cannot be taken back")
        browser.keys(ENTER)
        browser.wait_until("!document.querySelector('#revoking').open")
        browser.wait_until("document.activeElement.getAttribute('aria-label') === arguments[0]", f"Revoke {user}")
        stream.close()


# ---- how it looks ----

def it_is_never_wider_than_the_window(site):
    user = "w" * 200
    stream = site.subscribe(token=site.token(user, topics=["*"]), topics=["t" * 200])
    for width in (375, 760, 1160, 2560):
        with Browser(width=width, height=900) as browser:
            open_live(browser, site)
            search(browser, "www")
            wait_for_row(browser, user)
            expect(browser.eval("return document.scrollingElement.scrollWidth <= innerWidth"), f"wider than {width}")
            lines = browser.eval("return new Set([...document.querySelectorAll('.chart')].map(c => c.offsetTop)).size")
            expect_equal(lines, {375: 8, 760: 4, 1160: 2, 2560: 2}[width], f"rows of charts at {width}")
    stream.close()


def axe_finds_nothing(site):
    axe = npm.read(npm.AXE, "axe.min.js", site.folder)

    def found(browser, where):
        browser.eval(axe + ";window.found = null; axe.run().then(r => { window.found = r.violations.map("
                     "v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join('; ')); })")
        expect_equal(browser.wait_until("window.found && [window.found]")[0], [], where)

    stream = site.subscribe(a_user())
    for width, height, dark in ((1280, 900, False), (1280, 900, True), (375, 812, False)):
        with Browser(width=width, height=height, dark=dark) as browser:
            browser.open(page(site) + "#token=not.a.token")
            wait_for_state(browser, "refused")
            found(browser, "refused")
            browser.open("about:blank")
            open_live(browser, site)
            browser.wait_until("document.querySelectorAll('.person').length > 0", within=20)
            browser.click("#past summary")
            found(browser, f"live, {width}, {'dark' if dark else 'light'}")
            browser.eval("document.querySelector('.acts button:nth-of-type(2)').click()")
            browser.wait_until("document.querySelector('#revoking').open")
            found(browser, "the question")
    stream.close()


def the_pictures_of_the_readme_are_taken(site):
    """PICTURES=FOLDER keeps them, and draws longer lines."""
    keeps = os.environ.get("PICTURES")
    folder = keeps or site.folder
    users = ("ada", "barbara", "edsger", "grace", "linus")
    streams = [site.subscribe(token=site.token(user, topics=["*"]), topics=["prices", "shop.orders", "build"][:n % 4])
               for n, user in enumerate(users, 1)]
    for name, width, height, dark in (("status.png", 1280, 1000, False), ("status-dark.png", 1280, 1000, True), ("status-phone.png", 375, 812, False)):
        with Browser(width=width, height=height, dark=dark) as browser:
            browser.open(page(site) + "#token=" + site.token("root", ADMIN))
            wait_for_state(browser, "live")
            lines = "return document.querySelectorAll('#past-table tbody tr').length"
            for n in itertools.count():
                many = 1 + int(20 + 15 * math.sin(n / 7) + 5 * math.sin(n / 2))
                site.sql("INSERT INTO message(data) " + " UNION ALL ".join([f"SELECT {sql_text(json.dumps({'n': n}))}"] * many))
                browser.eval("const past = document.querySelector('#past'); past.open = false; past.open = true;")
                if browser.eval(lines) >= (1 if not keeps else 4 if name == "status.png" else 2):
                    break
            browser.eval("document.querySelector('#past').open = false")
            browser.wait_until("document.querySelectorAll('.person').length >= 5", within=20)
            browser.screenshot(os.path.join(folder, name))
            expect(os.path.getsize(os.path.join(folder, name)) > 20000, f"{name} is empty")
    for stream in streams:
        stream.close()


TESTS = [
    a_link_with_an_administrators_token_shows_numbers,
    a_token_without_the_scope_is_refused_with_the_servers_sentence_at_the_field,
    without_a_token_the_cookie_is_used,
    what_is_published_and_delivered_is_counted,
    the_charts_are_told_in_words_and_as_a_table,
    a_user_is_listed_with_topics_since_and_behind_until_it_leaves,
    a_search_finds_all_whose_name_begins_so,
    the_list_goes_on_page_by_page,
    end_streams_ends_them_and_only_this_users,
    revoke_asks_first_and_names_the_user,
    the_keyboard_alone_is_enough,
    it_is_never_wider_than_the_window,
    axe_finds_nothing,
    the_pictures_of_the_readme_are_taken,
]
for test in (axe_finds_nothing, the_pictures_of_the_readme_are_taken):
    test.only_in = "chromium"        # once will do
