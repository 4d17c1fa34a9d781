"""What a listing of some types cannot rule out (grade `listed`). Pure."""

from __future__ import annotations

from dns.rdatatype import RdataType

from dnsrun.model.plan import Hazard
from dnsrun.model.zone import ZoneSnapshot

# Of all types that a listing may leave out, those that people meet.
_MET = (
    "NS",
    "DNAME",
    "URI",
    "NAPTR",
    "TLSA",
    "SMIMEA",
    "SSHFP",
    "OPENPGPKEY",
    "CERT",
    "HTTPS",
    "SVCB",
    "LOC",
    "HINFO",
    "DS",
)


def unlisted_types(zone: ZoneSnapshot) -> Hazard | None:
    """Return the hazard of a zone whose source lists some types only; None for every other grade."""
    if zone.completeness != "listed":
        return None
    met = [word for word in _MET if RdataType.from_text(word) in zone.blind]
    such_as = f" (such as {', '.join(met)})" if met else ""
    return Hazard(
        "unlisted-types",
        f"{zone.source} does not list {len(zone.blind)} types of records{such_as}. At every name that it lists they "
        "were asked for; records of types that are not known here, and names that hold nothing else, stay unseen",
    )
