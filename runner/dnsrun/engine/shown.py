"""Does a write show? Answers of servers against the changes they should show. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dns.rdatatype import RdataType

from dnsrun.errors import OutsideError
from dnsrun.model.content import Content
from dnsrun.model.observation import Answer, Observation
from dnsrun.model.rrset import Change, RRset, RRsetKey
from dnsrun.model.zone import ZoneSnapshot


class Stranger(OutsideError):
    """Somebody else's value stands where ours was to go (P3)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False, certainty="not-applied")


@dataclass(frozen=True, slots=True)
class Showing:
    """How a set of changes shows at some servers.

    `missing`: changes that at least one server does not show. `strangers`: sentences about values that are neither
    before nor after, `strange` the RRsets that these are about. `silent`: servers that gave no usable answer. `served`:
    RRsets whose TTL the host raised (T7). `kept`: RRsets that were only to get another TTL, and that every server still
    serves with the one that they had.
    `is_late`: at least one server shows every change, and the others nothing worse than what was there before.
    """

    missing: tuple[Change, ...]
    strangers: tuple[str, ...]
    silent: tuple[str, ...]
    served: tuple[RRset, ...]
    kept: tuple[RRset, ...] = ()
    strange: tuple[RRsetKey, ...] = ()
    is_late: bool = False

    @property
    def unshown(self) -> tuple[RRsetKey, ...]:
        """The RRsets of which not every server shows the change."""
        return tuple(dict.fromkeys((*(change.key for change in self.missing), *self.strange)))

    @property
    def keeps_ttls(self) -> bool:
        """Tell whether nothing is missing but TTLs that no server has changed."""
        return not (self.strangers or self.silent) and len(self.kept) == len(self.missing) > 0

    @property
    def whole(self) -> bool:
        """Tell whether every change shows at every server."""
        return not (self.missing or self.strangers or self.silent)


def showing(changes: Iterable[Change], seen: Iterable[Observation], zone: ZoneSnapshot) -> Showing:
    """Compare what servers answer with what the changes want; `zone` tells wildcard answers from real ones.

    At a zone cut a referral is the answer (RFC 1034 section 4.3.2); what lies below it shows with the cut.
    """
    wanted = {change.key: change for change in changes}
    held, after = Content(zone), Content(zone.apply(wanted.values()))
    missing: dict[RRsetKey, Change] = {}
    served: dict[RRsetKey, RRset] = {}
    shown: set[RRsetKey] = set()
    strangers: dict[str, RRsetKey] = {}
    silent: set[str] = set()
    asked: set[tuple[str, int]] = set()  # by address and port: hashing names costs more than all the rest
    behind: set[tuple[str, int]] = set()
    for each in seen:
        change = wanted.get(each.of) if isinstance(each.of, RRsetKey) else None
        if change is None or each.control:
            continue
        end = each.server.address, each.server.port
        asked.add(end)
        cut = _referred_to(each.got, after)
        if cut and after.is_hidden(change.key):
            continue
        if cut and cut.key == change.key:
            live: RRset | None = cut
        elif isinstance(each.got, Answer) and each.got.aa and each.got.kind not in {"error", "referral"}:
            live = as_held(change.key, each.got, held)
        else:
            silent.add(str(each.server))
            missing[change.key] = change
            continue
        if _shows(change, live):
            shown.add(change.key)
            if live and change.after and live.ttl_s > change.after.ttl_s:
                served[change.key] = change.after.with_ttl(live.ttl_s)
        elif _same(live, change.before):
            missing[change.key] = change
            behind.add(end)
        else:
            strangers[f"{change.key} is {', '.join(live.texts()) if live else 'absent'} at {each.server}"] = change.key
    kept = (change.before for key, change in missing.items() if change.ttl_only and key not in shown)
    return Showing(
        missing=tuple(missing.values()),
        strangers=tuple(strangers),
        silent=tuple(sorted(silent)),
        served=tuple(served.values()),
        kept=tuple(rrset for rrset in kept if rrset is not None),
        strange=tuple(dict.fromkeys(strangers.values())),
        is_late=bool(behind) and not (asked <= behind or strangers or silent),
    )


def _referred_to(got: object, zone: Content) -> RRset | None:
    """Return the NS RRset of a referral to a child that the zone is to delegate; None for any other answer."""
    if not isinstance(got, Answer) or got.kind != "referral" or got.rrset is None:
        return None
    return got.rrset if zone.is_cut(got.rrset.key) else None


def as_held(key: RRsetKey, answer: Answer, held: Content) -> RRset | None:
    """Return what a zone holds under a key, judged from an answer.

    A CNAME in place of the type asked for, and an answer that a wildcard gives for a name that the zone does not
    hold, both say that the RRset is absent.
    """
    got = answer.rrset
    if got is None or (got.key.rdtype == RdataType.CNAME and key.rdtype != RdataType.CNAME):
        return None
    wildcard = held.wildcard_over(key.owner)
    synthesised = held.served(key) if wildcard else None
    return None if synthesised and synthesised.rdatas == got.rdatas else got


def _shows(change: Change, live: RRset | None) -> bool:
    if change.after is None or live is None:
        return change.after is None and live is None
    if not live.same_data(change.after):
        return False
    return not (change.before and change.ttl_only and live.ttl_s == change.before.ttl_s != change.after.ttl_s)


def _same(live: RRset | None, before: RRset | None) -> bool:
    return live.same_data(before) if live else before is None
