"""Names as playbooks write them: owner names relative to the domain, host names absolute.

Non-ASCII names are taken by IDNA 2008 with the mapping of UTS 46; from then on only the A-label counts.
Compared are names, never texts: `notexample.jp` does not end in `example.jp`.
"""

from __future__ import annotations

import re

import dns.name
from dns.exception import DNSException
from dns.name import Name

from .problems import Wrong
from .wording import quoted

IDNA = dns.name.IDNA_2008_Practical
_HOST_LABEL = re.compile(rb"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_ORDINARY = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")


def shown(name: Name) -> str:
    """Return a name without its final dot; with an A-label in it, the U-label form beside it (threat 23)."""
    text = name.to_text(omit_final_dot=True)
    if not any(label.lower().startswith(b"xn--") for label in name.labels):
        return text
    try:
        unicode_text = name.to_unicode(omit_final_dot=True, idna_codec=IDNA)
    except (DNSException, UnicodeError):
        return text
    return f"{text} ({quoted(unicode_text)[1:-1]})" if unicode_text != text else text


def relative_text(name: Name, domain: Name) -> str:
    """Return a name as a playbook writes it: relative to the domain, `@` for the apex, else with a final dot."""
    return name.relativize(domain).to_text() if name.is_subdomain(domain) else name.to_text()


def domain_name(text: str) -> Name:
    """Return the apex of the domain: at least two labels of letters, digits and hyphens."""
    name = _parse(text)
    name = name if name.is_absolute() else name.concatenate(dns.name.root)
    if len(name.labels) < 3:
        raise Wrong(f"{quoted(text)} is not a whole domain; write it as client.example.jp")
    if flaw := host_flaw(name):
        raise Wrong(f"{quoted(text)} is not a domain: {flaw}")
    return name


def owner_name(text: str, domain: Name) -> Name:
    """Return the absolute owner name for a text that is relative to the domain, `@`, or has a final dot."""
    if text == "@":
        return domain
    if _ORDINARY.fullmatch(text) and text.count(".") + 2 < len(domain.labels):
        # Of fewer labels than the domain, so that it cannot end in it: nothing else can be wrong with it.
        return _joined(tuple(text.encode().split(b".")), domain, text)
    name = _parse(text)
    if b"@" in name.labels or not name.labels:
        raise Wrong(f"{quoted(text)} is not a name; @ stands alone and means {shown(domain)}")
    if not name.is_absolute():
        name = _below(name, domain, text)
    if not name.is_subdomain(domain):
        raise Wrong(f"{quoted(text)} is not below {shown(domain)}; a name here belongs to the playbook's domain")
    if any(b"*" in label and (label != b"*" or place) for place, label in enumerate(name.labels)):
        raise Wrong(f"{quoted(text)}: an asterisk can only be the whole first label, as in *.{shown(domain)}")
    return name


def host_name(text: str, domain: Name | None = None) -> Name:
    """Return the absolute host name: with a final dot, or of two labels at least."""
    name = _parse(text)
    if text == "@" or not name.labels:
        raise Wrong(f"{quoted(text)} is not a host name{_spelled(dns.name.empty, domain)}")
    if not name.is_absolute():
        name = absolute_host(name, domain)
    if flaw := host_flaw(name):
        raise Wrong(f"{quoted(text)} is not a host name: {flaw}")
    return name


def absolute_host(name: Name, domain: Name | None) -> Name:
    """Return a relative name of two labels at least as absolute; raises `Wrong` for a single label."""
    if len(name.labels) < 2:
        raise Wrong(f"{quoted(name.to_text())} is not a whole host name{_spelled(name, domain)}")
    return name.concatenate(dns.name.root)


def host_flaw(name: Name) -> str | None:
    """Return why a name cannot be a host's, None if it can (RFC 952, RFC 1123 section 2.1)."""
    labels = [label for label in name.labels if label]
    if bad := next((label for label in labels if not _HOST_LABEL.fullmatch(label)), None):
        label = quoted(Name([bad]).to_text())
        return f"the label {label} may hold letters, digits and hyphens only, with no hyphen at its ends"
    if labels and labels[-1].isdigit():
        return "it looks like an address; write the name of a host"
    return None


def address_flaw(name: Name) -> str | None:
    """Return why a name cannot own an address, None if it can: it is a host's, with a wildcard in front or not."""
    return host_flaw(Name(name.labels[1:]) if name.is_wild() else name)


def _below(name: Name, domain: Name, text: str) -> Name:
    """Return the relative name below the domain; refuse one that already ends in the domain."""
    whole = name.concatenate(dns.name.root)
    if whole.is_subdomain(domain):
        right = relative_text(whole, domain)
        raise Wrong(
            f"{quoted(text)} ends in the domain without a final dot and would mean "
            f"{quoted(_joined_text(name, domain))}; write {quoted(right)}"
        )
    return _joined(name.labels, domain, text)


def _joined(labels: tuple[bytes, ...], domain: Name, text: str) -> Name:
    try:
        return Name((*labels, *domain.labels))
    except DNSException as err:
        raise Wrong(f"{quoted(text)} is too long below {shown(domain)}; a name has 255 octets at most") from err


def _joined_text(name: Name, domain: Name) -> str:
    return f"{name.to_text()}.{domain.to_text(omit_final_dot=True)}"


def _spelled(name: Name, domain: Name | None) -> str:
    if domain is None:
        return ""
    return f"; write {quoted(name.concatenate(domain).to_text())}"


def _parse(text: str) -> Name:
    try:
        return dns.name.from_text(text, origin=None, idna_codec=IDNA)
    except dns.name.EmptyLabel as err:
        raise Wrong(f"{quoted(text)} is not a name: two dots follow each other, or it begins with one") from err
    except (dns.name.LabelTooLong, dns.name.NameTooLong) as err:
        raise Wrong(f"{quoted(text)} is too long for a name: 63 octets a label, 255 in all") from err
    except (DNSException, UnicodeError, IndexError) as err:
        raise Wrong(f"{quoted(text)} is not a name; use letters, digits and hyphens") from err
