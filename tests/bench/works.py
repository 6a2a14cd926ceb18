"""What is measured, and the goals it is held against."""

import dataclasses

ALL = ('rowcast', 'before', 'nchan', 'go', 'go-lighttpd')
OWN = ('rowcast', 'before')
LOGS = ('log-1', 'log-2', 'log-4', 'log-2r1', 'log-2r2')

# The parts of a run, for --only.
PARTS = {
    'lone': 'one message to all streams at a time',
    'first': 'the first messages to many streams',
    'amid': 'messages to single users amid broadcasts',
    'load': '64 publishers to all streams',
    'users': '16 publishers, each message to one user',
    'bulk': 'POSTs of 1,000 lines of NDJSON',
    'foreign': 'rows inserted by another program',
    'hold': 'open streams: opening, memory, CPU at rest',
    'storm': 'all streams cut at once, behind, and back',
    'replay': 'rows read again from the table',
    'growth': 'one user among few and many streams',
    'pace': 'lone messages and load with 10 to 10,000 streams',
    'answers': 'texts written a token at a time and read meanwhile; single messages',
    'several': 'several machines with one log in Redis',
    'worst': 'the worst inputs of each parser and encoder',
}

# How many times as long as a plain input the worst of its size may take.
WORST_RATIO = 4


@dataclasses.dataclass
class Work:
    """One measurement, made with each of `systems` in turn."""
    part: str
    title: str
    mode: str                # of the load client
    streams: int
    options: tuple = ()      # more options of the load client
    systems: tuple = ALL
    to_users: bool = False   # each stream is a user's, or a channel, of its own
    longer: float = 1        # times --seconds
    settings: dict = dataclasses.field(default_factory=dict)  # of rowcast, beside its defaults
    fill: tuple = ()         # options of `load fill`: rows that are there before the start
    suffix: str = ''
    live: bool = False       # streams of somebody else are served meanwhile
    slow: bool = False       # left out of a quick run
    count: int = 0           # messages, from the first on; 0: as many as go into the seconds, after a warm-up
    turns: int = 0           # at most, however many the run has; 0: as many

    @property
    def told(self):
        """As what it is told (report.SHOWN)."""
        return self.mode if self.streams else 'single'

    def repeat(self, turns):
        return min(turns, self.turns or turns)

    @property
    def name(self):
        return f'{self.part}-{self.suffix or self.streams}' + (f'-{self.count}' if self.count else '')

    def with_streams(self, streams):
        if self.part not in ('lone', 'first', 'amid', 'load', 'users'):
            return self
        counted = f', the first {self.count}' if self.count else ''
        return dataclasses.replace(self, streams=streams, title=f'{streams:,} streams, {PARTS[self.part]}{counted}')


def replay(rows, suffix, spread=False, slow=False):
    """A table of `rows` rows, 1,000 of them for each of 10 users."""
    mine = 10 * 1000
    where = 'spread over' if spread else 'the newest of'
    return Work('replay', f'10 streams replay 1,000 rows each, {where} {rows:,}', 'replay', 10,
                ('--rows', '1000', '--count', '20', '--after', str(0 if spread else rows - mine)), OWN,
                settings={'keep_rows': '0', 'keep_for': '0', 'max_streams_per_user': '64'}, suffix=suffix, slow=slow,
                fill=('--rows', str(rows), '--users', '10', '--count', '1000', *(['--spread'] * spread)))


def answers(suffix, title, streams, *options, mode='answers', longer=0.6, slow=False):
    """Of the part of this name, which is to take a minute in all."""
    return Work('answers', title, mode, streams, ('--warmup', '0.5', *options), OWN, longer=longer, suffix=suffix, slow=slow, turns=2)


# Of a body of which more than 64 KiB are still to come, lighttpd 1.4.69 writes each piece into a
# temporary file of its own before it passes it on.
TOKENS = ('--answers', '1000', '--rate', '100', '--length', '65536')


WORKS = [
    Work('lone', '1,000 streams, one message to all at a time', 'lone', 1000),
    *(Work('lone', f'{n:,} streams, one message to all at a time, {count} messages', 'lone', n, count=count,
           systems=ALL if n == 1000 else OWN)
      for n in (100, 1000, 5000) for count in (50, 400)),
    *(Work('first', f'{n:,} streams, the first 5 messages, one at a time', 'lone', n, (), OWN, count=5) for n in (9000, 10000)),
    *(Work('amid', f'{n:,} streams, 10 broadcasts/s, and 40 messages/s to one of 20 users each', 'amid', n, ('--publishers', '64'), OWN, longer=2)
      for n in (4000, 10000)),
    Work('load', '1,000 streams, 64 publishers to all', 'load', 1000),
    Work('load', '5,000 streams, 64 publishers to all', 'load', 5000),
    Work('users', '5,000 users, 16 publishers, each message to one user', 'users', 5000, to_users=True),
    Work('bulk', 'bulk publish, 1,000 lines of NDJSON a POST', 'bulk', 1, (), OWN),
    Work('foreign', 'foreign insert to stream, idle', 'foreign', 1, ('--count', '500'), OWN),
    Work('hold', '9,000 open streams', 'hold', 9000, longer=4),
    Work('storm', '5,000 streams cut at once, each 100 rows behind, all back', 'storm', 5000,
         ('--rows', '100', '--lines', '100'), OWN),
    Work('replay', 'one stream replays 300,000 rows', 'replay', 1, ('--rows', '300000'), OWN,
         fill=('--rows', '300000'), suffix='one'),
    replay(10**4, '1e4'),
    replay(10**5, '1e5'),
    replay(10**6, '1e6'),
    replay(10**7, '1e7', slow=True),
    replay(10**6, 'spread', spread=True),
    Work('growth', '10 streams, each message to one user', 'users', 10, (), OWN, to_users=True),
    Work('growth', '1,000 streams, each message to one user', 'users', 1000, (), OWN, to_users=True),
    Work('growth', '9,000 streams, each message to one user', 'users', 9000, (), OWN, to_users=True),
    *(Work('pace', f'{n:,} streams, one message to all at a time', 'lone', n, (), OWN, suffix=f'lone-{n}')
      for n in (10, 100, 1000, 5000, 10000)),
    *(Work('pace', f'{n:,} streams, 64 publishers to all', 'load', n, (), OWN, suffix=f'load-{n}')
      for n in (10, 100, 1000, 5000)),
    answers('one', '1,000 answers, 100 tokens/s each, one reader each', 1000, *TOKENS),
    answers('ten', '1,000 answers, 100 tokens/s each, ten readers each', 10000, *TOKENS, slow=True),
    answers('own', '1,000 answers, 100 tokens/s each, one reader each, inserted by another program', 1000, *TOKENS, '--way', 'insert', slow=True),
    answers('all', '17,000 rows/s of one topic to 100 subscribers', 100, '--rate', '17000'),
    answers('post-1', 'single messages, POSTs of one publisher', 0, mode='post', longer=0.3),
    answers('post-64', 'single messages, POSTs of 64 publishers', 0, '--publishers', '64', mode='post', longer=0.3),
    answers('follow', 'single messages, lines of one body that is followed', 0, longer=0.3),
    answers('insert', 'single messages, each inserted by another program in a transaction of its own', 0, '--way', 'insert', longer=0.3,
            slow=True),
    # In at the first machine, out at the last, but for `load`, which is everywhere.
    Work('several', '1,000 users, 16 publishers, each message to one user', 'users', 1000, (), (*OWN, *LOGS),
         to_users=True, suffix='users'),
    Work('several', '100 users, one message at a time to one user', 'users', 100, ('--publishers', '1'),
         (*OWN, 'log-2', 'log-2r1', 'log-2r2'), to_users=True, suffix='one'),
    Work('several', 'bulk publish, 1,000 lines of NDJSON a POST', 'bulk', 1, (),
         (*OWN, 'log-2', 'log-2r1', 'log-2r2'), suffix='bulk'),
    Work('several', '1,000 streams, 64 publishers to all', 'load', 1000, (),
         (*OWN, 'nchan', 'log-1', 'log-2', 'log-4', 'nchan-redis'), suffix='load'),
    Work('several', 'XADD by another program to stream, idle', 'xadd', 1, ('--count', '300'),
         ('log-2', 'log-2r1', 'log-2r2'), suffix='xadd'),
    Work('several', '3,000 streams cut at once, each 100 rows behind, all back at another machine', 'storm', 3000,
         ('--rows', '100', '--lines', '100'), (*OWN, 'log-2', 'log-2r1'), suffix='storm', live=True),
    Work('several', 'an empty machine copies 1,000,000 rows', 'copy', 1, (), ('log-1',), suffix='copy'),
]


@dataclasses.dataclass
class Goal:
    """`figure` of `of` in `work`, as it is or divided by that of `beside` (a
    system in the same work, or another work of rowcast's own). `bound`: a number, or
    two systems: the same figure of the one divided by that of the other."""
    work: str
    figure: str
    bound: float | tuple
    at_least: bool = True
    beside: str = ''
    of: str = 'rowcast'


GOALS = [
    Goal('lone-1000', 'deliveries_per_s', 1.0, beside='nchan'),
    Goal('lone-1000', 'deliveries_per_s', 2.2, beside='go-lighttpd'),
    Goal('load-1000', 'deliveries_per_s', 8, beside='nchan'),
    Goal('load-1000', 'deliveries_per_s', 12, beside='go-lighttpd'),
    Goal('load-1000', 'latency_ms.p99', 1, False, 'nchan'),
    Goal('load-1000', 'latency_ms.p99', 1, False, 'go'),
    Goal('load-1000', 'latency_ms.p99', 1, False, 'go-lighttpd'),
    Goal('load-5000', 'deliveries_per_s', 15, beside='go'),
    Goal('users-5000', 'deliveries_per_s', 0.6, beside='go'),
    Goal('bulk-1', 'messages_per_s', 100000),
    Goal('foreign-1', 'latency_ms.p50', 1.5, False),
    Goal('foreign-1', 'latency_ms.p99', 4, False),
    Goal('hold-9000', 'memory_per_stream.total', 5 * 1024, False),
    Goal('hold-9000', 'memory_per_stream.rowcast', 1024, False),
    Goal('hold-9000', 'open_per_s', 10000),
    Goal('hold-9000', 'cpu_percent.total', 2, False),
    Goal('storm-5000', 'task_seconds', 2, False),
    Goal('replay-one', 'task_rows_per_s', 300000),
    Goal('replay-1e7', 'task_rows_per_s', 0.9, beside='replay-1e4'),
    Goal('several-users', 'messages_per_s', 0.6, beside='log-2', of='log-2r1'),
    Goal('several-bulk', 'messages_per_s', 0.6, beside='log-2', of='log-2r1'),
    Goal('several-one', 'ack_ms.p50', 2, False, of='log-2r1'),
    Goal('several-one', 'latency_ms.p50', 3, False, of='log-2r1'),
    Goal('several-one', 'latency_ms.p99', 15, False, of='log-2r1'),
    Goal('several-load', 'deliveries_per_s', ('rowcast', 'nchan'), beside='nchan-redis', of='log-1'),
    Goal('several-storm', 'task_seconds', 1.5, False, of='log-2'),
    Goal('several-copy', 'task_seconds', 8, False, of='log-1'),
    Goal('answers-one', 'rows_per_s', 99000),  # of 100,000 that are due, less what is under way at the end
    Goal('answers-one', 'latency_ms.p99', 100, False),
    Goal('answers-all', 'latency_ms.p99', 10, False),
    Goal('answers-follow', 'rows_per_s', 100000),
    Goal('answers-follow', 'rows_per_s', 10, beside='answers-post-1'),
    Goal('answers-follow', 'rows_per_s', 10, beside='answers-post-64'),
    Goal('growth-9000', 'cpu_us_per_message.total', 1.3, False, 'growth-10'),
]
