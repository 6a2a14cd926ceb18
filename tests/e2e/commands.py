"""rowcast's other commands, as a person at a shell uses them."""

import os
import subprocess

import expect
from harness import SOURCE


def _rowcast(site, *arguments, input=None):
    return subprocess.run([site.rowcast.program, *arguments], capture_output=True, text=True, input=input,
                          timeout=30 * site.slow)


def check_passes_a_good_configuration(site):
    done = _rowcast(site, 'check', '-c', site.rowcast.conf)
    expect.equal(done.returncode, 0, done.stderr)


def check_names_file_and_line_of_every_fault(site):
    path = os.path.join(site.folder, 'faulty.conf')
    with open(path, 'w') as f:
        f.write(f'jwt_key_file = {site.rowcast.key_file}\n# fine\nno_such_key = 1\nheartbeat = soon\n'
                f'retry = 6s..2s\nnot a setting\n')
    done = _rowcast(site, 'check', '-c', path)
    expect.equal(done.returncode, 1)
    for line in (3, 4, 5, 6):
        expect.true(f'{path}:{line}' in done.stderr + done.stdout, f'line {line} is named: {done.stderr}')
    expect.true(f'{path}:2' not in done.stderr, done.stderr)


def check_demands_a_key_that_others_cannot_write(site):
    path = os.path.join(site.folder, 'open-key')
    with open(path, 'w') as f:
        f.write('a secret that everybody can change')
    for mode in (0o620, 0o602, 0o666):
        os.chmod(path, mode)
        done = _rowcast(site, 'check', '-c', site.rowcast.conf, '-o', 'jwt_key_file=' + path)
        expect.equal(done.returncode, 1, oct(mode))
        expect.true(path in done.stderr + done.stdout, done.stderr)
    done = _rowcast(site, 'check', '-c', '/dev/null')
    expect.equal(done.returncode, 1, 'no key at all')
    expect.true('jwt_key_file' in done.stderr + done.stdout, done.stderr)


def an_option_overrides_the_file(site):
    done = _rowcast(site, 'check', '-c', site.rowcast.conf, '-o', 'heartbeat=soon')
    expect.equal(done.returncode, 1)
    expect.true('heartbeat' in done.stderr + done.stdout, done.stderr)


def token_prints_a_token_that_works(site):
    user = site.user()
    done = _rowcast(site, 'token', '-c', site.rowcast.conf, '--user', user, '--topic', 'news', '--topic', 'sport/*',
                    '--scope', 'rowcast:publish', '--ttl', '1h')
    expect.equal(done.returncode, 0, done.stderr)
    token = done.stdout.strip()
    stream = site.subscribe(token=token, query='topic=news&topic=sport/ski')
    site.publish(token, msg='to the topic', topic='news')
    expect.equal(stream.wait_event().data, 'to the topic')
    site.publish(token, msg='to myself')
    expect.equal(stream.wait_event().data, 'to myself')


def help_and_version_say_what_there_is(site):
    help = _rowcast(site, '--help')
    expect.equal(help.returncode, 0)
    for command in ('serve', 'check', 'token'):
        expect.true(command in help.stdout, f'{command} in {help.stdout}')
    version = _rowcast(site, '--version')
    expect.equal(version.returncode, 0)
    expect.true(version.stdout.startswith('rowcast '), version.stdout)
    expect.true(_rowcast(site, 'no-such-command').returncode != 0, 'an unknown command fails')


def the_sample_configuration_names_every_default(site):
    """conf/rowcast.conf, with every setting uncommented, is what rowcast does
    without it."""
    path = os.path.join(site.folder, 'sample.conf')
    with open(os.path.join(SOURCE, 'conf', 'rowcast.conf')) as sample, open(path, 'w') as f:
        for line in sample:
            if line.startswith('#') and ' = ' in line and not line.startswith('# '):
                line = line[1:]
            f.write(line.replace('/etc/rowcast.key', site.rowcast.key_file))
    done = _rowcast(site, 'check', '-c', path)
    expect.equal(done.returncode, 0, done.stderr)
