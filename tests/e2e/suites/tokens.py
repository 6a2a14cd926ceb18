"""Who may open a stream or publish: RFC 7519, RFC 6750, and what the
configuration demands beyond."""

import base64
import json
import os
import shutil
import signal
import time

import expect
import jwt
from harness import SOURCE
from waiting import wait_until

CHALLENGE = 'Bearer error="invalid_token"'


def header_cookie_and_query_open_a_stream(site):
    user = site.user()
    streams = [site.subscribe(user, via=via) for via in ('header', 'cookie', 'query')]
    streams.append(site.subscribe(query='token=Bearer%20' + site.token(user)))
    streams.append(site.subscribe(headers={'Authorization': 'bearer ' + site.token(user)}))  # RFC 9110 11.1
    site.insert('hello', user)
    for stream in streams:
        expect.equal(stream.wait_event().data, 'hello')


def what_a_page_says_comes_before_what_the_browser_adds(site):
    """Header before query before cookie."""
    a, b, c = site.user(), site.user(), site.user()
    query = 'token=' + site.token(b)
    cookie = {'Cookie': 'rowcast_token=' + site.token(c)}
    by_header = site.subscribe(a, query=query, headers=cookie)
    by_query = site.subscribe(b, via='query', headers=cookie)
    by_cookie = site.subscribe(c, via='cookie', query='token=')  # an empty one is none
    for user in (c, b, a):
        site.insert('for ' + user, user)
    expect.equal(by_header.wait_event().data, 'for ' + a)
    expect.equal(by_query.wait_event().data, 'for ' + b)
    expect.equal(by_cookie.wait_event().data, 'for ' + c)


def of_several_cookies_the_first_valid_one_counts(site):
    user, other = site.user(), site.user()
    good, second, stale = site.token(user), site.token(other), site.token(user, ttl=-1)
    for cookie in ('rowcast_token=; rowcast_token=' + good, f'rowcast_token=x; rowcast_token={stale}; rowcast_token={good}',
                   f'rowcast_token={good}; rowcast_token={second}'):
        expect.status(site.curl('/msg', headers={'Cookie': cookie}, data='msg=x'), 201, cookie)
    expect.equal(site.sql(f"SELECT count(*) FROM message WHERE user = '{user}'"), '3')
    expect.refusal(site.curl('/msg', headers={'Cookie': f'rowcast_token={stale}; rowcast_token=x'}, data='msg=x'), 401,
                   error='token is expired')


def _required(answer, *places):
    expect.refusal(answer, 400)
    sentence = answer.json()['error']
    expect.true(sentence.startswith('token is required'), sentence)
    for place in places:
        expect.true(place in sentence, f'{place} is named: {sentence}')


def a_cookie_publishes_but_a_query_token_does_not(site):
    user = site.user()
    token = site.token(user)
    expect.status(site.curl('/msg', headers={'Cookie': 'rowcast_token=' + token}, data='msg=x'), 201)
    _required(site.curl('/msg?token=' + token, data='msg=x'), 'Authorization: Bearer', 'rowcast_token')


def the_old_form_of_publishing_demands_the_header(site):
    user = site.user()
    token = site.token(user)
    expect.status(site.curl('/msg?msg=x', token=token), 201)
    _required(site.curl('/msg?msg=x', headers={'Cookie': 'rowcast_token=' + token}), 'Authorization: Bearer')
    expect.equal(site.sql(f"SELECT count(*) FROM message WHERE user = '{user}'"), '1')


def without_a_token_the_answer_is_400(site):
    for path in ('/events', '/events?token=', '/events?token=Bearer%20'):
        _required(site.curl(path), 'Authorization: Bearer', 'rowcast_token', '?token=')
    _required(site.curl('/msg?msg=x'), 'Authorization: Bearer')
    _required(site.curl('/msg', data='msg=x'), 'Authorization: Bearer', 'rowcast_token')


def _bad_tokens(site):
    """What is wrong, the token, and what its holder is told."""
    invalid = 'token is invalid'
    now = int(time.time())
    good = site.token('42')
    header, payload, signature = good.split('.')
    yield 'a bad signature', site.token('42', secret=b'another secret, as long as the right one is'), invalid
    yield 'a changed payload', '.'.join([header, site.token('43').split('.')[1], signature]), invalid
    yield 'a cut signature', good[:-4], invalid
    yield 'no signature', f'{header}.{payload}.', invalid
    for alg in ('none', 'None', 'NONE', 'nOnE'):
        yield f'alg {alg}', jwt.sign(b'', {'sub': '42', 'exp': now + 60}, alg), invalid
    yield 'alg none with a signature', jwt.sign(b'', {'sub': '42', 'exp': now + 60}, 'none') + signature, invalid
    for alg in ('HS384', 'HS512'):
        yield alg, site.token('42', alg=alg), invalid
    yield 'alg RS256', site.token('42', header={'alg': 'RS256'}), invalid
    yield 'no alg', site.token('42', header={'alg': None}), invalid
    yield 'expired', site.token('42', ttl=-1), 'token is expired'
    yield 'not yet valid', site.token('42', nbf=now + 60), 'token is not valid yet'
    yield 'exp that is a string', site.token('42', exp=str(now + 60)), invalid
    yield 'nbf that is a string', site.token('42', nbf='0'), invalid
    yield 'no user', site.token(None), 'token names no user'
    yield 'an empty user', site.token(''), 'token names no user'
    for user in (['42'], {'id': '42'}, True, 4.5):
        yield f'user {user!r}', site.token(user), 'token names no user'
    yield 'user null', jwt.sign(site.secret, json.dumps({'sub': None, 'exp': now + 60}).encode()), 'token names no user'
    yield 'topics that are a string', jwt.sign(site.secret, {'sub': '42', 'exp': now + 60, 'topics': 'news'}), invalid
    yield 'topics with a number', jwt.sign(site.secret, {'sub': '42', 'exp': now + 60, 'topics': ['news', 1]}), invalid
    yield 'scope that is a number', site.token('42', scope=7), invalid
    yield 'scope with a number', site.token('42', scope=['rowcast:publish', 7]), invalid
    for typ in ('JOSE', 'application/jwt', 'logout+jwt', '', 7):
        yield f'typ {typ!r}', site.token('42', header={'typ': typ}), invalid
    # Of several faults the first counts; and where the signature is wrong, nothing else is looked at.
    yield 'expired, no user', site.token(None, ttl=-1, nbf=now + 60), 'token is expired'
    yield 'not yet valid, no user', site.token(None, nbf=now + 60), 'token is not valid yet'
    yield 'expired, nbf that is a string', site.token('42', ttl=-1, nbf='0'), invalid
    yield 'expired, a bad signature', site.token('42', ttl=-1, secret=b'another secret, as long as the right one is'), invalid
    yield 'a payload that is an array', jwt.sign(site.secret, b'["42"]'), invalid
    yield 'a payload that is not JSON', jwt.sign(site.secret, b'sub=42'), invalid
    yield 'a word', 'token', invalid
    yield 'three words', 'a.b.c', invalid
    yield 'dots', '..', invalid


def a_bad_token_gets_401_and_no_stream(site):
    newest = site.sql('SELECT coalesce(max(id), 0) FROM message')
    for what, token, sentence in _bad_tokens(site):
        for path in ('/events', '/msg?msg=x'):
            # Who is expired, and nothing else, is told in a stream where it accepts one.
            headers = {} if what == 'expired' else {'Accept': 'text/event-stream'}
            answer = site.curl(path, token=token, headers=headers)
            expect.refusal(answer, 401, f'{what}, {path}', error=sentence)
            expect.equal(answer.headers.get('www-authenticate'), CHALLENGE, what)
    expect.equal(site.sql('SELECT coalesce(max(id), 0) FROM message'), newest, 'nothing was stored')


def the_types_of_access_tokens_are_taken_and_a_claim_that_is_null_is_absent(site):
    user = site.user()
    for typ in ('JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt'):  # RFC 9068 2.1
        expect.status(site.request('GET', '/msg?msg=x', site.token(user, header={'typ': typ})), 201, typ)
    claims = {'sub': user, 'exp': None, 'nbf': None, 'iss': None, 'aud': None, 'topics': None, 'scope': None}
    expect.status(site.request('GET', '/msg?msg=x', jwt.sign(site.secret, claims)), 201, 'null')
    both = site.token(user, scope=['openid', 'rowcast:publish', 'rowcast:admin'])
    expect.status(site.request('GET', '/msg?msg=x&all=1', both), 201, 'scope that is an array')
    expect.status(site.request('GET', '/status', both), 200, 'scope that is an array')


def an_issuers_clock_may_be_ahead_by_jwt_leeway(site):
    user = site.user()

    def status(ahead):
        return site.request('GET', '/msg?msg=x', site.token(user, nbf=int(time.time()) + ahead)).status

    expect.equal((status(2), status(60)), (201, 401), 'with 5 s, the default')
    with site.configured(jwt_leeway='0'):
        expect.equal((status(0), status(60 if site.slow > 1 else 10)), (201, 401), 'without')
    with site.configured(jwt_leeway='5m'):
        expect.equal((status(200), status(400)), (201, 401), 'with 5 minutes')


def a_bad_token_is_refused_from_cookie_and_query_too(site):
    bad = site.token('42', nbf=int(time.time()) + 60)
    for via in ('cookie', 'query'):
        stream = site.stream(token=bad, via=via)
        expect.equal(stream.wait_status(), 401, via)
    # The header decides, even where a good token lies in the cookie.
    stream = site.stream(token=bad, headers={'Cookie': 'rowcast_token=' + site.token('42')})
    expect.equal(stream.wait_status(), 401)


def a_browser_that_slept_past_its_exp_is_told(site):
    """It comes back by itself with the token it had, and gives up for good after
    any status but 200."""
    token = site.token(site.user(), ttl=-1)
    for via in ('header', 'cookie', 'query'):
        stream = site.stream(token=token, via=via, query='topic=any', headers={'Accept': 'text/event-stream'})
        expect.equal(stream.wait_status(), 200, via)
        event = stream.wait_event()
        expect.equal(event.type, 'rowcast.expired', via)
        expect.true('reason' in json.loads(event.data), event.data)
        expect.within(stream.parser.reconnection_time_ms, 30000, 60000, 'retry')
        stream.wait_end()
        expect.true(stream.ended_cleanly, 'the end is clean')
    for accept in ('*/*', 'application/json'):
        expect.refusal(site.curl('/events', token=token, headers={'Accept': accept}), 401, accept, error='token is expired')
    expect.refusal(site.curl('/msg?msg=x', token=token, headers={'Accept': 'text/event-stream'}), 401, 'not a stream')


def a_number_and_its_text_are_one_user(site):
    by_number, by_text = site.subscribe(token=site.token(4711)), site.subscribe(token=site.token('4711'))
    site.insert('by row', '4711')
    site.publish(site.token(4711), msg='by number')
    site.publish(site.token('4711'), msg='by text')
    for stream in (by_number, by_text):
        expect.equal([e.data for e in stream.wait_events(3)], ['by row', 'by number', 'by text'])


def a_user_may_be_any_text(site):
    user = "O'Hara ☃ <b>\"%00;--"
    with site.subscribe(token=site.token(user)) as stream:
        site.insert('hello', user)
        expect.equal(stream.wait_event().data, 'hello')


def issuer_audience_and_user_claim_are_checked_as_configured(site):
    with site.configured(jwt_issuer='https://id.example', jwt_audience='rowcast', jwt_user_claim='uid'):
        good = {'iss': 'https://id.example', 'aud': 'rowcast', 'uid': 'anna'}
        for claims in (good, {**good, 'aud': ['other', 'rowcast']}):
            stream = site.stream(token=site.token('not this one', **claims))
            expect.equal(stream.wait_status(), 200, str(claims))
        issuer, audience, user = 'token has another issuer', 'token is for another audience', 'token names no user'
        for claims, sentence in (({**good, 'iss': 'https://other.example'}, issuer), ({**good, 'iss': None}, issuer),
                                 ({**good, 'aud': 'other'}, audience), ({**good, 'aud': ['other']}, audience),
                                 ({**good, 'aud': None}, audience), ({**good, 'uid': None}, user),
                                 ({'aud': 'other'}, user), ({'uid': 'anna', 'aud': 'other'}, issuer)):
            answer = site.curl('/events', token=site.token('not this one', **claims))
            expect.refusal(answer, 401, str(claims), error=sentence)
        stream = site.subscribe(token=site.token('not this one', **good))
        site.insert('hello', 'anna')
        expect.equal(stream.wait_event().data, 'hello')


def a_public_key_is_no_secret(site):
    for alg, name in (('ES256', 'p256'), ('RS256', 'rsa')):
        path = os.path.join(site.folder, name + '.pem')
        shutil.copy(os.path.join(SOURCE, 'tests', 'unit', 'keys', f'test-only-{name}-public.pem'), path)
        os.chmod(path, 0o644)  # whatever a source may have
        with open(path, 'rb') as f:
            pem = f.read()
        with site.configured(jwt_alg=alg, jwt_key_file=path):
            # With and without the line break at its end, as libraries differ in it.
            for secret in (pem, pem.strip()):
                for sent, header in (('HS256', {}), ('none', {}), ('HS256', {'alg': alg})):
                    answer = site.curl('/events', token=site.token('42', secret=secret, alg=sent, header=header))
                    expect.refusal(answer, 401, f'{alg}: {sent} {header}', error='token is invalid')


def a_header_chooses_no_key(site):
    """Only alg is read of it, and that must be the one configured; and an
    extension that must be understood is not (RFC 7515 4.1)."""
    user = site.user()
    theirs = b'another secret, as long as the right one is'
    for field in ({'kid': '../../dev/null'}, {'kid': "' OR 1=1 --"}, {'kid': site.rowcast.key_file}, {'kid': 7},
                  {'jku': 'http://127.0.0.1:1/keys'}, {'x5u': 'http://127.0.0.1:1/x'}, {'x5c': ['AAAA']},
                  {'jwk': {'kty': 'oct', 'k': base64.urlsafe_b64encode(theirs).decode()}}):
        expect.status(site.request('GET', '/msg?msg=x', site.token(user, header=field)), 201, str(field))
        expect.status(site.request('GET', '/msg?msg=x', site.token(user, header=field, secret=theirs)), 401, str(field))
    expect.status(site.request('GET', '/msg?msg=x', site.token(user, header={'crit': ['b64'], 'b64': True})), 401, 'crit')


def a_stream_ends_when_its_token_expires(site):
    user = site.user()
    exp = int(time.time()) + 2
    stream = site.subscribe(token=site.token(user, exp=exp))
    event = stream.wait_event(type='rowcast.expired', timeout=10 * site.slow)
    # exp is a whole second; never a message after it, and not much later.
    expect.within(time.time() - exp, -0.05, 1.5 * site.slow, 'seconds after exp')
    expect.true(event.data, 'a page sees the event, so it has data')
    stream.wait_end()
    expect.true(stream.ended_cleanly, 'the end is clean')


def a_token_without_exp_never_expires(site):
    user = site.user()
    with site.subscribe(token=site.token(user, exp=None)) as stream:
        site.insert('hello', user)
        expect.equal(stream.wait_event().data, 'hello')


def keys_change_on_sighup_and_no_stream_notices(site):
    user = site.user()
    new_key = os.path.join(site.folder, 'new-key')
    new_secret = b'the new secret, which is long enough too'
    with open(os.open(new_key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as f:
        f.write(new_secret)
    stream = site.subscribe(user)
    site.reload(jwt_key_file=new_key)
    expect.status(site.request('GET', '/msg?msg=new', site.token(user, secret=new_secret)), 201)
    expect.status(site.request('GET', '/msg?msg=old', site.token(user)), 401)
    expect.equal(stream.wait_event().data, 'new')
    site.reload()
    expect.status(site.request('GET', '/msg?msg=old', site.token(user)), 201)
    expect.equal(stream.wait_event().data, 'old')


def a_key_that_is_replaced_is_good_until_it_is_taken_out(site):
    """First both, then the new one alone. A stream is judged when it is opened:
    a reload ends none, so that of the old key lives on to its exp; who wants it
    ended at once restarts rowcast, and it does not come back."""
    user = site.user()
    new_secret = b'the newest secret, which is long enough too'
    new_key = os.path.join(site.folder, 'newest-key')
    with open(os.open(new_key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as f:
        f.write(new_secret)
    exp = int(time.time()) + (4 if site.slow == 1 else 12)
    old, old_short, new = site.token(user), site.token(user, exp=exp), site.token(user, secret=new_secret)

    def accepts(token):
        return {201: True, 401: False}[site.request('GET', '/msg?msg=x', token).status]

    def keys(*files):
        settings = {'jwt_key_file': list(files)}
        site.reload(**settings)
        return settings

    streams = [site.subscribe(token=token) for token in (old, old_short)]
    try:
        expect.equal((accepts(old), accepts(new)), (True, False), 'the old key: old and new tokens')
        keys(new_key, site.rowcast.key_file)
        expect.equal((accepts(old), accepts(new)), (True, True), 'both keys: old and new tokens')
        settings = keys(new_key)
        expect.equal((accepts(old), accepts(new)), (False, True), 'the new key: old and new tokens')
        expect.equal(site.stream(token=old).wait_status(), 401, 'a new stream with the old key')
        site.insert('the last', user)
        for stream in streams:
            stream.wait_block(where=lambda block: block.event and block.event.data == 'the last')
        streams[1].wait_event(type='rowcast.expired')
        expect.within(time.time() - exp, -0.05, 1.5 * site.slow, 'seconds after exp')
        site.restart_rowcast(**settings)
        streams[0].wait_end()
        expect.equal(site.stream(token=old).wait_status(), 401, 'it comes back')
    finally:
        site.restart_rowcast()


def a_faulty_configuration_on_sighup_changes_nothing(site):
    user = site.user()
    stream = site.subscribe(user)
    for fault, named in (({'no_such_key': '1'}, 'no_such_key'), ({'jwt_key_file': '/no/such/key'}, '/no/such/key')):
        log_before = len(site.rowcast.log_bytes())
        site.rowcast.configure({**site.settings, **fault, 'log_level': 'debug'})
        site.rowcast.send_signal(signal.SIGHUP)
        wait_until(lambda: 'nothing was reloaded' in site.rowcast.log_since(log_before), f'{named} is refused',
                   10 * site.slow)
        expect.true(named in site.rowcast.log_since(log_before), 'the fault is logged')
        expect.status(site.request('GET', '/msg?msg=x', 'no token'), 401)
        expect.true('token refused' not in site.rowcast.log_since(log_before), 'the level is the one before')
    site.rowcast.configure(site.settings)
    site.publish(site.token(user), msg='still here')
    expect.equal(stream.wait_event().data, 'still here')
