"""Where to listen, and what a request has to bring: found out before anything that takes long is opened."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST_KEY = 16  # characters
ANYONE = ("*",)  # in place of names: a server may be called anything
THIS_MACHINE = ("127.0.0.1", "localhost", "::1", "[::1]")


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address of this machine; port 0 takes a free one.

    Nobody else can take the port from then on, and requests wait until they are accepted.

    Raises:
        InputError: no such host, a port that is taken, or one that this user may not take.
    """
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        hint = "127.0.0.1 is this machine alone, 0.0.0.0 all of its addresses."
        raise InputError(f"there is no host {host!r} ({error})", where="--host", hint=hint) from None
    bound = socket.socket(family, kind, protocol)  # asyncio sets TCP_NODELAY only where it reads IPPROTO_TCP here
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen()  # before that, others may bind the same port too
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise InputError(f"{host} is not an address of this machine", where="--host") from None
        message = (
            f"port {port} of {host} is taken" if error.errno == errno.EADDRINUSE else f"port {port}: {error.strerror}"
        )
        raise InputError(message, where="--port", hint="Give another one; --port 0 takes a free one.") from None
    return bound


def url(bound: socket.socket) -> str:
    """Return the address of a bound socket, as a browser takes it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if bound.family == socket.AF_INET6 else f"http://{host}:{port}"


def is_this_machine_alone(bound: socket.socket) -> bool:
    """Return whether only programs of this machine can reach a bound socket."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def names_of(bound: socket.socket) -> tuple[str, ...]:
    """Return what a server without a key may be called: a page on the web could else reach one on this machine.

    Such a page asks under its own name, which it lets mean this machine (DNS rebinding).
    """
    return (*THIS_MACHINE, bound.getsockname()[0]) if is_this_machine_alone(bound) else ANYONE


def read_key(file: Path) -> bytes:
    """Return the key in a file, without white space around it.

    Raises:
        InputError: it cannot be read, is not one word of printable ASCII, or is so short that it can be guessed.
    """
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise InputError(f"the key cannot be read: {error.strerror}", where=str(file)) from None
    if len(key) < SHORTEST_KEY or not all(33 <= byte <= 126 for byte in key):
        message = f"a key is one word of at least {SHORTEST_KEY} letters, digits and signs"
        raise InputError(message, where=str(file), hint="Make one: openssl rand -hex 32 > FILE")
    return key
