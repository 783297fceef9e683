"""``rnaget-server``: the commands for providers."""

from __future__ import annotations

from importlib import import_module

import click

from rnaget_server import __version__
from rnaget_server.model.collector import ends_soon

# Each is imported when it is asked for, so that one command does not wait for what the others need.
_COMMANDS = {
    "check": "looking:check_command",
    "doctor": "doctor.command:doctor_command",
    "export": "exporting:export_command",
    "import": "importing:import_command",
    "init": "new:init_command",
    "list": "looking:list_command",
    "publish": "publishing:publish_command",
    "remove": "managing:remove_command",
    "rename": "managing:rename_command",
    "serve": "serving:serve_command",
    "token": "tokens:token_command",
    "who": "who:who_command",
}


class _Commands(click.Group):
    """The commands by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"rnaget_server.cli.{module}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="rnaget-server")
def main() -> None:
    """Publish RNA expression matrices and signal tracks by the GA4GH RNAget standard."""


def run() -> None:
    """Run the command that was given, in a process of its own."""
    with ends_soon():
        main()


if __name__ == "__main__":
    run()
