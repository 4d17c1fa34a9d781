"""What a caching resolver reads out of the sections of an answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from dns.name import Name
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NS import NS
from dns.rrset import RRset


def find_rrset(section: list[RRset], owner: Name, rdtype: RdataType) -> RRset | None:
    """Return the RRset of this owner name and type in class IN, None when there is none."""
    for rrset in section:
        if rrset.rdtype == rdtype and rrset.rdclass == RdataClass.IN and rrset.name == owner:
            return rrset
    return None


def targets(rrset: RRset) -> tuple[Name, ...]:
    """Return the names of the servers of an NS RRset, sorted."""
    return tuple(sorted(rdata.target for rdata in rrset if isinstance(rdata, NS)))


def address_texts(rrset: RRset | None) -> Iterator[str]:
    """Yield the addresses of an A or AAAA RRset."""
    for rdata in rrset or ():
        yield rdata.to_text()


def is_between(cut: Name, zone: Name, name: Name) -> bool:
    """Tell whether `cut` is at or below `zone`, and `name` at or below `cut`."""
    return cut.is_subdomain(zone) and name.is_subdomain(cut)
