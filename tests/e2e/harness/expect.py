"""Assertions that say what was there instead."""


def equal(actual, expected, what=''):
    if actual != expected:
        raise AssertionError(f'{what + ": " if what else ""}expected {shorten(expected)}, got {shorten(actual)}')


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def within(value, low, high, what):
    if not low <= value <= high:
        raise AssertionError(f'{what}: expected {low:g} to {high:g}, got {value:g}')


def status(answer, expected, what=''):
    if answer.status != expected:
        raise AssertionError(f'{what + ": " if what else ""}expected status {expected}, '
                             f'got {answer.status}: {answer.body[:300]!r}')


def refusal(answer, expected_status, what='', error=None):
    """An error as all of them are: a status, and {"error": "one sentence"}."""
    status(answer, expected_status, what)
    true(answer.headers.get('content-type', '').startswith('application/json'),
         f'{what}: an error is JSON, not {answer.headers.get("content-type")}')
    fields = answer.json()
    equal(list(fields), ['error'], f'{what}: the fields of an error')
    true(isinstance(fields['error'], str) and fields['error'], f'{what}: the error says nothing')
    if error is not None:
        equal(fields['error'], error, what)


def only(stream, sentinel, what='the next event'):
    """The sentinel, which was sent last, is the next event: nothing that was
    sent before it came to this stream."""
    equal(stream.wait_event().data, sentinel, what)


def shorten(value, limit=400):
    text = repr(value)
    return text if len(text) <= limit else f'{text[:limit // 2]} ... {text[-limit // 2:]} ({len(text)} characters)'
