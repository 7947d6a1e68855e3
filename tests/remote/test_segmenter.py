import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query
from napari_intseg.core.volume import Volume
from napari_intseg.core.workers import check_address
from napari_intseg.errors import (
    DataError,
    MissingExtraError,
    RemoteCancelledError,
    RemoteError,
    UnknownModelError,
)
from napari_intseg.models.model_table import identity_of
from napari_intseg.models.registry import load_model
from napari_intseg.remote import remote_segmenter
from napari_intseg.remote.actor import ModelActor, RemoteQuestion, pack, pack_image, unpack
from napari_intseg.remote.remote_segmenter import load_remote, served
from napari_intseg.session.session import Session
from napari_intseg.testing import phantom_image, phantom_volume
from tunnel import Tunnel

distributed = pytest.importorskip("distributed")

NEW = "random-walker"
CLICK = Prompts((Click(20.0, 20.0),))


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and a worker, each a process, as `serve` starts them."""
    with served(port=0, resources={"GPU": 1}) as address:
        yield address


def worker_pid(address: str) -> int:
    with distributed.Client(address, set_as_default=False) as client:
        return next(iter(client.run(os.getpid).values()))


def wait_for_another(address: str, pid: int) -> None:
    """Wait until a worker runs that is not the one of this id."""
    with distributed.Client(address, set_as_default=False) as client:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if set(client.run(os.getpid).values()) - {pid}:
                    return
            except Exception:
                threading.Event().wait(0.1)
    pytest.fail("no worker came")


def clicked(model) -> list[np.ndarray]:
    """Masks after each of some clicks in a volume, and after a propagation."""
    volume, _ = phantom_volume()
    session = Session(model, volume)
    masks = []
    for at, positive in (((8, 24, 20), True), ((8, 5, 5), False), ((8, 26, 22), True)):
        session.click(at, positive=positive)
        masks.append(session.mask.copy())
    session.undo()
    session.propagate(range(6, 11))
    return [*masks, session.mask.copy()]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random-walker", "bundled"])
def test_pixels_equal_those_of_the_model_here(cluster, name):
    there = load_model(name, device=cluster, resources={"GPU": 1})
    here = load_model(name, device="cpu")
    assert there.traits == here.traits
    assert identity_of(there).device == cluster
    try:
        for one, other in zip(clicked(there), clicked(here), strict=True):
            np.testing.assert_array_equal(one, other)
    finally:
        there.close()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_killed_worker_is_one_error_and_the_next_click_works(cluster):
    model = load_remote(NEW, cluster, timeout_s=30)
    image, _ = phantom_image()
    session = Session(model, Volume(image[..., 0]))
    session.click((40, 60))
    pid = worker_pid(cluster)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RemoteError, match="model does not answer"):
        session.click((10, 10), positive=False)
    assert not model.is_connected
    wait_for_another(cluster, pid)
    session.click((12, 10), positive=False)
    assert model.is_connected
    model.close()
    local = Session(load_model(NEW), Volume(image[..., 0]))
    for placed in session.clicks:
        click = placed.click
        local.click((click.row, click.col), positive=click.positive)
    np.testing.assert_array_equal(session.mask, local.mask)
    given = [(p.click.row, p.click.col) for p in session.clicks]
    assert given == [(40, 60), (10, 10), (12, 10)], "the click that was not answered is kept"


@pytest.mark.slow
def test_a_cut_line_is_one_error_and_the_next_question_is_answered():
    image, _ = phantom_image()
    with served(port=0) as address:
        model = load_remote(NEW, address, timeout_s=20)
        query = Query(model.prepare(image), CLICK)
        before = model.predict(query)
    with pytest.raises(RemoteError, match=r"does not answer"):
        model.predict(query)
    with served(port=int(address.rpartition(":")[2])):
        np.testing.assert_array_equal(model.predict(query).logits, before.logits)
        model.close()


@pytest.mark.slow
def test_errors_of_the_model_are_those_of_the_model(cluster):
    with pytest.raises(UnknownModelError, match="none-such"):
        load_remote("none-such", cluster, timeout_s=30)


@pytest.mark.slow
def test_a_resource_that_nobody_has_is_told_in_time(cluster):
    with pytest.raises(RemoteError, match="within 1 s"):
        load_remote(NEW, cluster, resources={"TPU": 1}, timeout_s=1)


@pytest.mark.slow
def test_a_call_is_cancelled_from_another_thread(cluster):
    model = load_remote(NEW, cluster)
    begun = threading.Event()

    class Late:
        def result(self, timeout):
            begun.set()
            threading.Event().wait(0.01)
            raise TimeoutError(timeout)

    def cancel():
        begun.wait()
        model.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(RemoteCancelledError, match="call is cancelled"):
        model._wait(Late(), time.monotonic() + 60)
    thread.join()
    # what was asked before is asked again by whoever wants it
    assert model.predict(Query(model.prepare(phantom_image()[0]), CLICK)).logits.shape == (96, 128)
    model.close()


def test_a_plain_address_of_another_machine_is_refused():
    for address in ("tcp://10.0.0.5:8786", "tcp://gpu:8786", "tcp://[::2]:8786"):
        with pytest.raises(RemoteError, match="address is not safe"):
            check_address(address, insecure=False)
        check_address(address, insecure=True)
    for address in ("tls://gpu:8786", "tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"):
        check_address(address, insecure=False)
    for address in ("gpu:8786", "http://gpu", "tls://", "", "tcp://gpu:99999", "tcp://gpu:x"):
        with pytest.raises(RemoteError, match="address is not understood"):
            check_address(address, insecure=True)
    with pytest.raises(RemoteError, match="address is not safe"):
        load_model(NEW, device="tcp://10.0.0.5:8786")
    with pytest.raises(RemoteError, match="address is not safe"), served(host="0.0.0.0"):
        pass


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(), "nobody listens there"),
        (socket.gaierror(), "a name that nobody knows"),
        (TimeoutError(), "firewall"),
        (OSError("what is it"), "what is it"),
    ],
)
def test_nobody_at_an_address_is_told(monkeypatch, error, told):
    def refuse(*_args, **_options):
        raise error

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(RemoteError, match=f"machine does not answer: .*{told}"):
        load_remote(NEW, "tcp://127.0.0.1:9")


@pytest.mark.slow
def test_a_scheduler_without_workers_is_told(monkeypatch):
    monkeypatch.setattr(remote_segmenter, "_CONNECT_S", 0.5)
    with served(port=0, workers=0) as address, pytest.raises(RemoteError, match="nobody computes"):
        load_remote(NEW, address)


@pytest.mark.slow
def test_another_version_there_is_told(cluster, monkeypatch):
    monkeypatch.setattr(remote_segmenter, "__version__", "0.0.9")
    with pytest.raises(RemoteError, match=r"version differs: .*cluster\]==0\.0\.9"):
        load_remote(NEW, cluster)
    monkeypatch.setattr(remote_segmenter, "_VERSION", "no_such_package:__version__")
    with pytest.raises(RemoteError, match="got none"):
        load_remote(NEW, cluster)


@pytest.mark.slow
def test_a_gpu_is_taken_if_there_is_one(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        assert remote_segmenter._needed(client) == {"GPU": 1}


@pytest.mark.slow
def test_connecting_is_stopped(cluster):
    with pytest.raises(RemoteCancelledError, match="call is cancelled"):
        load_remote(NEW, cluster, should_stop=lambda: True)


@pytest.mark.slow
def test_a_watched_connection_is_waited_for_until_it_is_given_up(cluster, monkeypatch):
    monkeypatch.setattr(remote_segmenter, "RETRY_S", 0.01)
    tunnel = Tunnel(int(cluster.rpartition(":")[2]))
    model = load_remote(NEW, tunnel.address)
    query = Query(model.prepare(phantom_image()[0]), CLICK)
    before = model.predict(query)
    states = []

    def open_again(is_there):
        states.append(is_there)
        if not is_there:
            tunnel.open()

    model.watch(open_again)
    tunnel.cut()
    np.testing.assert_array_equal(model.predict(query).logits, before.logits)
    assert states == [False, True]

    def give_up(is_there):
        states.append(is_there)
        model.give_up()

    model.watch(give_up)
    tunnel.cut()
    for _ in range(2):  # the one under way, and the next
        with pytest.raises(RemoteCancelledError, match="call is cancelled"):
            model.predict(query)
    assert states == [False, True, False]
    model.watch(states.append)
    model.watch(None)
    with pytest.raises(RemoteError, match="machine does not answer"):
        model.predict(query)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'napari-intseg\[cluster\]'"):
        load_remote(NEW, "tcp://127.0.0.1:9")


def test_an_actor_answers_as_its_model_and_forgets_what_is_too_much():
    image, _ = phantom_image()
    actor, model = ModelActor(NEW, {}, most_bytes=1), load_model(NEW)
    actor.prepare("a", pack_image(image))
    question = RemoteQuestion("a", CLICK, None, None, None)
    reply = actor.predict(question)
    expected = model.predict(Query(model.prepare(image), CLICK))
    np.testing.assert_array_equal(unpack(reply.logits), expected.logits)
    actor.prepare("b", pack_image(image[::-1]))
    assert actor.predict(question) is None


DAMAGE = {
    "cut off": lambda packed: replace(packed, content=packed.content[: len(packed.content) // 2]),
    "changed": lambda packed: replace(packed, content=b"?" + packed.content[1:]),
    "empty": lambda packed: replace(packed, content=b""),
    "another shape": lambda packed: replace(packed, shape=(7, *packed.shape)),
    "a negative shape": lambda packed: replace(packed, shape=(-1, 4)),
    "too large a shape": lambda packed: replace(packed, shape=(1 << 20, 1 << 20)),
    "another type": lambda packed: replace(packed, dtype="<f8"),
    "no type": lambda packed: replace(packed, dtype="what"),
    "objects": lambda packed: replace(packed, dtype="|O"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_message_is_one_error_and_the_next_is_answered(kind):
    image, _ = phantom_image()
    actor = ModelActor(NEW, {})
    with pytest.raises(DataError, match="message is damaged"):
        actor.prepare("a", DAMAGE[kind](pack_image(image)))
    assert actor.predict(RemoteQuestion("a", CLICK, None, None, None)) is None
    actor.prepare("a", pack_image(image))
    prev = DAMAGE[kind](pack(np.zeros(image.shape[:2], np.float32)))
    with pytest.raises(DataError, match="message is damaged"):
        actor.predict(RemoteQuestion("a", CLICK, prev, None, None))
    with pytest.raises(DataError, match="message is damaged"):
        actor.predict(RemoteQuestion("a", CLICK, None, b"no pickle", None))
    reply = actor.predict(RemoteQuestion("a", CLICK, None, None, None))
    assert unpack(reply.logits).shape == image.shape[:2]


def test_a_damaged_message_of_a_worker_costs_no_connection(cluster, monkeypatch):
    image, _ = phantom_image()
    model = load_remote(NEW, cluster)
    prepared = model.prepare(image)
    whole = remote_segmenter.pack
    logits = np.zeros(image.shape[:2], np.float32)
    monkeypatch.setattr(remote_segmenter, "pack", lambda array: DAMAGE["cut off"](whole(array)))
    with pytest.raises(DataError, match="message is damaged"):
        model.predict(Query(prepared, CLICK, logits))
    monkeypatch.setattr(remote_segmenter, "pack", whole)
    answer = model.predict(Query(prepared, CLICK, logits))
    assert answer.logits.shape == image.shape[:2]
    model.close()
