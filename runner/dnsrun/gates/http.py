"""Gate `http`: a page answers as it should at every address that clients will see."""

from __future__ import annotations

from dnsrun.model.observation import NoReply, Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from . import options, services
from .fetch import Fetcher, Page
from .secured import context
from .weburl import BadUrlError, Url, parse

_TIMEOUT_S = 10
_REDIRECTS = range(300, 400)
# Pages say what they are written in, wrongly at times; the words that are looked for tell themselves.
_ENCODINGS = ("utf-8", "cp932", "euc-jp", "iso2022_jp", "latin-1", "utf-16-le")


class Http:
    """Ask each address with the name as SNI and Host; the server's words are told apart from silence."""

    kind = "http"
    fragment = Fragment(
        "a web page answers at every address that clients will see",
        {
            "url": {"description": "the page, http or https", "type": "string", "format": "url"},
            "status": {"description": "the status it must have: 200 unless said", "type": "integer"},
            "contains": {"description": "text that must be in the page", "type": "string"},
            "absent": {"description": "text that must not be in the page", "type": "string"},
            "redirect_to": {"description": "where it must redirect to; it is not followed", "type": "string"},
            "allow_private": {"description": "addresses inside a network are meant", "type": "boolean"},
            "ca": {"description": "file with the certificates to trust in place of the system's", "type": "string"},
            "timeout": {"description": "for one try at one address: 10s", "type": "string", "format": "duration"},
        },
        required=("url",),
        defaults=SERVICE_TIMING,
    )

    def observe(self, spec: GateSpec, case: GateCase, view: View, net: Net) -> tuple[Observation, ...]:
        """Ask every address once; touches the network, and the disk for certificates."""
        of = options.text(spec, "url")
        try:
            url = parse(of)
        except BadUrlError as err:
            return services.Service(of, ".", 0, allow_private=False).not_asked(str(err))
        private = options.flag(spec, "allow_private")
        service = services.Service(of, url.host, url.port, private)
        try:
            trust = context(options.text(spec, "ca"))
        except OSError as err:
            return service.not_asked(f"the certificates to trust cannot be read: {err.strerror or err}")
        timeout_s = options.number(spec, "timeout", _TIMEOUT_S)
        follow = "redirect_to" not in spec.options and options.number(spec, "status", 200) not in _REDIRECTS
        fetcher = Fetcher(view, net, trust, timeout_s, allow_private=private, follow=follow)
        return services.observe(service, case, view, net, lambda address: _said(fetcher.fetch(url, address), spec, url))

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the page alone decides
        """Judge one round; pure."""
        return services.judge(options.text(spec, "url"), seen, lambda words: _problem(words, spec), _good)


def _said(got: Page | Words | NoReply, spec: GateSpec, asked: Url) -> Words | NoReply:
    if not isinstance(got, Page):
        return got
    facts = {
        "status": str(got.status),
        "server": got.fields.get("server", ""),
        "location": got.fields.get("location", ""),
        "url": str(got.url) if got.url != asked else "",
        **got.certificate,
    }
    for option in ("contains", "absent"):
        if wanted := options.text(spec, option):
            facts[option] = "yes" if _holds(got.body, wanted) else "no"
    if location := got.redirects_to:
        facts["redirects_to"] = _absolute(got.url, location)
    return services.with_facts(f"{got.status} {got.reason}".strip(), facts)


def _absolute(url: Url, location: str) -> str:
    try:
        return str(url.join(location))
    except BadUrlError:
        return location


def _holds(body: bytes, wanted: str) -> bool:
    for encoding in _ENCODINGS:
        try:
            if wanted.encode(encoding).removeprefix(b"\xff\xfe") in body:
                return True
        except UnicodeEncodeError:
            continue
    return False


def _problem(words: Words, spec: GateSpec) -> str | None:
    """Return what is wrong with a page, in words that follow the URL."""
    status, redirect = words.fact("status") or "", options.text(spec, "redirect_to")
    wanted = str(options.number(spec, "status", 200))
    if redirect and not _same_place(words.fact("redirects_to"), redirect):
        location = words.fact("redirects_to")
        return f"redirects to {shorten(location)}" if location else f"answers {status} and does not redirect"
    if status != wanted and not (redirect and "status" not in spec.options):
        return f"answers {status}{_after(words)}"
    if words.fact("contains") == "no":
        return f'does not contain "{shorten(options.text(spec, "contains"), 60)}"{_after(words)}'
    if words.fact("absent") == "yes":
        return f'contains "{shorten(options.text(spec, "absent"), 60)}"{_after(words)}'
    return None


def _same_place(found: str | None, wanted: str) -> bool:
    try:
        return found is not None and str(parse(found)) == str(parse(wanted))
    except BadUrlError:
        return found == wanted


def _good(words: Words) -> str:
    return f"answers {words.fact('status')}{_after(words)}"


def _after(words: Words) -> str:
    url = words.fact("url")
    return f" after a redirect to {shorten(url)}" if url else ""
