"""Which addresses of other machines are safe to use."""

import ipaddress
from urllib.parse import urlsplit

from napari_intseg.errors import RemoteError


def check_address(address: str, *, insecure: bool) -> None:
    """Refuse what is no address, and one without TLS that leaves this machine.

    Raises
    ------
    RemoteError
        If it is refused.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("tls", "tcp") or not parts.hostname:
        raise RemoteError(
            f"address is not understood: expected tls://HOST:PORT or tcp://127.0.0.1:PORT, got "
            f"{address!r}. Correct it."
        )
    if parts.scheme == "tcp" and not insecure and not is_loopback(parts.hostname):
        raise RemoteError(
            f"address is not safe: expected tls://, or tcp:// on this machine, got {address!r}. "
            "Use certificates or an SSH tunnel; insecure=True (--insecure) allows it."
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone; nobody is asked."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
