"""Whether a live certificate could be had again: CAA says who may issue for a name (RFC 8659, M5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CAA import CAA

from dnsrun.model.observation import Answer, Observation
from dnsrun.model.rrset import RRsetKey
from dnsrun.model.text import shorten
from dnsrun.ports.net import View

# Organisation in a certificate's issuer to the names that the authority takes for itself in CAA, as its practice
# statement lists them.
_AUTHORITIES = {
    "Let's Encrypt": ("letsencrypt.org",),
    "Google Trust Services": ("pki.goog",),
    "Google Trust Services LLC": ("pki.goog",),
    "DigiCert Inc": ("digicert.com",),
    "DigiCert, Inc.": ("digicert.com",),
    "Sectigo Limited": ("sectigo.com", "comodoca.com"),
    "ZeroSSL": ("sectigo.com", "comodoca.com"),
    "GlobalSign nv-sa": ("globalsign.com",),
    "Amazon": ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"),
    "GoDaddy.com, Inc.": ("godaddy.com", "starfieldtech.com"),
    "Starfield Technologies, Inc.": ("godaddy.com", "starfieldtech.com"),
}


def ask_caa(host: Name, apex: Name, view: View) -> Iterator[Observation]:
    """Ask for the CAA RRsets of a name of the zone and of those above it, up to the apex. Touches the network."""
    names = [host]
    while names[-1].is_subdomain(apex) and names[-1] != apex:
        names.append(names[-1].parent())
    if names[-1] == apex:
        yield from view.ask([RRsetKey(name, RdataType.CAA) for name in names])


def caa_problem(issuer: str, seen: Iterable[Observation]) -> str | None:
    """Return why a certificate of this issuer (an organisation) would not be renewed; None where it would, or unknown.

    The RRset closest to the name counts (RFC 8659 section 3). Pure.
    """
    ours = _AUTHORITIES.get(issuer)
    found = [one.got.rrset for one in seen if isinstance(one.got, Answer) and one.got.kind == "data" and one.got.rrset]
    found = [rrset for rrset in found if rrset.key.rdtype == RdataType.CAA]
    if ours is None or not found:
        return None
    closest = max(found, key=lambda rrset: len(rrset.key.owner))
    caas = (rdata for rdata in closest.rdatas if isinstance(rdata, CAA))
    issue = [caa.value.decode("ascii", "replace") for caa in caas if caa.tag.lower() == b"issue"]
    allowed = {value.partition(";")[0].strip().lower() for value in issue}
    if not issue or allowed & set(ours):
        return None
    return (
        f"{closest.key} allows {shorten(', '.join(sorted(allowed - {''})) or 'nobody')}, and the certificate is of "
        f"{issuer} ({ours[0]}): it will not be renewed"
    )
