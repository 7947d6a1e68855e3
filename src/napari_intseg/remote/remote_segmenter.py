"""A model on another machine, by dask: used from here as any model, and served there."""

import asyncio
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from urllib.parse import urlsplit

from napari_intseg._version import __version__
from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.core.workers import check_address, import_distributed
from napari_intseg.errors import (
    IntSegError,
    MissingExtraError,
    RemoteCancelledError,
    RemoteError,
)
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
RETRY_S = 1.0
"""Between two attempts to connect again: one that is refused takes a millisecond, so that a second
costs neither side anything."""


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
    name, address, options, certificates, resources, timeout_s, should_stop
        As for `load_remote`.

    Attributes
    ----------
    is_given_up : bool
        Whether every call ends at once, see `give_up`.
    """

    name: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    certificates: Certificates | None = None
    resources: Mapping[str, float] | None = None
    timeout_s: float = TIMEOUT_S
    should_stop: Callable[[], bool] | None = field(default=None, repr=False)
    is_given_up: bool = field(default=False, init=False, repr=False)
    _link: _Link | None = field(default=None, init=False, repr=False)
    _traits: Traits | None = field(default=None, init=False, repr=False)
    _cancelled: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _on_state: Callable[[bool], None] | None = field(default=None, init=False, repr=False)
    _is_lost: bool = field(default=False, init=False, repr=False)

    @property
    def traits(self) -> Traits:
        """How the model wants to be used."""
        if self._traits is None:
            self._traits = self._call("traits")
        return self._traits

    @property
    def is_connected(self) -> bool:
        """Whether the machine is at the other end, as far as is known; a call connects again."""
        return self._link is not None and self._link.client.status == "running"

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
        others = None if query.others is None else pack(query.others)
        question = RemoteQuestion(image.name, query.prompts, prev, query.state, query.frame, others)
        # the image is not sent again: the worker keeps what it has prepared
        reply = self._call("predict", question)
        # a worker that is new, or that needed the room
        if reply is None:
            self._call("prepare", image.name, image.packed)
            reply = self._call("predict", question)
        return _answer(reply)

    def watch(self, on_state: Callable[[bool], None] | None) -> None:
        """From now on wait until a lost connection is back, and tell; None: it is an error again.

        Parameters
        ----------
        on_state : callable or None
            Called with False when the connection is lost, and with True once it is back, in the
            thread of the call. That call, and those after it, wait until then; `give_up` ends it.
        """
        if on_state is not None:
            self.is_given_up = self._is_lost = False
        self.should_stop, self._on_state = None, on_state

    def cancel(self) -> None:
        """End the call under way, from another thread; it raises `RemoteCancelledError`."""
        self._cancelled.set()

    def give_up(self) -> None:
        """End the call under way, and all that come until `watch`: another model takes over."""
        self.is_given_up = True
        self._cancelled.set()

    def check(self) -> None:
        """Ask the machine for a sign of life; raises, or waits, as any call."""
        self._call("traits")

    def close(self) -> None:
        """End the connection; the model there is let go."""
        link, self._link = self._link, None
        if link is not None:
            # what answers no more is not waited for
            link.client.close(timeout=1)

    def release(self) -> None:
        """End the connection, and the memory that the model takes there; a call connects again."""
        self.close()

    def _call(self, method: str, *args: Any) -> Any:
        """Return what the model there returns, after the connection is back if it is watched."""
        # a cancellation is of one call: one that came too late must not end the next
        self._cancelled.clear()
        # looked at after that: `give_up` may come in between
        if self.is_given_up:
            self._cancelled.set()
        while True:
            try:
                found = self._call_once(method, *args)
            except (_FinalError, RemoteCancelledError):
                raise
            except RemoteError:
                if self._on_state is None:
                    raise
                self._tell(is_lost=True)
                self._cancelled.wait(RETRY_S)
            else:
                self._tell(is_lost=False)
                return found

    def _tell(self, *, is_lost: bool) -> None:
        was, self._is_lost = self._is_lost, is_lost
        if self._on_state is not None and was != is_lost:
            self._on_state(not is_lost)

    def _call_once(self, method: str, *args: Any) -> Any:
        """Return what the model there returns; after a failure the connection is ended."""
        # one limit for connecting, waiting and answering together
        end = time.monotonic() + self.timeout_s
        try:
            self._check_cancelled()
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

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set() or (self.should_stop is not None and self.should_stop()):
            raise RemoteCancelledError(
                f"call is cancelled: expected an answer of {self.name} at {self.address!r}, "
                "got a cancellation. The next step connects again."
            )

    def _wait(self, under_way: Any, end: float) -> Any:
        """Return the result of something under way, unless it is cancelled or late."""
        while True:
            left = end - time.monotonic()
            self._check_cancelled()
            if self._link is not None and not self.is_connected:
                # dask itself would try for 10 s to connect again before it tells
                raise RemoteError(
                    f"model does not answer: expected {self.name} at {self.address!r}, got the end "
                    "of the connection. What was given is kept here; the next step connects again."
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
        opened: Future[Any] = Future()

        def work() -> None:
            try:
                opened.set_result(self._open(distributed))
            except BaseException as err:
                opened.set_exception(err)

        # in a thread of its own, since dask's connecting cannot be cancelled
        threading.Thread(target=work, name="napari-intseg connecting", daemon=True).start()
        try:
            client = self._wait(opened, end)
        except RemoteError:
            opened.add_done_callback(_close_client)
            raise
        try:
            needed = _needed(client) if self.resources is None else dict(self.resources)
            # pure=False: two windows with the same model get an actor each
            options: dict[str, Any] = {"pure": False, "resources": needed or None}
            self._check_version(client, options, end)
            future = client.submit(ModelActor, self.name, dict(self.options), actor=True, **options)
            # an actor asks for its client when it is first used
            with client.as_current():
                actor = self._wait(future, end)
                _ = actor.traits
        except BaseException:
            client.close(timeout=1)
            raise
        return _Link(client, future, actor)

    def _open(self, distributed: Any) -> Any:
        """Return a client of the scheduler once there is a worker; every failure is one line."""
        files = self.certificates
        for path in () if files is None else (files.ca, files.cert, files.key):
            if not path.is_file():
                raise _FinalError(
                    f"certificate is not there: expected a file, got {str(path)!r}. Choose the "
                    "files that were made for this machine."
                )
        timeout_s = min(_CONNECT_S, self.timeout_s)
        security = security_of(distributed, self.certificates) or distributed.Security()
        try:
            # dask tries again and again for the whole time where nobody listens
            parts = urlsplit(self.address)
            socket.create_connection((parts.hostname, parts.port or PORT), timeout_s).close()
            # before a client is made: one that cannot connect is closed by the garbage collector,
            # which then waits for it, in whichever thread
            asyncio.run(_greet(distributed, self.address, security, timeout_s))
            # no default: other programs in this process may have a client of their own
            client = distributed.Client(
                self.address, timeout=timeout_s, set_as_default=False, security=security
            )
        except Exception as err:
            # what is no dask may answer anything
            raise _unreachable(self.address, err) from err
        try:
            client.wait_for_workers(1, timeout=timeout_s)
        except Exception as err:
            client.close(timeout=1)
            raise RemoteError(
                f"nobody computes there: expected a worker at {self.address!r}, got a scheduler "
                f"that had none for {timeout_s:g} s. Look at `napari-intseg serve` on its machine."
            ) from err
        return client

    def _check_version(self, client: Any, options: Mapping[str, Any], end: float) -> None:
        """Compare versions by what every Python has, so that any version of ours can be told."""
        try:
            there = self._wait(client.submit(resolve_name, _VERSION, **options), end)
        except (ImportError, AttributeError) as err:
            there = f"none ({err})"
        if there != __version__:
            raise _FinalError(
                f"version differs: expected napari-intseg {__version__} at {self.address!r} as on "
                f"this machine, got {there}. Install the same at both: "
                f"pip install 'napari-intseg[cluster]=={__version__}'"
            )


_VERSION = "napari_intseg:__version__"


class _FinalError(RemoteError):
    """Another attempt would end in the same way."""


async def _greet(distributed: Any, address: str, security: Any, timeout_s: float) -> None:
    """Connect to a scheduler as a client would, and leave."""
    how = security.get_connection_args("client")
    comm = await distributed.comm.connect(address, timeout=timeout_s, **how)
    await comm.close()


def _close_client(opened: "Future[Any]") -> None:
    """Close what is there only after nobody waits for it any more."""
    if opened.exception() is None:
        opened.result().close(timeout=1)


def _needed(client: Any) -> dict[str, float]:
    """Return what a worker must have: a GPU, if any of them says that it has one."""
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"]
    except TypeError:
        # dask before 2025.4 tells of all without being asked
        workers = client.scheduler_info()["workers"]
    return {"GPU": 1} if any(one["resources"].get("GPU") for one in workers.values()) else {}


def _unreachable(address: str, err: BaseException) -> RemoteError:
    """Return in one line why there is no connection, and what to do."""
    causes = [err]
    while (deeper := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(deeper)

    def of(*kinds: type[BaseException]) -> BaseException | None:
        return next((one for one in causes if isinstance(one, kinds)), None)

    if isinstance(err, TypeError) and address.startswith("tls"):
        return _FinalError(
            f"certificates are needed: expected three files for {address!r}, got none. Give those "
            "that were made for this machine."
        )
    # dask tells of a refusal by the other side in words alone
    wrong = of(ssl.SSLError) or (err if "SSLError" in str(err) else None)
    if wrong is not None:
        # a machine that goes away in between may well be back
        kind = RemoteError if isinstance(wrong, ssl.SSLEOFError) else _FinalError
        return kind(
            f"certificates do not fit: expected TLS that both sides trust at {address!r}, got "
            f"{wrong}. Use certificates signed by the same authority as those of `napari-intseg "
            "serve` there; one that serves without TLS has an address with tcp://."
        )
    why, what = f"{type(err).__name__} ({err})", "Start one there with `napari-intseg serve`."
    if of(socket.gaierror):
        why, what = "a name that nobody knows", "Correct the address, or look at the network."
    elif of(ConnectionRefusedError):
        why, what = "a refusal: nobody listens there", f"{what[:-1]}, or open the SSH tunnel."
    elif of(ConnectionResetError):
        why, what = "a connection closed at once", "One that serves with TLS has tls:// as address."
    elif of(TimeoutError):
        why, what = "nothing", f"{what[:-1]}, and look at the firewall between."
    return RemoteError(
        f"machine does not answer: expected a dask scheduler at {address!r}, got {why}. {what}"
    )


def load_remote(
    name: str,
    address: str,
    *,
    certificates: Certificates | None = None,
    insecure: bool = False,
    resources: Mapping[str, float] | None = None,
    timeout_s: float = TIMEOUT_S,
    should_stop: Callable[[], bool] | None = None,
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
        What the worker must have; by default ``{"GPU": 1}`` if any there says that it has one.
    timeout_s : float, default 120
        For one call.
    should_stop : callable, optional
        Asked often; once it says so the call under way ends with `RemoteCancelledError`.
    **options
        Of `load_model` on the worker: `weights` (a path there), `device`, `precision`, ….

    Raises
    ------
    RemoteError
        If the address is not safe, nobody answers, or another version of the package does.
    MissingExtraError
        If dask's distributed is not installed.
    IntSegError
        As for `load_model`, by the worker.
    """
    check_address(address, insecure=insecure)
    model = RemoteSegmenter(
        name, address, dict(options), certificates, resources, timeout_s, should_stop
    )
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
