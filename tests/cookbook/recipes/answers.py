"""An answer in Chromium while PHP and the shell write it."""

import subprocess
import threading

import expect

TEXT = "document.querySelector('#answer').textContent"
END = "document.querySelector('#end').textContent"


def _follow(site):
    site.follow('php')
    site.follow('answers')


def _open(site, run):
    browser = site.browser()
    browser.open(f'{site.url}/answer.php?run={run}')
    return browser


def an_answer_grows_in_the_browser_and_a_late_one_reads_the_same(site):
    _follow(site)
    _open(site, 1)
    writer = threading.Thread(target=site.type, args=[site.one('answers', 'A writer in PHP')])
    writer.start()
    site.page_shows(f"{TEXT}.startsWith('An answer, ')")
    browser = _open(site, 1)  # reload in the middle
    site.page_shows(f"{TEXT} === 'An answer, word by word.' && {END} === 'done'")
    writer.join()
    _open(site, 1)
    site.page_shows(f"{TEXT} === 'An answer, word by word.' && {END} === 'done'")
    expect.equal(browser.console(), [], 'what the browser complains about')


def the_stream_of_an_api_is_copied_with_its_end(site):
    _follow(site)
    _open(site, 2)
    site.type(site.one('answers', 'A writer in the shell'))
    site.page_shows(f"{TEXT} === 'From an API.' && {END} === 'done'")


def who_stops_it_stops_the_writer(site):
    _follow(site)
    _open(site, 3)
    php = subprocess.Popen(['php', site.path('/srv/shop/answer.php'), 'run:3', 'word ' * 10000], env=site.environment(),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        site.page_shows(f"{TEXT}.startsWith('word word ')")
        site.type(site.one('answers', 'Stop'))
        site.page_shows(f"{END} === 'stopped'")
        said, _ = php.communicate(timeout=30 * site.slow)
        expect.equal((php.returncode, said), (0, ''), 'the writer')
    finally:
        php.kill()
        php.wait()


def what_breaks_off_is_told(site):
    _follow(site)
    site.type(site.one('answers', 'What can go wrong'))
