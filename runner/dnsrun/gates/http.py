"""Gate `http`: a page answers as it should at every address that clients will see."""

from __future__ import annotations

from dnsrun.model.observation import Observation, Verdict, Words
from dnsrun.model.playbook import GateSpec
from dnsrun.model.text import shorten
from dnsrun.ports.gate import GateCase
from dnsrun.ports.kinds import SERVICE_TIMING, Fragment
from dnsrun.ports.net import Net, View

from . import options, services
from .weburl import BadUrlError, parse

_TIMEOUT_S = 10
_REDIRECTS = range(300, 400)


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
        from .fetch import Fetcher, in_words_of
        from .secured import context

        private = options.flag(spec, "allow_private")
        service = services.Service(of, url.host, url.port, private)
        try:
            ca = options.text(spec, "ca")
            # The system's certificates take a tenth of a second to read: not for a page without TLS.
            trust = context(ca) if ca or url.scheme == "https" else None
        except OSError as err:
            return service.not_asked(f"the certificates to trust cannot be read: {err.strerror or err}")
        timeout_s = options.number(spec, "timeout", _TIMEOUT_S)
        follow = "redirect_to" not in spec.options and options.number(spec, "status", 200) not in _REDIRECTS
        fetcher = Fetcher(view, net, trust, timeout_s, allow_private=private, follow=follow)
        wanted = {option: text for option in ("contains", "absent") if (text := options.text(spec, option))}
        return services.observe(
            service, case, view, net, lambda address: in_words_of(fetcher.fetch(url, address), url, wanted)
        )

    def judge(self, spec: GateSpec, case: GateCase, seen: tuple[Observation, ...]) -> Verdict:  # noqa: ARG002 - the page alone decides
        """Judge one round; pure."""
        return services.judge(options.text(spec, "url"), seen, lambda words: _problem(words, spec), _good)


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
