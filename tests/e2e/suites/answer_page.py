"""The page that shows an answer as it grows, and what a browser's own EventSource makes of
a topic that ends. See browser.py for what a site is."""

import os
import re
import subprocess
import urllib.parse

import npm
from browser import a_user, expect, expect_equal, sql_text, wait_for_state
from harness import SOURCE
from webdriver import ENTER, Browser

PUBLISH = "rowcast:publish"
TEXT = "document.querySelector('#text').textContent"
HOSTILE = "<img src=x onerror=\"window.hit = 1\"><script>window.hit = 1</script>&amp;<b>bold</b> "


# ---- verbs ----

def a_topic():
    return f"run:{a_user()}"


def address(site, topic=None, token=None):
    query = "?" + urllib.parse.urlencode({"topic": topic}) if topic else ""
    return site.url.rstrip("/") + "/answer.html" + query + ("#token=" + token if token else "")


def open_live(browser, site, topic, scope=PUBLISH):
    browser.open(address(site, topic, site.token(a_user(), scope, topics=["run:*"])))
    wait_for_state(browser, "live")


def insert(site, topic, *tokens, event="token"):
    rows = ", ".join(f"({sql_text(topic)}, {sql_text(event)}, {sql_text(token)})" for token in tokens)
    site.sql(f"INSERT INTO message(topic, event, data) VALUES{rows}")


def end(site, topic, data='{"reason":"done"}'):
    insert(site, topic, data, event="rowcast.end")


def wait_for_text(browser, text):
    browser.wait_until(f"{TEXT} === arguments[0]", text, within=20)


def wait_for_progress(browser, progress, within=20):
    browser.wait_until("document.querySelector('#progress').textContent === arguments[0]", progress, within=within)


def stored(site, topic):
    site.wait_followed()
    return site.sql(f"SELECT group_concat(data, '') || '|' FROM (SELECT data FROM message WHERE topic = {sql_text(topic)}"
                    " AND event = 'token' ORDER BY id)")[:-1]


def shown(browser, css):
    return browser.eval("return document.querySelector(arguments[0]).offsetWidth > 0", css)


# ---- reading ----

def an_answer_grows_as_its_tokens_are_stored_and_ends(site):
    with Browser() as browser:
        topic = a_topic()
        open_live(browser, site, topic)
        expect("#" not in browser.address(), "the token stayed in the address bar")
        expect_equal(browser.text("#topic"), topic, "the topic")
        wait_for_progress(browser, "Nothing yet")
        text = ""
        for token in ("Hello", ", ", "wörld", "\n\n", "🚀 "):
            insert(site, topic, token)
            text += token
            wait_for_text(browser, text)
            wait_for_progress(browser, "Growing")
        end(site, topic)
        wait_for_progress(browser, "Done")
        wait_for_state(browser, "ended")
        expect_equal(browser.eval(f"return {TEXT}"), text, "the text")
        expect_equal((shown(browser, "#stop"), shown(browser, "#another")), (False, True), "what may be done then")
        expect_equal(browser.console(), [], "complaints of the browser: a policy, a script")


def who_comes_later_reads_the_same(site):
    topic, tokens = a_topic(), [f"word{n} " for n in range(600)]
    insert(site, topic, *tokens)
    with Browser() as browser:
        open_live(browser, site, topic, scope=None)
        wait_for_text(browser, "".join(tokens))
        wait_for_progress(browser, "Growing")
        browser.reload()
        wait_for_text(browser, "".join(tokens))
        insert(site, topic, "and on")
        wait_for_text(browser, "".join(tokens) + "and on")
        end(site, topic)
        wait_for_progress(browser, "Done")
        browser.reload()
        wait_for_progress(browser, "Done")
        expect_equal(browser.eval(f"return {TEXT}"), "".join(tokens) + "and on", "after the end")
        wait_for_state(browser, "ended")


def it_says_how_an_answer_has_ended(site):
    for data, title, verdict in (('{"reason":"aborted"}', "Broken off", "Its writer is gone: this is all there is."),
                                 ('{"reason":"stopped"}', "Stopped", "Somebody has stopped it."),
                                 ('{"reason":"toString"}', "Ended", ""), ("no JSON", "Ended", ""), ("null", "Ended", "")):
        with Browser() as browser:
            topic = a_topic()
            open_live(browser, site, topic)
            insert(site, topic, "half a sen")
            wait_for_text(browser, "half a sen")
            end(site, topic, data)
            wait_for_progress(browser, title)
            expect_equal(browser.text("#verdict"), verdict, data)
            expect_equal(browser.eval("return document.querySelector('#text').hasAttribute('data-growing')"), False, "it grows")


def text_is_text(site):
    topic = f"run:{HOSTILE}'"
    with Browser() as browser:
        open_live(browser, site, topic)
        insert(site, topic, HOSTILE, "<script>window.hit = 1</script>")
        wait_for_text(browser, HOSTILE + "<script>window.hit = 1</script>")
        insert(site, topic, HOSTILE, event="rowcast.end")
        wait_for_progress(browser, "Ended")
        expect_equal(browser.text("#topic"), topic.strip(), "the topic")
        expect_equal(browser.eval("return [window.hit ?? null, document.querySelectorAll('main img, main b, main script').length]"), [None, 0],
                     "what became of it")


def the_stream_of_another_program_is_an_answer_too(site):
    with Browser() as browser:
        topic = a_topic()
        open_live(browser, site, topic)
        done = subprocess.run([site.rowcast.program, "publish", "-c", site.rowcast.conf, "--sse", "--topic", topic], text=True,
                              input="data: with a name\n\nevent: token\ndata:  or without\n\n", capture_output=True, check=False)
        expect_equal(done.returncode, 1, done.stderr)
        wait_for_text(browser, "with a name or without")
        wait_for_progress(browser, "Broken off")


def a_cut_is_no_end(site):
    with Browser() as browser:
        topic = a_topic()
        open_live(browser, site, topic)
        insert(site, topic, "one ")
        wait_for_text(browser, "one ")
        site.restart_rowcast()
        insert(site, topic, "two")
        wait_for_text(browser, "one two")
        wait_for_progress(browser, "Growing")


# ---- writing ----

def start_writes_and_two_windows_and_a_reload_show_the_same(site):
    topic = a_topic()
    with Browser() as writer, Browser() as reader:
        open_live(writer, site, topic)
        open_live(reader, site, topic, scope=None)
        writer.click("#start")
        for part in range(1, 4):         # reload the writer, too: it goes on
            writer.wait_until(f"{TEXT}.length > arguments[0]", 150 * part, within=20)
            (reader if part == 2 else writer).reload()
        for browser in (writer, reader):
            wait_for_progress(browser, "Done", within=60)
        with open(os.path.join(SOURCE, "public", "answer.js"), encoding="utf-8") as script:
            text = re.search("DEMO = `(.*?)`", script.read(), re.S).group(1)
        for browser in (writer, reader):
            expect_equal(browser.eval(f"return {TEXT}"), text, "the text")
        expect_equal(stored(site, topic), text, "the rows, each once")


def stop_ends_it_for_the_writer_and_all_readers(site):
    topic = a_topic()
    with Browser() as writer, Browser() as reader:
        open_live(writer, site, topic)
        open_live(reader, site, topic)
        writer.click("#start")
        reader.wait_until(f"{TEXT}.length > 100", within=20)
        reader.click("#stop")
        for browser in (reader, writer):
            wait_for_progress(browser, "Stopped")
            wait_for_state(browser, "ended")
        text = stored(site, topic)
        for browser in (reader, writer):
            expect_equal(browser.eval(f"return {TEXT}"), text, "the text")
        writer.wait_until("JSON.parse(sessionStorage.getItem('rowcast answer')).writes === null")
        expect_equal(writer.text("#fault"), "", "what the writer says")
        writer.reload()
        wait_for_progress(writer, "Stopped")
        wait_for_state(writer, "ended")
        expect_equal(stored(site, topic), text, "nothing after the end")


def who_may_not_write_is_told_and_shown_how(site):
    with Browser() as browser:
        topic = a_topic()
        open_live(browser, site, topic, scope=None)
        browser.click("#start")
        browser.wait_until("document.querySelector('#fault').textContent.includes('rowcast:publish')", within=20)
        expect(browser.eval("return document.querySelector('#how').open"), "how is not shown")
        expect(f"rowcast publish --sse --topic '{topic}'" in browser.text("#relay"), browser.text("#relay"))
        insert(site, topic, "somebody else's")
        wait_for_text(browser, "somebody else's")
        browser.click("#stop")
        browser.wait_until("document.querySelector('#fault').textContent.includes('rowcast:publish')", within=20)
        wait_for_progress(browser, "Growing")


def the_shell_lines_that_it_shows_write_an_answer(site):
    with Browser() as browser:
        topic = "run:it's " + a_user()
        open_live(browser, site, topic)
        words = browser.eval("return document.querySelector('#words').textContent")
        place = os.path.dirname(os.path.abspath(site.rowcast.program))
        words = words.replace("rowcast publish", f"rowcast publish -c '{site.rowcast.conf}'")
        done = subprocess.run(["/bin/sh", "-ec", words], env={**os.environ, "PATH": place + ":" + os.environ["PATH"]},
                              capture_output=True, text=True, timeout=60, check=False)
        expect_equal((done.returncode, done.stderr), (0, ""), words)
        wait_for_text(browser, "one word after the other ")
        wait_for_progress(browser, "Done")


def a_new_answer_has_a_topic_that_the_token_grants(site):
    with Browser() as browser:
        for grants, begins in ((["*"], "run:"), (["run:*"], "run:"), (["news", "answers/*"], "answers/")):
            browser.open("about:blank")
            browser.open(address(site, token=site.token(a_user(), PUBLISH, topics=grants)))
            wait_for_state(browser, "live")
            topic = browser.text("#topic")
            expect(topic.startswith(begins) and len(topic) > len(begins), f"{topic} for {grants}")
            expect_equal(urllib.parse.parse_qs(urllib.parse.urlsplit(browser.address()).query), {"topic": [topic]}, "the address")
            browser.reload()
            wait_for_state(browser, "live")
            expect_equal(browser.text("#topic"), topic, "after a reload")


# ---- who may ----

def a_token_that_is_refused_can_be_replaced(site):
    with Browser() as browser:
        topic = a_topic()
        insert(site, topic, "secret")
        for token, said in ((None, "oken"), (site.token(a_user(), topics=["other"]), "topic"), ("not.a.token", "invalid")):
            browser.open("about:blank")
            browser.open(address(site, topic, token))
            wait_for_state(browser, "refused")
            expect(said in browser.text("#token-fault"), f"the reason shown: {browser.text('#token-fault')!r}")
            expect_equal(browser.eval("return document.querySelector('#token').getAttribute('aria-invalid')"), "true", "the field")
            expect_equal(browser.eval(f"return {TEXT}"), "", "the text")
        browser.type("#token", "Bearer " + site.token(a_user(), topics=["run:*"]))
        browser.click("#connect")
        wait_for_text(browser, "secret")
        expect_equal(shown(browser, "#entry"), False, "the form")


def the_keyboard_alone_is_enough(site):
    with Browser() as browser:
        topic = a_topic()
        open_live(browser, site, topic)
        focused = "document.activeElement.id"
        browser.eval("document.querySelector('#start').focus()")
        browser.keys(ENTER)
        browser.wait_until(f"{focused} === 'stop'", within=20)
        browser.keys(ENTER)
        browser.wait_until(f"{focused} === 'another'", within=20)
        wait_for_progress(browser, "Stopped")
        browser.keys(ENTER)
        browser.wait_until("document.querySelector('#topic').textContent !== arguments[0]", topic)
        wait_for_state(browser, "live")


# ---- how it looks ----

def it_is_never_wider_than_the_window(site):
    topic = "run:" + "t" * 200
    insert(site, topic, "w" * 2000, " and words")
    for width in (375, 1280, 2560):
        with Browser(width=width, height=900) as browser:
            open_live(browser, site, topic)
            wait_for_text(browser, "w" * 2000 + " and words")
            browser.eval("document.querySelector('#how').open = true")
            expect(browser.eval("return document.scrollingElement.scrollWidth <= innerWidth"), f"wider than {width}")
            browser.open("about:blank")
            browser.open(address(site, topic, "not.a.token"))
            wait_for_state(browser, "refused")
            expect(browser.eval("return document.scrollingElement.scrollWidth <= innerWidth"), f"refused, wider than {width}")


def who_reads_at_the_end_stays_there_and_who_reads_above_stays_too(site):
    with Browser(width=375, height=500) as browser:
        topic = a_topic()
        open_live(browser, site, topic)
        at_end = "document.scrollingElement.scrollHeight - document.scrollingElement.scrollTop - innerHeight < 3"
        insert(site, topic, "many words " * 300)
        browser.wait_until(f"{TEXT}.length > 3000 && {at_end}")
        browser.eval("document.scrollingElement.scrollTop = 10")
        insert(site, topic, "and more " * 300)
        browser.wait_until(f"{TEXT}.length > 5000")
        expect_equal(browser.eval("return document.scrollingElement.scrollTop"), 10, "where somebody reads")


def axe_finds_nothing(site):
    axe = npm.read(npm.AXE, "axe.min.js", site.folder)

    def found(browser, where):
        browser.eval(axe + ";window.found = null; axe.run().then(r => { window.found = r.violations.map("
                     "v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join('; ')); })")
        expect_equal(browser.wait_until("window.found && [window.found]")[0], [], where)

    for width, height, dark in ((1280, 900, False), (1280, 900, True), (375, 812, False), (375, 812, True)):
        with Browser(width=width, height=height, dark=dark) as browser:
            how = f"{width}, {'dark' if dark else 'light'}"
            topic = a_topic()
            browser.open(address(site, topic, "not.a.token"))
            wait_for_state(browser, "refused")
            found(browser, "refused, " + how)
            browser.open("about:blank")
            open_live(browser, site, topic)
            browser.eval("document.querySelector('#how').open = true")
            found(browser, "nothing yet, " + how)
            insert(site, topic, "some ", "words")
            wait_for_progress(browser, "Growing")
            found(browser, "growing, " + how)
            for data, progress in (('{"reason":"done"}', "Done"), ('{"reason":"aborted"}', "Broken off"), ('{"reason":"stopped"}', "Stopped")):
                topic = a_topic()
                insert(site, topic, "some ", "words")
                end(site, topic, data)
                browser.open("about:blank")
                browser.open(address(site, topic, site.token(a_user(), topics=["run:*"])))
                wait_for_progress(browser, progress)
                found(browser, f"{progress}, {how}")


def pictures_are_taken(site):
    """PICTURES=FOLDER keeps them."""
    folder = os.environ.get("PICTURES") or site.folder
    text = ("A row committed to a SQLite table is a message, and every browser that it is for has it a millisecond later.\n\n"
            "So an answer needs no memory of its own: each token is a row, whoever comes late reads from the first one on, and ")
    for name, width, height, dark, reason in (
            ("answer.png", 1280, 800, False, None), ("answer-dark.png", 1280, 800, True, "aborted"), ("answer-phone.png", 375, 812, False, None),
            ("answer-done.png", 1280, 800, False, "done"), ("answer-phone-dark.png", 375, 812, True, "stopped"), ("answer-refused.png", 375, 812, False, "")):
        with Browser(width=width, height=height, dark=dark) as browser:
            topic = "run:" + name.removesuffix(".png")
            if reason == "":
                browser.open(address(site, topic, "not.a.token"))
                wait_for_state(browser, "refused")
            else:
                open_live(browser, site, topic)
                insert(site, topic, *(word + " " for word in text.split(" ")))
                wait_for_text(browser, text + " ")
                if reason:
                    end(site, topic, f'{{"reason":"{reason}"}}')
                    wait_for_state(browser, "ended")
                if name == "answer-done.png":
                    browser.eval("document.querySelector('#how').open = true")
            browser.screenshot(os.path.join(folder, name))
            expect(os.path.getsize(os.path.join(folder, name)) > 10000, f"{name} is empty")


# ---- a browser's own EventSource ----

NATIVE = """
    const [topic, token] = arguments, seen = window.seen = { text: '', ends: 0, opens: 0, errors: 0 };
    const query = new URLSearchParams({ topic, token, inbox: 'off', until: 'end', join: 'token', since: 'all' });
    const source = window.source = new EventSource('events?' + query);
    source.onopen = () => seen.opens++;
    source.onerror = () => seen.errors++;
    source.addEventListener('token', (e) => (seen.text += e.data));
    source.addEventListener('rowcast.end', () => seen.ends++);
"""


def the_browsers_own_eventsource_stops_for_good_at_the_end(site):
    """Without closing it: it comes back once, with the id of the end, and is told 204."""
    with Browser() as browser:
        topic = a_topic()
        token = site.token(a_user(), topics=["run:*"])
        browser.open(address(site, topic, token))
        wait_for_state(browser, "live")
        browser.eval(NATIVE, topic, token)
        browser.wait_until("seen.opens === 1", within=20)
        insert(site, topic, "a ", "b ")
        browser.wait_until("seen.text === 'a b '", within=20)
        site.restart_rowcast()           # that is no end
        insert(site, topic, "c")
        browser.wait_until("seen.text === 'a b c'", within=30)
        expect_equal(browser.eval("return source.readyState"), 1, "while it grows")
        end(site, topic)
        browser.wait_until("seen.ends === 1", within=20)
        browser.wait_until("source.readyState === EventSource.CLOSED", within=30)
        expect_equal(browser.eval("return [seen.text, seen.ends]"), ["a b c", 1], "what it has seen")
        # Who comes later: all of it, and then 204 too.
        browser.eval("source.close()")
        browser.eval(NATIVE, topic, token)
        browser.wait_until("seen.ends === 1", within=20)
        browser.wait_until("source.readyState === EventSource.CLOSED", within=30)
        expect_equal(browser.eval("return [seen.text, seen.ends, seen.opens]"), ["a b c", 1, 1], "what a late one has seen")


TESTS = [
    an_answer_grows_as_its_tokens_are_stored_and_ends,
    who_comes_later_reads_the_same,
    it_says_how_an_answer_has_ended,
    text_is_text,
    the_stream_of_another_program_is_an_answer_too,
    a_cut_is_no_end,
    start_writes_and_two_windows_and_a_reload_show_the_same,
    stop_ends_it_for_the_writer_and_all_readers,
    who_may_not_write_is_told_and_shown_how,
    the_shell_lines_that_it_shows_write_an_answer,
    a_new_answer_has_a_topic_that_the_token_grants,
    a_token_that_is_refused_can_be_replaced,
    the_keyboard_alone_is_enough,
    it_is_never_wider_than_the_window,
    who_reads_at_the_end_stays_there_and_who_reads_above_stays_too,
    axe_finds_nothing,
    pictures_are_taken,
    the_browsers_own_eventsource_stops_for_good_at_the_end,
]
for test in (axe_finds_nothing, pictures_are_taken):
    test.only_in = "chromium"        # once will do
