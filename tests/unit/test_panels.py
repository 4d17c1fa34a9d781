"""Every panel file is whole: every key, both languages, only known words to fill in, where it was seen and when."""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path
from string import Formatter
from typing import Any

import jsonschema
import pytest
import yaml

from dnsrun_providers import panels

FOLDER = resources.files("dnsrun_providers")
NAMES = sorted(file.name.removesuffix(".yaml") for file in FOLDER.joinpath("panels").iterdir())


def in_both_languages(of: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"en": of, "ja": of},
        "required": ["en", "ja"],
        "additionalProperties": False,
    }


ROLES = {"write", "refresh", "mail", "delegate"}
TEXT = {"type": "string", "minLength": 1}
WORDS = in_both_languages(
    {
        "type": "object",
        "properties": {"open": TEXT, "save": TEXT, "warn": TEXT},
        "required": ["open", "save"],
        "additionalProperties": False,
    }
)
SECONDS = {"type": "integer", "minimum": 0}
SCHEMA = {
    "type": "object",
    "properties": {
        "title": in_both_languages(TEXT),
        "seen": {"type": "array", "items": {"enum": ["P3", "SK", "VD", "XS", "PX", "PD", "FAQ", "JD"]}},
        "reviewed": {},
        "roles": {"type": "array", "minItems": 1, "items": {"enum": sorted(ROLES)}},
        "saving_may_delegate": {"type": "boolean"},
        "serves_before_delegation": {"type": ["boolean", "null"]},
        "lowest_ttl_s": SECONDS,
        "one_ttl_for_the_zone": {"type": "boolean"},
        "declared_delay_s": {
            "type": "object",
            "properties": {"write": SECONDS, "delegate": SECONDS},
            "required": ["write", "delegate"],
            "additionalProperties": False,
        },
        "write": WORDS,
        "refresh": in_both_languages({"type": "array", "minItems": 1, "items": TEXT}),
        "mail": in_both_languages(
            {
                "type": "object",
                "properties": {way: {"type": "array", "minItems": 1, "items": TEXT} for way in ("off", "on")},
                "required": ["off", "on"],
                "additionalProperties": False,
            }
        ),
        "delegate": WORDS,
    },
    "additionalProperties": False,
}


def data(name: str) -> Any:
    return yaml.safe_load(FOLDER.joinpath(f"panels/{name}.yaml").read_text(encoding="utf-8"))


def texts(found: Any) -> list[str]:
    if isinstance(found, dict):
        return [text for child in found.values() for text in texts(child)]
    if isinstance(found, list):
        return [text for child in found for text in texts(child)]
    return [found] if isinstance(found, str) else []


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_the_panels_of_japanese_hosts_are_there() -> None:
    expected = ["muumuu", "nsx", "onamae", "other", "plesk11", "sakura", "value-domain", "xserver"]
    assert expected == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_has_every_key_in_both_languages(name: str) -> None:
    found = data(name)
    roles = set(found["roles"])
    always = set(SCHEMA["properties"]) - ROLES  # type: ignore[call-overload] # a literal above
    jsonschema.validate(found, {**SCHEMA, "required": sorted(always | roles)})
    assert not ROLES - roles & found.keys(), "words for a role that it does not have"
    assert isinstance(found["reviewed"], date)
    assert found["seen"] or name == "other"


@pytest.mark.parametrize("name", NAMES)
def test_only_the_zone_is_filled_in_and_both_languages_say_the_same_labels(name: str) -> None:
    found = data(name)
    assert set().union(*map(placeholders, texts(found))) <= {"zone"}
    for role in found["roles"]:
        english, japanese = (texts(found[role][language]) for language in ("en", "ja"))
        assert len(english) == len(japanese)
        assert [placeholders(text) for text in english] == [placeholders(text) for text in japanese]


def test_shared_sentences_fill_in_the_same_in_both_languages() -> None:
    for words in panels.shared_words().values():
        english, japanese = words["en"], words["ja"]
        assert {key: placeholders(text) for key, text in english.items()} == {
            key: placeholders(text) for key, text in japanese.items()
        }


@pytest.mark.parametrize(
    ("use", "panel", "allowed"),
    [
        ("manual", "nsx", True),
        ("manual", "onamae", True),
        ("manual", "sakura", False),
        ("manual-registrar", "sakura", True),
        ("manual-registrar", "nsx", False),
        ("manual-registrar", "plesk11", False),
    ],
)
def test_a_playbook_names_a_panel_only_for_what_it_can_do(use: str, panel: str, *, allowed: bool) -> None:
    from dnsrun.wiring.plugins import kinds

    assert (panel in kinds().providers[use].properties["panel"]["enum"]) is allowed


def test_the_labels_stand_as_they_were_seen() -> None:
    """Verbatim from the sources: a label that is not on the screen cannot be found there."""
    seen = {
        "onamae": (
            "DNS設定/転送設定",
            "DNSレコード設定を利用する",
            "確認画面へ進む",
            "ネームサーバーの変更",
            "その他のネームサーバーを使う",
        ),
        "xserver": (
            "XServerアカウント",
            "ネームサーバー設定",
            "その他のサービスで利用する",
            "サーバーパネル",
            "DNSレコード設定",
        ),
        "sakura": ("会員メニュー", "契約中のドメイン一覧", "ネームサーバの設定", "WHOIS情報"),
        "value-domain": ("ドメインの設定操作(登録済みドメイン一覧)", "ネームサーバー"),
        "muumuu": ("ドメイン管理", "ネームサーバ設定変更"),
        "plesk11": (
            "コントロールパネルで開く",
            "ウェブサイトとドメイン",
            "DNS設定",
            "更新",
            "設定を変更",
            "メールサービスを有効化する",
        ),
        "nsx": ("DNSゾーンタイプ", "セカンダリ", "ゾーンの無効化", "ゾーンの有効化"),
    }
    for name, labels in seen.items():
        for language in ("en", "ja"):
            said = " ".join(texts([role[language] for role in panels.panel(name).words.values()]))
            assert not [label for label in labels if label not in said], name


def test_the_readme_says_what_each_panel_is_for() -> None:
    readme = Path(__file__).resolve().parents[2] / "README.md"
    rows = [line.split("|")[1:6] for line in readme.read_text().splitlines() if line.startswith("| `")]
    said = {row[0].strip(" `"): [cell.strip() == "yes" for cell in row[1:]] for row in rows if len(row) == 5}
    for name in NAMES:
        assert said[name] == [role in data(name)["roles"] for role in ("write", "delegate", "refresh", "mail")], name
