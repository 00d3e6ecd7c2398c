"""`tutelage import`, `tutelage export` and `tutelage simulate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.commands.shell import database, fail


def import_file(
    project: str,
    kind: Annotated[str, typer.Argument(help="prompts, demonstrations or pretraining.")],
    file: Annotated[
        Path,
        typer.Argument(help="JSONL (docs/api.md has the rows); pretraining also .txt.", exists=True, dir_okay=False),
    ],
    add: Annotated[bool, typer.Option(help="Pretraining: behind the texts that are there, not instead.")] = False,
) -> None:
    """Import a file, all or nothing; bad rows are named by their line."""
    from app.rules.pretraining import format_of
    from app.services import demonstrations, pretraining, projects, prompts

    if kind not in ("prompts", "demonstrations", "pretraining"):
        raise fail("choose prompts, demonstrations or pretraining.")
    format = format_of(file.name)
    if kind == "pretraining" and format is None:
        raise fail("pretraining text comes from a file named .txt or .jsonl.")
    with file.open("rb") as lines, database() as session:
        found = projects.get_project(session, project)
        if kind == "pretraining" and format is not None:
            made = pretraining.import_texts(session, found, lines, None, format=format, add=add)
            typer.echo(f"Version {made.version} of the pretraining text of {project}: {made.texts:,} texts.")
            return
        if kind == "prompts":
            count = prompts.import_prompts(session, found, lines, "import")
        else:
            count = demonstrations.import_demonstrations(session, found, lines)
    typer.echo(f"{count:,} {kind} imported into {project}.")


def export_file(
    project: str,
    kind: Annotated[str, typer.Argument(help="demonstrations or comparisons.")],
    format: Annotated[str, typer.Option(help="native or trl.")] = "native",
    simulated: Annotated[bool, typer.Option(help="With the labels of simulated labelers.")] = True,
    ai: Annotated[bool, typer.Option(help="With the labels of a model, each marked.")] = False,
    snapshot: Annotated[int | None, typer.Option(help="Only the labels of this snapshot.")] = None,
) -> None:
    """Write an export to standard output as JSONL."""
    from app.services import exports, projects

    with database() as session:
        found = projects.get_project(session, project)
        chosen = exports.stream_export(session, found, kind, format, simulated=simulated, ai=ai, snapshot_id=snapshot)
        for line in chosen:
            sys.stdout.write(line)


def simulate(
    labelers: Annotated[int, typer.Option(min=1, max=64, help="Simulated people at work at once.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to see finished.")] = 1,
    project: Annotated[str, typer.Option(help="Short name of the project.")] = "starter",
    seed: Annotated[int, typer.Option(help="Seed of their tastes.")] = 0,
    url: Annotated[str, typer.Option(help="Address of the installation; the one on this home when left out.")] = "",
    token: Annotated[str, typer.Option(envvar="TUTELAGE_TOKEN", help="An admin's token for that address.")] = "",
) -> None:
    """Let simulated labelers turn the loop through the API, and follow it."""
    from app.simulate import SimulationError
    from app.simulate import simulate as run

    interactive = sys.stdout.isatty()
    last = ""

    def tell(line: str) -> None:
        nonlocal last
        if interactive:
            sys.stdout.write(f"\r\x1b[2K{line}")
            sys.stdout.flush()
        elif (what := line.partition("  ")[2].partition(",")[0]) != last:
            typer.echo(line)
            last = what

    try:
        report = run(
            url.rstrip("/") or _running_url(),
            token or _admin_token(),
            project=project,
            labelers=labelers,
            rounds=rounds,
            seed=seed,
            tell=tell,
        )
    except SimulationError as error:
        typer.echo("")
        raise fail(error) from error
    except KeyboardInterrupt:
        typer.echo("\nStopped. What was labeled stays.")
        raise typer.Exit(130) from None
    typer.echo(
        f"\n{rounds} finished in {report.seconds / 60:.1f} minutes: {report.demonstrations:,} demonstrations and "
        f"{report.rankings:,} rankings by {labelers} simulated labelers."
    )


def _running_url() -> str:
    from app.local.home import read_running
    from app.settings import get_settings

    running = read_running(get_settings().home)
    return running.url if running is not None else get_settings().url


def _admin_token() -> str:
    """A token for one day of the first admin, made in the database that this machine reaches."""
    from app.services import tokens, users

    with database() as session:
        people = users.list_users(session)
        admin = next((user for user in people if user.role == "admin" and not user.disabled_at), None)
        if admin is None:
            raise fail("there is no admin yet; start Tutelage once with `make run`.")
        return tokens.create_token(session, admin, "simulation", days=1)[1]
