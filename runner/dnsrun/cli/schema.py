"""`dnsrun schema`: the JSON Schema of playbooks, and the ready-made playbooks."""

from __future__ import annotations

from collections.abc import Mapping

import click

from dnsrun.errors import Exit

from .session import Session, common, pass_session

_ALL = ""


@click.command(name="schema")
@click.option(
    "--example",
    metavar="[NAME]",
    is_flag=False,
    flag_value=_ALL,
    help="Print a ready-made playbook instead, such as web-move; without a name, what there is.",
)
@click.option("--list", "list_", is_flag=True, help="List the names of the ready-made playbooks.")
@common
@pass_session
def command(session: Session, example: str | None, *, list_: bool) -> Exit:
    """Print the JSON Schema (2020-12) of playbooks for your editor, or a ready-made playbook to begin with."""
    from dnsrun.playbook import examples

    if list_:
        _list(session, examples.examples())
    elif example == _ALL:
        _tell(session, {name: examples.about(name) for name in examples.examples()})
    elif example is not None:
        for line in examples.example(example).splitlines():
            session.console.out(line)
    else:
        from dnsrun.playbook.schema import editor_schema
        from dnsrun.wiring.plugins import kinds

        session.console.json(editor_schema(kinds()))
    return Exit.DONE


def _list(session: Session, names: tuple[str, ...]) -> None:
    if session.as_json:
        session.console.json(list(names))
    else:
        for name in names:
            session.console.out(name)


def _tell(session: Session, about: Mapping[str, str]) -> None:
    if session.as_json:
        session.console.json(about)
    else:
        widest = max(map(len, about))
        for name, sentence in about.items():
            session.console.out(f"{name:<{widest}}  {sentence}")
