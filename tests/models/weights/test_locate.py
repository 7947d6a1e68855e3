"""Find, fetch, add and verify weight files; a download is whole and right, or it never was."""

import contextlib
import gzip
import io
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import urllib3

from napari_intseg.errors import WeightsError
from napari_intseg.models.registry import load_model
from napari_intseg.models.weights import locate as weights
from napari_intseg.models.weights.catalogue import CATALOGUE, WeightFile, find_entry
from napari_intseg.models.weights.locate import (
    add,
    bundled_folder,
    fetch,
    list_weights,
    locate,
    search_folders,
    verify,
)
from napari_intseg.models.weights.store import check_unchanged, sha256_of

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 2000  # begins as a torch file does
RIGHT = sha256(CONTENT).hexdigest()
BOMB = gzip.compress(b"PK\x03\x04" + bytes(1 << 24), 9)
STALLING, RELEASED = threading.Event(), threading.Event()


def saved(**tensors: tuple[int, ...]) -> bytes:
    held = io.BytesIO()
    torch.save({name.replace("__", "."): torch.zeros(n) for name, n in tensors.items()}, held)
    return held.getvalue()


NET = saved(mask_decoder__iou_token__weight=(1, 256), image_encoder__pos_embed=(1, 8, 8, 768))


class Server(BaseHTTPRequestHandler):
    """Good, missing, cut-off, wrong-content and error pages, by path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = {"/page": b"<html>log in first</html>", "/bomb": BOMB, "/net": NET}.get(
            self.path, CONTENT
        )
        if self.path == "/words":
            self.send_response(404, "\x1b[2J gone " + "away " * 5000)
        elif self.path.startswith("/code/"):
            self.send_response(int(self.path[6:]))
        else:
            self.send_response(404 if self.path == "/gone" else 200)
        if self.path == "/bomb":
            self.send_header("Content-Encoding", "gzip")
        if self.path == "/badlength":
            self.send_header("Content-Length", "abc")
        if self.path in ("/half", "/badlength"):
            self.close_connection = True
        elif self.path == "/stall":
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:1000])
            STALLING.set()
            RELEASED.wait(240)
            return
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path in ("/cut", "/half", "/badlength"):
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client may go away in the middle
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither the user's cache nor environment is looked at, let alone changed."""
    cache = tmp_path / "cache"
    monkeypatch.delenv("NAPARI_INTSEG_WEIGHTS", raising=False)
    monkeypatch.setattr("napari_intseg.models.weights.store.user_cache_path", lambda _: cache)
    return cache / "weights"


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Any:
    def enter(key: str = "made", **fields: Any) -> WeightFile:
        entry = WeightFile(key, "made", f"{key}.pth", **fields)
        monkeypatch.setitem(CATALOGUE, key, entry)
        return entry

    return enter


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.is_dir() else []


# --- the catalogue


def test_the_catalogue_says_what_one_must_know() -> None:
    for key, entry in CATALOGUE.items():
        assert entry.key == key
        assert entry.file
        assert entry.family
        assert entry.licence
        assert entry.address is None or entry.address.startswith("https://")
        assert entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32


def test_an_unknown_key_is_told_with_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"expected one of .*ritm-hrnet18s.*got 'ritm'"):
        find_entry("ritm")


# --- finding


def test_a_given_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.bin"
    path.touch()
    assert locate("ritm-hrnet18s", path) == path
    assert locate("ritm-hrnet18s", str(path)) == path


def test_a_given_folder_is_looked_in(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"expected a file, got .*coco_lvis_h18s_itermask.pth"):
        locate("ritm-hrnet18s", tmp_path)
    path = tmp_path / "coco_lvis_h18s_itermask.pth"
    path.touch()
    assert locate("ritm-hrnet18s", tmp_path) == path


def test_a_given_file_that_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"got .*nowhere.pth.*weights fetch ritm-hrnet18s"):
        locate("ritm-hrnet18s", tmp_path / "nowhere.pth")


def test_the_named_folder_comes_before_the_cache(
    tmp_path: Path, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "coco_lvis_h18s_itermask.pth"
    own_folders.mkdir(parents=True)
    (own_folders / name).touch()
    assert locate("ritm-hrnet18s") == own_folders / name
    named = [tmp_path / "a", tmp_path / "b"]
    monkeypatch.setenv("NAPARI_INTSEG_WEIGHTS", os.pathsep.join(map(str, named)))
    for folder in reversed(named):
        folder.mkdir()
        (folder / name).touch()
        assert locate("ritm-hrnet18s") == folder / name
    assert search_folders(tmp_path)[:3] == (tmp_path, *named)


def test_the_bundled_folder_is_among_those_looked_in() -> None:
    bundled = bundled_folder()
    assert bundled is not None
    assert (bundled / "SHA256SUMS").is_file()
    assert bundled in search_folders()


def test_missing_weights_say_how_to_get_them() -> None:
    with pytest.raises(
        WeightsError,
        match=r"Fetch it \(16.5 MB\) with `napari-intseg weights fetch ritm-hrnet18s`.*offline"
        r".*https://github.com/.*/coco_lvis_h18s_itermask.pth.*weights add FILE --key ritm-",
    ):
        locate("ritm-hrnet18s")
    with pytest.raises(WeightsError, match=r"cannot be fetched \(not published"):
        locate("ritm-resnet34")


def test_weights_of_other_packages_are_found_by_file_name(own_folders: Path) -> None:
    with pytest.raises(WeightsError, match=r"expected 'theirs.pth' in one of .*Give its path"):
        locate("theirs.pth")
    own_folders.mkdir(parents=True)
    (own_folders / "theirs.pth").touch()
    assert locate("theirs.pth") == own_folders / "theirs.pth"


def test_the_list_shows_what_is_there(own_folders: Path) -> None:
    assert {found.entry.key for found in list_weights()} == set(CATALOGUE)
    assert not any(found.path for found in list_weights() if found.entry.family == "ritm")
    own_folders.mkdir(parents=True)
    (own_folders / "sbd_h18_itermask.pth").touch()
    there = {
        found.entry.key for found in list_weights() if found.entry.family == "ritm" and found.path
    }
    assert there == {"ritm-hrnet18-sbd"}


# --- fetching


def test_a_download_arrives_whole_and_with_progress(
    server: str, enter: Any, own_folders: Path
) -> None:
    enter(address=f"{server}/good", sha256=RIGHT)
    told: list[tuple[int, int]] = []
    stored = fetch("made", on_progress=lambda done, total: told.append((done, total)))
    assert stored is not None
    assert stored.path == own_folders / "made.pth"
    assert stored.path.read_bytes() == CONTENT
    assert stored.is_checked
    assert stored.sha256 == RIGHT
    assert len(told) > 3
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert contents(own_folders) == ["SHA256SUMS", "made.pth"]
    assert locate("made") == stored.path


def test_without_a_published_checksum_the_first_fetch_records_it(
    server: str, enter: Any, own_folders: Path
) -> None:
    enter(address=f"{server}/good")
    stored = fetch("made")
    assert stored is not None
    assert not stored.is_checked
    assert stored.sha256 == RIGHT
    assert (own_folders / "SHA256SUMS").read_text() == f"{RIGHT}  made.pth\n"
    assert [check.state for check in verify("made")] == ["ok"]


@pytest.mark.parametrize(
    "case",
    [
        ("/good", "0" * 64, "not the published ones: expected SHA-256 0000.*fetch made"),
        ("/cut", RIGHT, "cannot be fetched: .*Try again later"),
        ("/cut", None, "cannot be fetched: .*Try again later"),
        ("/gone", RIGHT, "cannot be fetched: .*404"),
        (
            "/page",
            None,
            "no checkpoint: expected a torch or safetensors file.*begins with b'<html>",
        ),
    ],
)
def test_a_wrong_or_interrupted_download_leaves_nothing_behind(
    server: str, enter: Any, own_folders: Path, case: tuple[str, str | None, str]
) -> None:
    path, checksum, told = case
    enter(address=server + path, sha256=checksum)
    with pytest.raises(WeightsError, match=told):
        fetch("made")
    assert contents(own_folders) == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/half", r"not whole, or others: expected about 0.512.* MB, got 0.256 MB"),
        ("/badlength", r"not whole, or others: expected about 0.512.* MB, got 0.256 MB"),
        ("/bomb", r"cannot be fetched: .*an answer packed as 'gzip'"),
    ],
)
def test_a_server_that_tells_no_length_or_packs_its_answer_leaves_nothing_behind(
    server: str, enter: Any, own_folders: Path, path: str, told: str
) -> None:
    enter(address=server + path, size_mb=len(CONTENT) / 1e6)
    with pytest.raises(WeightsError, match=told):
        fetch("made")
    assert contents(own_folders) == []


def test_more_than_the_catalogue_says_is_not_taken(
    server: str, enter: Any, own_folders: Path
) -> None:
    enter(address=f"{server}/good", size_mb=0.1)
    with pytest.raises(WeightsError, match=r"got more than the 0.11 MB that it has"):
        fetch("made")
    assert contents(own_folders) == []


def test_cancel_is_obeyed_while_a_server_stalls(server: str, enter: Any, own_folders: Path) -> None:
    enter(address=f"{server}/stall")
    STALLING.clear()
    RELEASED.clear()
    try:
        # the server sends nothing more before RELEASED is set, which is after fetch came back
        assert fetch("made", should_stop=STALLING.is_set) is None
    finally:
        RELEASED.set()
    assert contents(own_folders) == []


def test_cancel_is_obeyed_while_the_checksum_is_computed(
    enter: Any, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arrived(_: Any, __: str, part: Path, ___: Any) -> None:
        part.write_bytes(CONTENT)

    monkeypatch.setattr(weights, "_download", arrived)
    enter(address="https://example.invalid/a.pth")
    assert fetch("made", should_stop=iter([False, True]).__next__) is None
    assert contents(own_folders) == []


@pytest.mark.parametrize("code", [206, 204, 300])
def test_a_part_of_a_file_is_no_file(server: str, enter: Any, own_folders: Path, code: int) -> None:
    enter(address=f"{server}/code/{code}")
    with pytest.raises(WeightsError, match=f"an answer of code {code}"):
        fetch("made")
    assert contents(own_folders) == []


def test_what_a_server_says_is_told_in_a_line(server: str, enter: Any) -> None:
    enter(address=f"{server}/words")
    with pytest.raises(WeightsError, match="404") as told:
        fetch("made")
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 1000


def test_a_safe_address_does_not_lead_to_an_unsafe_one(
    enter: Any, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests
    from requests.structures import CaseInsensitiveDict

    def send(_: Any, request: Any, **__: Any) -> Any:
        answer = requests.Response()
        answer.request, answer.url = request, request.url
        answer.raw = urllib3.HTTPResponse(io.BytesIO(CONTENT), preload_content=False)
        is_first = request.url.startswith("https:")
        answer.status_code = 302 if is_first else 200
        place = {"Location": "http://elsewhere.invalid/a.pth"} if is_first else {}
        answer.headers = CaseInsensitiveDict(place)
        return answer

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    enter(address="https://example.invalid/a.pth")
    with pytest.raises(WeightsError, match=r"InvalidSchema.*http://elsewhere"):
        fetch("made")
    assert contents(own_folders) == []


def test_another_network_does_not_count_as_fetched_or_added(
    server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_folders: Path
) -> None:
    for key in ("ritm-hrnet18s", "sam-finetuned"):
        entry = replace(CATALOGUE[key], address=f"{server}/net", size_mb=None)
        monkeypatch.setitem(CATALOGUE, key, entry)
    told = "another network: expected those of 'ritm-hrnet18s', got SAM ViT-B"
    with pytest.raises(WeightsError, match=told):
        fetch("ritm-hrnet18s")
    source = tmp_path / "x.pth"
    source.write_bytes(NET)
    with pytest.raises(WeightsError, match=told):
        add(source, "ritm-hrnet18s")
    source.write_bytes(saved(some__thing=(3,)))
    with pytest.raises(WeightsError, match="got names and shapes of none that is known"):
        add(source, "ritm-hrnet18s")
    assert contents(own_folders) == []
    assert fetch("sam-finetuned") is not None


def test_a_file_that_changed_after_it_was_first_loaded_is_told(own_folders: Path) -> None:
    own_folders.mkdir(parents=True)
    path = own_folders / "first.pth"
    path.write_bytes(b"first")
    check_unchanged(path, sha256_of(path), "first")
    check_unchanged(path, sha256_of(path), "first")
    assert contents(own_folders) == ["SHA256SUMS", "first.pth"]
    path.write_bytes(b"second")
    with pytest.raises(WeightsError, match=r"weights have changed: .*This file has changed"):
        check_unchanged(path, sha256_of(path), "first")


def test_loading_by_name_notes_what_is_loaded_and_tells_of_a_change(tmp_path: Path) -> None:
    bundled = bundled_folder()
    assert bundled is not None
    copy = shutil.copy(bundled / "bundled.safetensors", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_INTSEG_WEIGHTS", str(tmp_path))
        load_model("bundled", device="cpu")
        assert "bundled.safetensors" in (tmp_path / "SHA256SUMS").read_text()
        with Path(copy).open("ab") as stream:
            stream.write(b"x")
        with pytest.raises(WeightsError, match="This file has changed"):
            load_model("bundled", device="cpu")


def test_a_wrong_download_leaves_the_old_file_as_it_was(
    server: str, enter: Any, own_folders: Path
) -> None:
    enter(address=f"{server}/good", sha256=RIGHT)
    fetch("made")
    before = contents(own_folders)
    enter(address=f"{server}/cut", sha256=RIGHT)
    with pytest.raises(WeightsError, match="cannot be fetched"):
        fetch("made")
    assert contents(own_folders) == before
    assert (own_folders / "made.pth").read_bytes() == CONTENT


def test_a_cancelled_download_leaves_nothing_behind(
    server: str, enter: Any, own_folders: Path
) -> None:
    enter(address=f"{server}/good", sha256=RIGHT)
    done: list[int] = []
    assert (
        fetch("made", on_progress=lambda n, _: done.append(n), should_stop=lambda: len(done) > 1)
        is None
    )
    assert 0 < done[-1] < len(CONTENT)
    assert contents(own_folders) == []
    assert fetch("made", should_stop=lambda: True) is None
    assert contents(own_folders) == []


def test_an_interrupt_from_the_keyboard_leaves_nothing_behind(
    server: str, enter: Any, own_folders: Path
) -> None:
    enter(address=f"{server}/good")

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("made", on_progress=interrupt)
    assert contents(own_folders) == []


def test_a_server_that_does_not_answer_is_told(enter: Any, own_folders: Path) -> None:
    enter(address="http://127.0.0.1:9/none")
    with pytest.raises(WeightsError, match=r"cannot be fetched: expected 'made.pth' from http"):
        fetch("made")
    assert contents(own_folders) == []


def test_what_is_not_published_cannot_be_fetched() -> None:
    with pytest.raises(WeightsError, match=r"got 'ritm-resnet34' \(not published"):
        fetch("ritm-resnet34")


def test_a_folder_that_cannot_be_written_is_told(server: str, enter: Any, tmp_path: Path) -> None:
    enter(address=f"{server}/good")
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(WeightsError, match=r"expected a folder that can be written, got .*file"):
        fetch("made", folder=in_the_way)
    source = tmp_path / "made.pth"
    source.write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=r"expected a folder that can be written, got .*file"):
        add(source, folder=in_the_way)


# --- adding and verifying


def test_a_file_is_added_by_its_name_its_checksum_or_a_key(
    enter: Any, tmp_path: Path, own_folders: Path
) -> None:
    enter(sha256=RIGHT)
    for name, key in (("made.pth", None), ("download (1)", None), ("x", "made")):
        source = tmp_path / name
        source.write_bytes(CONTENT)
        stored = add(source, key)
        assert stored.path == own_folders / "made.pth"
        assert stored.is_checked
        assert source.read_bytes() == CONTENT
        stored.path.unlink()


def test_a_file_that_cannot_be_recognised_asks_for_a_key(tmp_path: Path) -> None:
    source = tmp_path / "x.pth"
    source.write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=r"got 'x.pth'. Say what it is with --key, one of "):
        add(source)
    with pytest.raises(WeightsError, match=r"expected a file, got .*y.pth"):
        add(tmp_path / "y.pth")


def test_a_damaged_file_is_not_added(enter: Any, tmp_path: Path, own_folders: Path) -> None:
    enter(sha256=RIGHT)
    source = tmp_path / "made.pth"
    source.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="not the published ones"):
        add(source)
    source.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"no checkpoint: .*begins with b''"):
        add(source, "ritm-hrnet18s")
    assert contents(own_folders) == []


def test_verify_tells_damaged_from_unrecorded(enter: Any, own_folders: Path) -> None:
    enter()
    with pytest.raises(WeightsError, match="weights are missing"):
        verify("made")
    own_folders.mkdir(parents=True)
    path = own_folders / "made.pth"
    path.write_bytes(CONTENT)
    assert [(c.path, c.state) for c in verify("made")] == [(path, "unrecorded")]
    add(path, "made")
    assert [c.state for c in verify("made")] == ["ok"]
    path.write_bytes(CONTENT + b"x")
    assert [(c.entry.key, c.state) for c in verify() if c.entry.key == "made"] == [
        ("made", "damaged")
    ]
    with pytest.raises(WeightsError, match="weights are unknown"):
        verify("nothing")


def test_the_cache_is_the_platforms_own(tmp_path: Path) -> None:
    assert weights.cache_folder() == tmp_path / "cache" / "weights"
