"""A dask scheduler with workers on this machine, for models that are used from another."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from napari_intseg.core.workers import check_address, import_distributed
from napari_intseg.errors import RemoteError
from napari_intseg.remote.remote_segmenter import Certificates, security_of

PORT = 8786
"""That of dask's own schedulers."""


@contextmanager
def served(
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    workers: int = 1,
    resources: Mapping[str, float] | None = None,
    certificates: Certificates | None = None,
    insecure: bool = False,
) -> Iterator[str]:
    """Run a scheduler and workers as processes, without a dashboard; they end with the block.

    Parameters
    ----------
    host : str, default "127.0.0.1"
        Address of this machine to listen at; nobody else reaches the default.
    port : int, default 8786
        0: any that is free.
    workers : int, default 1
        Processes, each with one thread: models are asked one question at a time. One that dies
        is started again.
    resources : mapping of str to float, optional
        What each worker says it has, such as ``{"GPU": 1}``.
    certificates : Certificates, optional
        Listen by TLS alone.
    insecure : bool, default False
        Allow a host that others reach without TLS: whoever reaches it can run programs here.

    Yields
    ------
    str
        The scheduler's address.

    Raises
    ------
    RemoteError
        If the address is not safe, or cannot be listened at.
    MissingExtraError
        If dask's distributed is not installed.
    """
    scheme = "tcp" if certificates is None else "tls"
    written = f"[{host}]" if ":" in host else host
    check_address(f"{scheme}://{written}:{port}", insecure=insecure)
    distributed = import_distributed("a remote model")
    try:
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True,
            host=host, scheduler_port=port, protocol=f"{scheme}://",
            security=security_of(distributed, certificates),
            dashboard_address=None, worker_dashboard_address=None,
            resources=dict(resources or {}), silence_logs=40,  # logging.ERROR
        )  # fmt: skip
    except (OSError, RuntimeError) as err:
        raise RemoteError(
            f"address cannot be listened at: expected one of this machine with a free port, got "
            f"{written}:{port} ({err.__cause__ or err}). Choose another."
        ) from err
    with cluster:
        yield str(cluster.scheduler_address)
