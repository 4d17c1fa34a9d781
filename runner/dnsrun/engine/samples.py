"""TTL samples for the ledger, from authoritative answers (T3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnsrun.journal.fold import Samples
from dnsrun.model.entry import TtlSample
from dnsrun.model.observation import Answer, Observation
from dnsrun.model.rrset import RRsetKey
from dnsrun.plan.ttl import ABSENT, value_digest


def new_samples(seen: Iterable[Observation], known: Samples) -> tuple[TtlSample, ...]:
    """Return a sample for each RRset and server whose TTL or value differs from the newest known one.

    In the order of RRsets and servers, whoever answered first: the same run gives the same journal (P10).
    """
    return tuple(sorted(_new(seen, known), key=lambda sample: (sample.key.order(), sample.server)))


def _new(seen: Iterable[Observation], known: Samples) -> Iterator[TtlSample]:
    for each in seen:
        sample = _sample(each)
        if sample is None:
            continue
        series = known.get((sample.key, sample.server), ())
        if not series or (series[-1].ttl_s, series[-1].value) != (sample.ttl_s, sample.value):
            yield sample


def _sample(each: Observation) -> TtlSample | None:
    answer = each.got
    if not isinstance(each.of, RRsetKey) or not isinstance(answer, Answer) or not answer.aa or each.control:
        return None
    server = f"{each.server.name.to_text(omit_final_dot=True)} {each.server.address}"
    if answer.kind == "data" and answer.rrset and answer.rrset.key == each.of:
        return TtlSample(each.of, server, answer.rrset.ttl_s, value_digest(answer.rrset), each.at)
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
