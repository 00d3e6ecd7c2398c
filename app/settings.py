"""All configuration, read from the environment in this one place. Everybody calls `get_settings()`.

Each field is one environment variable of the same name in capitals: with the prefix TUTELAGE_, but for DATABASE_URL
and REDIS_URL. docs/settings.md lists them; a test keeps the list true.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """The environment of one process."""

    model_config = SettingsConfigDict(env_prefix="TUTELAGE_", extra="ignore", hide_input_in_errors=True)

    home: Path = Field(
        Path(".tutelage"), description="Folder of the laptop installation: database, artifacts, key file, logs."
    )
    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="Postgres as postgresql://user:password@host/name. Unset: an embedded Postgres in the home folder.",
    )
    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="Redis as redis://:password@host:6379/0. Unset: an embedded Redis on a unix socket at home.",
    )
    artifacts: Path | None = Field(
        None, description="Folder of checkpoints, job folders and snapshots. Unset: HOME/artifacts."
    )
    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8400, ge=1, le=65535, description="Port that the web server listens on.")
    public_url: str | None = Field(
        None,
        description="Address that people type, such as https://tutelage.example.org. Its scheme decides "
        "whether cookies are Secure; links in invitations start with it. Unset: http://HOST:PORT.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key of at least 32 characters for keyed hashes. Unset on a laptop: made once and kept in "
        "HOME/secret.key (mode 0600). Required when DATABASE_URL is set.",
    )
    web_threads: int = Field(40, ge=1, description="Threads that answer requests in one web process.")
    database_pool: int = Field(
        10,
        ge=1,
        description="Database connections kept by one process: as many requests are worked on at once. More cost more.",
    )
    body_limit: int = Field(2_000_000, ge=1024, description="Largest request body in bytes, imports excepted.")
    import_limit: int = Field(256_000_000, ge=1024, description="Largest import in bytes.")
    import_rows: int = Field(1_000_000, ge=1, description="Largest import in rows.")
    import_line: int = Field(1_000_000, ge=1024, description="Longest line of an import in bytes.")
    session_days: int = Field(14, ge=1, description="Days after which a sign-in ends.")
    invitation_days: int = Field(7, ge=1, description="Days after which an unused invitation ends.")
    lease_minutes: int = Field(30, ge=1, description="Minutes that a labeler holds a task without a sign of life.")
    job_lease_seconds: int = Field(30, ge=2, description="Seconds after which a silent worker loses its job.")
    job_attempts: int = Field(3, ge=1, description="Times that a job is started before it counts as failed.")
    job_stall_minutes: int = Field(30, ge=1, description="Minutes without any progress after which a job is stopped.")
    poll_seconds: float = Field(5.0, gt=0, description="Seconds between a worker's own looks for work, wake-ups apart.")
    device: str = Field("cpu", pattern="^(cpu|gpu)$", description="What this worker trains on.")
    machine_tflops: float | None = Field(
        None,
        gt=0,
        description="What a worker here computes in training, in TFLOP/s, for estimates before the first job of a "
        "kind has ended. Unset: their time is not known.",
    )
    hub_models: bool = Field(
        False, description="Whether base models may be named by hub id and fetched over the network."
    )

    @property
    def artifacts_folder(self) -> Path:
        return (self.artifacts or self.home / "artifacts").resolve()

    @property
    def url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def secure_cookies(self) -> bool:
        return self.url.startswith("https://")

    def key(self) -> bytes:
        """The secret key; raises RuntimeError where none was given and none may be made."""
        if self.secret_key is not None:
            value = self.secret_key.get_secret_value()
            if len(value) < 32:
                raise RuntimeError("TUTELAGE_SECRET_KEY is too short: give at least 32 random characters.")
            return value.encode()
        path = self.home / "secret.key"
        if not path.exists():
            if self.database_url is not None:
                raise RuntimeError(
                    "TUTELAGE_SECRET_KEY is not set. Make one with `openssl rand -hex 32`; there is no default."
                )
            write_private(path, secrets.token_hex(32))
        return path.read_text().strip().encode()


def write_private(path: Path, text: str) -> None:
    """Write `text` to a new file that only its owner can read; never half of it. Raises FileExistsError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    partial.touch(mode=0o600, exist_ok=False)
    try:
        partial.write_text(text)
        os.link(partial, path)
    finally:
        partial.unlink()


@lru_cache
def get_settings() -> Settings:
    return Settings()
