"""Who writes in a trial: hosts and registrars as the playbook knows them, only that their servers are on this machine.

What a host can do, and what it tells a person, is the real provider's word; the writing is done to the stage, at once
or by a person who is asked and takes their time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn, cast

from dns.name import Name
from dns.rdatatype import RdataType

from dnsrun.errors import OutsideError, WriteConflict
from dnsrun.model.observation import Endpoint
from dnsrun.model.rrset import Change, RRset, from_texts
from dnsrun.model.zone import Delegation, ZoneSnapshot
from dnsrun.ports.provider import (
    Capabilities,
    Pending,
    Receipt,
    RegistrarProvider,
    Rejected,
    SecondaryHost,
    Secrets,
    ServiceProvider,
    Settled,
    ZoneProvider,
)

from .services import Services
from .stage import PlayedHost, Stage
from .troubles import KilledError

_AGAIN_AFTER_S = 60
_EVENTUALLY_S = 90
_MISTYPED = (RdataType.A, RdataType.CNAME, RdataType.MX, RdataType.TXT)


@dataclass(frozen=True, slots=True)
class Cast:
    """The playbook's hosts and registrars by their names, opened as for the real run; nothing is asked of them.

    `secrets` gives the passwords of the rehearsal's mail accounts.
    """

    providers: Mapping[str, ZoneProvider]
    registrars: Mapping[str, RegistrarProvider]
    secrets: Secrets


class Writer:
    """A host of the zone."""

    def __init__(self, real: ZoneProvider, host: PlayedHost | None, stage: Stage, services: Services) -> None:
        self._real = real
        self._host = host
        self._stage = stage
        self._services = services

    @property
    def capabilities(self) -> Capabilities:
        """What the real host can do."""
        return self._real.capabilities

    @property
    def own_servers(self) -> tuple[Endpoint, ...]:
        """The servers that the real host names."""
        return self._real.own_servers

    def read_zone(self, apex: Name) -> ZoneSnapshot:
        """Read the zone as the real host would, or say as it does why it cannot be read."""
        reads = self.capabilities.reads
        if reads is None or self._host is None:
            return self._real.read_zone(apex)
        now = self._stage.agenda.now()
        return replace(self._host.content, completeness=reads, taken_at=now, source="the rehearsed host", sources={})

    def apply(self, apex: Name, changes: tuple[Change, ...]) -> Receipt:
        """Write now, or have a person told who writes later."""
        if self._stage.is_planning:
            return self._real.apply(apex, changes)
        _interfere(self._stage)
        host = self._host
        if host is None or not self.capabilities.writes:
            return self._real.apply(apex, changes)
        if not self.capabilities.needs_person:
            self._write(host, changes)
            _killed(self._stage)
            return Receipt()
        receipt = self._real.apply(apex, changes)
        typed = _mistyped(changes) if self._stage.troubles.mistypes else changes
        _by_hand(self._stage, lambda: _type(host, typed))
        _killed(self._stage)
        return receipt

    def _write(self, host: PlayedHost, changes: tuple[Change, ...]) -> None:
        """Write all of it; what the host makes of it where it lies or falls silent (faults 23 to 27, 36).

        Raises `WriteConflict` where somebody else has changed what is to be changed, and the real host would see it.
        """
        troubles = self._stage.troubles
        if self.capabilities.compare_and_set and not _is_as_known(host, changes):
            raise WriteConflict(f"{host.name}: a record is not what it was before; nothing was changed")
        if any(not change.ttl_only for change in changes):
            lies, doubts, replays = troubles.lies, troubles.doubts, troubles.replays
            troubles.lies, troubles.doubts, troubles.replays = "", "", False
            if lies:
                host.write(_other(changes, self._stage.setting.spare[2]) if lies == "something else" else ())
                return
            if doubts:
                self._leave_in_doubt(host, changes, doubts)
            if replays:
                self._stage.agenda.later(_EVENTUALLY_S, lambda: host.write(changes))
        if troubles.halves and len(changes) > 1:
            troubles.halves -= 1
            host.write(changes[: len(changes) // 2])
            raise OutsideError("broke off in the middle", retryable=True, certainty="in-doubt")
        host.write(changes)

    def _leave_in_doubt(self, host: PlayedHost, changes: tuple[Change, ...], doubts: str) -> NoReturn:
        """Write at once, later or never, and give no answer."""
        if doubts == "at once":
            host.write(changes)
        elif doubts == "later":
            self._stage.agenda.later(_EVENTUALLY_S, lambda: host.write(changes))
        raise OutsideError("no answer within 30 s", retryable=True, certainty="in-doubt")

    def refresh(self, apex: Name, servers: tuple[Endpoint, ...] = ()) -> Receipt:
        """Have the host copy the zone from its primary."""
        _interfere(self._stage)
        host, stage = self._host, self._stage
        primary = next((one for one in stage.hosts.values() if host in one.copies), None)
        if host is None or primary is None:
            return Receipt()
        if self.capabilities.needs_person:
            _by_hand(stage, lambda: host.follow(primary))
            return cast("SecondaryHost", self._real).refresh(apex, servers)
        stage.agenda.later(stage.setting.delays.secondary_s, lambda: host.follow(primary))
        _killed(stage)
        return Receipt(operation="NOTIFY: took it")

    def service_state(self, domain: Name, service: str) -> bool | None:  # noqa: ARG002 - one domain is played
        """Return whether the service is on, None where only a person sees it."""
        return None if self.capabilities.needs_person or self._host is None else self._services.is_on(self._host.name)

    def set_service(self, domain: Name, service: str, *, on: bool) -> Receipt:
        """Switch mail on or off at this host."""
        if self._stage.is_planning:
            return cast("ServiceProvider", self._real).set_service(domain, service, on=on)
        _interfere(self._stage)
        name = self._host.name if self._host else ""

        def switch() -> None:
            self._stage.agenda.change(lambda: self._services.switch(name, on=on))

        if self.capabilities.needs_person:
            _by_hand(self._stage, switch)
            return cast("ServiceProvider", self._real).set_service(domain, service, on=on)
        switch()
        _killed(self._stage)
        return Receipt()


class Registry:
    """A registrar, and the registry behind it: what is asked for shows at the parent some time later."""

    def __init__(self, real: RegistrarProvider, stage: Stage) -> None:
        self._real = real
        self._stage = stage
        self._newest = 0
        self._shown = 0
        self._rejected = -1
        self._ordered: Delegation | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the real registrar can do."""
        return self._real.capabilities

    def read_delegation(self, domain: Name) -> Delegation | None:  # noqa: ARG002 - one domain is played
        """Return what the parent serves, None where only a person sees it."""
        if self._stage.troubles.locked:
            raise OutsideError("locked: clientUpdateProhibited", retryable=False, certainty="not-applied")
        return None if self.capabilities.needs_person else self._stage.delegation

    def replace_delegation(self, domain: Name, *, before: Delegation, after: Delegation) -> Receipt:
        """Take the order, or have a person give it; a later order overtakes an earlier one."""
        if self._stage.is_planning:
            return self._real.replace_delegation(domain, before=before, after=after)
        _interfere(self._stage)
        if self._ordered is not None and self._ordered.same(after):
            return self._taken(domain, before, after)  # the order is with the registry already
        self._newest += 1
        self._ordered = after
        number, stage = self._newest, self._stage
        delay_s = stage.setting.delays.registrar_s + stage.troubles.pending_s

        def show() -> None:
            if number == self._newest:
                stage.delegate(after)
                self._shown = number

        def come() -> None:
            troubles, between_s = stage.troubles, stage.troubles.placeholder_s
            if number == self._newest and troubles.rejects:
                troubles.rejects, self._rejected, self._ordered = False, number, None
            elif number == self._newest and between_s:
                troubles.placeholder_s = 0
                stage.park()
                stage.agenda.later(between_s, show)
            else:
                show()

        if self.capabilities.needs_person:
            _by_hand(stage, lambda: stage.agenda.later(delay_s, come))
        else:
            stage.agenda.later(delay_s, come)
            _killed(stage)
        return self._taken(domain, before, after)

    def _taken(self, domain: Name, before: Delegation, after: Delegation) -> Receipt:
        if self.capabilities.needs_person:
            return self._real.replace_delegation(domain, before=before, after=after)
        return Receipt(operation=f"order {self._newest}")

    def poll(self, operation: str) -> Pending | Settled | Rejected:  # noqa: ARG002 - the newest order counts
        """Say whether the newest order shows, or was turned down by the registry."""
        if self._rejected == self._newest:
            return Rejected("the registry's check of the name servers failed")
        return Settled() if self._shown == self._newest else Pending("in progress at the registry")


def _by_hand(stage: Stage, what: Callable[[], None]) -> None:
    if not stage.troubles.forgets:
        stage.agenda.later(stage.setting.delays.person_s + stage.troubles.late_s, what)


def _interfere(stage: Stage) -> None:
    """Refuse the call where the host is to be busy (21, 22), broken (23, 50), or the token to have expired (37)."""
    troubles = stage.troubles
    troubles.calls += 1
    if 0 < troubles.denied_from <= troubles.calls:
        raise OutsideError("401 Unauthorized: the token has expired", retryable=False, certainty="not-applied")
    if troubles.errors > 0:
        troubles.errors -= 1
        raise OutsideError("500 Internal Server Error", retryable=True, certainty="not-applied")
    if troubles.refusals > 0:
        troubles.refusals -= 1
        message = "429 Too Many Requests"
        raise OutsideError(message, retryable=True, certainty="not-applied", retry_after_s=_AGAIN_AFTER_S)


def _killed(stage: Stage) -> None:
    """End the process straight after a call (fault 3)."""
    if stage.troubles.calls == stage.troubles.kill_at:
        raise KilledError


def _type(host: PlayedHost, changes: tuple[Change, ...]) -> None:
    """Type as the instructions say: stop where somebody else has changed what is to be changed."""
    if _is_as_known(host, changes):
        host.write(changes)


def _is_as_known(host: PlayedHost, changes: tuple[Change, ...]) -> bool:
    """Tell whether the host holds for each RRset what it held before the change, or what it is to hold after it."""
    held = host.content.rrsets
    return all(_same(held.get(one.key), one.before) or _same(held.get(one.key), one.after) for one in changes)


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one.same_data(other) if one is not None and other is not None else one is other


def _other(changes: tuple[Change, ...], address: str) -> Iterator[Change]:
    """Yield the changes with another address in place of the first."""
    first = next((change for change in changes if change.after and change.key.rdtype == RdataType.A), None)
    for change in changes:
        if change is first and change.after:
            yield replace(change, after=from_texts(change.key, change.after.ttl_s, [address]))
        else:
            yield change


def _mistyped(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Return what somebody types who overlooks one line: the last that is no name server's."""
    missed = next((one for one in reversed(changes) if one.key.rdtype in _MISTYPED and one.after), None)
    return tuple(change for change in changes if change is not missed)
