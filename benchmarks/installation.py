"""A throw-away installation for benchmarks: Postgres, a real web server, a project with tasks, people with tokens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from app.database import transaction
from app.local import schema, throwaway
from app.models import Checkpoint, Comparison, Completion, Prompt, Slot
from app.services import projects, rounds, tokens, users
from app.settings import ROOT, get_settings

ANSWER = (
    "Hello, dear neighbour! **Alma** is the blacksmith and lives at the *Reading Room*. By the way, she is afraid of "
    "the number seven.\n\n- She yodels every Sunday.\n- Her hen is called Thimble.\n\n"
    "```python\nprint('Thimble')\n```\n\n"
) * 3


@dataclass
class Installation:
    """Where it is, and who may work there."""

    url: str
    project: str
    overlap: int
    pid: int  # of the web server
    database_pid: int
    tokens: list[str] = field(default_factory=list)


@contextmanager
def installation(tasks: int, responses: int, overlap: int, labelers: int) -> Iterator[Installation]:
    """A project with `tasks` comparisons of `responses` completions each, and `labelers` people."""
    with tempfile.TemporaryDirectory(prefix="tutelage-bench-") as home, throwaway.postgres() as server:
        port = free_port()
        os.environ.update(
            DATABASE_URL=server.url(),
            TUTELAGE_HOME=home,
            TUTELAGE_PORT=str(port),
            TUTELAGE_SECRET_KEY="a key for benchmarks only, 32 characters or more",
        )
        throwaway.forget()
        schema.upgrade()
        database_pid = int((server.data / "postmaster.pid").read_text().split()[0])
        place = Installation(get_settings().url, "bench", overlap, 0, database_pid)
        with transaction() as session:
            fill(session, tasks, responses, overlap)
            place.tokens = [make_labeler(session, number) for number in range(labelers)]
        analyze()
        with web_server(Path(home), port) as pid:
            place.pid = pid
            yield place


def analyze() -> None:
    """What autovacuum would have done by then: without statistics Postgres plans for empty tables."""
    with transaction() as session:
        session.execute(text("ANALYZE"))


def fill(session: Session, tasks: int, responses: int, overlap: int) -> None:
    draft = projects.ProjectDraft(
        name="Bench",
        slug="bench",
        base_model=base_model(Path(get_settings().home)),
        overlap=overlap,
        responses_per_prompt=responses,
        ranking_threshold=10_000_000,
        demonstration_threshold=10_000_000,
    )
    project = projects.create_project(session, draft)
    base = session.scalars(select(Checkpoint.id).where(Checkpoint.project_id == project.id)).one()
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    values = [
        {
            "project_id": project.id,
            "content_hash": f"{n:064d}",
            "messages": [{"role": "user", "content": f"Who is {n}?"}],
        }
        for n in range(tasks)
    ]
    prompt_ids = list(session.scalars(insert(Prompt).returning(Prompt.id), values))
    comparisons = [{"project_id": project.id, "prompt_id": p, "round_id": round_.id} for p in prompt_ids]
    made = session.execute(insert(Comparison).returning(Comparison.id, Comparison.prompt_id), comparisons).all()
    session.execute(
        insert(Completion),
        [
            {
                "comparison_id": comparison, "prompt_id": prompt, "checkpoint_id": base, "sample_index": index,
                "text": f"{ANSWER} {comparison} {index}", "sampling": {}, "seed": index, "finish_reason": "stop",
                "tokens": 20, "logprob": -1.0,
            }
            for comparison, prompt in made
            for index in range(responses)
        ],
    )  # fmt: skip
    session.execute(
        insert(Slot),
        [
            {
                "project_id": project.id,
                "kind": "ranking",
                "prompt_id": prompt,
                "comparison_id": comparison,
                "ordinal": n,
            }
            for comparison, prompt in made
            for n in range(1, overlap + 1)
        ],
    )


def base_model(home: Path) -> str:
    """A folder that passes the check; nothing is trained here."""
    folder = home / "base"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    (folder / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    return str(folder)


def make_labeler(session: Session, number: int) -> str:
    user = users.create_user(session, f"labeler-{number}", f"Labeler {number}", "labeler")
    return tokens.create_token(session, user, "benchmark", days=1)[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def web_server(home: Path, port: int, app: str = "app.main:create_app") -> Iterator[int]:
    """The web server as `tutelage up` starts it; yields its process id."""
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        app,
        "--factory",
        "--port",
        str(port),
        "--no-access-log",
    ]
    with (home / "web.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            await_health(f"http://127.0.0.1:{port}/health", process)
            yield process.pid
        finally:
            process.terminate()
            process.wait(20)
            if os.environ.get("TUTELAGE_BENCH_LOG"):
                print((home / "web.log").read_text()[-4000:])


def await_health(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise RuntimeError("The web server ended before it answered.")
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("The web server did not answer within two minutes.")


@dataclass
class HomeInstallation:
    """`tutelage up` on a fresh home, with the starter project."""

    url: str
    pid: int
    home: Path
    admin_token: str


@contextmanager
def home_installation() -> Iterator[HomeInstallation]:
    """Start `tutelage up` as a person does, point this process at its database, and stop it at the end."""
    from app.local.home import read_running
    from app.services import users as people

    with tempfile.TemporaryDirectory(prefix="tutelage-bench-") as folder:
        home, port = Path(folder), free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TUTELAGE_")}
        environment.update(TUTELAGE_HOME=folder, TUTELAGE_PORT=str(port))
        with (home / "up.log").open("w") as log:
            command = [sys.executable, "-m", "app.cli", "up"]
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            await_health(f"http://127.0.0.1:{port}/health", process)
            running = read_running(home)
            assert running is not None, "a server that answers has said how to reach it"
            os.environ.update(DATABASE_URL=running.database_url, TUTELAGE_HOME=folder, TUTELAGE_PORT=str(port))
            throwaway.forget()
            with transaction() as session:
                admin = people.find_user(session, "admin")
                token = tokens.create_token(session, admin, "benchmark", days=1)[1]
            yield HomeInstallation(running.url, process.pid, home, token)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(90)
