"""Tokens made by hand, so that bad ones can be made too (RFC 7519, RFC 7515)."""

import base64
import hashlib
import hmac
import json


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def sign(secret, claims, alg='HS256', header=None):
    """A token over `claims`, a dict or the bytes of the payload. `header` adds
    to the header or replaces what is in it; alg 'none' leaves the signature
    empty."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    fields = {'typ': 'JWT', 'alg': alg, **(header or {})}
    signed = _base64url(json.dumps(fields).encode()) + '.' + _base64url(payload)
    if alg.lower() == 'none':
        return signed + '.'
    digest = {'256': hashlib.sha256, '384': hashlib.sha384, '512': hashlib.sha512}[alg[-3:]]
    return signed + '.' + _base64url(hmac.new(secret, signed.encode(), digest).digest())
