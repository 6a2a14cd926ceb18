"""Three machines, a primary with two replicas, three Sentinels, and what can happen
to them while everybody publishes and streams are cut and come back on another
machine. Behind one web server only.

The replicas stand behind a link that delays and dies with the primary (link.py):
without it even a publisher that waits for nobody would pass."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import signal
import sqlite3
import threading
import time

import expect
import nodes as machines
import redis
import traffic
from redis import Connection, Redis, Refused, id_of
from sentinels import Sentinels
from waiting import wait_until

NEEDS = redis.why_not

N_STREAMS = 20
N_USERS = 5
N_NODES = 3
TOPICS = [(), ('t0',), ('t1', 't2'), ()]
SETTINGS = {'max_streams_per_user': 1000, 'keep_rows': 0}  # dead streams count until the web server lets go of them
UNKNOWN = 'it is not known whether the message was stored: send it again with the same key'


def nothing_is_lost_and_nothing_doubled_whichever_machine_fails(site):
    """The primary is killed and hangs, a replica and a node go, all of Redis is
    away: what was acknowledged is delivered, once and in order, to every stream,
    and no stream is told a gap, or anything that is not in the log in the end."""
    night = traffic.nightly()
    with _cluster(site) as cluster, machines.running(site, cluster.upstream, N_NODES, **SETTINGS) as nodes, \
            _Load(site, nodes, lambda: _primary_address(cluster)) as load:
        for _ in range(5 if night else 2):
            load.work()
            gone = cluster.wait_primary()
            load.during('the primary is killed', gone.kill)
            load.wait_failover(cluster, gone)
            gone.start()
            cluster.wait_whole()
        for _ in range(3 if night else 1):
            load.work()
            hung = cluster.wait_primary()
            began = time.monotonic()
            load.during('the primary hangs', hung.redis.hang)
            load.wait_failover(cluster, hung)
            time.sleep(max(0, began + 5 - time.monotonic()))  # what it has slept is what is tested
            hung.redis.wake()
            load.wait_all_back()
            cluster.wait_whole()
        load.work()
        primary = cluster.wait_primary()
        replica = next(machine for machine in cluster.machines if machine is not primary)
        load.during('a replica is away', replica.kill)
        load.work()
        load.wait_all_back()
        replica.start()
        cluster.wait_whole()
        for node in nodes if night else [nodes[1]]:
            load.work()
            load.during(f'{node.name} is killed', lambda: node.stop_rowcast(signal.SIGKILL))
            load.work()
            node.come_back(**SETTINGS)
            load.wait_all_back()
        load.work()
        load.n_refused_before = load.n_refused()
        with load.excused():  # /msg answers after 10 s that it cannot
            primary = cluster.wait_primary()
            load.during('all of Redis is away', lambda: [machine.kill() for machine in [primary, *cluster.machines]])
            began = time.monotonic()
            for node in nodes:
                wait_until(lambda: 'upstream is away' in node.request('GET', '/healthz').text, f'{node.name} says so', 20 * site.slow)
            time.sleep(max(0, began + (30 if night else 11) - time.monotonic()))
            # The primary first: of those that were killed with it, one may lack what the
            # other has acknowledged, and Sentinel takes whoever is there. More than one
            # machine at once is more than one replica survives.
            primary.start()
            wait_until(lambda: cluster.primary() is primary, 'Sentinel sees it', 20 * site.slow)
            for machine in cluster.machines:
                if machine is not primary:
                    machine.start()
            load.wait_all_back()
        cluster.wait_whole()
        load.end()
        load.reckon_exactly(cluster.wait_primary().redis)


def whatever_is_done_to_the_log_is_told_to_every_stream(site):
    """An older data set, FLUSHALL, a foreign XTRIM and XDEL, a clock set back, no
    room, and copies that were deleted or are old. Lost is only what was told."""
    night = traffic.nightly()
    log = Redis(site.new_folder('harmed'))
    log.start()
    site.closed_with_it.append(log)
    with machines.running(site, log.upstream, N_NODES, **SETTINGS) as nodes, \
            _Load(site, nodes, lambda: log.socket_path) as load:
        for _ in range(3 if night else 1):
            load.work()
            aside = log.put_aside()
            load.work()
            load.harm('an older data set', lambda: log.put_back(aside))
            load.harm('FLUSHALL', lambda: log.call('FLUSHALL'))
            load.harm('XTRIM by a foreign hand', lambda: log.call('XTRIM', 'rowcast', 'MAXLEN', '=', 20))
            load.harm('XDEL of the newest', lambda: load.erase(log, log.call('XREVRANGE', 'rowcast', '+', '-', 'COUNT', 1)[0][0]))
            load.harm('SCRIPT FLUSH', lambda: log.call('SCRIPT', 'FLUSH'))
            load.harm('the clock back by 10 s', lambda: log.call('XADD', 'rowcast', f'{int((time.time() + 10) * 1000)}-0', 'data', 'a later clock'))
            log.call('CONFIG', 'SET', 'maxmemory', 1)
            wait_until(lambda: load.n_refused() > load.n_refused_before, 'it has no room', 20 * site.slow)
            load.harm('no room', lambda: log.call('CONFIG', 'SET', 'maxmemory', 0), meanwhile=False)
            load.harm('a hang', log.hang, log.wake)

            def without_copy():
                nodes[1].stop_rowcast()  # killed, its name would be another copy's for 15 s
                for suffix in ('', '-wal', '-shm'):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(nodes[1].db + suffix)
                nodes[1].come_back(**SETTINGS)
            load.pause_inserts(1)   # what was in its outbox went with the file
            load.harm('a copy was deleted', without_copy)
            load.resume_inserts()
            nodes[2].stop_rowcast()
            load.work()
            log.call('XTRIM', 'rowcast', 'MAXLEN', '=', 5)
            load.harm('a copy is older than what is retained', lambda: nodes[2].come_back(**SETTINGS))
        load.end()
        load.reckon_with_gaps(log)
    site.closed_with_it.remove(log)
    log.kill()


@contextlib.contextmanager
def _cluster(site):
    cluster = Sentinels(site.new_folder('cluster'))
    site.closed_with_it.append(cluster)
    try:
        cluster.start()
        yield cluster
    finally:
        site.closed_with_it.remove(cluster)
        cluster.kill()


def _primary_address(cluster):
    primary = cluster.primary()
    return ('127.0.0.1', primary.port) if primary else None


# ---- the load ----

class _Load:
    """Four publishers, one that says XADD by itself, and the streams; as a with
    block, at whose end somebody calls end() and reckons."""

    def __init__(self, site, nodes, primary):
        seed = traffic.seed()
        self.site, self.nodes = site, nodes
        self.dice = random.Random(f'{seed}/turns')
        self.stopping, self.broken_off = threading.Event(), threading.Event()
        users = [site.user() for _ in range(N_USERS)]
        self.clients = [_Client(nodes, users[i % N_USERS], TOPICS[i // N_USERS], random.Random(f'{seed}/stream{i}')) for i in range(N_STREAMS)]
        going_on = lambda: not self.stopping.is_set()
        kinds = [_Http, _Table, _KeyedHttp, _Table]
        self.publishers = [kind(nodes, i, users, random.Random(f'{seed}/publisher{i}'), going_on) for i, kind in enumerate(kinds)]
        self.raw = _Raw(primary, users, going_on)
        self.known = {}
        self.harms = []         # (when it began, when it was over, what)
        self.erased = set()     # by hand, which is no gap: some machine may have been quicker
        self.driver = concurrent.futures.ThreadPoolExecutor(1)
        self.n_refused_before = 0
        self.longest_s = 0

    def __enter__(self):
        self.began = time.monotonic()
        for client in self.clients:
            client.begin()
        self.driven = self.driver.submit(traffic.drive, self.clients, self.going_on, cutting=True, seconds=3600)
        for publisher in [*self.publishers, self.raw]:
            publisher.start()
        return self

    def going_on(self):
        return not self.broken_off.is_set() and not (self.stopping.is_set() and all(client.ended for client in self.clients))

    def __exit__(self, *_):
        self.broken_off.set()
        self.stopping.set()
        self.driver.shutdown()
        for publisher in [*self.publishers, self.raw]:
            publisher.join(60)

    # ---- what is done to it ----

    def work(self):
        """Everybody publishes a little more, at a moment that dice choose."""
        wanted = [len(publisher.acknowledged) + 20 for publisher in self.publishers]
        self.wait(lambda: all(p.paused or len(p.acknowledged) >= n for p, n in zip(self.publishers, wanted)), 'more is acknowledged')
        time.sleep(self.dice.random() * 0.02)  # any moment will do

    def during(self, what, fault):
        self.n_refused_before = self.n_refused()
        print(f'# {time.monotonic() - self.began:.1f} s: {what}', flush=True)
        fault()

    def wait_failover(self, cluster, gone):
        """Publishers see a delay, and no error, unless Sentinel takes long: on a busy
        machine it may have to vote more than once."""
        began = time.monotonic()
        cluster.wait_primary(other_than=gone)
        took = time.monotonic() - began
        self.wait_all_back()
        if took > 6:
            print(f'# Sentinel took {took:.1f} s')
            for publisher in self.publishers:
                publisher.refusals.clear()

    @contextlib.contextmanager
    def excused(self):
        """Publishers may be refused."""
        for publisher in self.publishers:
            publisher.is_excused = True
        yield
        for publisher in self.publishers:
            publisher.is_excused = False

    def harm(self, what, fault, end=None, meanwhile=True):
        """Something that may lose what was stored; meanwhile: everybody is at work."""
        if meanwhile:
            self.work()
        began = time.monotonic()
        self.during(what, fault)
        if end:
            for node in self.nodes:
                wait_until(lambda: 'away' in node.request('GET', '/healthz').text, f'{node.name} has noticed', 20 * self.site.slow)
            end()
        self.work()
        self.wait_all_back()
        self.harms.append((began, time.monotonic(), what))
        self.n_refused_before = self.n_refused()

    def erase(self, log, native):
        self.erased.add(id_of(native))
        log.call('XDEL', 'rowcast', native)

    def pause_inserts(self, i):
        """No INSERT at one machine, and nothing left in its outbox."""
        for publisher in self.publishers:
            if isinstance(publisher, _Table) and publisher.node is self.nodes[i]:
                publisher.pause()
                self.wait(lambda: publisher.is_held, f'{publisher.name} rests')
        self.wait(lambda: self.nodes[i].sql('SELECT count(*) FROM rowcast_outbox') == '0', 'the outbox is empty')

    def resume_inserts(self):
        for publisher in self.publishers:
            publisher.resume()

    def n_refused(self):
        return sum(publisher.n_refused for publisher in self.publishers)

    def wait_all_back(self):
        """Until every stream has what was published just now."""
        began = time.monotonic()
        answer = None

        def published():
            nonlocal answer
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = _post(self.nodes[0], self.site.publisher(), {'msg': f'is everybody back? {len(self.known)}', 'all': 1,
                                                                       'key': f'back {len(self.known)}'})
            return answer is not None and answer.status in (200, 201)
        self.wait(published, 'there is publishing')
        id = answer.json()['id']
        self.known[id] = f'is everybody back? {len(self.known)}'
        self.wait(lambda: all(int(client.last_event_id) >= id for client in self.clients), 'every client is back')
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    def wait(self, condition, what):
        def met():
            if self.driven.done():
                self.driven.result()
            for publisher in self.publishers:
                if publisher.error:
                    publisher.finish()
            return condition()
        try:
            wait_until(met, what, 60 * self.site.slow, 0.01)
        except AssertionError as e:
            behind = [client.describe() for client in self.clients if self.known and int(client.last_event_id) < max(self.known)]
            raise AssertionError(f'{e}; behind: {behind[:5]}; acknowledged {[len(p.acknowledged) for p in self.publishers]},'
                                 f' refused {[p.n_refused for p in self.publishers]}, last answers {[p.last_answer for p in self.publishers]}') from None

    def end(self):
        self.stopping.set()
        for publisher in self.publishers:
            publisher.finish()
        self.raw.join()
        for node in self.nodes:
            wait_until(lambda: node.sql('SELECT count(*) FROM rowcast_outbox') == '0', f'the outbox of {node.name} is empty', 30 * self.site.slow)
        self.end_id = self.nodes[0].publish(self.site.publisher(), msg=traffic.END, all=1)
        self.known[self.end_id] = traffic.END
        self.driven.result(60 * self.site.slow)
        for node in self.nodes:
            node.id_of(f'id = {self.end_id}')

    # ---- the reckoning ----

    def tables(self):
        for node in self.nodes:
            with contextlib.closing(sqlite3.connect(node.db, timeout=30)) as table:
                yield node, table.execute('SELECT id, user, topic, data FROM message ORDER BY id').fetchall()

    def reckon_exactly(self, log):
        """The log has everything, and everybody has what the log has."""
        entries = [(id_of(native), fields.get('user'), fields.get('topic'), fields['data'])
                   for native, fields in log.entries() if 'data' in fields]
        in_log = {id: data for id, _, _, data in entries}
        ids_of = {}
        for id, _, _, data in entries:
            ids_of.setdefault(data, []).append(id)
        twice = {data: ids for data, ids in ids_of.items() if len(ids) > 1}
        lost, unordered = [], []
        for publisher in self.publishers:
            expect.true(publisher.acknowledged, f'{publisher.name} did nothing')
            at = 0
            for data, id in publisher.acknowledged.items():
                found = ids_of.get(data, [])
                if not found or id is not None and found != [id]:
                    lost.append((publisher.name, data[:20], id, found))
                elif found[0] <= at and id is None:
                    unordered.append((publisher.name, data[:20], found, at))
                at = found[0] if found else at
        ghosts, missing, wrong, gaps = set(), [], [], []
        n_received = 0
        for client in self.clients:
            wanted = [(id, data) for id, user, topic, data in entries
                      if id > client.start_at and user in (None, client.user) and (topic is None or topic in client.topics)]
            gaps += [(client.user, event) for event in client.events if event.type != 'message']
            got = [(int(event.id), event.data) for event in client.events if event.type == 'message']
            ghosts.update(one for one in got if in_log.get(one[0]) != one[1])
            missing += sorted(set(wanted) - set(got))
            if got != wanted:
                wrong.append(f'{client.user}: {[(a, b) for a, b in zip(got, got[1:]) if b[0] <= a[0]][:3]}')
            n_received += len(got)
        differ = [node.name for node, rows in self.tables() if rows != entries]
        self.report(len(entries), n_received)
        self.judge({'acknowledged and not in the log': lost, 'delivered and not in the log': sorted(ghosts), 'twice in the log': twice,
                    'in the log and not delivered': missing, 'out of order': unordered + wrong, 'machines whose copy differs': differ,
                    'gaps that were told': gaps,
                    'refused to publishers': [p.refusals for p in self.publishers if p.refusals]})

    def reckon_with_gaps(self, log):
        """Not delivered is only what a gap has told of."""
        seen = {}                      # id -> data, by whoever has seen it
        differ, twice, unordered, silent = [], [], [], []
        for client in self.clients:
            for event in client.events:
                if event.type == 'message' and seen.setdefault(int(event.id), event.data) != event.data:
                    differ.append((event.id, event.data[:20], seen[int(event.id)][:20]))
        for node, rows in self.tables():
            for id, _, _, data in rows:
                if seen.setdefault(id, data) != data:
                    differ.append((node.name, id))
        whom = {}                      # data -> (user, topic)
        acknowledged, by_data = {}, {}
        for id, data in seen.items():
            by_data.setdefault(data, []).append(id)
        for publisher in self.publishers:
            whom.update(publisher.whom)
            for data, id in publisher.acknowledged.items():
                if id is not None:
                    acknowledged[id] = data
                    continue
                ids = by_data.get(data)
                if ids:
                    acknowledged.update((id, data) for id in ids)
                else:
                    # Nobody has seen it: then it went with the log in the moment of a harm.
                    at = publisher.committed_at[data]
                    if not any(began - 5 <= at <= ended for began, ended, _ in self.harms):
                        silent.append((publisher.name, data[:20], 'was never seen by anybody'))
        n_covered = n_received = n_gaps = 0
        for client in self.clients:
            at, got, covered, told = client.start_at, {}, set(), set()
            for event in client.events:
                id = int(event.id)
                if event.type == 'rowcast.gap':
                    gap = json.loads(event.data)
                    n_gaps += 1
                    told.add(gap['reason'])
                    covered.add((min(at, int(gap['requested'])), gap['oldest'] - 1))
                    at, got_since = max(at, id), {}
                    got = {}           # what was lost from the log may come again
                    continue
                if id <= at:
                    unordered.append((client.user, id, at))
                if event.data in got:
                    twice.append((client.user, event.data[:20], got[event.data], id))
                got[event.data] = id
                at = id
                n_received += 1
            if told - {'expired'}:
                unordered.append((client.user, 'reasons told', told))
            ids = {int(event.id) for event in client.events}
            for id, data in acknowledged.items():
                user, topic = whom[data]
                if id <= client.start_at or id in self.erased or user not in (None, client.user) or topic is not None and topic not in client.topics or id in ids:
                    continue
                if any(low < id <= high for low, high in covered):
                    n_covered += 1
                else:
                    silent.append((client.user, id, data[:20], sorted(covered)))
        self.report(len(seen), n_received)
        print(f'# {n_gaps} gaps were told, of {n_covered} messages')
        self.judge({'lost without rowcast.gap': silent, 'twice': twice, 'out of order': unordered, 'told differently': differ})

    def judge(self, faults):
        found = {what: which for what, which in faults.items() if which}
        print('# ' + ', '.join(f'{what}: {len(which)}' for what, which in faults.items()), flush=True)
        if found:
            raise AssertionError('; '.join(f'{what}: {len(which)}: {str(list(which.items() if isinstance(which, dict) else which)[:5])[:1200]}'
                                           for what, which in found.items()))

    def report(self, n_entries, n_received):
        print(f'# acknowledged {[len(p.acknowledged) for p in self.publishers]}, by hand {self.raw.n},'
              f' not known {[len(p.unknown) for p in self.publishers]}, refused {[p.n_refused for p in self.publishers]},'
              f' slowest answer {max(p.slowest_s for p in self.publishers):.1f} s; {n_entries} in the log, {n_received} deliveries to'
              f' {len(self.clients)} streams that were cut {sum(c.n_cuts for c in self.clients)} times,'
              f' all back within {self.longest_s:.1f} s; {time.monotonic() - self.began:.1f} s')


class _Client(traffic.Client):
    """Comes back on another machine."""

    def __init__(self, nodes, *args):
        super().__init__(nodes[0], *args)
        self.nodes = nodes

    def connect(self):
        self.site = self.dice.choice([node for node in self.nodes])
        super().connect()

    def describe(self):
        return f'{self.site.name}: {super().describe()}'


class _Publisher(traffic.Publisher):
    def __init__(self, nodes, number, users, dice, going_on):
        super().__init__(nodes[number % len(nodes)], users, dice, number, going_on)
        self.nodes, self.node = nodes, nodes[number % len(nodes)]
        self.acknowledged = {}    # data -> id, None where it is not told
        self.whom = {}            # data -> (user, topic)
        self.committed_at = {}
        self.unknown = set()
        self.n_refused, self.refusals, self.last_answer = 0, [], None
        self.is_excused = self.is_held = False
        self.slowest_s = 0
        self.paused = False
        self.held = threading.Event()
        self.held.set()

    pauses = [0, 0, 0, 0.01]

    def pause(self):
        self.paused = True
        self.held.clear()

    def resume(self):
        self.paused = False
        self.held.set()

    def close(self):
        pass

    def message(self):
        message = super().message()
        self.whom[message['data']] = message.get('user'), message.get('topic')
        return message

    def refused(self, answer):
        """A pace: it is asked again at once otherwise."""
        self.n_refused += 1
        if not self.is_excused:
            self.refusals.append(f'{answer.status} {answer.text[:80]}')
        time.sleep(0.05)


class _Http(_Publisher):
    """POST /msg, each once: what is not known to be stored may be, but then once."""

    def open(self):
        self.token = self.site.publisher()
        self.connections = {}

    def post(self, message):
        """None: no answer by rowcast came, or one that says that it is not known."""
        node = self.node
        connection = self.connections.get(node) or node.connect()
        self.connections[node] = connection
        began = time.monotonic()
        try:
            answer = traffic.post(node, self.token, [message], connection)
        except (OSError, http.client.HTTPException) as e:
            self.connections.pop(node).close()
            self.last_answer = repr(e)
            return None
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.last_answer = answer
        if not answer.headers.get('content-type', '').startswith('application/json'):
            self.node = self.dice.choice([other for other in self.nodes if other is not node])  # its rowcast is gone
            return None
        if answer.status == 503:
            self.refused(answer)
            expect.true(answer.json()['error'] == UNKNOWN or answer.json()['error'].startswith('nothing was stored'), answer.text)
        else:
            expect.true(answer.status in (200, 201), f'{answer.status} {answer.text}')
        return answer

    def publish(self):
        message = self.message()
        while True:
            answer = self.post(message)
            if answer is not None and answer.status < 300:
                self.acknowledged[message['data']] = answer.json()['id']
                return
            if answer is None or answer.json()['error'] == UNKNOWN:
                self.unknown.add(message['data'])
                time.sleep(0.02)  # a pace
                return
            if not self.going_on():
                return


class _KeyedHttp(_Http):
    """Each with a key, again and again, on whatever machine answers."""

    def publish(self):
        message = self.message()
        message['key'] = message['data'][:20]
        while self.going_on():
            answer = self.post(message)
            if answer is not None and answer.status < 300:
                self.acknowledged[message['data']] = answer.json()['id']
                return
            time.sleep(0.02)  # a pace
        self.unknown.add(message['data'])


class _Table(_Publisher):
    """INSERT: what is committed is acknowledged."""

    def open(self):
        self.table = None

    def publish(self):
        if self.paused:
            if self.table:
                self.table.close()
                self.table = None
            self.is_held = True
            self.held.wait()
            self.is_held = False
        if self.table is None:
            self.table = sqlite3.connect(self.node.db, isolation_level=None, timeout=30)
        message = self.message()
        self.table.execute('INSERT INTO message(user, topic, data) VALUES(?, ?, ?)',
                           (message.get('user'), message.get('topic'), message['data']))
        self.committed_at[message['data']] = time.monotonic()
        self.acknowledged[message['data']] = None

    pauses = [0, 0.002, 0.01, 0.02]


class _Raw(threading.Thread):
    """Somebody who says XADD to the primary and waits for nobody: nothing of it is
    promised, but what a stream has been told must stay."""

    def __init__(self, primary, users, going_on):
        super().__init__(name='by hand', daemon=True)
        self.primary, self.users, self.going_on, self.n = primary, users, going_on, 0

    def run(self):
        connection = None
        while self.going_on():
            try:
                if connection is None:
                    address = self.primary()
                    connection = address and Connection(address, timeout_s=2)
                if connection:
                    self.n += 1
                    connection.call('XADD', 'rowcast', '*', 'user', self.users[self.n % len(self.users)], 'data', f'by hand {self.n}')
            except (OSError, Refused):
                connection = None
            time.sleep(0.003)  # a pace


def _post(node, token, fields):
    return node.request('POST', '/msg', token, {'Content-Type': 'application/json'}, json.dumps(fields))
