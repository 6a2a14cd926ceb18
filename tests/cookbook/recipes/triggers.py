"""Messages that the database itself publishes."""

import expect


def a_trigger_sends_what_was_committed_and_nothing_else(site):
    site.follow('triggers', until='From another file')
    streams = [site.subscribe('42'), site.subscribe('43', topics=['orders'])]
    site.type(site.recipes['triggers'].under("In the application's own file"))
    site.arrives(streams[0], '{"id":7,"state":"paid"}', 'order')
    site.arrives(streams[0], '{"id":7,"state":"shipped"}', 'order')
    site.arrives(streams[1], '{"id":7,"total":19.5}', 'placed')
    refused = site.recipes['triggers'].under('What can go wrong')[0]
    site.type(refused)
    for stream, user in zip(streams, '42 43'.split()):
        site.insert('the end', user=user)
    expect.only(streams[0], 'the end')
    expect.equal(streams[1].wait_event().data, '{"id":8,"total":1}', 'the other order')
    expect.only(streams[1], 'the end')


def another_file_is_attached(site):
    site.follow('triggers')
    stream = site.subscribe('42', topics=['books'])
    site.type(site.recipes['triggers'].under('From another file'))
    site.arrives(stream, '{"title":"SQLite"}', 'book')


def a_key_stands_for_the_newest(site):
    site.follow('triggers')
    before = site.newest()
    site.type(site.recipes['triggers'].under('A message that is true for a while'))
    stream = site.subscribe('42', topics=['prices'], last_event_id=before)
    site.arrives(stream, '61.20')
    site.type(site.recipes['triggers'].under('What can go wrong')[1])
    site.insert('the end', user='42')
    expect.only(stream, 'the end')
