"""What the load client cannot see of answers and of single messages: whether the table has
each of them once, whole and in order, and how many rows went into a transaction."""

import http.client
import re
import sqlite3

MARK = 'rcb'  # of a message, before its number (sse.h)
HEAD = len(MARK) + 8 + 16


def complete(system, figures, ordered):
    """Adds to the load client's figures. ordered: by one writer each, not by several at a time."""
    rows, wrong = _table(system.db, figures, ordered)
    figures['rows_wrong'] = wrong
    figures['rows_per_s'] = figures['messages_per_s']  # acknowledged or, where that comes at the end, in the table
    commits = figures['transactions']  # the client's own
    if not commits:
        metrics = _metrics(system.front.port)
        commits = metrics.get('rowcast_commit_duration_seconds_count', 0)
    figures['rows_per_commit'] = rows / commits if commits else 0


def _table(db, figures, ordered):
    """How many messages of the client's the table has, and how many of those that it
    should have are not there, not what was sent, or not where they belong."""
    found, wrong = {}, 0
    table = sqlite3.connect(f'file:{db}?mode=ro', uri=True, timeout=10)
    try:
        for topic, data in table.execute('SELECT topic, data FROM message WHERE event IS NULL ORDER BY id'):
            if data[:len(MARK)] != MARK or data[HEAD:] != 'x' * (figures['size'] - HEAD):
                wrong += 1
            else:
                found.setdefault(topic, []).append(int(data[len(MARK):len(MARK) + 8], 16))
    finally:
        table.close()
    first, end, answers = figures['first'], figures['first'] + figures['messages'], max(figures['answers'], 1)
    rows = sum(map(len, found.values())) + wrong
    for answer in range(answers):
        numbers = found.pop(f'answer:{answer}', [])
        expected = range(first + (answer - first) % answers, end, answers)
        there = len(set(numbers).intersection(expected))
        wrong += len(expected) - there + len(numbers) - there
        if ordered:
            wrong += sum(a > b for a, b in zip(numbers, numbers[1:]))
    return rows, wrong + sum(map(len, found.values()))


def _metrics(port):
    """{name with labels: value}."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    connection.request('GET', '/metrics')
    text = connection.getresponse().read().decode()
    connection.close()
    return {name: float(value) for name, value in re.findall(r'^(\w[^ ]*) ([\d.e+]+)$', text, re.MULTILINE)}
