"""Death at random moments, under load: of rowcast, of the web server, of both,
and of a program that writes into the table. What was acknowledged arrives once
and in order at every stream it is for, what was refused never; what got no
answer may have been stored, but then once, also where it was published again
with its key.

SIGKILL takes a process, not the machine: what the kernel has been given to
write survives, so whether it was also synced is not seen here."""

import concurrent.futures
import contextlib
import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time

import expect
import traffic
from backend import Rowcast
from front import Front
from harness import SOURCE
from tap import only_behind
from waiting import wait_until

N_PUBLISHERS = 8
N_STREAMS = 20
N_USERS = 5
TOPICS = [(), ('t0',), ('t1', 't2'), ()]
LONGEST = 64 << 10                  # bytes of data in one message, the default of max_message
SETTINGS = {'max_streams_per_user': 1000}  # dead streams count until the web server lets go of them


def rowcast_killed_under_load_loses_nothing_and_doubles_nothing(site):
    """Its socket stays, as under systemd: whoever comes meanwhile waits in the
    backlog, and the next rowcast answers."""
    with site.handed_over(**SETTINGS) as listener, _Load(site) as load:
        for _ in load.turns(100 if traffic.nightly() else 10):
            site.stop_rowcast(signal.SIGKILL)
            load.trouble_the_foreign_writer()
            while load.dice.random() < 0.2:  # once more, while it starts
                site.rowcast.start(listener)
                time.sleep(load.dice.random() * 0.03)
                site.stop_rowcast(signal.SIGKILL)
            site.rowcast.start(listener)


def the_web_server_killed_under_load_loses_nothing_and_doubles_nothing(site):
    with _configured(site), _Load(site) as load:
        for _ in load.turns(100 if traffic.nightly() else 10):
            site.front.kill()
            load.trouble_the_foreign_writer()
            site.front.start()


def both_killed_under_load_lose_nothing_and_double_nothing(site):
    with _configured(site), _Load(site) as load:
        for _ in load.turns(100 if traffic.nightly() else 5):
            deaths = [lambda: site.stop_rowcast(signal.SIGKILL), site.front.kill]
            lives = [lambda: site.start_rowcast(**SETTINGS), site.front.start]
            for death in load.dice.sample(deaths, 2):
                death()
            load.trouble_the_foreign_writer()
            for life in load.dice.sample(lives, 2):
                life()


@only_behind('lighttpd')
def of_two_rowcasts_on_one_table_either_may_stop_or_be_killed(site):
    """lighttpd has both behind it, and sends to one what the other no longer
    takes: while one is away its clients have gone on at the other."""
    with _configured(site), _second_rowcast(site) as second, _Load(site) as load:
        for turn in load.turns(40 if traffic.nightly() else 4):
            load.wait(site.front.trusts_backend, 'lighttpd has seen that both are there')
            one = [site.rowcast, second][turn % 2]
            one.stop([signal.SIGTERM, signal.SIGKILL][turn // 2 % 2], timeout_s=20 * site.slow)
            load.trouble_the_foreign_writer()
            load.wait_all_back()
            one.start(timeout_s=20 * site.slow)


@contextlib.contextmanager
def _configured(site):
    with site.configured(**SETTINGS):
        try:
            yield
        finally:
            if site.front.process is None:
                site.front.start()


@contextlib.contextmanager
def _second_rowcast(site):
    """A second one on the table of the first, and a lighttpd before them both
    in the place of the site's own."""
    folder = os.path.join(site.folder, 'second')
    os.mkdir(folder)
    second = Rowcast(site.rowcast.program, folder)
    site.rowcasts.append(second)
    second.configure(site.complete({**SETTINGS, 'listen': 'unix:' + second.socket_path}))
    front, site.front = site.front, Front(site.server, SOURCE, folder, site.rowcast.socket_path, second.socket_path)
    try:
        second.start(timeout_s=20 * site.slow)
        site.front.start()
        yield second
        second.stop(timeout_s=20 * site.slow)
        site.check_no_token_in_logs()
    finally:
        site.rowcasts.remove(second)
        if second.process is not None:
            second.process.kill()
        site.front.stop()
        site.front = front


class _Load:
    """Clients, publishers and a foreign writer at work, as a with block; at its
    end comes the reckoning."""

    def __init__(self, site):
        seed = traffic.seed()
        self.site = site
        self.dice = random.Random(f'{seed}/turns')
        self.stopping = threading.Event()
        self.broken_off = threading.Event()  # there is nothing to wait for any more
        users = [site.user() for _ in range(N_USERS)]
        self.clients = [traffic.Client(site, users[i % N_USERS], TOPICS[i // N_USERS], random.Random(f'{seed}/stream{i}'))
                        for i in range(N_STREAMS)]
        self.publishers = [(_KeyedPublisher if i % 2 else _Publisher)(
            site, users, random.Random(f'{seed}/publisher{i}'), f'{seed}.{i}', lambda: not self.stopping.is_set())
            for i in range(N_PUBLISHERS)]
        for publisher in self.publishers:
            publisher.broken_off = self.broken_off
        self.foreign = _ForeignWriter(site, users, seed)
        self.known = {}            # id -> data, of what the test itself has published
        self.n_turns = 0
        self.longest_s = 0         # that it took until everybody was back
        self.driver = concurrent.futures.ThreadPoolExecutor(1)

    def __enter__(self):
        self.began = time.monotonic()
        self.start_at = self.site.newest()
        for client in self.clients:
            client.begin()
        self.driven = self.driver.submit(traffic.drive, self.clients, self.going_on, cutting=False, seconds=3600)
        for publisher in self.publishers:
            publisher.start()
        self.foreign.start()
        return self

    def going_on(self):
        return not self.broken_off.is_set() and not (
            self.stopping.is_set() and all(client.ended for client in self.clients))

    def __exit__(self, problem, *_):
        try:
            if problem is None:
                self.wait_all_back()
            else:
                self.broken_off.set()
            self.stopping.set()
            self.foreign.kill()
            for publisher in self.publishers:
                publisher.finish()
            if problem is None:
                self.publish_for_all(traffic.END)
                self.driven.result(60 * self.site.slow)
                self.reckon()
        finally:
            self.broken_off.set()
            self.stopping.set()
            self.driver.shutdown()
            self.foreign.kill()

    # ---- turns ----

    def turns(self, n):
        """A turn begins at a random moment; mostly all clients are back by then."""
        self.n_turns = n
        for turn in range(n):
            wanted = self.n_acknowledged() + self.dice.choice([1, 10, 100, 300])
            self.wait(lambda: self.n_acknowledged() >= wanted, 'more is acknowledged')
            time.sleep(self.dice.random() * 0.02)  # any moment will do
            yield turn
            if self.dice.random() < 0.75:
                self.wait_all_back()

    def wait_all_back(self):
        """Until every client has what was published just now."""
        began = time.monotonic()
        id = self.publish_for_all(f'is everybody back? {len(self.known)}')
        self.wait(lambda: all(int(client.last_event_id) >= id for client in self.clients), 'every client is back')
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    def wait(self, condition, what):
        def met():
            if self.driven.done():
                self.driven.result()
            for publisher in self.publishers:
                if publisher.error:
                    publisher.finish()
            expect.true(self.site.front.running(), f'{self.site.server} has ended: {self.site.front.errors()[-1000:]}')
            return condition()
        wait_until(met, what, 60 * self.site.slow)

    def publish_for_all(self, data):
        id = self.site.insert(data)
        self.known[id] = data
        return id

    def n_acknowledged(self):
        return sum(len(publisher.acknowledged) for publisher in self.publishers)

    def trouble_the_foreign_writer(self):
        """It is killed too, or goes on while whoever was killed is away."""
        if self.dice.random() < 0.5:
            self.foreign.kill()
            self.foreign.start()

    # ---- the reckoning ----

    def reckon(self):
        self.site.wait_followed()
        rows = traffic.read_table(self.site, 'SELECT id, data FROM message WHERE id > ? ORDER BY id', self.start_at)
        ids_of = {}
        for id, data in rows:
            ids_of.setdefault(data, []).append(id)
        self.n_unanswered_stored = 0
        for publisher in self.publishers:
            self.reckon_publisher(publisher, ids_of)
        n_transactions = self.foreign.reckon(ids_of)
        for id, data in self.known.items():
            expect.equal(ids_of.pop(data, []), [id], data)
        expect.equal(list(ids_of), [], 'rows that nobody published')
        n_received = sum(traffic.check_complete(self.site, client) for client in self.clients)
        self.report(len(rows), n_transactions, n_received)

    def reckon_publisher(self, publisher, ids_of):
        """Takes this publisher's rows out of ids_of."""
        expect.true(publisher.acknowledged, f'{publisher.name} did nothing')
        acknowledged = list(publisher.acknowledged)
        expect.equal(acknowledged, sorted(acknowledged), f'{publisher.name}: ids in the order of publication')
        for id, data in publisher.acknowledged.items():
            expect.equal(ids_of.pop(data, []), [id], f'acknowledged to {publisher.name}: {data[:30]}')
        for data in publisher.refused:
            expect.equal(ids_of.get(data, []), [], f'refused to {publisher.name}: {data[:30]}')
        for batch in publisher.unanswered:
            ids = [id for data in batch for id in ids_of.pop(data, [])]
            # Side by side, but for the ids of a log, which are sparse.
            expect.true(not ids or len(ids) == len(batch) and ids == (sorted(set(ids)) if self.site.is_copy else list(range(ids[0], ids[0] + len(batch)))),
                        f'no answer to {publisher.name} for {len(batch)} messages from {batch[0][:30]} on: stored as {ids}')
            self.n_unanswered_stored += len(ids) > 0

    def report(self, n_rows, n_transactions, n_received):
        publishers = self.publishers
        print(f'# {self.n_turns} turns: {self.n_acknowledged()} messages acknowledged,'
              f' {sum(len(p.refused) for p in publishers)} refused;'
              f' {sum(len(p.unanswered) for p in publishers)} POSTs without an answer, of which {self.n_unanswered_stored} were stored;'
              f' {sum(p.n_again for p in publishers)} published again with their keys,'
              f' of which {sum(p.n_known for p in publishers)} had been stored')
        print(f'# {n_transactions} foreign transactions by {self.foreign.n_started} processes, all but one killed;'
              f' {n_rows} rows, {n_received} deliveries to {len(self.clients)} streams'
              f' that came back {sum(c.n_cuts for c in self.clients)} times, all within {self.longest_s:.1f} s; {time.monotonic() - self.began:.1f} s')


class _Publisher(traffic.Publisher):
    """Goes on after whatever happens, and keeps books on it."""

    pauses = [0, 0, 0, 0.01]

    def open(self):
        self.token = self.site.publisher()
        self.poor_token = self.site.token('poor')  # may publish to itself only
        self.connection = self.site.connect()
        self.refused = set()
        self.unanswered = []     # lists of what was published together
        self.n_again = self.n_known = 0

    def close(self):
        self.connection.close()

    def publish(self):
        messages = [self.message() for _ in range(self.dice.choice([1, 1, 1, 3, 20]))]
        if self.dice.random() < 0.1:
            self.publish_badly(messages)
        else:
            self.publish_well(messages)

    def publish_badly(self, messages):
        """Nothing of it may ever be stored, whether or not the answer comes."""
        self.refused.update(message['data'] for message in messages)
        token, status = self.token, 400
        how = self.dice.randrange(3)
        if how == 0:
            messages[-1]['event'] = 'two\nlines'
        elif how == 1:
            messages[-1] = {'data': messages[-1]['data'] + 'x' * LONGEST, 'all': 1}
            status = 413
        else:
            token, status = self.poor_token, 403
        answer = self.post(messages, token)
        if answer is not None and not _nothing_was_stored(answer):
            expect.status(answer, status)

    def publish_well(self, messages):
        answer = self.post(messages)
        if answer is None:
            self.unanswered.append([message['data'] for message in messages])
        elif _nothing_was_stored(answer):
            self.refused.update(message['data'] for message in messages)
        else:
            self.take_ids(answer, messages)

    def take_ids(self, answer, messages):
        self.acknowledged.update(zip(traffic.ids(answer), (message['data'] for message in messages)))

    def post(self, messages, token=None):
        """None where rowcast has not answered: neither an error on the way nor
        the web server's own answer tells whether anything was stored."""
        try:
            answer = traffic.post(self.site, token or self.token, messages, self.connection)
        except (OSError, http.client.HTTPException):
            self.connection.close()  # it is opened again for the next
            answer = None
        if answer is None or answer.status >= 500 and not _by_rowcast(answer):
            time.sleep(0.05 * self.dice.random())  # a pace, as above
            return None
        expect.true(_by_rowcast(answer), f'rowcast has answered: {answer}')
        return answer


def _by_rowcast(answer):
    return answer.headers.get('content-type', '').startswith('application/json')


class _KeyedPublisher(_Publisher):
    """Publishes with keys, again and again until there is an answer."""

    def publish_well(self, messages):
        for message in messages:
            message['key'] = self.users[0] + '/' + message['data'].split()[0]  # no other test's
        answer = self.post(messages)
        while answer is None or _nothing_was_stored(answer):
            if self.broken_off.is_set():
                return
            self.n_again += 1
            answer = self.post(messages)
            self.n_known += answer is not None and answer.status == 200
        self.take_ids(answer, messages)


def _nothing_was_stored(answer):
    return answer.status == 503 and answer.json()['error'].startswith('nothing was stored')


class _ForeignWriter:
    """foreign.py, one process after the other."""

    def __init__(self, site, users, seed):
        self.site, self.users, self.seed = site, users, seed
        self.told = os.path.join(site.folder, f'foreign.{users[0]}')
        self.process = None
        self.n_started = 0

    def start(self):
        name = f'foreign{self.seed}.{self.n_started}'
        self.n_started += 1
        program = os.path.join(SOURCE, 'tests', 'e2e', 'harness', 'foreign.py')
        with open(self.told, 'ab') as told:
            self.process = subprocess.Popen([sys.executable, program, self.site.db, name, *self.users],
                                            stdin=subprocess.DEVNULL, stdout=told)

    def kill(self):
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is not None:
            raise AssertionError(f'the foreign writer ended with status {process.returncode}')
        process.kill()
        process.wait()

    def reckon(self, ids_of):
        """Takes its rows out of ids_of; returns the number of transactions."""
        transactions = {}          # name/transaction -> [(id, i, n)]
        for data in [data for data in ids_of if data.startswith('foreign')]:
            name, number, i, n = data.split('/')
            transactions.setdefault(f'{name}/{number}', []).extend((id, int(i), int(n)) for id in ids_of.pop(data))
        for transaction, rows in transactions.items():
            id, _, n = rows[0]
            if self.site.is_copy:  # its ids are sparse
                expect.equal([(i, n) for _, i, n in sorted(rows)], [(i, n) for i in range(n)], f'the rows of {transaction}')
            else:
                expect.equal(rows, [(id + i, i, n) for i in range(n)], f'the rows of {transaction}')
        with open(self.told) as f:
            told = f.read().split()
        expect.true(told, 'the foreign writer did nothing')
        expect.equal([transaction for transaction in told if transaction not in transactions], [], 'committed, but not there')
        return len(transactions)
