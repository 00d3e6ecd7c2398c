"""The laptop: Postgres, Redis, web server and worker under one command. `tutelage up` calls `supervisor.up`.

home.py        the home folder: what lies in it, who holds it, where its sockets are
tether.py      ties a process to the life of the one that started it
child.py       one process that we keep alive: start, log, stop, restart
postgres.py    an embedded Postgres in a folder (the tests use it as well)
redis.py       an embedded Redis on a socket (the tests use it as well)
programs.py    the commands of the web server and of a worker
serve.py       the web server's process
health.py      is the port free, does the page answer
throwaway.py   a Postgres and a Redis for tests and checks
schema.py      Alembic: bring a database to the newest migration, or say what a migration lacks
supervisor.py  the order of it all
"""

from __future__ import annotations


class StartError(Exception):
    """Why Tutelage does not start, as one line for the terminal."""
