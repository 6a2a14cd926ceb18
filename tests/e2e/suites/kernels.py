"""An older kernel, as there may be under a container: what it has not, rowcast
does without. Behind one web server only."""

import contextlib
import os
import subprocess
import sys
import time

import expect
import tap
from harness import HEARTBEAT_S
from waiting import wait_until

OLDER_KERNEL = os.path.join(os.path.dirname(os.path.abspath(tap.__file__)), 'older_kernel.py')
EPOLL_PWAIT2 = 441  # on every architecture that Debian has; Linux 5.11


@contextlib.contextmanager
def _without(site, call):
    """None where no system call can be taken away."""
    prefix = [sys.executable, OLDER_KERNEL, str(call)]
    done = subprocess.run([*prefix, '/bin/true'], capture_output=True, text=True)
    if done.returncode != 0:
        tap.diagnose(done.stderr.strip())
        yield None
        return
    site.rowcast.prefix = prefix
    try:
        with site.configured():
            site.rowcast.prefix = []  # of the next one
            yield call
    finally:
        site.rowcast.prefix = []


def without_epoll_pwait2_streams_live_and_nothing_spins(site):
    with _without(site, EPOLL_PWAIT2) as taken:
        if taken is None:
            return
        user = site.user()
        with site.subscribe(user) as stream:
            stream.wait_comment()
            began, before = time.monotonic(), site.rowcast.cpu_s()
            for _ in range(5):
                stream.wait_comment()
            took, used = time.monotonic() - began, site.rowcast.cpu_s() - before
            print(f'# {used:.2f} s of processor time in {took:.2f} s of silence')
            expect.within(took, 4 * HEARTBEAT_S, 60 * HEARTBEAT_S * site.slow, 'seconds for five heartbeats')
            # Who spins takes all that others leave of a processor.
            expect.within(used, 0, took / 10, 'seconds of processor time in silence')
            site.publish(site.token(user), msg='hello')
            site.insert('a foreign row', user)
            expect.equal([event.data for event in stream.wait_events(2)], ['hello', 'a foreign row'])
            # Who leaves is heard.
            before = site.rowcast.n_held_descriptors()
            others = [site.subscribe(user) for _ in range(10)]
            for i, other in enumerate(others):
                other.close() if i % 2 else other.cut()
            wait_until(lambda: site.rowcast.n_held_descriptors() <= before, 'the descriptors are free again', 20 * site.slow)
