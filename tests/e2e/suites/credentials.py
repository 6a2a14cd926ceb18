"""Which of several tokens counts, what a token may look like, and what is told to
whose token does not hold."""

import json
import time

import expect
import jwt

CHALLENGE = 'Bearer error="invalid_token"'
FORM = {'Content-Type': 'application/x-www-form-urlencoded'}


def _cookie(*tokens):
    return {'Cookie': 'theme=dark; ' + '; '.join(f'rowcast_token={token}' for token in tokens)}


def _publishes(site, token, status=201, what='', **fields):
    answer = site.request('POST', '/msg', token, {'Content-Type': 'application/json'}, json.dumps({'msg': 'x', **fields}))
    expect.status(answer, status, what)


def _whose(site, headers, query=''):
    """The user whom /events takes this for: everybody's message comes, and one's own."""
    stream = site.stream(headers=headers, query=query)
    expect.equal(stream.wait_status(), 200, f'{query[:20]} {list(headers)}: {stream.describe()}')
    stream.wait_block()
    return stream


def what_a_page_says_comes_before_what_the_browser_adds(site):
    alice, bob, carol = site.user(), site.user(), site.user()
    a, b, c = site.token(alice), site.token(bob), site.token(carol)
    bad = site.token(alice, secret=b'another secret, as long as the right one is')
    bearer = lambda token: {'Authorization': 'Bearer ' + token}
    streams = [(who, what, _whose(site, headers, query)) for who, what, headers, query in (
        (bob, 'the query before the cookie', _cookie(a), 'token=' + b),
        (bob, 'the query, with Bearer, before the cookie', _cookie(a), 'token=Bearer%20' + b),
        (carol, 'the header before both', {**_cookie(a), **bearer(c)}, 'token=' + b),
        (carol, 'the header before the query', bearer(c), 'token=' + b),
        (carol, 'the header before the cookie', {**_cookie(a), **bearer(c)}, ''),
        (alice, 'an empty query is none', _cookie(a), 'token='),
        (alice, 'an empty cookie is none', _cookie('', a), ''),
        (alice, 'an empty cookie behind it too', _cookie(a, ''), ''),
        (alice, 'of two good cookies the first', _cookie(a, b), ''),
        (bob, 'a bad cookie before it', _cookie(bad, b), ''),
        (bob, 'what is no token before it', _cookie('x', 'a.b.c', b), ''),
        (bob, 'an expired cookie before it', _cookie(site.token(alice, ttl=-10), b), ''),
        (bob, 'a bad cookie behind it', _cookie(b, bad), ''))]
    for user in (alice, bob, carol):
        site.insert('for ' + user, user)
    for who, what, stream in streams:
        expect.equal(stream.wait_event().data, 'for ' + who, what)
    for what, headers, query in (('a bad header', {**_cookie(a), **bearer(bad)}, 'token=' + b), ('a bad query', _cookie(a), 'token=' + bad),
                                 ('nothing but bad cookies', _cookie(bad, 'x'), '')):
        answer = site.no_stream(headers=headers, query=query)
        expect.refusal(answer, 401, what, error='token is invalid')
    for headers in (_cookie(''), _cookie('', ''), {'Authorization': 'Bearer '}, {'Authorization': 'Bearer'}):
        expect.refusal(site.no_stream(headers=headers), 400, f'{headers}')


def of_several_cookies_the_first_good_one_publishes(site):
    user, other = site.user(), site.user()
    bad = site.token(other, secret=b'another secret, as long as the right one is')
    for tokens in (('', site.token(user)), (bad, site.token(user)), (site.token(user), site.token(other)), (site.token(user), bad)):
        expect.status(site.request('POST', '/msg', headers={**FORM, **_cookie(*tokens)}, body='msg=x'), 201)
    expect.equal(site.sql(f"SELECT group_concat(DISTINCT user) FROM message WHERE user IN ('{user}', '{other}')"), user)
    # A query says nothing here.
    expect.refusal(site.request('POST', '/msg?token=' + site.token(user), headers=FORM, body='msg=x'), 400)


def no_token_says_where_one_may_be_put(site):
    for path in ('/events', '/msg?msg=x'):
        answer = site.request('GET', path)
        expect.refusal(answer, 400, path)
        expect.true(answer.json()['error'].startswith('token is required'), answer.text)
        expect.true('Authorization' in answer.json()['error'], f'{path}: it says where: {answer.text}')


def the_type_of_a_token_is_one_of_those_of_access_tokens(site):
    user = site.user()
    for type in ('JWT', 'at+jwt', 'application/at+jwt'):
        _publishes(site, site.token(user, header={'typ': type}), what=f'typ {type}')
    untyped = jwt._base64url(b'{"alg":"HS256"}') + '.' + site.token(user).split('.')[1]
    import hashlib
    import hmac
    _publishes(site, untyped + '.' + jwt._base64url(hmac.new(site.secret, untyped.encode(), hashlib.sha256).digest()), what='no typ')
    for type in ('dpop+jwt', 'logout+jwt', 'x', 7, ['JWT'], {'JWT': 1}, True):
        answer = site.request('GET', '/msg?msg=x', site.token(user, header={'typ': type}))
        expect.refusal(answer, 401, f'typ {type!r}', error='token is invalid')


def a_scope_is_a_list_or_an_array(site):
    user = site.user()
    for scope in ('rowcast:publish', 'openid rowcast:publish email', ['rowcast:publish'], ['openid', 'rowcast:publish'], ['rowcast:publish', 'rowcast:admin']):
        _publishes(site, site.token(user, scope=scope), what=f'{scope}', all=1)
    for scope in ([], ['openid'], ['rowcast:publisher'], '', 'rowcast:admin', ['rowcast', 'publish']):
        _publishes(site, site.token(user, scope=scope), 403, f'{scope}', all=1)
        _publishes(site, site.token(user, scope=scope), 201, f'{scope}, to oneself')
    expect.status(site.request('GET', '/status', site.token(user, scope=['rowcast:admin'])), 200)
    expect.status(site.request('GET', '/status', site.token(user, scope=['rowcast:publish'])), 403)


def _raw(site, **claims):
    """A token with these claims as they are, None too."""
    return jwt.sign(site.secret, json.dumps(claims).encode())


def a_claim_that_is_null_is_absent(site):
    user, now = site.user(), int(time.time())
    with site.subscribe(token=_raw(site, sub=user, exp=None)) as stream:
        site.insert('hello', user)
        expect.equal(stream.wait_event().data, 'hello', 'exp null never expires')
    for claims in ({'nbf': None}, {'iat': None}, {'scope': None}, {'topics': None}, {'iss': None}, {'aud': None}, {'jti': None}):
        _publishes(site, _raw(site, sub=user, exp=now + 60, **claims), what=str(claims))
    expect.refusal(site.no_stream(token=_raw(site, sub=user, topics=None), topics=['a']), 403)
    expect.refusal(site.no_stream(token=_raw(site, sub=None, exp=now + 60)), 401, error='token names no user')


def another_clock_may_be_ahead_a_little_but_exp_is_exact(site):
    user, now = site.user(), int(time.time())
    _publishes(site, site.token(user, nbf=now + 3), what='nbf 3 s ahead')
    for claims, sentence in (({'nbf': now + 60}, 'token is not valid yet'), ({'exp': now - 1}, 'token is expired'), ({'exp': now}, 'token is expired'),
                             ({'exp': now - 1000}, 'token is expired'), ({'exp': 0}, 'token is expired')):
        expect.refusal(site.request('GET', '/msg?msg=x', site.token(user, **claims)), 401, str(claims), error=sentence)
    with site.configured(jwt_leeway='0'):
        expect.refusal(site.request('GET', '/msg?msg=x', site.token(user, nbf=int(time.time()) + 30)), 401, error='token is not valid yet')
    with site.configured(jwt_leeway='10m'):
        _publishes(site, site.token(user, nbf=int(time.time()) + 500), what='a leeway of 10 minutes')
        expect.refusal(site.request('GET', '/msg?msg=x', site.token(user, exp=int(time.time()) - 1)), 401, error='token is expired')


def why_a_token_does_not_hold_is_told_in_one_order(site):
    now = int(time.time())
    other = b'another secret, as long as the right one is'
    bad = {'exp': now - 60, 'nbf': now + 3600, 'sub': None, 'iss': 'https://other.example', 'aud': 'other'}
    good = {'exp': now + 600, 'nbf': now - 60, 'sub': '42', 'iss': 'https://id.example', 'aud': 'rowcast'}
    sentences = {'exp': 'token is expired', 'nbf': 'token is not valid yet', 'sub': 'token names no user', 'iss': 'token has another issuer',
                 'aud': 'token is for another audience'}
    with site.configured(jwt_issuer='https://id.example', jwt_audience='rowcast'):
        def refused(token, sentence, what):
            for path, answer in (('/events', site.no_stream(token=token, headers={'Accept': '*/*'})),
                                 ('/msg?msg=x', site.request('GET', '/msg?msg=x', token))):
                expect.refusal(answer, 401, f'{what}, {path}', error=sentence)
                expect.equal(answer.headers.get('www-authenticate'), CHALLENGE, what)

        expect.status(site.request('GET', '/msg?msg=x', _raw(site, **good)), 201)
        # Each alone, and then each with all that come behind it.
        for i, claim in enumerate(bad):
            refused(_raw(site, **{**good, claim: bad[claim]}), sentences[claim], f'{claim} alone')
            refused(_raw(site, **{**bad, **dict(list(good.items())[:i])}), sentences[claim], f'{claim} and what is behind it')
        for what, token in (('the signature', jwt.sign(other, json.dumps(bad).encode())),
                            ('typ', jwt.sign(site.secret, json.dumps(bad).encode(), header={'typ': 'x'})),
                            ('alg', jwt.sign(site.secret, json.dumps(bad).encode(), 'HS512')),
                            ('exp that is a text', _raw(site, **{**bad, 'exp': str(now - 60)})),
                            ('nbf that is a text', _raw(site, **{**bad, 'nbf': 'soon'})),
                            ('topics that are a text', _raw(site, **bad, topics='news'))):
            refused(token, 'token is invalid', what)
        for claims in ({'aud': ['other']}, {'aud': []}, {'aud': None}, {'aud': 'ROWCAST'}):
            refused(_raw(site, **{**good, **claims}), 'token is for another audience', str(claims))
        for claims in ({'iss': None}, {'iss': 'https://id.example/'}, {'iss': ''}):
            refused(_raw(site, **{**good, **claims}), 'token has another issuer', str(claims))
        for claims in ({'sub': ''}, {'sub': None}):
            refused(_raw(site, **{**good, **claims}), 'token names no user', str(claims))
        expect.status(site.request('GET', '/msg?msg=x', _raw(site, **{**good, 'aud': ['other', 'rowcast']})), 201)


def a_browser_that_slept_is_told_that_its_token_is_expired(site):
    expired = site.token(site.user(), ttl=-100)
    delays = []
    for how in ({'token': expired}, {'token': expired, 'via': 'query'}, {'token': expired, 'via': 'cookie'},
                {'token': expired, 'last_event_id': 5}, {'token': expired, 'headers': {'Accept': 'text/html, text/event-stream;q=0.5'}},
                {'token': expired, 'query': 'cursor=off'}):
        stream = site.stream(**how)
        expect.equal(stream.wait_status(), 200, str(list(how)))
        expect.true(stream.headers['content-type'].startswith('text/event-stream'), stream.headers['content-type'])
        event = stream.wait_event(type='rowcast.expired')
        expect.true(event.data, 'a page sees the event, so it has data')
        stream.wait_end()
        expect.true(stream.ended_cleanly, 'the end is clean')
        delays.append(stream.parser.reconnection_time_ms)
        expect.within(delays[-1], 30000, 60000, 'retry')
    expect.true(len(set(delays)) > 1, f'the delays are random: {delays}')


def who_does_not_ask_for_a_stream_is_told_by_the_status(site):
    expired = site.token(site.user(), ttl=-100)
    for accept in ({'Accept': '*/*'}, {'Accept': 'application/json'}, {'Accept': 'text/*'}, {'Accept': None}):
        expect.refusal(site.no_stream(token=expired, headers=accept), 401, str(accept), error='token is expired')
    expect.refusal(site.request('GET', '/msg?msg=x', expired, {'Accept': 'text/event-stream'}), 401, error='token is expired')


def a_token_with_a_second_fault_is_refused_though_it_is_expired(site):
    now, user = int(time.time()), site.user()
    for what, token in (('no user', _raw(site, exp=now - 100)), ('a bad signature', site.token(user, ttl=-100, secret=b'another secret, as long as the right one is')),
                        ('not valid yet', site.token(user, ttl=-100, nbf=now + 1000)), ('a wrong typ', site.token(user, ttl=-100, header={'typ': 'x'}))):
        expect.refusal(site.no_stream(token=token), 401, what)
    with site.configured(jwt_issuer='https://id.example'):
        expect.refusal(site.no_stream(token=site.token(user, ttl=-100)), 401, 'another issuer')


def a_refusal_reaches_who_sends_a_large_body(site):
    """The answer may be there before the body is: it must not be lost on the way. Asked by
    a client that sends its body to the end, as browsers do: curl stops when it sees the
    status, and Apache then goes on waiting for the rest before it ends the answer."""
    for size in (20000, 100000, 1000000):
        body = b'x' * size
        for token, status in ((None, 400), ('bad', 401), (site.token(site.user(), ttl=-100), 401)):
            for _ in range(5):
                answer = site.request('POST', '/msg', token, {'Content-Type': 'text/plain'}, body)
                expect.refusal(answer, status, f'{size} bytes')
        expect.status(site.request('POST', '/healthz', body=body), site.request('POST', '/healthz', body=b'').status, f'{size} bytes to /healthz')
