"""Who is connected, as an administrator asks: GET /presence, and `rowcast status
--streams`. One machine by itself."""

import json
import socket
import time

import expect
from shell import expect_failure, expect_misuse, rowcast
from waiting import wait_until


def _admin(site):
    return site.token(site.user(), scope='rowcast:admin')


def _ask(site, query='', status=200, token=None):
    answer = site.request('GET', '/presence' + (query and '?' + query), token or _admin(site))
    expect.status(answer, status, query)
    return answer.json()


def _nobody_is_there(site):
    wait_until(lambda: _ask(site)['streams'] == 0, 'the streams of earlier tests are gone', 20 * site.slow)


def a_user_is_there_from_the_first_stream_to_the_last(site):
    _nobody_is_there(site)
    user, other = site.user(), site.user()
    with site.subscribe(user), site.subscribe(other):
        second = site.subscribe(user)
        told = _ask(site)
        node = socket.gethostname()
        seen = told['nodes'][0].pop('seen')
        expect.true(abs(seen - time.time()) < 30 * site.slow, f'seen now: {seen}')
        expect.equal(told, {'users': 2, 'streams': 3, 'nodes': [{'node': node, 'streams': 3, 'users': 2}]})
        expect.equal(_ask(site, f'user={user}'), {'user': user, 'streams': 2, 'nodes': [node]})
        expect.equal(_ask(site, 'list=1'), {'users': sorted(
            [{'user': user, 'streams': 2}, {'user': other, 'streams': 1}], key=lambda row: row['user'].encode()), 'next': None})
        second.close()
        wait_until(lambda: _ask(site, f'user={user}')['streams'] == 1, 'the second is gone', 20 * site.slow)
    wait_until(lambda: _ask(site, f'user={user}') == {'user': user, 'streams': 0, 'nodes': []}, 'both are gone', 20 * site.slow)
    _nobody_is_there(site)
    expect.equal(_ask(site, 'list=1'), {'users': [], 'next': None})


def what_is_in_a_name_comes_back_as_it_was(site):
    user = 'Zoë "42" \\ \u0085\u009b & more'
    with site.subscribe(token=site.token(user)):
        told = _ask(site, 'user=Zo%C3%AB+%2242%22+%5C+%C2%85%C2%9B+%26+more')
        expect.equal((told['user'], told['streams']), (user, 1))
        expect.true({'user': user, 'streams': 1} in _ask(site, 'list=1')['users'], 'it is listed')
        done = rowcast(site, 'status', '--streams', '-c', site.rowcast.conf)
        expect.equal(done.returncode, 0, done.stderr)
        expect.true('\nZoë "42" \\ ?? & more' in done.stdout, f'without what moves a cursor: {done.stdout!r}')


def each_stream_is_told_where_detail_is_asked_for(site):
    _nobody_is_there(site)
    user, other = sorted((site.user(), site.user()))
    streams = [site.subscribe(token=site.token(user, topics=['*']), topics=['prices', 'a "b"']), site.subscribe(other)]
    told = _ask(site, f'user={user}&detail=1')
    expect.equal((told['node'], told['user'], told['streams']), (socket.gethostname(), user, 1))
    stream = told['detail'][0]
    expect.true(abs(stream.pop('since') - time.time()) < 30 * site.slow, 'since now')
    expect.true(stream.pop('cursor') >= 0, 'a cursor')
    expect.equal(stream, {'state': 'live', 'behind': 0, 'topics': ['prices', 'a "b"']})
    listed = _ask(site, 'list=1&detail=1')
    expect.equal([(row['user'], row['streams'], len(row['detail'])) for row in listed['users']], [(user, 1, 1), (other, 1, 1)])
    expect.equal(listed['next'], None)
    expect.equal([row['user'] for row in _ask(site, f'list=1&detail=1&after={user}')['users']], [other])
    for stream in streams:
        stream.close()


def a_list_goes_on_after_any_name(site):
    _nobody_is_there(site)
    users = sorted(site.user() for _ in range(5))
    streams = [site.subscribe(user) for user in users]
    expect.equal([row['user'] for row in _ask(site, 'list=1')['users']], users)
    expect.equal([row['user'] for row in _ask(site, f'list=1&after={users[1]}')['users']], users[2:])
    expect.equal([row['user'] for row in _ask(site, f'list=1&after={users[1]}0')['users']], users[2:])
    expect.equal(_ask(site, 'list=1&after=z'), {'users': [], 'next': None})
    for stream in streams:
        stream.close()


def only_an_administrator_may_ask(site):
    expect.refusal(site.curl('/presence'), 400)
    expect.refusal(site.curl('/presence', token='x'), 401)
    for scope in (None, 'rowcast:publish'):
        expect.refusal(site.curl('/presence', token=site.token(site.user(), scope=scope)), 403)
    answer = site.curl('/presence?list=1&token=' + _admin(site))
    expect.status(answer, 200)
    expect.equal(answer.headers['content-type'], 'application/json')
    expect.true('no-store' in answer.headers['cache-control'], 'nobody keeps it')
    expect.status(site.request('HEAD', '/presence', _admin(site)), 200)
    expect.refusal(site.curl('/presence', method='POST', token=_admin(site), data='x'), 405)


def a_parameter_that_it_does_not_know_is_refused_with_the_name_that_was_meant(site):
    for query, sentence in (('users=42', 'did you mean user?'), ('List=1', 'did you mean list?'),
                            ('page=2', 'only user, list, after, detail and token'), ('list=yes', 'list must be 1'),
                            ('after=42', 'after needs list=1'), ('user=42&list=1', 'cannot both be given'),
                            ('detail=1', 'detail needs user or list=1')):
        answer = site.curl('/presence?' + query, token=_admin(site))
        expect.refusal(answer, 400, query)
        expect.true(sentence in answer.text, f'{query}: {answer.text}')
    expect.equal(_ask(site, '_=123&user=nobody')['streams'], 0)


def a_command_prints_it_for_people(site):
    _nobody_is_there(site)
    user, other = sorted((site.user(), site.user()))
    streams = [site.subscribe(user), site.subscribe(user), site.subscribe(other)]
    done = rowcast(site, 'status', '-c', site.rowcast.conf, '--streams')
    expect.equal((done.returncode, done.stderr), (0, ''))
    lines = [line.split() for line in done.stdout.splitlines()]
    expect.equal(lines[0], ['NODE', 'USERS', 'STREAMS', 'SEEN'])
    expect.equal(lines[1][:3], [socket.gethostname(), '2', '3'])
    expect.equal(lines[2:], [['all', '2', '3'], [], ['USER', 'STREAMS'], [user, '2'], [other, '1']])
    done = rowcast(site, 'status', '-c', site.rowcast.conf, '--streams', '--json')
    expect.equal((done.returncode, done.stderr, done.stdout.count('\n')), (0, '', 1))
    told = json.loads(done.stdout)
    expect.equal(told.pop('list'), [{'user': user, 'streams': 2}, {'user': other, 'streams': 1}])
    now = json.loads(site.request('GET', '/presence', _admin(site)).body)
    for answer in (told, now):
        for node in answer['nodes']:
            node.pop('seen')
    expect.equal(told, now, 'what /presence answers')
    for stream in streams:
        stream.close()
    expect_misuse(site, 'status', '--streams', 'x')
    expect_misuse(site, 'status', '--users')
    expect_failure(rowcast(site, 'status', '--streams', '-c', site.rowcast.conf, '-o', 'listen=unix:/no/such.sock'),
                   'no rowcast answers on unix:/no/such.sock')
