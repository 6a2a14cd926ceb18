"""What is published by fetch, and a stream that a program of Node holds."""

import os

import expect
from waiting import wait_until


def a_key_is_stored_once(site):
    site.follow('node')
    stream = site.subscribe('42')
    first, second = site.type(site.one('node', 'Publishing')).split()
    expect.equal(first, second, 'the ids')
    got = site.arrives(stream, '9 is shipped', 'order')
    expect.equal(got.id, first, 'the id')
    site.type(site.one('node', 'What can go wrong'))
    site.insert('the end', user='42')
    expect.only(stream, 'the end')


def a_program_reads_on_where_it_stopped(site):
    site.follow('node')
    watcher = site.begin(site.one('node', 'Reading'))
    site.expect_line(watcher, 'live')
    site.insert('one', topic='orders')
    site.expect_line(watcher, 'orders: one')
    # Over a restart of rowcast, and one of its own.
    site.stop_rowcast()
    site.expect_line(watcher, 'reconnecting')
    site.start_rowcast()
    two = site.insert('two', topic='orders')
    site.expect_line(watcher, 'orders: two')
    noted = site.path('/srv/shop/watch.id')

    def has_noted():
        if not os.path.exists(noted):
            return False
        with open(noted) as f:
            return f.read() == str(two)
    wait_until(has_noted, 'it has noted where it is', 10 * site.slow)
    site.end(watcher)
    site.insert('three', topic='orders')
    watcher = site.begin(site.one('node', 'Reading'))
    said = site.expect_line(watcher, 'orders: three')
    expect.true('orders: two' not in said, 'none comes twice')
    site.end(watcher)

