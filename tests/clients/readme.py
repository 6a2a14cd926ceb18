"""The table of clients in README.md: written from what was found, and held against it."""

import difflib
import json
import os
import re

BEGIN = '<!-- clients: written by tests/clients/run --write README.md -->\n'
END = '<!-- /clients -->\n'

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'package.json')) as f:
    PACKAGES = json.load(f)['dependencies']


# The sentence above the table says this of all.
OF_ALL = {'query': True, 'cookie': True, 'cut': 'yes', 'web server killed': 'yes', 'last id': 'header', 'retry': 'kept'}


def contradictions(one):
    """Where that is not so."""
    if one.problems:
        return []  # it has not come so far
    return [f'of all clients the README says {what}: {value}; found was {one.found.get(what)}'
            for what, value in OF_ALL.items() if one.found.get(what) != value]


def name(client):
    """With its exact version, where that is ours to say."""
    bare = client.name.replace('`', '')
    package = bare.replace(' ', '-')
    version = PACKAGES.get(package) or PACKAGES.get(bare)
    return f'`{bare.split(" ")[0]}` {version.rpartition("@")[2]}' if version else client.name


HEAD = ['client', 'token in a header', 'a block without data', 'clean end', '204', '401', '503', 'needs']


def row(one):
    found = one.found
    block = 'raised' if found['raises empty'] else '' if found['keeps cursor'] else 'its id is lost'
    return [name(one.client), 'yes' if found['header'] else 'no', block, 'comes back' if found['clean end'] == 'yes' else 'gives up',
            found[204], found[401], found[503], one.client.advice]


def table(trials):
    rows = [HEAD, ['---'] * len(HEAD)] + [row(one) for one in trials if not one.problems]
    return ''.join('| ' + ' | '.join(cells) + ' |\n' for cells in rows)


def parts(path):
    with open(path) as f:
        text = f.read()
    before, found, rest = text.partition(BEGIN)
    old, ended, after = rest.partition(END)
    if not found or not ended:
        raise AssertionError(f'{path} has no {BEGIN.strip()}')
    return before, old, after


def difference(path, trials):
    _, old, _ = parts(path)
    return ''.join(difflib.unified_diff(old.splitlines(True), table(trials).splitlines(True), 'README.md', 'found', n=0))


def write(path, trials):
    before, _, after = parts(path)
    with open(path, 'w') as f:
        f.write(before + BEGIN + table(trials) + END + after)
