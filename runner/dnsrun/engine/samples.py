"""TTL samples for the ledger, from authoritative answers (T3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dns.rdata import Rdata

from dnsrun.journal.fold import Samples
from dnsrun.model.entry import TtlSample
from dnsrun.model.observation import Answer, Endpoint, Observation
from dnsrun.model.rrset import RRsetKey
from dnsrun.plan.ttl import ABSENT, value_digest


def new_samples(seen: Sequence[Observation], known: Samples) -> tuple[TtlSample, ...]:
    """Return a sample for each RRset and server whose TTL or value differs from the newest known one.

    In the order of RRsets and servers, whoever answered first: the same run gives the same journal (P10).
    """
    return tuple(sorted(_new(seen, known), key=lambda sample: (sample.key.order(), sample.server)))


def _new(seen: Sequence[Observation], known: Samples) -> Iterator[TtlSample]:
    names: dict[int, str] = {}  # a round has few endpoint objects, and writing a name takes its time
    digests: dict[frozenset[Rdata], str] = {}  # and often many names have one value
    for each in seen:
        server = names.get(id(each.server)) or names.setdefault(id(each.server), _name_of(each.server))
        sample = _sample(each, server, digests)
        if sample is None:
            continue
        series = known.get((sample.key, sample.server), ())
        if not series or (series[-1].ttl_s, series[-1].value) != (sample.ttl_s, sample.value):
            yield sample


def _name_of(server: Endpoint) -> str:
    return f"{server.name.to_text(omit_final_dot=True)} {server.address}"


def _sample(each: Observation, server: str, digests: dict[frozenset[Rdata], str]) -> TtlSample | None:
    answer = each.got
    if not isinstance(each.of, RRsetKey) or not isinstance(answer, Answer) or not answer.aa or each.control:
        return None
    if answer.kind == "data" and answer.rrset and answer.rrset.key == each.of:
        rrset = answer.rrset
        digest = digests.get(rrset.rdatas) or digests.setdefault(rrset.rdatas, value_digest(rrset))
        return TtlSample(each.of, server, rrset.ttl_s, digest, each.at)
    if answer.kind in {"nodata", "nxdomain"} and answer.negative_ttl_s is not None:
        return TtlSample(each.of, server, answer.negative_ttl_s, ABSENT, each.at)
    return None


def merge(known: Samples, more: Iterable[TtlSample]) -> Samples:
    """Return the samples with more of them appended."""
    merged = dict(known)
    for sample in more:
        place = (sample.key, sample.server)
        merged[place] = (*merged.get(place, ()), sample)
    return merged
