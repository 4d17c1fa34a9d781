"""Entries of `records:` to `RecordSpec`, and what is wrong within one entry."""

from __future__ import annotations

from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType, to_text

from dnsrun.model.playbook import RecordSpec

from .names import address_flaw, shown
from .problems import Problems, Wrong
from .rdata import rdata
from .walk import Value, at_key

_ALONE = frozenset({RdataType.CNAME, RdataType.DNAME})
_ADDRESSES = frozenset({RdataType.A, RdataType.AAAA})
_TWINS = {
    "a": (frozenset({RdataType.AAAA}), frozenset({RdataType.A})),
    "aaaa": (frozenset({RdataType.A}), frozenset({RdataType.AAAA})),
    "https": (_ADDRESSES, frozenset({RdataType.HTTPS, RdataType.SVCB})),
}
_GOALS = ("value", "values", "replace", "absent")


def record(value: Value, domain: Name, problems: Problems) -> RecordSpec | None:
    """Return the entry, None when something in it is wrong; problems say what. `value` need not be whole."""
    return _Entry(value, domain, problems).spec()


class _Entry:
    """One entry while it is read."""

    def __init__(self, value: Value, domain: Name, problems: Problems) -> None:
        self._value = value
        self._domain = domain
        self._problems = problems
        self._wrong = False

    def spec(self) -> RecordSpec | None:
        self._check_goal()
        if self._value.get("type") is None:
            return None
        self._check_names()
        was, values, replaces = self._was(), self._values(), self._replaces()
        keeps = self._keeps()
        if self._wrong or not self._value.whole:
            return None
        return RecordSpec(
            names=self._value.leaves("names"),
            rdtype=self._rdtype,
            was=was,
            values=values,
            replaces=replaces,
            absent=self._value.leaf("absent", False),  # noqa: FBT003 - the default of a key
            ttl_s=self._value.leaf("ttl"),
            keeps=keeps,
            affects_mail=self._value.leaf("affects") == "mail",
            mark=self._value.mark,
        )

    @property
    def _rdtype(self) -> RdataType:
        found: RdataType = self._value.leaf("type")
        return found

    def _say(self, at: Value, text: str) -> None:
        self._wrong = True
        self._problems.add(at.mark, text)

    def _check_goal(self) -> None:
        goals = [name for name in _GOALS if self._value.get(name)]
        if not goals and self._value.whole:
            self._say(self._value, "this entry says nothing about what is to be; add value, values, replace or absent")
        for name in goals[1:]:
            self._say(at_key(self._value.data[name]), f"'{goals[0]}' and '{name}' exclude each other; keep one")
        was = self._value.get("was")
        if "absent" in goals and not was and self._value.whole:
            self._say(at_key(self._value.data["absent"]), "'absent' needs 'was': say which values may be removed")
        if "replace" in goals and was:
            self._say(at_key(was), "'replace' names the old values itself; leave 'was' out")

    def _check_names(self) -> None:
        names = self._value.get("names")
        for item in names.data if names else ():
            if self._rdtype in _ADDRESSES and (flaw := address_flaw(item.data)):
                self._say(item, f"{shown(item.data)} cannot have an address: {flaw}")
            if self._rdtype in (RdataType.CNAME, RdataType.DS) and item.data == self._domain:
                self._say(item, self._not_at_apex())

    def _not_at_apex(self) -> str:
        if self._rdtype == RdataType.DS:
            return "the DS of the domain itself is kept by the registrar, not in the zone; leave it out"
        return f"a CNAME cannot stand at {shown(self._domain)} itself, beside SOA and NS; use A and AAAA records"

    def _rdata(self, at: Value, text: str) -> Rdata | None:
        try:
            return rdata(self._rdtype, text, self._domain)
        except Wrong as wrong:
            said = str(wrong)
            self._say(at, f"the value {said}" if said.startswith("is ") else said)
            return None

    def _set(self, items: tuple[Value, ...]) -> frozenset[Rdata]:
        found: set[Rdata] = set()
        for item in items:
            one = self._rdata(item, item.data)
            if one is not None and one in found:
                self._say(item, "this value stands here twice; keep one")
            found |= {one} if one is not None else set()
        return frozenset(found)

    def _was(self) -> frozenset[Rdata] | None:
        was = self._value.get("was")
        return self._set(was.data if isinstance(was.data, tuple) else (was,)) if was else None

    def _values(self) -> frozenset[Rdata] | None:
        one, several = self._value.get("value"), self._value.get("values")
        if one is None and several is None:
            return None
        values = self._set((one,) if one else several.data if several else ())
        if self._rdtype in _ALONE and len(values) > 1:
            self._say(at_key(several or self._value), f"a name has one {to_text(self._rdtype)} at most; keep one value")
        if self._rdtype == RdataType.MX and len(values) > 1 and any(_is_null_mx(value) for value in values):
            self._say(
                at_key(several or self._value), "'0 .' says that there is no mail at all and stands alone (RFC 7505)"
            )
        return values

    def _replaces(self) -> tuple[tuple[Rdata, Rdata], ...]:
        replace = self._value.get("replace")
        if replace is None:
            return ()
        if not replace.data:
            self._say(replace, "'replace' is empty; write {old: new}")
        pairs = [(self._rdata(at_key(new), old), self._rdata(new, new.data)) for old, new in replace.data.items()]
        for (old, new), at in zip(pairs, replace.data.values(), strict=True):
            if old is not None and old == new:
                self._say(at, "old and new value are the same; leave this out")
        return tuple((old, new) for old, new in pairs if old is not None and new is not None)

    def _keeps(self) -> frozenset[RdataType]:
        kept: frozenset[RdataType] = frozenset()
        for word, (sayable_at, stay) in _TWINS.items():
            said = self._value.get(word)
            if said and self._rdtype not in sayable_at:
                at = " and ".join(sorted(map(to_text, sayable_at)))
                self._say(at_key(said), f"'{word}: keep' belongs to an entry of type {at}, not {to_text(self._rdtype)}")
            kept |= stay if said else frozenset()
        return kept


def _is_null_mx(value: Rdata) -> bool:
    return value.to_text().endswith(" .")
