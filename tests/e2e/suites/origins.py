"""CORS with credentials, for the origins that are configured and no other."""

import expect

ORIGIN = 'https://app.example'
SECOND = 'http://localhost:3000'


def _allowed(answer_headers):
    return answer_headers.get('access-control-allow-origin')


def unless_configured_no_origin_is_allowed(site):
    for path in ('/events', '/msg?msg=x'):
        answer = site.curl(path, headers={'Origin': ORIGIN})
        expect.equal(_allowed(answer.headers), None, path)


def a_configured_origin_is_allowed_exactly(site):
    user = site.user()
    with site.configured(allow_origin=f'{ORIGIN} {SECOND}'):
        for origin in (ORIGIN, SECOND):
            stream = site.stream(user, headers={'Origin': origin})
            expect.equal(stream.wait_status(), 200)
            answer = site.curl('/msg', token=site.token(user), data='msg=x', headers={'Origin': origin})
            refused = site.curl('/msg', data='msg=x', headers={'Origin': origin})
            expect.status(refused, 400)
            for headers in (stream.headers, answer.headers, refused.headers):
                expect.equal(_allowed(headers), origin)
                expect.equal(headers.get('access-control-allow-credentials'), 'true')
                expect.true('origin' in headers.get('vary', '').lower(), f'Vary: {headers.get("vary")}')


def any_other_origin_is_not(site):
    user = site.user()
    with site.configured(allow_origin=f'{ORIGIN} {SECOND}'):
        for origin in ('https://app.example.evil.example', 'https://xapp.example', 'http://app.example', 'null', '*',
                       'https://app.example:8443', 'https://APP.example/', f'{ORIGIN} {SECOND}', 'https://app.exampl'):
            answer = site.curl('/msg', token=site.token(user), data='msg=x', headers={'Origin': origin})
            expect.equal(_allowed(answer.headers), None, origin)
            expect.equal(answer.headers.get('access-control-allow-credentials'), None, origin)
        answer = site.curl('/msg', token=site.token(user), data='msg=x')
        expect.equal(_allowed(answer.headers), None, 'no origin')


def the_cookie_speaks_for_no_page_of_another_site(site):
    """As browsers tell it, through the web server: newer ones in Sec-Fetch-Site,
    all in Origin."""
    user = site.user()
    cookie = {'Cookie': 'rowcast_token=' + site.token(user)}
    own = f'http://127.0.0.1:{site.front.port}'
    for told in ({'Sec-Fetch-Site': 'cross-site', 'Origin': own}, {'Sec-Fetch-Site': 'same-site'},
                 {'Origin': SECOND}, {'Origin': 'null'}, {'Origin': own + '0'}):
        expect.refusal(site.request('POST', '/msg', headers={**cookie, **told}, body='msg=forged'), 403, str(told))
        # A GET needs no page: a link or an image will do. So it takes no cookie at all.
        expect.refusal(site.request('GET', '/msg?msg=forged', headers={**cookie, **told}), 400, str(told))
    own_page = {'Content-Type': 'application/x-www-form-urlencoded', **cookie}
    for told in ({'Sec-Fetch-Site': 'same-origin', 'Origin': own}, {'Origin': own}):
        expect.status(site.request('POST', '/msg', headers={**own_page, **told}, body='msg=own'), 201, str(told))
    expect.equal(site.sql(f"SELECT group_concat(data) FROM message WHERE user = '{user}'"), 'own,own')


def a_refusal_can_be_read_by_its_page(site):
    user = site.user()
    expired = site.token(user, ttl=-1)
    with site.configured(allow_origin=ORIGIN, max_streams_per_user='1'):
        with site.subscribe(user):
            for status, path, token, accept in (
                    (400, '/events', None, '*/*'), (400, '/events?topics=x', site.token(user), '*/*'),
                    (401, '/events', 'no token', '*/*'), (401, '/events', expired, '*/*'),
                    (200, '/events', expired, 'text/event-stream'), (403, '/events?topic=x', site.token(user), '*/*'),
                    (429, '/events', site.token(user), '*/*'), (200, '/events', site.token(user), 'text/event-stream')):
                answer = site.curl(path, token=token, headers={'Origin': ORIGIN, 'Accept': accept})
                what = f'{status} {path} {accept}'
                expect.status(answer, status, what)
                expect.equal(_allowed(answer.headers), ORIGIN, what)
                expect.equal(answer.headers.get('access-control-allow-credentials'), 'true', what)
                expect.true('origin' in answer.headers.get('vary', '').lower(), what)


def a_preflight_allows_what_pages_need(site):
    with site.configured(allow_origin=ORIGIN):
        for path, method in (('/msg', 'POST'), ('/events', 'GET')):
            asked = {'Origin': ORIGIN, 'Access-Control-Request-Method': method,
                     'Access-Control-Request-Headers': 'authorization,content-type,last-event-id,x-of-a-library'}
            answer = site.curl(path, method='OPTIONS', headers=asked)
            expect.true(answer.status in (200, 204), f'{path}: status {answer.status}')
            expect.equal(_allowed(answer.headers), ORIGIN)
            expect.equal(answer.headers.get('access-control-allow-credentials'), 'true')
            methods = answer.headers.get('access-control-allow-methods', '')
            expect.true(method in methods or method in ('GET', 'POST') and not methods, f'{path}: {methods}')
            allowed = {h.strip().lower() for h in answer.headers.get('access-control-allow-headers', '').split(',')}
            needed = {'authorization', 'content-type', 'last-event-id', 'cache-control', 'x-requested-with', 'x-of-a-library'}
            expect.true(needed <= allowed, f'{path}: allowed headers {sorted(allowed)}')
            foreign = site.curl(path, method='OPTIONS', headers={**asked, 'Origin': 'https://evil.example'})
            expect.equal(_allowed(foreign.headers), None, 'a preflight from elsewhere')
