"""`tutelage users` and `tutelage tokens`: what an admin does from the shell."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.shell import database

users = typer.Typer(no_args_is_help=True, help="People who may sign in.")
tokens = typer.Typer(no_args_is_help=True, help="Bearer tokens of programs.")


@users.command("add")
def add_user(
    username: str,
    name: Annotated[str, typer.Option(help="As shown on pages; the username when left out.")] = "",
    role: Annotated[str, typer.Option(help="labeler, researcher or admin.")] = "labeler",
    group: Annotated[str, typer.Option(help="training or held_out: labels of the latter never train.")] = "training",
) -> None:
    """Add somebody and print the link by which they choose a password."""
    from app.services import users as service

    with database() as session:
        user = service.create_user(session, username, name, role, group)
        link = service.invite_user(session, user, None)
    typer.echo(f"{user.username} was added as {user.role}. Give them this link, it works once:\n{link}")


@users.command("list")
def list_users() -> None:
    """Print everybody: username, role, group, state."""
    from app.services import users as service

    with database() as session:
        for user in service.list_users(session):
            state = "disabled" if user.disabled_at else "signed up" if user.password_hash else "invited"
            typer.echo(f"{user.username:<24} {user.role:<11} {user.labeler_group:<9} {state}")


@users.command("link")
def link_user(username: str) -> None:
    """Print a new link by which somebody sets a new password; earlier links end."""
    from app.services import users as service

    with database() as session:
        link = service.invite_user(session, service.find_user(session, username), None)
    typer.echo(link)


@tokens.command("add")
def add_token(
    username: Annotated[str, typer.Argument(help="The person the program acts for.")],
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    scope: Annotated[list[str] | None, typer.Option(help="label, read or admin; all that the role allows.")] = None,
    days: Annotated[int, typer.Option(help="Days until it ends.")] = 90,
) -> None:
    """Print a new token; it is not shown again."""
    from app.services import tokens as service
    from app.services import users as people

    with database() as session:
        _, plain = service.create_token(session, people.find_user(session, username), name, scope or None, days)
    typer.echo(plain)
