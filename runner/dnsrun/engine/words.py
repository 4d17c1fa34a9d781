"""Acts in words, for reasons. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation, SetService, WriteZone
from dnsrun.model.rrset import RRsetKey


def in_full(act: Act, keys: Iterable[RRsetKey] = ()) -> str:
    """Return what an act does with every RRset that it is about, or only those of `keys` where some are given."""
    if not isinstance(act, WriteZone):
        return in_words(act)
    named = tuple(keys) or [change.key for change in act.changes]
    return f"{', '.join(map(str, named))} at {act.provider}"


def in_words(act: Act) -> str:
    """Return what an act does, in words that fit into a sentence."""
    if isinstance(act, Refresh):
        return f"refresh of {act.provider}"
    if isinstance(act, RunCommand):
        return f"`{' '.join(act.argv)}`"
    if isinstance(act, Instruct):
        return f'"{act.text}" by {act.operator}'
    if isinstance(act, SetService):
        return f"{act.service} {'on' if act.after else 'off'} at {act.provider}"
    if isinstance(act, SetDelegation):
        names = ", ".join(sorted(name.to_text(omit_final_dot=True) for name in act.after.ns))
        return f"the delegation of {act.domain.to_text(omit_final_dot=True)} to {names} at {act.provider}"
    return f"{', '.join(str(change.key) for change in act.changes[:5])} at {act.provider}"
