"""Which addresses a service gate may connect to (threat 11). Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_GLOBAL_V6 = ip_network("2000::/3")  # RFC 4291 section 2.4: all that is in use
# RFC 5737 and RFC 3849: for examples; nothing real is there, so that nothing can be reached by mistake.
_FOR_EXAMPLES = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"))
)


def why_not(address: str) -> str | None:
    """Return why clients on the internet cannot mean this address, in words; None when they can."""
    for one in _meant(ip_address(address)):
        if why := _kind(one):
            return f"{address} is {why}"
    return None


def _meant(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return the address and the IPv4 addresses inside it: mapped, 6to4 or Teredo."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    return (address, *filter(None, (address.sixtofour, *(address.teredo or ()))))


def _kind(address: IPv4Address | IPv6Address) -> str | None:
    if any(address in network for network in _FOR_EXAMPLES):
        return None
    kinds = {
        "a loopback address": address.is_loopback,
        "a link-local address": address.is_link_local,
        "an address that stands for none": address.is_unspecified,
        "a multicast address": address.is_multicast,
        "a private address": not address.is_global or (address.version == 6 and address not in _GLOBAL_V6),
    }
    return next((words for words, holds in kinds.items() if holds), None)
