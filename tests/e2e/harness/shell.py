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
