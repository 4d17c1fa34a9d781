"""`dnsrun providers` tells hosts and registrars apart, and says of each what it can do."""

from __future__ import annotations

import json

from cli.conftest import Project


def test_registrars_are_listed_with_what_they_set_and_how_they_were_verified(project: Project) -> None:
    shown = project("providers").out
    hosts, _, registrars = shown.partition("Registrars, for zone.registrar:")
    assert "parent-rfc2136" not in hosts
    assert "sets: name servers, their addresses (glue), DS; the parent zone shows it within 1 h" in registrars
    assert "verified: real-server" in registrars
    assert "One of muumuu, onamae, other, sakura, value-domain, xserver." in registrars


def test_what_is_not_known_of_a_panel_is_said(project: Project) -> None:
    assert "not known whether it answers for a zone before the zone is delegated to it" in project("providers").out


def test_programs_tell_them_by_their_roles(project: Project) -> None:
    found = {plugin["name"]: plugin for plugin in json.loads(project("providers", "--json").out)}
    assert found["manual-registrar"]["roles"] == ["registrar"]
    assert found["manual-registrar"]["capabilities"]["needs_person"] is True
    assert found["manual"]["roles"] == ["secondary", "zone"]
