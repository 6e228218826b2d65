"""Every command and every option explains itself."""

import pytest
import typer

from viewfinder.cli.app import app

ROOT = typer.main.get_command(app)


def commands(group, path=()):
    for name, command in sorted(group.commands.items()):
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


ALL = dict(commands(ROOT))


def test_the_commands_are_those_that_are_promised():
    promised = "check compare demo design evaluate models predict resume sample serve train weights"
    assert " ".join(name for name, *rest in ALL if not rest) == promised
    assert [path[1] for path in ALL if len(path) == 2] == ["add", "list"]


@pytest.mark.parametrize("path", list(ALL), ids=" ".join)
def test_every_command_and_option_has_help(path):
    command = ALL[path]
    first = (command.help or "").strip().split("\n")[0]
    assert 10 < len(first) < 60, "the first line stands in the list of commands"
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{path}: {parameter.name} has no help"


@pytest.mark.parametrize("path", [path for path in ALL if path not in {("weights",), ("serve",)}], ids=" ".join)
def test_every_command_with_a_result_has_json(path):
    assert "--json" in {name for parameter in ALL[path].params for name in parameter.opts}
