"""`napari-intseg serve`: let models run here for windows and scripts on other machines."""

import argparse
import threading
from pathlib import Path

from napari_intseg.errors import DataError

HELP = "run models here for another machine"
DESCRIPTION = """Start a dask scheduler and a worker, until Ctrl-C. Nobody but this machine
reaches them unless --host says so; the way from another machine is an SSH tunnel, or TLS with
certificates.

Whoever reaches the address can run programs here: that is what dask is for.

examples:
  napari-intseg serve --gpu
  ssh -L 8786:127.0.0.1:8786 gpu-machine     # at the other machine, then tcp://127.0.0.1:8786
  napari-intseg serve --gpu --host 10.0.0.5 --tls-ca ca.pem --tls-cert me.pem --tls-key me.key"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    # the port on which Dask's own scheduler listens by default
    parser.add_argument("--port", type=int, default=8786, metavar="N", help="default 8786")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")
    parser.add_argument(
        "--gpu", action="store_true", help='say that each worker has resources={"GPU": 1}'
    )
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--tls-ca", type=Path, metavar="FILE", help="who signed the certificates")
    tls.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate of this machine")
    tls.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key")
    tls.add_argument(
        "--insecure", action="store_true", help="listen for other machines without TLS"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until it is interrupted.

    Returns
    -------
    int
        0; Ctrl-C is how it ends.
    """
    from napari_intseg.remote.remote_segmenter import Certificates, served

    given = [args.tls_ca, args.tls_cert, args.tls_key]
    if any(given) != all(given):
        raise DataError(
            "certificates are not complete: expected --tls-ca, --tls-cert and --tls-key, got "
            f"{sum(path is not None for path in given)} of them. Give all three."
        )
    with served(
        host=args.host,
        port=args.port,
        workers=args.workers,
        resources={"GPU": 1} if args.gpu else None,
        certificates=Certificates(*given) if all(given) else None,
        insecure=args.insecure,
    ) as address:
        print(f"serving at {address}; Ctrl-C ends it", flush=True)
        try:
            # nothing is done in this process: it holds the cluster until Ctrl-C
            threading.Event().wait()
        except KeyboardInterrupt:
            print("ended")
    return 0
