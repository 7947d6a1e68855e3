"""A model on another machine, by dask: used from here as any model, and served there."""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.core.workers import check_address, import_distributed
from napari_intseg.errors import IntSegError, MissingExtraError, RemoteError
from napari_intseg.models.model_table import remember
from napari_intseg.remote.actor import (
    ModelActor,
    PackedArray,
    RemoteQuestion,
    Reply,
    pack,
    pack_image,
    unpack,
)

TIMEOUT_S = 120.0
"""For one call, loading a model included: reading the largest weights (1.2 GB) from a slow disk
takes about a minute."""

# seconds to reach a scheduler: one that runs answers in far less (not tuned)
_CONNECT_S = 10.0
# how often a call under way looks whether it was cancelled
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files by which the two sides of a TLS connection know each other.

    Parameters
    ----------
    ca : Path
        Certificate of who signed the others.
    cert, key : Path
        Certificate and private key of this side.
    """

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True, eq=False)
class RemoteImage:
    """An image that is prepared there, and kept packed here in case its worker dies."""

    name: str
    packed: PackedArray


@dataclass(slots=True, eq=False)
class _Link:
    """A connection, and the model at its end."""

    client: Any
    future: Any
    actor: Any


@dataclass(eq=False)
class RemoteSegmenter:
    """A `Segmenter` that runs on a dask worker; made by `load_remote`.

    Parameters
    ----------
    name, address, options, certificates, resources, timeout_s
        As for `load_remote`.
    """

    name: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    certificates: Certificates | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S
    _link: _Link | None = field(default=None, init=False, repr=False)
    _traits: Traits | None = field(default=None, init=False, repr=False)
    _cancelled: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    @property
    def traits(self) -> Traits:
        """How the model wants to be used."""
        if self._traits is None:
            self._traits = self._call("traits")
        return self._traits

    @property
    def is_connected(self) -> bool:
        """Whether the last call went well; another call connects again."""
        return self._link is not None

    def prepare(self, image: FloatArray) -> Prepared:
        """Have an image prepared there; see `Segmenter.prepare`.

        Raises
        ------
        RemoteError
            If nobody answers in time. The next call connects again.
        """
        packed = pack_image(image)
        # by its content, so that the same view is prepared once, whoever asks
        name = hashlib.blake2b(packed.content, digest_size=16).hexdigest()
        self._call("prepare", name, packed)
        height, width = image.shape[:2]
        return Prepared((height, width), RemoteImage(name, packed), len(packed.content))

    def predict(self, query: Query) -> Answer:
        """Have a query answered there; see `Segmenter.predict`.

        Raises
        ------
        RemoteError
            If nobody answers in time. The next call connects again.
        """
        image: RemoteImage = query.prepared.payload
        prev = None if query.prev_logits is None else pack(query.prev_logits)
        question = RemoteQuestion(image.name, query.prompts, prev, query.state, query.frame)
        # the image is not sent again: the worker keeps what it has prepared
        reply = self._call("predict", question)
        # a worker that is new, or that needed the room
        if reply is None:
            self._call("prepare", image.name, image.packed)
            reply = self._call("predict", question)
        return _answer(reply)

    def cancel(self) -> None:
        """End the call under way, from another thread; it raises `RemoteError`."""
        self._cancelled.set()

    def close(self) -> None:
        """End the connection; the model there is let go."""
        link, self._link = self._link, None
        if link is not None:
            # what answers no more is not waited for
            link.client.close(timeout=1)

    def _call(self, method: str, *args: Any) -> Any:
        """Return what the model there returns; after a failure the connection is ended."""
        # a cancellation is of one call: one that came too late must not end the next
        self._cancelled.clear()
        # one limit for connecting, waiting and answering together
        end = time.monotonic() + self.timeout_s
        try:
            if self._link is None:
                self._link = self._connect(end)
            under_way = getattr(self._link.actor, method)(*args)
            return self._wait(under_way, end)
        except (RemoteError, MissingExtraError):
            self.close()
            raise
        except IntSegError:
            # of the model itself, which is well
            raise
        except Exception as err:
            # dask tells the end of a worker by errors of many types
            self.close()
            raise RemoteError(
                f"model does not answer: expected {self.name} at {self.address!r}, got "
                f"{type(err).__name__} ({err}). What was given is kept here; the next step "
                "connects again."
            ) from err

    def _wait(self, under_way: Any, end: float) -> Any:
        """Return the result of something under way, unless it is cancelled or late."""
        while True:
            left = end - time.monotonic()
            if self._cancelled.is_set():
                raise RemoteError(
                    f"call is cancelled: expected an answer of {self.name} at {self.address!r}, "
                    "got a cancellation. The next step connects again."
                )
            if left <= 0:
                raise RemoteError(
                    f"model does not answer: expected {self.name} at {self.address!r} to answer "
                    f"within {self.timeout_s:g} s, got nothing. Look at its machine; the next "
                    "step connects again."
                )
            try:
                # in short waits: dask's own wait could not be cancelled from another thread
                return under_way.result(timeout=min(_LOOK_S, left))
            except TimeoutError:
                continue

    def _connect(self, end: float) -> _Link:
        distributed = import_distributed("a remote model")
        try:
            client = distributed.Client(
                self.address,
                timeout=min(_CONNECT_S, self.timeout_s),
                # other programs in this process may have a client of their own
                set_as_default=False,
                security=security_of(distributed, self.certificates),
            )
        except (OSError, ValueError, TypeError, RuntimeError) as err:
            raise RemoteError(
                f"machine does not answer: expected a dask scheduler at {self.address!r}, got "
                f"{type(err).__name__} ({err}). Start one there with `napari-intseg serve`."
            ) from err
        try:
            future = client.submit(
                ModelActor, self.name, dict(self.options),
                # pure=False: two windows with the same model get an actor each
                actor=True, pure=False, resources=dict(self.resources) or None,
            )  # fmt: skip
            # an actor asks for its client when it is first used
            with client.as_current():
                actor = self._wait(future, end)
                _ = actor.traits
        except BaseException:
            client.close(timeout=1)
            raise
        return _Link(client, future, actor)


def load_remote(
    name: str,
    address: str,
    *,
    certificates: Certificates | None = None,
    insecure: bool = False,
    resources: Mapping[str, float] | None = None,
    timeout_s: float = TIMEOUT_S,
    **options: Any,
) -> RemoteSegmenter:
    """Load a model on a worker of a dask cluster.

    Parameters
    ----------
    name : str
        As for `load_model`.
    address : str
        Of the scheduler, such as ``tls://host:8786``; ``tcp://127.0.0.1:8786`` for one on this
        machine or at the end of an SSH tunnel.
    certificates : Certificates, optional
        For ``tls://``; by default those of dask's configuration.
    insecure : bool, default False
        Allow an address without TLS on another machine: whoever is on the way reads the images,
        and can run programs on both machines.
    resources : mapping of str to float, optional
        What the worker must have, such as ``{"GPU": 1}``.
    timeout_s : float, default 120
        For one call.
    **options
        Of `load_model` on the worker: `weights` (a path there), `device`, `precision`, ….

    Raises
    ------
    RemoteError
        If the address is not safe, or nobody answers.
    MissingExtraError
        If dask's distributed is not installed.
    IntSegError
        As for `load_model`, by the worker.
    """
    check_address(address, insecure=insecure)
    model = RemoteSegmenter(name, address, dict(options), certificates, resources or {}, timeout_s)
    _ = model.traits  # connects
    how = {"device": address, "precision": str(options.pop("precision", "auto"))}
    # of another machine: there is no file here to tell it by
    options.pop("weights", None)
    remember(model, name, None, how, options)
    return model


def _answer(reply: Reply) -> Answer:
    return Answer(
        unpack(reply.logits),
        reply.state,
        tuple(map(unpack, reply.alternatives)),
        reply.scores,
        reply.info,
        reply.keeps_rest,
    )


def security_of(distributed: Any, certificates: Certificates | None) -> Any:
    """Return dask's form of certificates; None: those of its configuration."""
    if certificates is None:
        return None
    return distributed.Security(
        require_encryption=True,
        tls_ca_file=str(certificates.ca),
        tls_client_cert=str(certificates.cert),
        tls_client_key=str(certificates.key),
        tls_scheduler_cert=str(certificates.cert),
        tls_scheduler_key=str(certificates.key),
        tls_worker_cert=str(certificates.cert),
        tls_worker_key=str(certificates.key),
    )


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
            # processes, so that a model that crashes takes no scheduler with it
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
