"""What every answer has in common, and the page beside them."""

import expect


def the_page_is_served_with_a_strict_content_security_policy(site):
    answer = site.curl('/')
    expect.status(answer, 200)
    expect.true(answer.headers['content-type'].startswith('text/html'), 'the page is HTML')
    policy = answer.headers['content-security-policy']
    for directive in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        expect.true(directive in policy, f'{directive} in {policy}')
    expect.equal(answer.headers['x-content-type-options'], 'nosniff')
    expect.equal(answer.headers['referrer-policy'], 'no-referrer')


def script_and_style_have_the_types_that_nosniff_demands(site):
    for path, types in (('/console.js', ('text/javascript', 'application/javascript')), ('/rowcast.css', ('text/css',))):
        answer = site.curl(path)
        expect.status(answer, 200, path)
        type = answer.headers['content-type'].split(';')[0]
        expect.true(type in types, f'{path} is {type}')


def healthz_says_ok(site):
    answer = site.curl('/healthz')
    expect.status(answer, 200)
    expect.equal(answer.text.strip(), 'ok')
    # Those who watch servers ask so.
    answer = site.request('HEAD', '/healthz')
    expect.status(answer, 200)


def the_application_may_be_mounted_under_a_prefix(site):
    user = site.user()
    expect.status(site.curl('/push/app/healthz'), 200)
    with site.subscribe(user, path='/push/app/events') as stream:
        answer = site.curl('/other/msg', token=site.token(user), data='msg=hello')
        expect.status(answer, 201)
        expect.equal(stream.wait_event().data, 'hello')


def other_methods_are_refused_with_the_allowed_ones(site):
    token = site.token(site.user())
    for path, method, allowed in (('/msg', 'PUT', {'GET', 'POST'}), ('/msg', 'DELETE', {'GET', 'POST'}),
                                  ('/events', 'POST', {'GET'}), ('/events', 'DELETE', {'GET'})):
        what = f'{method} {path}'
        answer = site.curl(path, method=method, token=token, data='msg=x')
        expect.refusal(answer, 405, what)
        listed = {m.strip() for m in answer.headers.get('allow', '').split(',')}
        expect.true(allowed <= listed and method not in listed, f'{what}: Allow: {sorted(listed)}')


def an_answer_is_not_cached(site):
    user = site.user()
    for answer in (site.curl('/msg', token=site.token(user), data='msg=x'),
                   site.curl('/msg?msg=x', token=site.token(user)), site.curl('/msg')):
        expect.true('no-store' in answer.headers.get('cache-control', '')
                    or 'no-cache' in answer.headers.get('cache-control', ''),
                    f'Cache-Control of a {answer.status}: {answer.headers.get("cache-control")}')
