"""The page in a real browser.

TESTS is a list of functions; each takes a site,

    site.url                                  where the page is, http://127.0.0.1:PORT[/prefix]
    site.token(user, scope=None, topics=())   a token, as text
    site.sql(statement)                       the sqlite3 shell on the message table
    site.restart_rowcast()                    optional: ends every stream, and comes back

and raises where the page does not do what the function's name says. A test
starts a browser of its own with a profile of its own, and makes up users of
its own, so that tests share a site without seeing each other.
"""

import itertools
import os
import urllib.parse

from webdriver import CONTROL, ENTER, SHIFT, TAB, Browser

DELIVERY_MS_MAX = 200       # from the click in one tab to the line in another
LOG_LINES_MAX = 1000        # as in console.js


# ---- verbs ----

_users = (f"b{os.getpid()}-{n}" for n in itertools.count(1))


def a_user():
    """A user no other test has."""
    return next(_users)


def link(site, token, topics=()):
    """The address that opens the page and connects at once."""
    query = [("token", token)] + [("topic", t) for t in topics]
    return page(site) + "#" + urllib.parse.urlencode(query)


def page(site):
    return site.url.rstrip("/") + "/"


def sql_text(text):
    return "'" + text.replace("'", "''") + "'"


def insert(site, user, data, event=None):
    values = [sql_text(user) if user else "NULL", sql_text(event) if event else "NULL", sql_text(data)]
    site.sql(f"INSERT INTO message(user,event,data) VALUES({','.join(values)})")


def open_live(browser, site, user, scope=None, topics=()):
    browser.open(link(site, site.token(user, scope, topics), topics))
    wait_for_state(browser, "live")


def wait_for_state(browser, state):
    browser.wait_until('document.querySelector("#state").textContent.toLowerCase().includes(arguments[0])', state)


def wait_for_message(browser, text):
    """Waits for a line with just this text; returns its id."""
    return browser.wait_until(
        '[...document.querySelectorAll("#log .message")]'
        '.filter(m => m.querySelector(".text").textContent === arguments[0]).map(m => m.dataset.id)[0]', text)


def send(browser, text):
    browser.type("#message", text)
    browser.click("#send")


def expect(truth, what):
    if not truth:
        raise AssertionError(what)


def expect_equal(got, wanted, what):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


# ---- tests ----

def a_link_with_a_token_shows_a_live_page_in_one_click(site):
    with Browser() as browser:
        token = site.token(a_user())
        browser.open(page(site))
        wait_for_state(browser, "not connected")
        browser.eval("""const a = document.createElement('a'); a.id = 'demo'; a.href = arguments[0];
                        a.textContent = 'open'; document.body.prepend(a);""", link(site, token))
        browser.click("#demo")
        wait_for_state(browser, "live")
        expect(token not in browser.address(), "the token stayed in the address bar")
        expect_equal(browser.console(), [], "complaints of the browser")


def a_new_tab_with_such_a_link_is_live_and_survives_a_reload(site):
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        expect("#" not in browser.address(), "the token stayed in the address bar")
        browser.reload()
        wait_for_state(browser, "live")
        insert(site, user, "after the reload")
        wait_for_message(browser, "after the reload")


def a_token_typed_into_the_form_connects(site):
    with Browser() as browser:
        user = a_user()
        browser.open(page(site))
        expect_equal(browser.eval('return document.querySelector("#token").type'), "password", "the token's field")
        browser.type("#token", "Bearer " + site.token(user))
        browser.click("#connect")
        wait_for_state(browser, "live")
        insert(site, user, "hello")
        wait_for_message(browser, "hello")
        browser.click("#disconnect")
        wait_for_state(browser, "not connected")


def a_message_typed_in_one_tab_appears_in_another_within_200_ms(site):
    # Both tabs belong to one browser, so their clocks are one: timeOrigin + now() is comparable.
    remember_arrivals = """
        window.arrivals = {};
        new MutationObserver(changes => {
            const now = performance.timeOrigin + performance.now();
            for (const change of changes) for (const node of change.addedNodes)
                if (node.matches('.message')) window.arrivals[node.querySelector('.text').textContent] ??= now;
        }).observe(document.querySelector('#log'), {childList: true});"""
    remember_clicks = """
        window.clicks = [];
        document.querySelector('#send').addEventListener('click', () => {
            window.clicks.push(performance.timeOrigin + performance.now());
        }, true);"""
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        browser.eval(remember_arrivals)
        reader = browser.tab()
        writer = browser.new_tab()
        open_live(browser, site, user)
        browser.eval(remember_clicks)
        took = []
        for n in range(5):
            text = f"from tab to tab {n}"
            browser.switch_tab(writer)
            send(browser, text)
            wait_for_message(browser, text)
            clicked = browser.eval("return window.clicks[arguments[0]]", n)
            browser.switch_tab(reader)
            took.append(browser.wait_until("window.arrivals[arguments[0]]", text) - clicked)
        print("# from the click in one tab to the line in another: "
              + ", ".join(f"{ms:.1f}" for ms in took) + " ms")
        expect(max(took) < DELIVERY_MS_MAX, f"a message took {max(took):.0f} ms")


def an_inserted_row_appears(site):
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        insert(site, a_user(), "for somebody else")
        insert(site, user, "for me")
        wait_for_message(browser, "for me")
        insert(site, None, "for everyone")
        wait_for_message(browser, "for everyone")
        expect("for somebody else" not in browser.texts("#log .text"), "another user's message was shown")


def a_topic_of_the_link_is_followed(site):
    with Browser() as browser:
        user, topic = a_user(), "topic-" + a_user()
        open_live(browser, site, user, topics=[topic])
        site.sql(f"INSERT INTO message(topic,data) VALUES({sql_text(topic)},'on the topic')")
        wait_for_message(browser, "on the topic")


def markup_in_a_message_is_shown_as_text(site):
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        texts = ["<b id=bold>bold</b>", "<img src=x onerror=\"document.title='taken'\">",
                 "<script>document.title='taken'</script>", "&lt;i&gt; & \"quotes\" 'too'"]
        for text in texts:
            insert(site, user, text)
        for text in texts:
            wait_for_message(browser, text)
        expect_equal(browser.eval("return document.querySelectorAll('#log b, #log img, #log script, #log i').length"),
                     0, "elements made from messages")
        expect_equal(browser.eval("return document.title"), "rowcast", "the title")


def lines_and_spaces_of_a_message_are_kept(site):
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        browser.type("#message", "one")
        browser.keys(ENTER, hold=SHIFT)
        browser.keys("  two   spaces", ENTER)
        wait_for_message(browser, "one\n  two   spaces")
        expect_equal(browser.text("#log .text"), "one\n  two   spaces", "the text as displayed")


def a_message_with_an_event_name_is_shown_to_those_who_listen_for_it(site):
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        browser.click("#more summary")
        browser.type("#events", "order.paid, alert" + TAB)
        insert(site, user, "paid", event="order.paid")
        wait_for_message(browser, "paid")
        expect_equal(browser.texts("#log .message .name"), ["order.paid"], "the event name shown")


def a_bad_token_shows_refused_and_the_servers_sentence(site):
    with Browser() as browser:
        browser.open(link(site, "not.a.token"))
        wait_for_state(browser, "refused")
        expect("token is invalid" in browser.text("#why").lower(), f"the reason shown: {browser.text('#why')!r}")
        browser.clear("#token")
        browser.click("#connect")
        browser.wait_until('document.querySelector("#why").textContent.toLowerCase().includes("token is required")')
        wait_for_state(browser, "refused")
        browser.type("#token", site.token(a_user()))
        browser.click("#connect")
        wait_for_state(browser, "live")


def sending_to_others_without_the_scope_shows_the_servers_sentence(site):
    with Browser() as browser:
        open_live(browser, site, a_user())
        browser.choose("#target", "all")
        send(browser, "to everyone")
        browser.wait_until('document.querySelector("#result.bad") && document.querySelector("#result").textContent')
        expect("rowcast:publish" in browser.text("#result"), f"the reason shown: {browser.text('#result')!r}")
        expect_equal(browser.eval('return document.querySelector("#message").value'), "to everyone",
                     "the message not sent, for another attempt")


def a_publisher_sends_to_a_user_and_hears_the_id(site):
    with Browser() as browser:
        sender, receiver = a_user(), a_user()
        open_live(browser, site, receiver)
        tab = browser.tab()
        browser.new_tab()
        open_live(browser, site, sender, scope="rowcast:publish")
        browser.choose("#target", "user")
        browser.type("#target-name", receiver)
        send(browser, "for you")
        browser.wait_until('document.querySelector("#result").textContent.startsWith("sent as id ")')
        sent = browser.text("#result").split()[-1]
        browser.switch_tab(tab)
        expect_equal(wait_for_message(browser, "for you"), sent, "the id of the message")


def the_last_id_is_shown(site):
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        expect_equal(browser.text("#last-id"), "—", "the last id before any message")
        insert(site, user, "first")
        insert(site, user, "second")
        last = wait_for_message(browser, "second")
        expect_equal(browser.text("#last-id"), last, "the last id")
        expect_equal(browser.text(f'#log .message[data-id="{last}"] .text'), "second", "the line of the last id")


def after_a_cut_the_page_comes_back_and_shows_what_was_missed_exactly_once(site):
    if not hasattr(site, "restart_rowcast"):
        print("# this site cannot cut a stream: not tested")
        return
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        insert(site, user, "before the cut")
        wait_for_message(browser, "before the cut")
        # Every change of the state is remembered: a quick return must not be overlooked.
        browser.eval("""window.states = [];
            new MutationObserver(() => window.states.push(document.querySelector('#state').dataset.state))
                .observe(document.querySelector('#state'), {attributes: true});""")
        site.restart_rowcast()
        for n in range(3):
            insert(site, user, f"missed {n}")
        browser.wait_until("window.states.includes('live')", within=40)
        insert(site, user, "afterwards")
        wait_for_message(browser, "afterwards")
        expect_equal(browser.texts("#log .message .text"),
                     ["before the cut", "missed 0", "missed 1", "missed 2", "afterwards"], "the log")
        expect_equal(browser.texts("#log .notice"), [], "notices of a gap")


def a_stream_refused_for_a_while_is_tried_again(site):
    # The page's own answers stand in for a server that is away: first every
    # stream leads nowhere and the question why is answered 503.
    with Browser() as browser:
        user = a_user()
        browser.open(page(site))
        browser.eval("""
            window.away = true;
            const RealSource = EventSource, realFetch = fetch;
            window.EventSource = class extends RealSource {
                constructor(url) { super(away ? 'no-such-address' : url); }
            };
            window.fetch = (...args) => !away ? realFetch(...args) : Promise.resolve(new Response(
                '{"error":"rowcast is starting"}', {status: 503, headers: {'Content-Type': 'application/json'}}));""")
        browser.type("#token", site.token(user))
        browser.click("#connect")
        wait_for_state(browser, "reconnecting")
        browser.wait_until('document.querySelector("#why").textContent.includes("rowcast is starting")')
        browser.eval("window.away = false")
        wait_for_state(browser, "live")
        insert(site, user, "back")
        wait_for_message(browser, "back")


def what_the_server_says_of_the_stream_is_shown(site):
    say = """stream.source.dispatchEvent(new MessageEvent(arguments[0],
                 {data: JSON.stringify({error: arguments[1]})}));"""
    with Browser() as browser:
        open_live(browser, site, a_user())
        browser.eval(say, "rowcast.busy", "too many streams are open")
        wait_for_state(browser, "busy")
        expect("too many streams are open" in browser.text("#why"), "the reason is missing")
        browser.eval(say, "rowcast.expired", "the token has expired")
        wait_for_state(browser, "token expired")
        expect_equal(browser.eval("return stream.source"), None, "the stream after the end of its token")


def a_gap_is_told_in_the_log(site):
    with Browser() as browser:
        user = a_user()
        browser.open(page(site))
        browser.type("#token", site.token(user))
        browser.click("#more summary")
        browser.type("#after", "999999999")
        browser.click("#connect")
        browser.wait_until('document.querySelector("#log .notice")')
        expect("999999999" in browser.text("#log .notice"), f"the notice: {browser.text('#log .notice')!r}")
        insert(site, user, "after the gap")
        wait_for_message(browser, "after the gap")


def the_keyboard_alone_is_enough(site):
    with Browser() as browser:
        user = a_user()
        browser.open(page(site))
        order = []
        for _ in range(20):
            browser.keys(TAB)
            order.append(browser.focused())
            if order[-1] == "send":
                break
            if order[-1] == "token":
                browser.keys(site.token(user))
        wanted = ["token", "show", "topics", "connect", "target", "event", "message", "send"]
        expect_equal([i for i in order if i in wanted], wanted, "the order of the fields")
        expect(browser.eval("""const s = getComputedStyle(document.activeElement);
                               return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2"""),
               "the focus is not to be seen")
        for _ in order:
            if browser.focused() == "token":
                break
            browser.keys(TAB, hold=SHIFT)
        browser.keys(ENTER)
        wait_for_state(browser, "live")
        for _ in range(20):
            if browser.focused() == "message":
                break
            browser.keys(TAB)
        browser.keys("with Enter", ENTER)
        wait_for_message(browser, "with Enter")
        browser.keys("with Ctrl and Enter")
        browser.keys(ENTER, hold=CONTROL)
        wait_for_message(browser, "with Ctrl and Enter")
        expect_equal(browser.focused(), "message", "the focus after sending")


def a_phone_of_360_pixels_scrolls_in_one_direction_only(site):
    with Browser(width=360, height=740) as browser:
        user = a_user()
        overflow = "return document.scrollingElement.scrollWidth - innerWidth"
        browser.open(page(site))
        expect(browser.eval(overflow) <= 0, "the page is wider than the screen before it is connected")
        open_live(browser, site, user)
        insert(site, user, "w" * 500)
        insert(site, user, "https://example.org/" + "a/long/path/" * 30)
        wait_for_message(browser, "w" * 500)
        browser.choose("#target", "user")
        browser.wait_until('document.querySelector("#target-name").offsetWidth > 0')
        expect(browser.eval(overflow) <= 0, "the page is wider than the screen")
        expect(browser.eval("const l = document.querySelector('#log'); return l.scrollWidth <= l.clientWidth"),
               "the log is wider than the screen")
        expect(browser.eval("""const r = document.querySelector('#send').getBoundingClientRect();
                               return r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth"""),
               "the send button is not on the screen")


def the_newest_message_is_in_view_unless_the_reader_looks_back(site):
    in_view = """(lines => {
        const log = document.querySelector('#log').getBoundingClientRect();
        const all = document.querySelectorAll('#log .message'), last = all[all.length - 1].getBoundingClientRect();
        return all.length === lines && last.bottom <= log.bottom + 1 && last.top >= log.top - 1;
    })(arguments[0])"""
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        many = " UNION ALL ".join(f"SELECT {sql_text(user)}, 'line {n}'" for n in range(60))
        site.sql("INSERT INTO message(user,data) " + many)
        wait_for_message(browser, "line 59")
        browser.wait_until(in_view, 60)
        insert(site, user, "one more")      # now that there is a scroll bar: its coming alone scrolls too
        wait_for_message(browser, "one more")
        browser.wait_until(in_view, 61)
        browser.eval("document.querySelector('#log').scrollTop = 0")
        browser.wait_until("log.following === false")
        insert(site, user, "unseen")
        wait_for_message(browser, "unseen")
        expect_equal(browser.eval("return document.querySelector('#log').scrollTop"), 0,
                     "where the reader was, after a new message")
        expect_equal(browser.text("#unread"), "1 new ↓", "the button that tells of new messages")
        browser.click("#unread")
        browser.wait_until(in_view, 62)
        expect(not browser.eval("return document.querySelector('#unread').offsetWidth"), "the button stayed")


def no_more_than_a_thousand_lines_are_kept(site):
    with Browser() as browser:
        user = a_user()
        open_live(browser, site, user)
        for first, last in ((1, 700), (701, 1500)):
            site.sql(f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i+1 FROM n WHERE i<{last}) "
                     f"INSERT INTO message(user,data) SELECT {sql_text(user)}, 'n ' || i FROM n")
            wait_for_message(browser, f"n {last}")
        texts = browser.texts("#log .text")
        expect_equal((len(texts), texts[0]), (LOG_LINES_MAX, f"n {1501 - LOG_LINES_MAX}"), "lines kept, and the first of them")


TESTS = [
    a_link_with_a_token_shows_a_live_page_in_one_click,
    a_new_tab_with_such_a_link_is_live_and_survives_a_reload,
    a_token_typed_into_the_form_connects,
    a_message_typed_in_one_tab_appears_in_another_within_200_ms,
    an_inserted_row_appears,
    a_topic_of_the_link_is_followed,
    markup_in_a_message_is_shown_as_text,
    lines_and_spaces_of_a_message_are_kept,
    a_message_with_an_event_name_is_shown_to_those_who_listen_for_it,
    a_bad_token_shows_refused_and_the_servers_sentence,
    sending_to_others_without_the_scope_shows_the_servers_sentence,
    a_publisher_sends_to_a_user_and_hears_the_id,
    the_last_id_is_shown,
    after_a_cut_the_page_comes_back_and_shows_what_was_missed_exactly_once,
    a_stream_refused_for_a_while_is_tried_again,
    what_the_server_says_of_the_stream_is_shown,
    a_gap_is_told_in_the_log,
    the_keyboard_alone_is_enough,
    a_phone_of_360_pixels_scrolls_in_one_direction_only,
    the_newest_message_is_in_view_unless_the_reader_looks_back,
    no_more_than_a_thousand_lines_are_kept,
]
