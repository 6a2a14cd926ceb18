"""What is done to all clients at once, act by act, and what is noted of each.

Between the acts the test waits for all of them. One that does something else than it
should has a problem, and takes no part in what follows; one that by its own nature does
not come back is started anew, and that is noted."""

import concurrent.futures
import secrets
import sqlite3
import time

from waiting import wait_until

WAYS = ['header', 'query', 'cookie']
LIMIT_S = 60   # for what has to come; nothing here takes a tenth of it
NEVER_S = 20   # who has not come back by then, and does not say that it has given up, will not
RETRY_S = 4    # above the defaults of all of them, which are 1 to 3 s


class Trial:
    def __init__(self, site, client, line, folder):
        self.site, self.client, self.line, self.folder = site, client, line, folder
        self.user = site.user()
        self.token = site.token(self.user)
        self.found = {}
        self.problems = []
        self.main = self.plain = self.answer = None
        self.away = False  # has it gone for good, until it is started anew?
        self.others = []
        self.expected = []
        self.n = 0
        self.mark = 0

    def start(self):
        self.mark = len(self.requests)
        self.main = self.client.start('main', self.token)
        self.expected = []

    def close(self):
        for one in [self.main, self.plain, self.answer, *self.others]:
            if one is not None:
                one.kill()
        self.client.close()

    @property
    def requests(self):
        return self.line.of('main')

    @property
    def last(self):
        return self.requests[-1]

    def tails(self):
        """What has gone out last on its streams."""
        requests = [self.last] + (self.line.of('plain')[-1:] if self.plain else [])
        return [request.answer.rstrip(b'\r\n') + b'\n' for request in requests]

    @property
    def came_back(self):
        return len(self.requests) > self.mark

    @property
    def stands(self):
        return self.came_back and self.last.stands

    @property
    def received(self):
        return [(fact['event'], fact['data'], fact['id']) for fact in self.main.facts
                if fact.get('event') in ('message', 'order') and fact['data'] != '']

    @property
    def has_all(self):
        return len(self.received) >= len(self.expected)

    @staticmethod
    def raised_empty(running):
        return any(fact.get('data') == '' for fact in running.facts)

    def heard(self, event):
        return any(fact.get('event') == event for fact in self.main.facts)

    def judge(self, all_of_it=True):
        """Is what it has received what it should have, in order and once?"""
        received = self.received
        expected = self.expected if all_of_it else self.expected[:len(received)]
        if received != expected:
            at = next((i for i, pair in enumerate(zip(received, expected)) if pair[0] != pair[1]), min(len(received), len(expected)))
            self.problems.append(f'received {len(received)} messages of {len(self.expected)}; from the {at + 1}th on '
                                 f'{received[at:at + 3]} where there should be {expected[at:at + 3]}')

    def evidence(self):
        lines = [f'{request.tag} {request.last_event_id[0]} {request.status} {request.answer[-120:]!r}'
                 for request in self.line.requests[-8:]]
        return [f'found: {self.found}', 'its last requests:', *lines,
                f'its last facts: {self.main.facts[-5:] if self.main else None}', self.main.said() if self.main else '']


def run(site, trials):
    Act(site, trials).run()


class Act:
    def __init__(self, site, trials):
        self.site, self.all = site, trials

    @property
    def trials(self):
        return [one for one in self.all if not one.problems and not one.away]

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(len(self.all)) as pool:
            list(pool.map(self.prepare, self.all))
        for act in (self.carry_the_token, self.begin, self.cut_before_the_first_message, self.read_texts, self.restart_rowcast,
                    self.kill_the_web_server, self.cut_under_load, self.keep_retry, self.be_refused_for_a_moment,
                    self.lose_history, self.read_an_answer, self.get_503, self.get_401):
            began = time.monotonic()
            act()
            print(f'# {act.__name__.replace("_", " ")}: {time.monotonic() - began:.1f} s', flush=True)

    def prepare(self, one):
        try:
            one.client.prepare(one.line, one.folder)
        except Exception as e:  # whatever it is, the others go on
            one.problems.append(f'it did not start: {e!r}')

    # ---- verbs ----

    def each(self, condition, what, trials=None, limit_s=LIMIT_S):
        """Waits until it holds for each; for whom it does not, that is a problem."""
        for one in self.until(condition, trials, limit_s):
            one.problems.append(f'waited {limit_s} s in vain until {what}')

    def until(self, condition, trials=None, limit_s=LIMIT_S):
        """Waits until it holds for each, and returns those for whom it does not."""
        waiting, deadline = list(self.trials if trials is None else trials), time.monotonic() + limit_s * self.site.slow
        while waiting and time.monotonic() < deadline:
            for one in waiting:
                for running in filter(None, (one.main, one.plain, one.answer)):
                    running.look()
            waiting = [one for one in waiting if not condition(one)]
            time.sleep(0.02)
        return waiting

    def publish(self, texts, event=None):
        """Rows for each client's user, in one transaction."""
        with sqlite3.connect(self.site.db, timeout=60) as connection:
            for one in self.trials:
                for text in texts:
                    one.n += 1
                    data = text.replace('N', str(one.n))
                    id = connection.execute('INSERT INTO message(user, event, data) VALUES(?, ?, ?)', (one.user, event, data)).lastrowid
                    one.expected.append((event or 'message', data, str(id)))
        connection.close()

    def cut(self, reset=True):
        """Whoever is known not to come back from that has a clean end."""
        for one in self.trials:
            one.mark = len(one.requests)
            if one.found.get('cut') == 'no':
                one.line.end('main')
            else:
                one.line.cut('main', reset)

    def hold(self):
        for one in self.all:
            one.line.hold('main')

    def release(self):
        for one in self.all:
            one.line.release('main')

    def comes_back(self, what):
        """Notes who does not: that one is away."""
        self.until(lambda one: one.came_back or one.main.closed, limit_s=NEVER_S)
        for one in self.trials:
            one.found.setdefault(what, 'yes' if one.came_back else 'no')
            if not one.came_back:
                one.judge(all_of_it=False)
                one.away = True

    def start_those_who_are_away(self):
        away = [one for one in self.all if one.away]
        for one in away:
            one.away = False
            self.start_anew(one)
        self.each(lambda one: one.stands, 'its stream stands again', away)

    def start_anew(self, one):
        one.main.kill()
        one.start()

    # ---- acts ----

    def carry_the_token(self):
        for one in self.trials:
            for way in WAYS:
                one.others.append(one.client.start(way, one.token, via=way))
        for way in WAYS:
            def told(one):
                return any(request.status for request in one.line.of(way)) or one.others[WAYS.index(way)].closed
            self.each(told, f'it has sent a request with its token by {way}')
            for one in self.trials:
                one.found[way] = any(request.status == 200 and request.carries(way) for request in one.line.of(way))
        for one in self.all:
            while one.others:
                one.others.pop().kill()

    def begin(self):
        for one in self.trials:
            one.start()
            if one.client.plain:
                one.plain = one.client.start('plain', one.token, plain=True)
        self.each(lambda one: one.stands and (not one.plain or any(r.stands for r in one.line.of('plain'))), 'its stream stands')

    def cut_before_the_first_message(self):
        """With a FIN, so that it has read all that was sent to it, the first cursor too:
        a heartbeat has come after that."""
        self.each(lambda one: all(tail.endswith(b':\n') for tail in one.tails()), 'there was a heartbeat')
        self.hold()
        self.cut(reset=False)
        for one in self.trials:
            if one.plain:
                one.line.cut('plain', reset=False)
        self.comes_back('cut')
        self.until(lambda one: not one.plain or len(one.line.of('plain')) > 1 or one.plain.closed, limit_s=NEVER_S)
        for one in self.all:
            back = (one.line.of('plain') if one.plain else one.requests)[1:]
            one.found['keeps cursor'] = back[0].last_event_id[0] is not None if back else None
        self.publish(['N, while it was away'])
        self.release()
        self.each(lambda one: one.has_all, 'it has what was published before it came back')
        self.start_those_who_are_away()

    def read_texts(self):
        self.publish(['N', 'N: Zwölf Boxkämpfer, 日本語, 🐟', 'N\n\n  three lines, one of them empty\n', 'N: ' + 'long ' * 4000])
        self.publish(['{"order": N}'], event='order')
        self.each(lambda one: one.has_all, 'it has messages of every kind')
        self.each(lambda one: not one.plain or any(fact.get('event') == 'order' for fact in one.plain.facts),
                  'it has them without its settings too')
        for one in self.trials:
            one.found['raises empty'] = one.raised_empty(one.plain or one.main)

    def restart_rowcast(self):
        """SIGTERM: a clean end. Who comes back meanwhile gets the sample
        configuration's empty stream, and another clean end."""
        for one in self.trials:
            one.mark = len(one.requests)
        plain_mark = {one: len(one.line.of('plain')) for one in self.trials}
        self.site.stop_rowcast()
        self.until(lambda one: not one.plain or len(one.line.of('plain')) > plain_mark[one] or one.plain.closed, limit_s=NEVER_S)
        self.comes_back('clean end')
        for one in self.trials:
            if one.plain:
                one.found['clean end'] = 'yes' if len(one.line.of('plain')) > plain_mark[one] else 'no'
                one.plain.kill()
                one.plain = None
        self.publish(['N, while rowcast was away'])
        self.site.come_back()
        self.each(lambda one: one.has_all, 'it has what was published while rowcast was away')
        self.start_those_who_are_away()

    def kill_the_web_server(self):
        for one in self.all:
            one.mark = len(one.requests)
            one.line.down()
        self.site.front.kill()
        self.site.front.start()
        for one in self.all:
            one.line.up()
        self.comes_back('web server killed')
        self.publish(['N, after the web server was killed'])
        self.each(lambda one: one.has_all, 'it has what was published after the web server was killed')
        self.start_those_who_are_away()

    def cut_under_load(self):
        for _ in range(5):
            self.publish(['N, under load'] * 20)
            self.each(lambda one: one.found['cut'] == 'yes' or one.has_all, 'it has what was published')
            self.cut()
            self.publish(['N, cut'] * 20)
            self.each(lambda one: one.stands, 'it is back after a cut')
        self.each(lambda one: one.has_all, 'it has all that was published while it was cut')
        for one in self.trials:
            one.judge()
            ways = {request.last_event_id[1] for request in one.requests[2:]}
            one.found['last id'] = ' or '.join(sorted(filter(None, ways))) or 'no'

    def keep_retry(self):
        self.site.reload(retry=f'{RETRY_S}s..{RETRY_S}s')
        self.cut()
        self.each(lambda one: one.stands, 'it is back after a cut')
        self.publish(['N, so that it has read what stands before'])
        self.each(lambda one: one.has_all, 'it has what was published')
        self.site.reload()
        self.cut()
        self.each(lambda one: one.stands, 'it is back after a cut')
        for one in self.trials:
            before, after = one.requests[-2:]
            one.found['retry'] = 'kept' if after.at - before.cut_at >= RETRY_S - 0.05 else 'not kept'
        self.publish(['N, so that it has read the usual'])
        self.each(lambda one: one.has_all, 'it has what was published')

    def be_refused_for_a_moment(self):
        """Somebody else has the one place of this user."""
        self.hold()
        self.cut()
        self.each(lambda one: one.came_back, 'it is back after a cut')
        self.site.reload(max_streams_per_user=1)
        taken = [wait_until(lambda: self.take_place(one), f'{one.user} has no stream', LIMIT_S * self.site.slow) for one in self.trials]
        self.publish(['N, while it was refused'])
        self.release()
        self.each(lambda one: one.heard('rowcast.busy'), 'it has heard rowcast.busy')
        for stream in taken:
            stream.close()
        self.each(lambda one: one.has_all, 'it has what was published while it was refused')
        for one in self.trials:
            one.judge()
        self.site.reload()

    def take_place(self, one):
        stream = self.site.stream(one.user)
        if stream.wait_block().event is None:
            return stream
        stream.close()
        return None

    def lose_history(self):
        """Retention deletes what it has not seen."""
        self.hold()
        self.cut()
        self.each(lambda one: one.came_back, 'it is back after a cut')
        before = {one: len(one.expected) for one in self.trials}
        self.publish(['N, which nobody sees'])
        lost = self.site.newest()
        self.site.sql("INSERT INTO message(user, data) VALUES('nobody', 'the one that is kept')")
        self.site.reload(keep_rows=1)
        wait_until(lambda: self.site.sql(f'SELECT count(*) FROM message WHERE id <= {lost}') == '0', 'retention has deleted', LIMIT_S * self.site.slow)
        self.site.reload()
        for one in self.trials:
            del one.expected[before[one]:]
        self.publish(['N, after the gap'])
        self.release()
        self.each(lambda one: one.has_all, 'it has what was published after the gap')
        self.each(lambda one: one.heard('rowcast.gap'), 'it has heard rowcast.gap')
        for one in self.trials:
            one.judge()
            if one.raised_empty(one.main) and not one.found['raises empty']:
                one.problems.append('a message without data was raised after all')

    def read_an_answer(self):
        """A topic that ends, with until=end: each comes back once, from the end's id, and is
        told 204. Does it come a second time?"""
        def insert(*rows):
            with sqlite3.connect(self.site.db, timeout=60) as connection:
                connection.executemany('INSERT INTO message(topic, event, data) VALUES(?, ?, ?)',
                                       [(topic(one), *row) for one in self.trials for row in rows])
            connection.close()

        def topic(one):
            return f'run:{one.user}'

        def of(one):
            return one.line.of('answer')

        def told(one):
            return [fact['data'] for fact in one.answer.facts if fact.get('event') in ('message', 'rowcast.end') and fact['data']]

        def came_after_204(one):
            return any(request.status == 204 for request in of(one)[:-1])
        insert((None, 'Hello'))
        for one in self.trials:
            one.answer = one.client.start('answer', self.site.token(one.user, topics=[topic(one)]),
                                          more=f'&topic={topic(one)}&inbox=off&until=end&since=all')
        self.each(lambda one: told(one) == ['Hello'], 'it has read the beginning of an answer')
        for one in self.trials:
            one.line.cut('answer')
        self.each(lambda one: len(of(one)) > 1 and of(one)[-1].stands or one.found['cut'] == 'no', 'it is back after a cut')
        insert((None, ' world'), ('rowcast.end', '{"reason":"done"}'))
        self.each(lambda one: told(one)[1:] == [' world', '{"reason":"done"}'], 'it has read the end of an answer')
        self.until(lambda one: came_after_204(one) or one.answer.closed, limit_s=NEVER_S)
        for one in self.trials:
            if told(one) != ['Hello', ' world', '{"reason":"done"}']:
                one.problems.append(f'of an answer it has read {told(one)}')
            if not any(request.status == 204 for request in of(one)):
                one.problems.append('it did not come back to be told 204')
            one.found[204] = 'comes back' if came_after_204(one) else 'stops'
            one.answer.kill()
            one.answer = None

    def get_503(self):
        for one in self.trials:
            one.line.instead['main'] = b'503 Service Unavailable'
        self.refused(503)
        for one in self.trials:
            del one.line.instead['main']
            one.away = one.found[503] == 'gives up'
        self.start_those_who_are_away()
        self.each(lambda one: one.stands, 'its stream stands again')

    def get_401(self):
        """Its token's key is no longer there."""
        with open(self.site.rowcast.key_file, 'wb') as f:
            f.write(secrets.token_urlsafe(48).encode())
        self.site.reload()
        self.refused(401)

    def refused(self, status):
        """Cut off, it comes back and is refused: does it come a second time?"""
        self.cut()

        def came_twice(one):
            return len(one.requests) > one.mark + 1 and one.requests[one.mark].status == status
        self.until(lambda one: came_twice(one) or one.main.closed, limit_s=NEVER_S)
        for one in self.trials:
            if not one.came_back:
                one.problems.append(f'it did not come back to be told {status}')
            one.found[status] = 'comes back' if came_twice(one) else 'gives up'
