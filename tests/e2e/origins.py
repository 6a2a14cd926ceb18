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


def a_preflight_allows_what_pages_need(site):
    with site.configured(allow_origin=ORIGIN):
        for path, method in (('/msg', 'POST'), ('/events', 'GET')):
            asked = {'Origin': ORIGIN, 'Access-Control-Request-Method': method,
                     'Access-Control-Request-Headers': 'authorization,content-type,last-event-id'}
            answer = site.curl(path, method='OPTIONS', headers=asked)
            expect.true(answer.status in (200, 204), f'{path}: status {answer.status}')
            expect.equal(_allowed(answer.headers), ORIGIN)
            expect.equal(answer.headers.get('access-control-allow-credentials'), 'true')
            methods = answer.headers.get('access-control-allow-methods', '')
            expect.true(method in methods or method in ('GET', 'POST') and not methods, f'{path}: {methods}')
            allowed = {h.strip().lower() for h in answer.headers.get('access-control-allow-headers', '').split(',')}
            needed = {'authorization', 'content-type'} if method == 'POST' else {'authorization', 'last-event-id'}
            expect.true(needed <= allowed, f'{path}: allowed headers {sorted(allowed)}')
            foreign = site.curl(path, method='OPTIONS', headers={**asked, 'Origin': 'https://evil.example'})
            expect.equal(_allowed(foreign.headers), None, 'a preflight from elsewhere')
