"""Gates `dkim` and `dmarc`: keys and policies are there, can be read, and are those of before."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dnsrun.errors import PlaybookError
from dnsrun.gates.mail.dkim import Dkim
from dnsrun.gates.mail.dkimkey import DkimKeyError, read_key
from dnsrun.gates.mail.dmarc import Dmarc
from dnsrun.gates.mail.tags import TagError, read_tags
from dnsrun.model.observation import Verdict
from dnsrun.model.text import escape
from dnsrun.playbook.read import read_playbook
from dnsrun.rehearse.authority import Faults
from dnsrun.wiring.plugins import kinds
from gateworld import APEX, NOON
from moveworld import NEW_NS, RECORDS, move_world, zone_text
from policyworld import PolicyWorld, becomes, moved, policy_world

DKIM, DMARC = Dkim(), Dmarc()
AS_BEFORE = "the DKIM keys are there and as before: "
KEY = "the DKIM key s1._domainkey.client.example"
RECORD = "the DMARC record of client.example"


def der(bits: int) -> str:
    """Return the public part of a new RSA key as it stands in p=."""
    octets = rsa_key(65537, bits).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(octets).decode()


STRONG, OTHER, WEAK = der(2048), der(2048), der(1024)
# 512 bits are too few to be made here any more: the modulus is any number of that size.
SHORT = base64.b64encode(
    bytes.fromhex("305c300d06092a864886f70d0101010500034b003048024100") + b"\xc1" * 64 + bytes.fromhex("0203010001")
).decode()
_EC = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ED25519 = base64.b64encode(bytes(32)).decode()


def chunks(text: str) -> str:
    """Return a text as strings of a TXT record, none longer than 200 octets."""
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200)) or '""'


def key(public: str, selector: str = "s1") -> str:
    return f"{selector}._domainkey 300 TXT {chunks(f'v=DKIM1; k=rsa; p={public}')}\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[PolicyWorld]:
    with policy_world() as one:
        yield one


@pytest.fixture
def world(shared: PolicyWorld) -> PolicyWorld:
    shared.hold("")
    shared.hoster("")
    for one in shared.servers:
        one.faults = Faults()
    return shared


def passes(verdict: Verdict, *warnings: str) -> None:
    assert verdict.outcome == "pass", verdict.because
    assert verdict.warnings == warnings


def fails(verdict: Verdict, because: str) -> None:
    assert (verdict.outcome, verdict.not_yet, verdict.because) == ("fail", False, because)


# In playbooks


def written(*gates: str) -> str:
    """Return the playbook of a change with these gates."""
    lines = "".join(f"      - {gate}\n" for gate in gates)
    return (
        "dnsrun: 1\ndomain: client.example\nproviders: {host: {use: manual}}\nzone: {from: host}\n"
        "records: [{names: [www], type: A, was: 192.0.2.10, value: 203.0.113.20}]\n"
        f"phases:\n  - name: go\n    steps: [{{kind: switch-records}}]\n    gates:\n{lines}"
    )


def test_playbooks_name_selectors_domains_and_senders() -> None:
    gates = (
        "{kind: spf, senders: [192.0.2.5], domains: [news.client.example]}",
        "{kind: dkim, selectors: [s1, s2.news], domain: news.client.example}",
        "{kind: dmarc}",
    )
    spf, dkim, _ = read_playbook(written(*gates), "client.yaml", kinds(), today=NOON.date()).phase(1).gates
    assert spf.options == {"senders": ("192.0.2.5",), "domains": ("news.client.example.",)}
    assert dkim.options == {"selectors": ("s1", "s2.news"), "domain": "news.client.example."}


def test_only_the_built_in_gate_is_switched_off_and_a_selector_is_one_word() -> None:
    gates = ('{kind: spf, off: "by hand"}', '{kind: dkim, off: "unsigned"}', '{kind: dkim, selectors: ["s1 s2"]}')
    with pytest.raises(PlaybookError) as caught:
        read_playbook(written(*gates), "client.yaml", kinds(), today=NOON.date())
    off, selector = str(caught.value).splitlines()
    assert off.startswith("client.yaml:11:22: phase 1: 'off' is not known in 'gates'")
    assert selector == "client.yaml:12:34: phase 1: entry 1 of 'selectors' must be a selector, not 's1 s2'"


# DKIM


def test_keys_of_the_zone_are_checked_without_being_named(world: PolicyWorld) -> None:
    world.hold(key(STRONG) + key(STRONG, "2026.news"))
    verdict = world.verdict(DKIM)
    passes(verdict)
    assert verdict.because == f"{AS_BEFORE}2026.news, s1"


def test_without_any_selector_nobody_knows(world: PolicyWorld) -> None:
    verdict = world.verdict(DKIM)
    assert verdict.outcome == "unknown"
    assert verdict.because.startswith("no DKIM selector is known: ask whoever sends the mail")


def test_a_selector_that_is_not_there_fails_when_it_goes_and_warns_when_it_never_was(world: PolicyWorld) -> None:
    passes(world.verdict(DKIM, options={"selectors": ("s1",)}), f"{KEY} is missing, as before")
    world.hold(key(STRONG))
    gone = becomes("s1._domainkey", "TXT", chunks(f"v=DKIM1; k=rsa; p={STRONG}"), None)
    fails(world.verdict(DKIM, gone, options={"selectors": ("s1",)}), f"{KEY} is missing")


def test_a_selector_that_the_plan_points_at_nothing_fails_though_there_was_no_key_before(world: PolicyWorld) -> None:
    made = becomes("s1._domainkey", "CNAME", None, "client._domainkey.hoster.example.")
    fails(world.verdict(DKIM, made, options={"selectors": ("s1",)}), f"{KEY} is missing")
    world.hoster(f"client._domainkey 300 TXT {chunks(f'v=DKIM1; k=rsa; p={STRONG}')}\n")
    passes(world.verdict(DKIM, made, options={"selectors": ("s1",)}))


def test_a_key_behind_an_alias_in_another_domain_is_found(world: PolicyWorld) -> None:
    world.hold("s1._domainkey 300 CNAME client._domainkey.hoster.example.\n")
    world.hoster(key(WEAK, "client"))
    verdict = world.verdict(DKIM)
    passes(verdict, f"{KEY} is weak: RSA 1024, usual is 2048 at least")
    world.hold("s1._domainkey 300 CNAME client._domainkey.x.loop1.example.\n")
    verdict = world.verdict(DKIM)
    passes(verdict, f"{KEY} is not known: nobody tells client._domainkey.x.loop1.example TXT, as before")


def test_the_plan_may_change_a_key_to_another_whole_one(world: PolicyWorld) -> None:
    world.hold(key(STRONG))
    before = chunks(f"v=DKIM1; k=rsa; p={STRONG}")
    passes(world.verdict(DKIM, becomes("s1._domainkey", "TXT", before, chunks(f"p={OTHER}"))))
    fails(
        world.verdict(DKIM, becomes("s1._domainkey", "TXT", before, chunks(f"p={OTHER[:200]}"))),
        f"{KEY} cannot be used: p= is no RSA key, or not a whole one",
    )


def test_two_keys_at_one_selector_and_a_revoked_one(world: PolicyWorld) -> None:
    world.hold(key(STRONG) + key(OTHER))
    passes(world.verdict(DKIM), f"{KEY} has 2 TXT records, and may have one, as before")
    world.hold('s1._domainkey 300 TXT "v=DKIM1; t=y; p="\n')
    passes(
        world.verdict(DKIM),
        f"{KEY} is revoked (p= is empty): what is signed with it fails",
        f"{KEY} is marked as a test (t=y): verifiers treat its mail as unsigned",
    )


def test_a_new_server_with_another_key_fails_and_is_named() -> None:
    with move_world() as move:
        for one in move.old:
            one.set_zone(APEX, zone_text(RECORDS + key(STRONG)))
        move.new[0].set_zone(APEX, zone_text(RECORDS + key(STRONG), ns=NEW_NS, ttl_s=300, serial=1))
        move.new[1].set_zone(APEX, zone_text(RECORDS + key(OTHER), ns=NEW_NS, ttl_s=300, serial=1))
        spec = {"selectors": ("s1",)}
        fails(
            moved(move, DKIM, options=spec),
            f"ns2.new.example (203.0.113.54): {KEY} is another one than before: "
            "signatures fail until it is the same again",
        )
        move.new[1].set_zone(APEX, zone_text(RECORDS + key(STRONG), ns=NEW_NS, ttl_s=300, serial=1))
        passes(moved(move, DKIM, options=spec))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"v=DKIM1; p={STRONG}", "RSA 2048"),
        (f"p={WEAK[:30]} {WEAK[30:]} ;", "RSA 1024"),
        (f"v=DKIM1; k=ed25519; p={ED25519}", "ed25519"),
        (f"v=DKIM1; h=sha1:sha256; s=email; t=s; n=a note; p={STRONG}", "RSA 2048"),
        ("v=DKIM1; p=", "revoked"),
    ],
)
def test_a_key_that_verifiers_take(text: str, shown: str) -> None:
    assert str(read_key(text)) == shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no key in it (p=)"),
        (f"v=DKIM2; p={STRONG}", "v= is DKIM1 and stands in front, or is left out"),
        (f"p={STRONG}; v=DKIM1", "v= is DKIM1 and stands in front, or is left out"),
        (f"v=DKIM1; k=dsa; p={STRONG}", "k=dsa is no kind of key that verifiers know"),
        (f"v=DKIM1; h=sha1; p={STRONG}", "h= does not allow sha256, the only hash that is left"),
        (f"v=DKIM1; s=tlsrpt; p={STRONG}", "s= does not allow mail"),
        (f"v=DKIM1; p={STRONG[:-3]}", "p= is not whole: it cannot be read as base64"),
        (f"v=DKIM1; p={SHORT}", "the RSA key has 512 bits, verifiers want 1024 at least"),
        ("v=DKIM1; p=abcd", "p= is no RSA key, or not a whole one"),
        (f"v=DKIM1; p={base64.b64encode(_EC).decode()}", "p= is no RSA key"),
        (f"v=DKIM1; k=ed25519; p={STRONG}", "p= has 294 octets, a key of ed25519 has 32"),
        (f"v=DKIM1; p={STRONG}; p={STRONG}", "p= stands there twice"),
        ("v=DKIM1; no tag", "no tag is no tag=value"),
    ],
)
def test_a_key_that_verifiers_do_not_take(text: str, why: str) -> None:
    with pytest.raises(DkimKeyError) as caught:
        read_key(text)
    assert str(caught.value) == why


@given(st.text(max_size=200) | st.from_regex(r"([a-z]{1,2}=[ -~]{0,20};){0,5}", fullmatch=True))
def test_any_text_is_a_key_or_a_list_of_tags_or_told_to_be_none(text: str) -> None:
    for read, error in ((read_tags, TagError), (read_key, DkimKeyError)):
        why = ""
        try:
            read(text)
        except error as err:
            why = str(err)
        assert escape(why) == why


# DMARC


def dmarc(*texts: str) -> str:
    return "".join(f'_dmarc 300 TXT "{text}"\n' for text in texts)


def test_one_record_passes(world: PolicyWorld) -> None:
    world.hold(
        dmarc("v=DMARC1; p=reject; sp=none; adkim=s; aspf=r; pct=50; fo=1:d; ri=3600; rua=mailto:d@client.example!10m")
    )
    verdict = world.verdict(DMARC)
    passes(verdict)
    assert verdict.because == "client.example has one DMARC record"


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ((), "is missing"),
        (("some=thing", "v=DMARC10; p=none"), "is missing"),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), "stands there 2 times: receivers take none"),
        (("v=DMARC1; p=rejected",), "has p=rejected, which is none of none, quarantine, reject"),
        (("v=DMARC1; rua=mailto:d@client.example",), "has no policy (p=)"),
        (("v=DMARC1; p=none; p=reject",), "cannot be read: p= stands there twice"),
        (("v=DMARC1; p none",), "cannot be read: p none is no tag=value"),
    ],
)
def test_a_record_that_receivers_give_up_fails_when_it_is_new_and_warns_when_it_is_old(
    world: PolicyWorld, texts: tuple[str, ...], problem: str
) -> None:
    world.hold(dmarc(*texts))
    passes(world.verdict(DMARC), f"{RECORD} {problem}, as before")
    good = '"v=DMARC1; p=none"'
    if len(texts) == 1:
        world.hold(dmarc("v=DMARC1; p=none"))
        fails(world.verdict(DMARC, becomes("_dmarc", "TXT", good, f'"{texts[0]}"')), f"{RECORD} {problem}")


def test_what_receivers_ignore_is_told(world: PolicyWorld) -> None:
    world.hold(dmarc("v=DMARC1; pct=101; p=none; sp=maybe; rua=d@client.example; fo=x"))
    passes(
        world.verdict(DMARC),
        f"{RECORD}: p= belongs right behind v=",
        f"{RECORD}: sp=maybe means nothing, and is ignored",
        f"{RECORD}: pct=101 means nothing, and is ignored",
        f"{RECORD}: fo=x means nothing, and is ignored",
        f"{RECORD}: rua= has d@client.example, which is no mailto: address",
    )


def test_reports_to_another_domain_need_its_word(world: PolicyWorld) -> None:
    world.hold(
        dmarc(
            "v=DMARC1; p=none; rua=mailto:d@hoster.example, mailto:x@sub.client.example; ruf=mailto:d@x.loop1.example"
        )
    )
    unasked = (
        "DMARC reports to x.loop1.example are not sent: nobody tells client.example._report._dmarc.x.loop1.example TXT"
    )
    passes(
        world.verdict(DMARC),
        "DMARC reports to hoster.example are not sent: it does not say that it takes them "
        "(client.example._report._dmarc.hoster.example TXT v=DMARC1)",
        unasked,
    )
    world.hoster('client.example._report._dmarc TXT "v=DMARC1"\n')
    passes(world.verdict(DMARC), unasked)


def test_a_lost_record_of_a_new_server_is_named() -> None:
    with move_world() as move:
        for one in move.old:
            one.set_zone(APEX, zone_text(RECORDS + dmarc("v=DMARC1; p=none").replace(" 300 ", " 3600 ")))
        move.new[0].set_zone(APEX, zone_text(RECORDS + dmarc("v=DMARC1; p=none"), ns=NEW_NS, ttl_s=300, serial=1))
        fails(moved(move, DMARC), f"ns2.new.example (203.0.113.54): {RECORD} is missing")
