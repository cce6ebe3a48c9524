"""The signals that end the service, and what they do while nobody waits for an answer.

Imports nothing heavy: it is at work before anything else is imported.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_HUNG_UP = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
"""Its terminal is gone; nohup and its like have that ignored, and so it stays."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, *_HUNG_UP)
ASKED_AGAIN = signal.SIGUSR1
"""The second one, as the parent of a group tells its replicas. Theirs may be the first one twice: systemd, for one,
signals all processes of a service, and the parent passes on what it got."""


def exit_at_once(when: str = "before it was ready") -> None:
    """Until the port opens nobody waits for an answer. By itself a process whose id is 1, as in a container, would not
    even notice the signal, become ready, and be killed in the middle of its requests."""

    def end(number: int, _: object) -> None:
        # Past Python's own file object, which may be in the middle of another line; nor wait for who does not read.
        with suppress(OSError):
            os.set_blocking(2, False)
            os.write(2, f"aisle was ended {when}: {signal.Signals(number).name}\n".encode())
        os._exit(0)

    for number in SIGNALS:
        signal.signal(number, end)
