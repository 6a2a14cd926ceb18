"""rowcast's commands as a shell runs them, and what they must answer."""

import subprocess

import expect


def rowcast(site, *arguments, input='', **more):
    """One command to its end; its output is kept unless stdout says where to."""
    return subprocess.run([site.rowcast.program, *arguments], capture_output='stdout' not in more, text=True,
                          input=input, timeout=30 * site.slow, **more)


def expect_misuse(site, *arguments):
    """Status 2, and how the command is used on stderr."""
    done = rowcast(site, *arguments)
    expect.equal(done.returncode, 2, f'status of {arguments}')
    expect.true(f'usage: rowcast {arguments[0]} ' in done.stderr, f'{arguments}: {done.stderr}')
    expect.equal(done.stdout, '', f'{arguments} on stdout')
    return done


def expect_failure(done, *parts):
    """Status 1, and each of the parts on stderr."""
    expect.equal(done.returncode, 1, f'status of {done.args[1:]}: {done.stderr}')
    for part in parts:
        expect.true(part in done.stderr, f'{part!r} in {done.stderr!r}')


def expect_no_start(site, *arguments, prefix=(), says=()):
    """`serve` ends by itself with status 1 and each of `says` in its log, which
    is returned; it has never been ready. `prefix`: a program to run it under."""
    process = subprocess.Popen([*prefix, site.rowcast.program, 'serve', *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            expect.true('serve: ready' not in line, f'it started all the same: {arguments}')
        expect.equal(process.wait(20 * site.slow), 1, f'status of {arguments}: {lines}')
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    log = ''.join(lines)
    for part in says:
        expect.true(part in log, f'{part!r} in {log!r}')
    return log
