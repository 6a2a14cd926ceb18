"""Order and completeness, by force: many publishers of both kinds, many streams
that are cut at random moments and come back with Last-Event-ID. Every stream
must get every message meant for it exactly once, in the order of ids.

Everything random comes from one seed, which is printed; SEED=N repeats it (as
far as threads and networks repeat themselves)."""

import json
import os
import random
import selectors
import sqlite3
import threading
import time

import expect

N_PUBLISHERS = 20
N_STREAMS = 50
N_USERS = 10
TOPICS = [(), ('t0',), ('t1',), ('t0', 't1'), ()]
SECONDS = 8      # of publishing and cutting
END = 'the end'


def every_stream_gets_every_message_once_and_in_order(site):
    seed = int(os.environ.get('SEED', random.randrange(1 << 30)))
    print(f'# SEED={seed}')
    began = time.monotonic()
    # The limit of streams for one user is not the subject: dead streams
    # count until the web server lets go of them.
    with site.configured(max_streams_per_user=1000):
        users = [site.user() for _ in range(N_USERS)]
        clients = [_Client(site, users[i % N_USERS], TOPICS[i // N_USERS], random.Random(f'{seed}/stream{i}'))
                   for i in range(N_STREAMS)]
        for client in clients:
            client.connect()
            client.stream.wait_block()
            client.take()  # also one that is cut before it reads again knows where it stands
            client.start_at = int(client.last_event_id)
        publishers = [(_HttpPublisher if i % 2 else _TablePublisher)(site, users, random.Random(f'{seed}/publisher{i}'), i)
                      for i in range(N_PUBLISHERS)]
        for publisher in publishers:
            publisher.start()
        _drive(clients, lambda: any(p.is_alive() for p in publishers), cutting=True)
        for publisher in publishers:
            publisher.join()
            if publisher.error:
                raise AssertionError(f'{publisher.name}: {publisher.error}')
        site.insert(END)
        _drive(clients, lambda: not all(c.ended for c in clients), cutting=False, seconds=20 * site.slow)

        _check_acknowledged(site, publishers)
        n_received = sum(_check_complete(site, client) for client in clients)
    took = time.monotonic() - began
    print(f'# {sum(len(p.acknowledged) for p in publishers)} messages by {N_PUBLISHERS} publishers, {n_received} deliveries'
          f' to {N_STREAMS} streams that were cut {sum(c.n_cuts for c in clients)} times; {took:.1f} s')
    expect.within(took, 0, 30 * site.slow, 'seconds')


def _drive(clients, going_on, cutting, seconds=60):
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


class _Client:
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
            self.connect()
            self.watch()
            self.next_at = now + self.dice.choice([0.01, 0.1, 0.5, 1.5]) * self.dice.random()
        elif cutting and self.stream.status is not None:
            # What has arrived but was not read is lost with the connection, as
            # it is for a browser.
            self.leave()

    def describe(self):
        return f'last id {self.last_event_id}, {self.stream.describe() if self.stream else "not connected"}'


class _Publisher(threading.Thread):
    def __init__(self, site, users, dice, number):
        super().__init__(name=f'publisher {number}', daemon=True)
        self.site, self.users, self.dice, self.number = site, users, dice, number
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
        end = time.monotonic() + SECONDS
        try:
            self.open()
            while time.monotonic() < end:
                self.publish()
                # A pace, not a wait: bursts and pauses.
                time.sleep(self.dice.choice([0, 0, 0.01, 0.1]))
            self.close()
        except Exception as e:
            self.error = f'{type(e).__name__}: {e}'


class _HttpPublisher(_Publisher):
    def open(self):
        self.token = self.site.publisher()
        self.connection = self.site.connect()

    def publish(self):
        messages = [self.message() for _ in range(self.dice.choice([1, 1, 1, 5]))]
        for message in messages:
            if 'user' not in message and 'topic' not in message:
                message['all'] = 1
        many = len(messages) > 1
        answer = self.site.request(
            'POST', '/msg', self.token, {'Content-Type': 'application/x-ndjson' if many else 'application/json'},
            '\n'.join(map(json.dumps, messages)), self.connection)
        expect.status(answer, 201)
        ids = answer.json()['ids'] if many else [answer.json()['id']]
        self.acknowledged.update(zip(ids, (message['data'] for message in messages)))

    def close(self):
        self.connection.close()


class _TablePublisher(_Publisher):
    """Has its own SQLite connection, and sometimes thinks better of it."""

    def open(self):
        self.connection = sqlite3.connect(self.site.db, isolation_level=None, timeout=30)

    def publish(self):
        rolled_back = self.dice.random() < 0.2
        self.connection.execute('BEGIN IMMEDIATE')
        rows = {}
        for _ in range(self.dice.choice([1, 1, 3])):
            message = self.message()
            if rolled_back:
                message['data'] = 'rolled back'
            cursor = self.connection.execute('INSERT INTO message(user, topic, data) VALUES(?, ?, ?)',
                                             (message.get('user'), message.get('topic'), message['data']))
            rows[cursor.lastrowid] = message['data']
        self.connection.execute('ROLLBACK' if rolled_back else 'COMMIT')
        if not rolled_back:
            self.acknowledged.update(rows)

    def close(self):
        self.connection.close()


def _read(site, statement, *values):
    connection = sqlite3.connect(site.db, timeout=30)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def _check_acknowledged(site, publishers):
    stored = dict(_read(site, 'SELECT id, data FROM message'))
    for publisher in publishers:
        expect.true(publisher.acknowledged, f'{publisher.name} did nothing')
        for id, data in publisher.acknowledged.items():
            expect.equal(stored.get(id), data, f'message {id} of {publisher.name}')


def _check_complete(site, client):
    marks = ', '.join('?' * len(client.topics))
    expected = _read(site, f'SELECT id, data FROM message WHERE id > ? AND (user IS NULL OR user = ?)'
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
