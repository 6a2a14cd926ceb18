"""Order and completeness, by force: many publishers of both kinds, many streams
that are cut at random moments and come back with Last-Event-ID. Every stream
must get every message meant for it exactly once, in the order of ids."""

import random
import sqlite3
import time

import expect
import traffic

N_PUBLISHERS = 20
N_STREAMS = 50
N_USERS = 10
TOPICS = [(), ('t0',), ('t1',), ('t0', 't1'), ()]
SECONDS = 8      # of publishing and cutting


def every_stream_gets_every_message_once_and_in_order(site):
    seed = traffic.seed()
    began = time.monotonic()
    # The limit of streams for one user is not the subject: dead streams
    # count until the web server lets go of them.
    with site.configured(max_streams_per_user=1000):
        users = [site.user() for _ in range(N_USERS)]
        clients = [traffic.Client(site, users[i % N_USERS], TOPICS[i // N_USERS], random.Random(f'{seed}/stream{i}'))
                   for i in range(N_STREAMS)]
        for client in clients:
            client.begin()
        end = time.monotonic() + SECONDS
        publishers = [(_HttpPublisher if i % 2 else _TablePublisher)(
            site, users, random.Random(f'{seed}/publisher{i}'), i, lambda: time.monotonic() < end)
            for i in range(N_PUBLISHERS)]
        for publisher in publishers:
            publisher.start()
        traffic.drive(clients, lambda: any(p.is_alive() for p in publishers), cutting=True)
        for publisher in publishers:
            publisher.finish()
        site.insert(traffic.END)
        traffic.drive(clients, lambda: not all(c.ended for c in clients), cutting=False, seconds=20 * site.slow)

        _check_acknowledged(site, publishers)
        n_received = sum(traffic.check_complete(site, client) for client in clients)
    took = time.monotonic() - began
    print(f'# {sum(len(p.acknowledged) for p in publishers)} messages by {N_PUBLISHERS} publishers, {n_received} deliveries'
          f' to {N_STREAMS} streams that were cut {sum(c.n_cuts for c in clients)} times; {took:.1f} s')
    expect.within(took, 0, 30 * site.slow, 'seconds')


class _HttpPublisher(traffic.Publisher):
    def open(self):
        self.token = self.site.publisher()
        self.connection = self.site.connect()

    def publish(self):
        messages = [self.message() for _ in range(self.dice.choice([1, 1, 1, 5]))]
        answer = traffic.post(self.site, self.token, messages, self.connection)
        expect.status(answer, 201)
        self.acknowledged.update(zip(traffic.ids(answer), (message['data'] for message in messages)))

    def close(self):
        self.connection.close()


class _TablePublisher(traffic.Publisher):
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
            # An id that a log gives is not known yet: the data is, which nobody else has.
            rows[message['data'] if self.site.is_copy else cursor.lastrowid] = message['data']
        self.connection.execute('ROLLBACK' if rolled_back else 'COMMIT')
        if not rolled_back:
            self.acknowledged.update(rows)

    def close(self):
        self.connection.close()


def _check_acknowledged(site, publishers):
    site.wait_followed()
    stored = dict(traffic.read_table(site, 'SELECT id, data FROM message'))
    if site.is_copy:
        stored.update({data: data for data in stored.values()})
    for publisher in publishers:
        expect.true(publisher.acknowledged, f'{publisher.name} did nothing')
        for id, data in publisher.acknowledged.items():
            expect.equal(stored.get(id), data, f'message {id} of {publisher.name}')
