"""The site of the recipe itself, behind each of the three."""

import expect


def _works(site):
    with open(site.path('/srv/shop/www/index.html'), 'w') as f:
        f.write('the shop')
    answer = site.request('GET', '/index.html')
    expect.equal(answer.text, 'the shop', 'a page of the site')
    expect.true('content-security-policy' not in answer.headers, 'a page of the site has no header of ours')
    site.type(site.recipes['webservers'].under('Is it there?'))
    site.type(site.recipes['webservers'].under('What can go wrong'))
    site.wait_healthy()


def lighttpd(site):
    site.follow('webservers')
    _works(site)


def apache(site):
    with site.behind('apache'):
        _works(site)


def nginx(site):
    with site.behind('nginx'):
        _works(site)
