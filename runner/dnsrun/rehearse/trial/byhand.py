"""The same migration as people do it without dnsrun: what everybody can look up is typed, then it is switched.

Nothing is computed: the same stage, caches and users meet it. Whoever switches believes what the first page shows;
when the client calls, the name servers are put back, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from dns.rdatatype import RdataType

from dnsrun.dnsio.capture import capture_probed
from dnsrun.dnsio.views import current_view
from dnsrun.model.content import is_content
from dnsrun.model.rrset import Change, RRsetKey
from dnsrun.model.zone import ZoneSnapshot
from dnsrun.plan.moving import target_delegation
from dnsrun.plan.records import desired

from .drive import Play
from .played import PhasePlayed

CALL_AFTER = timedelta(minutes=30)
"""From the first user who is failed to the call of the client."""
SWITCHED_OFF_AFTER = timedelta(minutes=15)
"""From the change of the records to the end of mail at the old server, as such instructions say."""
_LOOK = timedelta(minutes=1)
_CALM = timedelta(hours=1)


def switch_by_hand(play: Play) -> tuple[PhasePlayed, ...]:
    """Do everything at once: type, switch, and put the name servers back when the client calls."""
    began = play.agenda.now()
    play.agenda.wait_until(began + timedelta(hours=1))  # users are at work already
    steps = [_type(play)]
    if play.setting.playbook.zone.to:
        steps.append(_switch(play))
    elif ends := _services_to_end(play):
        steps.append(_switch_off(play, ends))
    failed_at = _first_failure(play)
    if failed_at is not None and len(steps) > 1:
        play.agenda.wait_until(failed_at + CALL_AFTER)
        put_back(play)
        steps[-1] = PhasePlayed(
            steps[-1].number, steps[-1].name, None, steps[-1].began, play.agenda.now(), "by hand",
            f"the client has called; {_put_back_words(play)}", went_back_at=failed_at + CALL_AFTER,
            failed="the client has called",
        )  # fmt: skip
    return tuple(steps)


def put_back(play: Play) -> None:
    """Have the registrar delegate to the old name servers again; records are written back where they were switched."""
    before, setting = play.stage.delegation, play.setting
    host = play.stage.hosts[setting.playbook.zone.provider]
    if before.ns != setting.delegation.ns:
        play.agenda.wait_until(play.agenda.now() + timedelta(seconds=setting.delays.registrar_s))
        play.stage.delegate(setting.delegation)
        return
    play.agenda.wait_until(play.agenda.now() + timedelta(seconds=setting.delays.person_s))
    host.write(list(_differing(host.content, setting.zone)))


def _type(play: Play) -> PhasePlayed:
    """Type at the new host what everybody can look up, or change the records where they are."""
    setting, began = play.setting, play.agenda.now()
    play.agenda.wait_until(began + timedelta(seconds=setting.delays.person_s))
    zone = setting.playbook.zone
    if zone.to is None:
        host = play.stage.hosts[zone.provider]
        host.write(desired(setting.playbook.records, host.content, new_ttl_s=setting.playbook.low_ttl_s).changes)
        name = "change the records"
    else:
        view = current_view(play.stage.net(), setting.apex, play.stage.roots)
        found = capture_probed(view, setting.apex, taken_at=began).snapshot
        changes = desired(setting.playbook.records, found, new_ttl_s=setting.playbook.low_ttl_s).changes
        new = play.stage.hosts[zone.to]
        new.write(list(_typed(new.content, found.apply(changes))))
        name = "type what can be looked up"
    play.agenda.wait_until(play.agenda.now() + timedelta(seconds=60))
    return PhasePlayed(1, name, None, began, play.agenda.now(), "done", "done")


def _switch(play: Play) -> PhasePlayed:
    began = play.agenda.now()
    play.agenda.wait_until(began + timedelta(seconds=play.setting.delays.registrar_s))
    play.stage.delegate(target_delegation(play.setting.playbook, play.setting.delegation))
    return PhasePlayed(2, "switch the name servers", None, began, play.agenda.now(), "done", "done")


def _services_to_end(play: Play) -> tuple[str, ...]:
    """Return the hosts whose mail the playbook switches off."""
    steps = (step for phase in play.setting.playbook.phases for step in phase.steps if step.kind == "mail-service")
    return tuple(str(step.options["provider"]) for step in steps if step.options["state"] == "disabled")


def _switch_off(play: Play, hosts: tuple[str, ...]) -> PhasePlayed:
    began = play.agenda.now()
    play.agenda.wait_until(began + SWITCHED_OFF_AFTER)
    for host in hosts:
        play.agenda.change(lambda host=host: play.services.switch(host, on=False))  # type: ignore[misc]
    return PhasePlayed(2, "switch mail off at the old server", None, began, play.agenda.now(), "done", "done")


def _put_back_words(play: Play) -> str:
    what = "the old name servers are" if play.setting.playbook.zone.to else "the records are"
    return f"{what} put back"


def _first_failure(play: Play) -> datetime | None:
    """Live on until a user is failed; None when nobody is before every cache has forgotten the old delegation."""
    setting = play.setting
    longest_s = max(held.ttl_s for held in setting.zone.rrsets.values())
    until = play.agenda.now() + timedelta(seconds=setting.delegation.ttl_s + longest_s) + _CALM
    while play.agenda.now() < until:
        play.agenda.wait_until(play.agenda.now() + _LOOK)
        play.population.live_until(play.agenda.now())
        if play.is_anybody_broken(_LOOK):
            return play.agenda.now()
    return None


def _typed(held: ZoneSnapshot, found: ZoneSnapshot) -> Iterator[Change]:
    apex_ns = RRsetKey(held.apex, RdataType.NS)
    for key, rrset in found.rrsets.items():
        if is_content(key.rdtype) and key != apex_ns:
            yield Change(key, held.rrsets.get(key), rrset)


def _differing(held: ZoneSnapshot, goal: ZoneSnapshot) -> Iterator[Change]:
    for key in held.rrsets.keys() | goal.rrsets.keys():
        if is_content(key.rdtype) and held.rrsets.get(key) != goal.rrsets.get(key):
            yield Change(key, held.rrsets.get(key), goal.rrsets.get(key))
