"""Posting to a webhook. Its URL is a secret: no word that comes back from here holds any of it."""

from __future__ import annotations

import ssl
from ipaddress import ip_address

import dns.name
from dns.name import Name

from dnsrun.errors import OutsideError
from dnsrun.gates.fetch import Page, exchange
from dnsrun.gates.secured import shake
from dnsrun.gates.weburl import BadUrlError, Url, is_address, parse
from dnsrun.model.observation import NoReply, Words
from dnsrun.playbook.names import shown

from .way import Way

_HERE = "localhost"
_NO_REPLY = {"refused": "refuses the connection", "timeout": "does not answer in time"}


def flaw(text: str, domain: Name) -> str:
    """Return why a URL is not told anything, in words that follow its name; empty when it may be. Pure."""
    try:
        url = parse(text)
    except BadUrlError:
        return "is not an https URL"
    if url.scheme != "https" and not _is_here(url):
        return "must begin with https://; http is for this machine only"
    if not is_address(url.host) and dns.name.from_text(url.host).is_subdomain(domain):
        return f"lies inside {shown(domain)}, and may fail together with it; name one elsewhere"
    return ""


def _is_here(url: Url) -> bool:
    return url.host == _HERE or (is_address(url.host) and ip_address(url.host).is_loopback)


def post(text: str, body: bytes, trust: ssl.SSLContext, way: Way, *, allow_private: bool) -> str:
    """Post a JSON body to a URL without flaw; return why it was not taken, empty when it was. Touches the network."""
    url = parse(text)
    try:
        address = _address(url, way, allow_private=allow_private)
        got = exchange(url, address, way.budget, way.net, trust, body=body)
    except OutsideError as err:
        return str(err)
    if isinstance(got, Page):
        return "" if 200 <= got.status < 300 else f"answers {got.status}"
    return _said(got)


def answers(text: str, trust: ssl.SSLContext, way: Way, *, allow_private: bool) -> str:
    """Return why a webhook cannot be reached, empty when it can; nothing is posted. Touches the network."""
    url = parse(text)
    try:
        address = _address(url, way, allow_private=allow_private)
        if url.scheme == "https":
            got = shake(way.net, (address, url.port), url.host, trust, way.budget.left_s())
            return "" if isinstance(got, Words) and got.fact("broken") is None else _said(got)
        way.net.connect(address, url.port, timeout_s=way.budget.left_s()).close()
    except OutsideError as err:
        return str(err)
    except ConnectionError:
        return _NO_REPLY["refused"]
    except OSError:
        return _NO_REPLY["timeout"]
    return ""


def _address(url: Url, way: Way, *, allow_private: bool) -> str:
    if _is_here(url):
        return "127.0.0.1" if url.host == _HERE else url.host
    return way.public(url.host, allow_private=allow_private)[0]


def _said(got: Words | NoReply) -> str:
    if isinstance(got, Words):
        return got.text
    return _NO_REPLY.get(got.why, "cannot be reached")
