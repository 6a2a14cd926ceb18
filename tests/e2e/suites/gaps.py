"""rowcast.gap is told where retention has deleted what a client has not seen, and
nowhere else; and who is turned away loses nothing by it. Behind one web server
only."""

import contextlib
import json
import time

import expect
from tap import own_table_only
from waiting import wait_until

KEEP = 10


def _rows(site, user, n, **columns):
    """n rows; returns their ids."""
    names = ''.join(f', {name}' for name in columns)
    values = ''.join(f', {value}' for value in columns.values())
    statement = (f'WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {n})'
                 f" INSERT INTO message(user, data{names}) SELECT '{user}', 'row ' || i{values} FROM n")
    if not site.is_copy:
        return [int(id) for id in site.sql(statement + ' RETURNING id;').split()]
    site.sqlite3(statement + ';')
    ids = site.sql(f'SELECT id FROM message ORDER BY id DESC LIMIT {n}')
    return [int(id) for id in reversed(ids.split())]


def _retained(site):
    return [int(id) for id in site.sql('SELECT id FROM message ORDER BY id').split()]


def _let_retention_work(site, user, done):
    """It works beside messages that are published; and then there is no bound
    any more, so that nothing changes while a test looks. Returns the ids of those."""
    token, ids = site.token(user), []

    def worked():
        ids.append(site.publish(token, msg='tick'))
        return done(_retained(site))
    wait_until(worked, 'retention has been at work', 20 * site.slow, every_s=0.02)
    # A log has one bound at least.
    site.reload(store='sqlite:' + site.db, keep_rows=0, keep_for='365d' if site.is_copy else '0')
    # The thread that commits is the one that trims: a slice under way is done by then.
    ids.append(site.publish(token, msg='tick'))
    site.wait_trimmed()
    return ids


def _gap_after(site, user, cursor):
    """The gap that a client with this cursor is told, or None; it comes before
    anything else, once, and its id is where the client goes on from."""
    stream = site.stream(user, last_event_id=cursor)
    last = site.insert('the last', user)
    events = [stream.wait_event()]
    while events[-1].id != str(last):
        events.append(stream.wait_event())
    stream.close()
    gaps = [event for event in events if event.type != 'message']
    expect.true(all(gap.type == 'rowcast.gap' for gap in gaps), f'{gaps}')
    if not gaps:
        return None
    expect.equal(len(gaps), 1, 'how often it is told')
    expect.equal(events[0], gaps[0], 'the first event')
    gap = json.loads(gaps[0].data)
    expect.equal(sorted(gap), ['newest', 'oldest', 'reason', 'requested'])
    expect.equal(gap['requested'], str(cursor))
    # Who goes on from its id is not told again.
    with site.stream(user, last_event_id=gaps[0].id) as again:
        expect.equal(again.wait_event().type, 'message', 'told again')
    return gap


def _is_told(site, user, cursor):
    gap = _gap_after(site, user, cursor)
    expect.true(gap is not None, f'nothing is told to who comes back with {cursor}')
    expect.equal(gap['reason'], 'expired')
    oldest = _retained(site)[0]
    expect.equal(gap['oldest'], oldest, 'oldest')


def _is_not_told(site, user, cursor):
    expect.equal(_gap_after(site, user, cursor), None, f'what is told to who comes back with {cursor}')


@contextlib.contextmanager
def _keeping(site, name, **settings):
    with site.store_in(site.new_folder(name), **settings):
        yield site.user()


def what_retention_has_deleted_is_a_gap_and_nothing_else_is(site):
    with _keeping(site, 'retention', keep_rows=KEEP) as user:
        ids = _rows(site, user, 50)
        ids += _let_retention_work(site, user, lambda left: left[0] > ids[30])
        oldest = _retained(site)[0]
        deleted = max(id for id in ids if id < oldest)
        for cursor in (0, ids[0], ids[20], deleted - 1):
            _is_told(site, user, cursor)
        for cursor in (deleted, oldest - 1, oldest, _retained(site)[-1]):
            _is_not_told(site, user, cursor)


def rows_erased_by_hand_are_no_gap(site):
    with _keeping(site, 'by hand') as user:
        ids = _rows(site, user, 30)
        site.sql(f'DELETE FROM message WHERE id <= {ids[9]} OR id BETWEEN {ids[15]} AND {ids[19]}')
        for cursor in (0, ids[0], ids[9], ids[14], ids[17], ids[-1]):
            _is_not_told(site, user, cursor)
        site.sql('DELETE FROM message')
        for cursor in (0, ids[3], ids[-1]):
            _is_not_told(site, user, cursor)


@own_table_only('what expires before it comes is never in a copy')
def rows_that_have_expired_are_no_gap(site):
    with _keeping(site, 'expired') as user:
        ids = _rows(site, user, 20, expires_at=int(time.time()) - 10)
        kept = _rows(site, user, 5)
        _let_retention_work(site, user, lambda left: left[0] == kept[0])
        for cursor in (0, ids[0], ids[-1], kept[2]):
            _is_not_told(site, user, cursor)


def an_empty_table_has_no_gap_until_retention_makes_one(site):
    with _keeping(site, 'empty') as user:
        with site.subscribe(user) as stream:
            cursor = stream.parser.last_event_id
        expect.equal(cursor, '0', 'what a client of an empty table is told')
        _is_not_told(site, user, 0)
        ids = _rows(site, user, 50)
        _is_not_told(site, user, 0)
        site.reload(store='sqlite:' + site.db, keep_rows=KEEP)
        _let_retention_work(site, user, lambda left: left[0] > ids[30])
        _is_told(site, user, 0)


def by_hand_and_by_retention_in_any_order(site):
    with _keeping(site, 'hand first') as user:
        first, second, third = (_rows(site, user, 20) for _ in range(3))
        site.sql(f'DELETE FROM message WHERE id <= {first[-1]}')
        _is_not_told(site, user, first[5])
        site.reload(store='sqlite:' + site.db, keep_rows=KEEP)
        _let_retention_work(site, user, lambda left: left[0] > second[-1])
        for cursor in (0, first[5], first[-1], second[5]):
            _is_told(site, user, cursor)
    with _keeping(site, 'retention first', keep_rows=KEEP) as user:
        ids = _rows(site, user, 50)
        ids += _let_retention_work(site, user, lambda left: left[0] > ids[30])
        deleted = max(id for id in ids if id < _retained(site)[0])
        more = _rows(site, user, 20)
        # By hand what was the oldest: only retention's own is a gap.
        site.sql(f'DELETE FROM message WHERE id <= {more[9]}')
        for cursor in (0, deleted - 1):
            _is_told(site, user, cursor)
        for cursor in (deleted, deleted + 1, more[0], more[9], more[10]):
            _is_not_told(site, user, cursor)
        # It is known to the next rowcast too, and where nothing is left.
        site.restart_rowcast(store='sqlite:' + site.db)
        _is_told(site, user, deleted - 1)
        _is_not_told(site, user, deleted)
        site.sql('DELETE FROM message')
        site.restart_rowcast(store='sqlite:' + site.db)
        _is_not_told(site, user, deleted)


@own_table_only("created_at is the log's")
def what_has_come_of_age_is_a_gap_too(site):
    with _keeping(site, 'age', keep_for='1h') as user:
        old = _rows(site, user, 20, created_at=int(time.time()) - 7200)
        new = _rows(site, user, 5)
        _let_retention_work(site, user, lambda left: left[0] == new[0])
        for cursor in (0, old[0], old[-2]):
            _is_told(site, user, cursor)
        for cursor in (old[-1], new[0]):
            _is_not_told(site, user, cursor)


@own_table_only("created_at is the log's")
def a_gap_is_told_where_nothing_is_left(site):
    with _keeping(site, 'nothing left', keep_for='1h') as user:
        old = _rows(site, user, 20, created_at=int(time.time()) - 7200)
        _let_retention_work(site, user, lambda left: left[0] > old[-1])
        newest = site.insert('the newest', user)
        site.sql('DELETE FROM message')
        for cursor in (0, old[3]):
            with site.stream(user, last_event_id=cursor) as stream:
                event = stream.wait_event(type='rowcast.gap')
                expect.equal(json.loads(event.data), {'reason': 'expired', 'requested': str(cursor), 'oldest': newest + 1, 'newest': newest})
                expect.equal(event.id, str(newest))
        for cursor in (old[-1], newest - 1, newest):
            with site.subscribe(user, last_event_id=cursor) as stream:
                newest = site.insert('new', user)
                expect.only(stream, 'new')
                site.sql('DELETE FROM message')


# ---- who is turned away ----

def _turned_away(stream):
    expect.equal(stream.wait_status(), 200)
    event = stream.wait_event(type='rowcast.busy')
    stream.wait_end()
    expect.true(stream.ended_cleanly, 'the end is clean')
    return event


def who_is_turned_away_is_told_where_to_go_on_and_loses_nothing(site):
    for settings in ({'max_streams_per_user': 1}, {'max_streams': 1}):
        with site.configured(**settings):
            user = site.user()
            seen = site.insert('seen', user)
            missed = site.insert('missed', user)
            with site.subscribe(user) as first:
                for how, cursor, expected in (
                        ({}, missed, ['meanwhile']), ({'query': 'cursor=off'}, missed, ['meanwhile']),
                        ({'last_event_id': seen}, seen, ['missed', 'meanwhile']),
                        ({'query': f'lastEventId={seen}'}, seen, ['missed', 'meanwhile'])):
                    event = _turned_away(site.stream(user, **how))
                    expect.equal(event.id, str(cursor), f'{settings} {how}: the id it would have started from')
                newest = site.insert('meanwhile', user)
                expect.equal(first.wait_event().data, 'meanwhile')
                expect.equal(_turned_away(site.stream(user)).id, str(newest), 'later')
                expect.equal(_turned_away(site.stream(user, last_event_id=cursor)).id, str(cursor), 'again')
            for cursor, expected in ((missed, ['meanwhile']), (seen, ['missed', 'meanwhile'])):
                stream = _let_in(site, user, cursor)
                expect.equal([e.data for e in stream.wait_events(len(expected))], expected)
                stream.close()


def _let_in(site, user, cursor):
    """As a browser does it: with the id that it was told, until there is room."""
    def ask():
        stream = site.stream(user, last_event_id=cursor)
        if stream.wait_block(where=lambda block: block.event or stream.parser.last_event_id).event is None:
            return stream
        stream.close()
    return wait_until(ask, 'there is room', 20 * site.slow, every_s=0.05)
