"""Runs tests, functions whose names are sentences, and reports them as TAP."""

import os
import sys
import time
import traceback


def say(line):
    print(line, flush=True)


def diagnose(text, limit=60):
    """The end of text as TAP diagnostics."""
    lines = text.rstrip().split('\n')
    if len(lines) > limit:
        say(f'# ({len(lines) - limit} lines left out)')
    for line in lines[-limit:]:
        say('# ' + line[:400])


def missing(packages):
    """Tests that cannot run have failed."""
    say(f'1..{len(packages)}')
    for i, package in enumerate(packages, 1):
        say(f'not ok {i} - not installed: apt-get install {package}')


def run(tests, site):
    """Runs tests against a site, which it starts and stops; the last test is
    that the stop was clean. Returns how many failed."""
    say(f'1..{len(tests) + 1}')
    failures = 0
    try:
        site.start()
    except BaseException:
        diagnose(traceback.format_exc())
        diagnose(site.front.errors())
        say('Bail out! the site does not start')
        raise SystemExit(1)
    for i, test in enumerate(tests, 1):
        if reason := why_not(test, site):
            say(f'ok {i} - {name(test)} # SKIP {reason}')
            continue
        log_before, errors_before = len(site.rowcast.log_bytes()), len(site.front.errors())
        began = time.monotonic()
        problem = None
        try:
            test(site)
        except Exception:
            problem = traceback.format_exc()
        try:
            site.close_streams()
            if not site.rowcast.running():
                problem = (problem or '') + 'rowcast is gone\n'
                if site.rowcast.process is not None:
                    try:
                        site.rowcast.stop()
                    except AssertionError as e:
                        problem += f'{e}\n'
                site.come_back()
        except Exception:
            problem = (problem or '') + traceback.format_exc()
        say(f'{"not ok" if problem else "ok"} {i} - {name(test)} ({time.monotonic() - began:.1f} s)')
        if problem:
            failures += 1
            diagnose(problem, 120)
            say("# -- rowcast's log:")
            diagnose(site.rowcast.log_since(log_before), 30)
            say("# -- the web server's errors:")
            diagnose(site.front.errors()[errors_before:], 10)
    try:
        site.stop()
        site.check_no_token_in_logs()
        say(f'ok {len(tests) + 1} - rowcast stops cleanly and no log has a token')
    except Exception:
        failures += 1
        say(f'not ok {len(tests) + 1} - rowcast stops cleanly and no log has a token')
        diagnose(traceback.format_exc())
    if failures and os.environ.get('KEEP'):
        say(f'# kept: {site.folder}')
    else:
        site.remove()
    return failures


def name(test):
    return f'{test.__module__}: {test.__name__.replace("_", " ")}'


def only_behind(server):
    """Marks a test that is not about the web server: one of them will do."""
    def mark(test):
        test.only_behind = server
        return test
    return mark


def only_in(browser):
    """Marks a test that is about one browser, or can be made in one only."""
    def mark(test):
        test.only_in = browser
        return test
    return mark


def own_table_only(reason):
    """Marks a test of a table that has its own messages: one that is a copy of a log
    is another matter, for the reason given."""
    def mark(test):
        test.own_table_only = reason
        return test
    return mark


def why_not(test, site):
    """Why a test does not apply to this site, or None."""
    module = sys.modules[test.__module__]
    reason = getattr(test, 'own_table_only', None) or getattr(module, 'OWN_TABLE_ONLY', None)
    if site.upstream is not None and reason:
        return f'with an upstream: {reason}'
    needs = getattr(module, 'NEEDS', None)
    return needs(site.rowcast.program) if needs else None


def tests_of(module, server):
    """The module's TESTS, or its public functions that take a site, in order;
    those for `server`."""
    if hasattr(module, 'TESTS'):
        return list(module.TESTS)
    return [f for f in vars(module).values()
            if callable(f) and getattr(f, '__module__', None) == module.__name__
            and not f.__name__.startswith('_') and hasattr(f, '__code__')
            and f.__code__.co_varnames[:f.__code__.co_argcount] == ('site',)
            and getattr(f, 'only_behind', server) == server]
