"""Ports for servers that cannot choose one themselves."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

_PORTS = range(15_000, 32_000)
"""Below those that the system gives to whoever asks for any, so that nobody gets one by chance before its server has started."""
_dice = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Return ports of this machine on which nobody listens now."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):
                port = _dice.choice(_PORTS)
                probe.bind(("127.0.0.1", port))
                found.append(port)
        return found
