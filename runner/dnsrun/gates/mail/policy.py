"""What the gates of mail policy (SPF, DKIM, DMARC) share: each server by itself, and what was so before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dnsrun.gates.findings import Found, failing, unsure, warning
from dnsrun.model.observation import Endpoint

from .told import Told


def at_every_server(told: Told, judged: Callable[[Endpoint], Iterable[Found]]) -> list[Found]:
    """Return what is found through each server; what holds for all of them alike is said once, without a server.

    A round in which a server is silent is no good anyway, and every further question would wait for it.
    """
    servers = told.servers
    if not servers:
        return [unsure("no name server could be asked")]
    if mute := [end for end in servers if told.is_silent(end)]:
        return [unsure(f"{end} does not answer", end) for end in mute]
    found: list[Found] = []
    each = {end: tuple(dict.fromkeys(judged(end))) for end in servers}
    for end, mine in each.items():
        for one in mine:
            text = one.text if all(one in others for others in each.values()) else f"{end}: {one.text}"
            found.append(Found(one.level, text, None if one.level == "warning" else end))
    return list({(one.level, one.text): one for one in found}.values())


def defect(text: str, *, as_before: bool | None) -> Found:
    """Return a defect: one that was there before in the same way only warns; `as_before` None: nobody knows."""
    if as_before is None:
        return unsure(f"{text}; nobody can tell whether it was so before")
    return warning(f"{text}, as before") if as_before else failing(text)


def untold(text: str, *, as_before: bool | None) -> Found:
    """Return what could not be found out; where it could not be before either, nothing gets worse."""
    return warning(f"{text}, as before") if as_before else unsure(text)
