"""What the tests by force share: streams that come back with the last id they
saw, publishers, and the reckoning against the table in the end."""

import json
import os
import random
import selectors
import sqlite3
import threading
import time

END = 'the end'


def seed():
    """What everything random comes from; SEED=N repeats it (as far as threads
    and networks repeat themselves)."""
    seed = int(os.environ.get('SEED', random.randrange(1 << 30)))
    print(f'# SEED={seed}', flush=True)
    return seed


def nightly():
    """Is this one of the long runs?"""
    return bool(os.environ.get('NIGHTLY'))


class Client:
    """A stream, its reconnects, and all that came over it."""

    def __init__(self, site, user, topics, dice):
        self.site, self.user, self.topics, self.dice = site, user, topics, dice
        self.token = site.token(user, topics=topics)
        self.events = []
        self.last_event_id = None
        self.stream = None
        self.n_cuts = 0
        self.ended = False
        self.selector = None
        self.next_at = time.monotonic() + dice.uniform(0.05, 1.5)  # of the next cut or reconnect

    def begin(self):
        """Connects, and takes note of where it stands."""
        self.connect()
        self.stream.wait_block()
        self.take()  # also one that is cut before it reads again knows where it stands
        self.start_at = int(self.last_event_id)

    def connect(self):
        how = {}
        if self.last_event_id:
            if self.dice.random() < 0.5:
                how['last_event_id'] = self.last_event_id
            else:
                how['query'] = f'lastEventId={self.last_event_id}'
        self.stream = self.site.stream(token=self.token, topics=self.topics, **how)

    def watch(self):
        if self.stream is not None:
            self.selector.register(self.stream, selectors.EVENT_READ, self)

    def read(self):
        self.stream.pump()
        self.take()
        if self.stream.closed:
            self.leave()

    def take(self):
        """What a page would have seen by now."""
        while self.stream.blocks:
            event = self.stream.blocks.popleft().event
            if event is not None:
                self.events.append(event)
                self.ended = self.ended or event.data == END
        if self.stream.parser.last_event_id:
            self.last_event_id = self.stream.parser.last_event_id

    def leave(self):
        self.selector.unregister(self.stream)
        self.dice.choice([self.stream.cut, self.stream.close])()
        self.stream = None
        self.n_cuts += 1
        self.next_at = time.monotonic() + self.dice.choice([0, 0.001, 0.02, 0.3]) * self.dice.random()

    def act(self, now, cutting):
        if now < self.next_at:
            return
        if self.stream is None:
            try:
                self.connect()
                self.watch()
                self.next_at = now + self.dice.choice([0.01, 0.1, 0.5, 1.5]) * self.dice.random()
            except OSError:  # the web server is away
                self.next_at = now + 0.05 * self.dice.random()
        elif cutting and self.stream.status is not None:
            # What has arrived but was not read is lost with the connection, as
            # it is for a browser.
            self.leave()

    def describe(self):
        return f'last id {self.last_event_id}, {self.stream.describe() if self.stream else "not connected"}'


def drive(clients, going_on, cutting, seconds=60):
    """Reads from all streams as bytes come, and cuts and reconnects them when
    their time has come, until going_on() is false."""
    deadline = time.monotonic() + seconds
    selector = selectors.DefaultSelector()
    try:
        for client in clients:
            client.selector = selector
            client.watch()
        while going_on():
            for key, _ in selector.select(0.02):
                key.data.read()
            now = time.monotonic()
            if now > deadline:
                raise AssertionError('; '.join(f'{c.user} has not got the end: {c.describe()}'
                                               for c in clients if not c.ended)[:2000] or 'the publishers are not done')
            for client in clients:
                client.act(now, cutting)
    finally:
        selector.close()


class Publisher(threading.Thread):
    """Publishes, at a pace of its own, while going_on(). What it is told to be
    stored is in .acknowledged."""

    pauses = [0, 0, 0.01, 0.1]   # seconds; a pace: bursts and rests

    def __init__(self, site, users, dice, number, going_on):
        super().__init__(name=f'publisher {number}', daemon=True)
        self.site, self.users, self.dice, self.number, self.going_on = site, users, dice, number, going_on
        self.acknowledged = {}   # id -> data
        self.n = 0
        self.error = None

    def message(self):
        self.n += 1
        kind = self.dice.random()
        message = {'data': f'{self.number}/{self.n}' + self.dice.choice(['', '\nsecond line', ' ' + 'x' * 3000])}
        if kind < 0.75:
            message['user'] = self.dice.choice(self.users)
        if kind > 0.6:
            message['topic'] = self.dice.choice(['t0', 't1', 't2'])
        if kind > 0.95:
            message = {'data': message['data']}  # for everyone
        return message

    def run(self):
        try:
            self.open()
            while self.going_on():
                self.publish()
                time.sleep(self.dice.choice(self.pauses))
            self.close()
        except Exception as e:
            self.error = f'{type(e).__name__}: {e}'

    def finish(self):
        """Waits for its end and raises what it stumbled over."""
        self.join()
        if self.error:
            raise AssertionError(f'{self.name}: {self.error}')


def post(site, token, messages, connection):
    """POST /msg: one message as JSON, several as lines."""
    for message in messages:
        if 'user' not in message and 'topic' not in message:
            message['all'] = 1
    type = 'application/x-ndjson' if len(messages) > 1 else 'application/json'
    return site.request('POST', '/msg', token, {'Content-Type': type}, '\n'.join(map(json.dumps, messages)), connection)


def ids(answer):
    """The ids in an answer to post()."""
    answer = answer.json()
    return answer['ids'] if 'ids' in answer else [answer['id']]


def read_table(site, statement, *values):
    connection = sqlite3.connect(site.db, timeout=30)
    connection.text_factory = lambda text: text.decode(errors='replace')  # other tests left some that is not UTF-8
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def check_complete(site, client):
    """Has it got what the table has for it, once and in order? Returns how much
    that was."""
    marks = ', '.join('?' * len(client.topics))
    expected = read_table(site, f'SELECT id, data FROM message WHERE id > ? AND (user IS NULL OR user = ?)'
                                f' AND (topic IS NULL OR topic IN ({marks})) ORDER BY id',
                          client.start_at, client.user, *client.topics)
    got = [(int(event.id), event.data) for event in client.events]
    if got == expected:
        return len(got)
    others = [event for event in client.events if event.type != 'message']
    expected_ids, got_ids = [id for id, _ in expected], [id for id, _ in got]
    raise AssertionError(
        f'{client.user} {client.topics}: expected {len(expected)} messages, got {len(got)};'
        f' missing {sorted(set(expected_ids) - set(got_ids))[:10]}, not meant for it {sorted(set(got_ids) - set(expected_ids))[:10]},'
        f' twice {sorted({id for id in got_ids if got_ids.count(id) > 1})[:10]},'
        f' out of order {[(a, b) for a, b in zip(got_ids, got_ids[1:]) if b <= a][:10]}, other events {others[:3]}')
