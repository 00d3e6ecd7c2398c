"""The command line, `tutelage`. Each command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated

import typer

from app.commands import data, people
from app.commands.shell import connect, fail

BEGAN = time.monotonic()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Close the human-feedback loop: demonstrations, rankings, SFT, reward model, PPO and back.",
)


app.add_typer(people.users, name="users")
app.add_typer(people.tokens, name="tokens")
app.command("import")(data.import_file)
app.command("export")(data.export_file)
app.command("simulate")(data.simulate)


@app.command()
def up(with_parent: Annotated[bool, typer.Option(help="Stop when the process that started us dies.")] = False) -> None:
    """Run everything on this machine: database, broker, web server and worker. Ctrl-C stops it."""
    from app.local import supervisor

    if with_parent:
        import signal

        from app.local.tether import die_with_parent

        die_with_parent(os.getppid(), signal.SIGTERM)
    sys.exit(supervisor.main(BEGAN))


@app.command()
def migrate(
    check: Annotated[bool, typer.Option(help="Only say whether models and migrations agree.")] = False,
    new: Annotated[str, typer.Option(help="Write a migration of this name from the models.")] = "",
) -> None:
    """Bring the database to the newest migration. --check and --new work on a throw-away database instead."""
    from app.local import StartError, schema, throwaway

    try:
        if check or new:
            with throwaway.database():
                schema.upgrade()
                typer.echo(schema.write(new) if new else schema.check())
        else:
            connect()
            typer.echo("Migrated." if schema.upgrade() else "Nothing to migrate.")
    except StartError as error:
        raise fail(error) from error


@app.command()
def worker() -> None:
    """Run one worker in this process; TUTELAGE_DEVICE says which jobs it takes."""
    from app.local.programs import worker_command
    from app.settings import get_settings

    connect()
    command = worker_command(get_settings())
    os.execv(command[0], command)


@app.command()
def settings() -> None:
    """Print every setting as a Markdown table, as docs/settings.md has it."""
    from app.settings_table import markdown

    typer.echo(markdown(), nl=False)


def main() -> None:
    try:
        app()
    except ValueError as error:
        from pydantic import ValidationError

        if not isinstance(error, ValidationError) or error.title != "Settings":
            raise
        for problem in error.errors():
            name = str(problem["loc"][0])
            variable = name if name.isupper() else f"TUTELAGE_{name.upper()}"
            typer.echo(f"tutelage: {variable}: {problem['msg']}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
