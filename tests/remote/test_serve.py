import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query
from napari_intseg.errors import RemoteError
from napari_intseg.models.registry import load_model
from napari_intseg.remote.remote_segmenter import Certificates, load_remote, served
from napari_intseg.testing import phantom_image

distributed = pytest.importorskip("distributed")


@pytest.fixture
def certificates(tmp_path):
    """One that signs itself, for both sides."""
    return self_signed(tmp_path / "ours")


def self_signed(folder):
    folder.mkdir()
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("nothing here makes certificates")
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "1"]
    subprocess.run(
        [program, *words, "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True
    )
    return Certificates(cert, cert, key)


@pytest.mark.slow
def test_certificates_are_needed_where_they_are_used(certificates, tmp_path):
    others = self_signed(tmp_path / "others")
    query_of = Prompts((Click(20.0, 20.0),))
    image, _ = phantom_image()
    with served(port=0, certificates=certificates) as address:
        assert address.startswith("tls://127.0.0.1:")
        model = load_remote("random-walker", address, certificates=certificates)
        found = model.predict(Query(model.prepare(image), query_of))
        model.close()
        with pytest.raises(RemoteError, match="certificates are needed"):
            load_remote("random-walker", address)
        plain = address.replace("tls", "tcp")
        with pytest.raises(RemoteError, match=r"machine does not answer: .* has tls://"):
            load_remote("random-walker", plain)
        other = replace(certificates, ca=others.ca)
        for wrong in (others, other, replace(others, ca=certificates.ca)):
            with pytest.raises(RemoteError, match="certificates do not fit"):
                load_remote("random-walker", address, certificates=wrong)
        with pytest.raises(RemoteError, match="certificate is not there"):
            load_remote("random-walker", address, certificates=replace(other, key=Path("none")))
    here = load_model("random-walker")
    expected = here.predict(Query(here.prepare(image), query_of))
    np.testing.assert_array_equal(found.logits, expected.logits)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent by a signal")
def test_serve_listens_on_this_machine_alone_and_ends_by_ctrl_c():
    psutil = pytest.importorskip("psutil")
    command = [sys.executable, "-m", "napari_intseg.cli.main", "serve", "--port", "0", "--gpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("serving at tcp://127.0.0.1:")
            address = line.split()[2].rstrip(";")
            with distributed.Client(address, set_as_default=False) as client:
                (worker,) = client.scheduler_info()["workers"].values()
                assert worker["resources"] == {"GPU": 1}
                assert worker["nthreads"] == 1
            whole = psutil.Process(process.pid)
            listening = {
                c.laddr.ip
                for one in (whole, *whole.children(recursive=True))
                for c in one.net_connections(kind="inet")
                if c.status == psutil.CONN_LISTEN
            }
            assert listening == {"127.0.0.1"}
            process.send_signal(signal.SIGINT)
            assert process.stdout.read().strip() == "ended"
        finally:
            if process.poll() is None:
                process.terminate()
    assert process.returncode == 0


def test_half_of_the_certificates_are_refused(capsys):
    assert main(["serve", "--tls-ca", "ca.pem"]) == 2
    assert "certificates are not complete" in capsys.readouterr().err


def test_other_machines_without_certificates_are_refused(capsys):
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "address is not safe" in capsys.readouterr().err
