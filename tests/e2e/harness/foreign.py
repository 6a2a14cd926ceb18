#!/usr/bin/python3
"""Somebody else's program, which publishes over its own SQLite connection until
it is killed: transactions of several rows, some of them rolled back.

    foreign.py DB NAME USER...

The row i of n in a transaction has the data NAME/TRANSACTION/i/n. A transaction
that is committed is told on stdout: NAME/TRANSACTION, a line."""

import itertools
import os
import random
import sqlite3
import sys
import time


def main(db, name, *users):
    dice = random.Random(name)
    connection = sqlite3.connect(db, isolation_level=None, timeout=60)
    connection.execute('PRAGMA cache_size = 10')  # so that uncommitted rows lie in the file already
    for number in itertools.count():
        transaction = f'{name}/{number}'
        n = dice.choice([2, 3, 5, 100])
        rolled_back = dice.random() < 0.2
        connection.execute('BEGIN IMMEDIATE')
        for i in range(n):
            connection.execute('INSERT INTO message(user, data) VALUES(?, ?)',
                               (dice.choice(users), 'rolled back' if rolled_back else f'{transaction}/{i}/{n}'))
        connection.execute('ROLLBACK' if rolled_back else 'COMMIT')
        if not rolled_back:
            os.write(1, transaction.encode() + b'\n')
        time.sleep(dice.random() * 0.05)


main(*sys.argv[1:])
