"""Waiting for what no descriptor reports, such as a process being ready."""

import socket
import time


def is_listening(address):
    """Does somebody take connections there: the path of a socket, or a port of this
    machine? A socket's file is there a moment before."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as s:
        return s.connect_ex(address if family == socket.AF_UNIX else ('127.0.0.1', address)) == 0


def wait_until(condition, what, timeout_s=60.0, every_s=0.005):
    """Returns the first answer that is true. An exception of condition() is passed on:
    whoever asks what may not be there yet makes an answer of that."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'waited {timeout_s:g} s in vain until {what}')
        time.sleep(every_s)
