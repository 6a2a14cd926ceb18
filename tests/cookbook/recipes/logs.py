"""logrotate itself, with the files of the recipe, behind each of the three."""

import os

import expect
from waiting import wait_until


def _rotate(site, name):
    done = site.shell(f'logrotate -f -s /var/lib/logrotate /etc/logrotate.d/{name}')
    expect.equal((done.returncode, done.stderr), (0, ''), 'logrotate')


def _goes_on(site, server):
    site.follow('logs')
    site.request('GET', '/before')
    log = site.path(f'/var/log/{site.front.service}/access.log')
    wait_until(lambda: os.path.exists(log) and os.path.getsize(log), 'something is in the log', 10 * site.slow)
    stream = site.subscribe('42')
    _rotate(site, 'shop-' + server)

    def asked_after():
        site.request('GET', '/after')
        return '/after' in _read(log)
    wait_until(asked_after, 'the new log is written', 10 * site.slow)
    expect.true('/before' in _read(log + '.1') and '/before' not in _read(log), 'what was before is in the other')
    site.insert('it goes on', user='42')
    site.arrives(stream, 'it goes on')


def _read(path):
    if not os.path.exists(path):
        return ''
    with open(path) as f:
        return f.read()


def behind_lighttpd_streams_go_on(site):
    _goes_on(site, 'lighttpd')


def behind_apache_streams_go_on(site):
    with site.behind('apache'):
        _goes_on(site, 'apache')


def behind_nginx_streams_go_on(site):
    with site.behind('nginx'):
        _goes_on(site, 'nginx')


def a_log_in_a_file_is_copied(site):
    site.follow('logs')
    site.stop_rowcast()
    usual, site.rowcast.log = site.rowcast.log, site.path('/var/log/rowcast.log')
    try:
        site.come_back()
        _rotate(site, 'rowcast')
        site.stop_rowcast()
        expect.true('serve: done' in _read(site.rowcast.log) and 'serve: ready' not in _read(site.rowcast.log), 'it writes on')
    finally:
        site.rowcast.log = usual
        if not site.rowcast.running():
            site.come_back()
