"""Run a command so that it cannot outlive the process that wanted it. app/local/child.py starts everything through it.

    python -S tether.py PARENT SIGNAL USER COMMAND...

On Linux the kernel sends SIGNAL to the command when PARENT dies, even of SIGKILL. Elsewhere this only runs the
command, and the next start clears up what stayed behind. USER is "" or whom a command that root starts runs as.
This file runs alone, as a script: standard library only, and few imports, for it is started often.
"""

import os
import sys

PR_SET_PDEATHSIG = 1


def become(user: str) -> None:
    import pwd

    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def die_with_parent(parent: int, signal: int, user: str = "") -> None:
    """Ask for `signal` when the parent dies, after becoming `user`: a change of user would cancel it."""
    libc = None
    if sys.platform == "linux":
        import ctypes

        libc = ctypes.CDLL(None)  # as another user we might not reach Python's own folder any more
    if user:
        become(user)
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def main() -> None:
    parent, signal, user, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    die_with_parent(parent, signal, user)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
