"""Waiting for what no descriptor reports, such as a process being ready."""

import time


def wait_until(condition, what, timeout_s=10.0, every_s=0.005):
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'waited {timeout_s:g} s in vain until {what}')
        time.sleep(every_s)
