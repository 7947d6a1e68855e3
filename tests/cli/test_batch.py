import csv
import json
import os
import signal
import sys

import numpy as np
import pytest
import tifffile

from napari_intseg.cli import batch
from napari_intseg.cli.main import main
from napari_intseg.io.read import read_volume

WALKER = ("--model", "random-walker")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three pictures with a disc each, the last one with two."""
    rows, cols = np.mgrid[:40, :60]
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name, centres in (("a", (20,)), ("b", (30,)), ("c", (15, 45))):
        inside = np.any([np.hypot(rows - 20, cols - col) < 9 for col in centres], axis=0)
        image = np.where(inside, 200, 40) + rng.normal(0, 4, inside.shape)
        tifffile.imwrite(tmp_path / f"images/{name}.tif", image.astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def here(monkeypatch):
    """Jobs one after the other in this process: what is tested are not the processes."""
    monkeypatch.setattr(
        batch,
        "run_in_workers",
        lambda function, jobs, _workers, _stop: ((job, function(job)) for job in jobs),
    )


def table(folder, text: str):
    path = folder / "jobs.csv"
    path.write_text(text, "utf-8")
    return str(path)


def summary(folder) -> dict[str, dict[str, str]]:
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["labels"]: row for row in csv.DictReader(file)}


JOBS = """image,output,clicks,boxes,init
images/a.tif,one.tif,"20,20",,
images/b.tif,two.png,"20,30; 2,2:-",,
images/c.tif,both.tif,"20,15 20,45@2",,
images/c.tif,init.tif,"20,45@2",,start.tif
"""


@pytest.mark.slow
def test_processes_give_the_pixels_of_segment(folder, capsys):
    start = np.zeros((40, 60), np.uint8)
    start[15:25, 10:20] = 1
    tifffile.imwrite(folder / "start.tif", start)
    assert main(["batch", table(folder, JOBS), "-o", "out", "--workers", "2", *WALKER]) == 0
    told = capsys.readouterr()
    assert "4 done" in told.out
    words = {
        "one.tif": ["images/a.tif", "--click", "20,20"],
        "two.png": ["images/b.tif", "--click", "20,30", "--click", "2,2:-"],
        "both.tif": ["images/c.tif", "--click", "20,15", "--click", "20,45@2"],
        "init.tif": ["images/c.tif", "--click", "20,45@2", "--init", "start.tif"],
    }
    (folder / "alone").mkdir()
    for name, given in words.items():
        assert main(["segment", *given, "-o", f"alone/{name}", *WALKER, "--quiet"]) == 0
        assert (folder / "out" / name).read_bytes() == (folder / "alone" / name).read_bytes()
        assert (folder / f"out/{name}.journal.jsonl").is_file()
    rows = summary(folder / "out")
    assert {row["status"] for row in rows.values()} == {"done"}
    assert rows["both.tif"]["objects"] == "1 2"
    workers = {json.loads(p.read_text())["worker"] for p in (folder / "out/jobs").glob("*.json")}
    assert 1 <= len(workers) <= 2, "one Python a worker, not one a job"
    page = (folder / "out/summary.html").read_text("utf-8")
    assert '<a href="jobs/two.png.log">' in page
    assert "object 1: 2 clicks" in (folder / "out/jobs/two.png.log").read_text("utf-8")


@pytest.mark.usefixtures("here")
def test_a_failed_job_does_not_end_the_others(folder, capsys):
    text = 'image,clicks\nimages/a.tif,"99,99"\nbroken.tif,"1,1"\nimages/b.tif,"20,30"\n'
    (folder / "broken.tif").write_bytes(b"II*\0 no picture")
    assert main(["batch", table(folder, text), "-o", "out", *WALKER]) == 1
    rows = summary(folder / "out")
    assert [row["status"] for row in rows.values()] == ["failed", "failed", "done"]
    assert "outside" in rows["a_labels.tif"]["error"]
    assert not (folder / "out/a_labels.tif").exists()
    told = capsys.readouterr()
    assert "row 2: failed: " in told.err
    assert "1 done, 2 failed" in told.out


@pytest.mark.usefixtures("here")
def test_volumes_and_a_model_that_is_kept_give_the_pixels_of_segment(folder):
    z, y, x = np.ogrid[:8, :40, :60]
    for name, col in (("v", 20), ("w", 40)):
        ball = ((z - 4) * 3) ** 2 + (y - 20) ** 2 + (x - col) ** 2 < 100
        np.save(folder / f"{name}.npy", (ball * 150 + 30).astype(np.int16))
    text = (
        "image,output,model,clicks,propagate,planes,window,#why\n"
        'v.npy,v.nii.gz,bundled,"4,20,20",yes,2:7,"0,200",first\n'
        'w.npy,w.nii.gz,bundled,"4,20,40",no,,"0,200",same model\n'
    )
    assert main(["batch", table(folder, text), "-o", "out"]) == 0
    words = ["--model", "bundled", "--window", "0,200", "--quiet"]
    one = ["--click", "4,20,20", "--propagate", "--planes", "2:7"]
    assert main(["segment", "v.npy", "-o", "v.nii.gz", *one, *words]) == 0
    assert main(["segment", "w.npy", "-o", "w.nii.gz", "--click", "4,20,40", *words]) == 0
    for name in ("v.nii.gz", "w.nii.gz"):
        found, expected = read_volume(folder / "out" / name), read_volume(folder / name)
        np.testing.assert_array_equal(found.data, expected.data)
        assert expected.data.any()


def test_ctrl_c_begins_no_more_and_resume_goes_on(folder, monkeypatch, capsys):
    def one_after_the_other(function, jobs, _workers, stop):
        for job in jobs:
            if stop():
                return
            if job.name == "b_labels.tif":
                os.kill(os.getpid(), signal.SIGINT)
            yield job, function(job)

    command = ["batch", "images", "-o", "out", "--click", "20,20", *WALKER]
    monkeypatch.setattr(batch, "run_in_workers", one_after_the_other)
    assert main(command) == 130
    assert "1 jobs are left" in capsys.readouterr().err
    assert set(summary(folder / "out")) == {"a_labels.tif", "b_labels.tif"}
    monkeypatch.setattr(os, "kill", lambda *_: None)
    assert main([*command, "--resume"]) == 0
    assert [r["status"] for r in summary(folder / "out").values()] == ["skipped", "skipped", "done"]


@pytest.mark.usefixtures("here")
def test_an_unforeseen_error_is_kept_with_its_traceback(folder, monkeypatch):
    def fail(*_args, **_options):
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(batch.segment, "segment_file", fail)
    assert main(["batch", "images/a.tif", "-o", "out", "--click", "20,20", *WALKER]) == 1
    assert summary(folder / "out")["a_labels.tif"]["error"] == "ZeroDivisionError: by hand"
    assert "Traceback" in (folder / "out/jobs/a_labels.tif.log").read_text("utf-8")


BAD = {
    "click": ('image,clicks\nimages/a.tif,"20,20"\nimages/b.tif,"20;x"\n', "row 3, column 'click'"),
    "box": ('image,boxes\nimages/a.tif,"1,2,3"\n', "row 2, column 'box'"),
    "image": ('image,clicks\n,"1,1"\n', "row 2, column 'image'"),
    "no image": ('image,clicks\nimages/z.tif,"1,1"\n', "row 2, column 'image'"),
    "init": ('image,initial labels\nimages/a.tif,z.tif\n', "row 2, column 'init'"),
    "window": ('image,clicks,window\nimages/a.tif,"1,1",lnug\n', "row 2, column 'window'"),
    "flag": ('image,clicks,propagate\nimages/a.tif,"1,1",often\n', "row 2, column 'propagate'"),
    "axis": ('image,clicks,axis\nimages/a.tif,"1,1",7\n', "row 2, column 'axis'"),
    "choice": ('image,clicks,method\nimages/a.tif,"1,1",luck\n', "row 2, column 'method'"),
    "label": ('image,clicks,label\nimages/a.tif,"1,1",0\n', "row 2, column 'label'"),
    "device": ('image,clicks,device\nimages/a.tif,"1,1",G P U\n', "row 2, column 'device'"),
    "output": ('image,clicks,output\nimages/a.tif,"1,1",../a.tif\n', "row 2, column 'output'"),
    "planes": ('image,clicks,planes\nimages/a.tif,"1,1",1-3\n', "row 2, column 'planes'"),
    "model": ('image,clicks,model\nimages/a.tif,"1,1",none-such\n', "row 2: model is unknown"),
    "nothing": ("image,clicks\nimages/a.tif,\n", "row 2: nothing says where the object is"),
    "kind": ('image,boxes,model\nimages/a.tif,"1,1,9,9",region-growing\n', "row 2: "),
    "column": ('image,klicks\nimages/a.tif,"1,1"\n', "column is unknown"),
    "twice": ('image,clicks,click\nimages/a.tif,"1,1","2,2"\n', "column is there twice"),
    "long": ("image,clicks\nimages/a.tif,1,1\n", "row 2 is too long"),
    "same": ('image,clicks\nimages/a.tif,"1,1"\nimages/a.tif,"2,2"\n', "output is there twice"),
    "empty": ("image,clicks\n", "nothing to do"),
    "point": ("image,points\nimages/a.tif,p.csv\n", "row 2: points: point cannot be used"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_value_is_named_before_anything_runs(folder, capsys, text, message):
    (folder / "p.csv").write_text("row,col\n1,x\n", "utf-8")
    assert main(["batch", table(folder, text), "-o", "out"]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (folder / "out").exists()


@pytest.mark.usefixtures("here")
def test_points_as_napari_saves_them_are_clicks(folder):
    (folder / "points").mkdir()
    (folder / "points/a.csv").write_text("index,axis-0,axis-1\n0,20.0,20.0\n", "utf-8")
    (folder / "points/b.csv").write_text("row,col,positive\n20,30,1\n2,2,0\n", "utf-8")
    (folder / "points/c.csv").write_text("row,col,object\n20,15,\n20,45,2\n", "utf-8")
    assert main(["batch", "images", "-o", "out", "--points", "points", *WALKER]) == 0
    assert summary(folder / "out")["c_labels.tif"]["objects"] == "1 2"
    words = ["--click", "20,30", "--click", "2,2:-", *WALKER, "--quiet"]
    assert main(["segment", "images/b.tif", "-o", "b.tif", *words]) == 0
    assert (folder / "out/b_labels.tif").read_bytes() == (folder / "b.tif").read_bytes()


@pytest.mark.usefixtures("here")
def test_patterns_are_inputs_and_a_missing_one_is_told(folder, capsys):
    words = ["--click", "20,20", "--format", ".png", *WALKER]
    assert main(["batch", "images/[ab].tif", "-o", "out", *words]) == 0
    assert set(summary(folder / "out")) == {"a_labels.png", "b_labels.png"}
    assert main(["batch", "images/z.tif", "-o", "out2", *words]) == 2
    assert main(["batch", "images/z*.tif", "-o", "out2", *words]) == 2
    assert "without an image" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_resume_does_what_is_not_whole(folder, capsys):
    command = ["batch", table(folder, JOBS.replace("start.tif", "")), "-o", "out", *WALKER]
    assert main(command) == 0
    out = folder / "out"
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
    before = {p.name: p.read_bytes() for p in out.iterdir() if p.suffix in (".tif", ".png")}
    (out / "one.tif").write_bytes(before["one.tif"][:-9])  # cut off
    (out / "two.png").unlink()
    record = json.loads((out / "jobs/both.tif.json").read_text("utf-8"))
    (out / "jobs/both.tif.json").write_text(json.dumps({**record, "status": "begun"}), "utf-8")
    assert main([*command, "--resume"]) == 0
    assert [row["status"] for row in summary(out).values()] == ["done", "done", "done", "skipped"]
    for name, content in before.items():
        assert (out / name).read_bytes() == content
    # another image, or another option, is another job
    tifffile.imwrite(folder / "images/a.tif", np.full((40, 60), 9, np.uint8))
    assert main([*command, "--resume", "--label", "7"]) == 0
    assert {row["status"] for row in summary(out).values()} == {"done"}


@pytest.mark.usefixtures("here")
def test_resume_does_not_replace_what_it_has_not_written(folder, capsys):
    (folder / "out").mkdir()
    (folder / "out/a_labels.tif").write_bytes(b"somebody else's")
    command = ["batch", "images/a.tif", "-o", "out", "--click", "20,20", *WALKER]
    assert main([*command, "--resume"]) == 2
    assert "file exists" in capsys.readouterr().err
    assert (folder / "out/a_labels.tif").read_bytes() == b"somebody else's"


@pytest.mark.parametrize(
    "text",
    [
        'image,output,clicks\nimages/a.tif,b.tif,"1,1"\nimages/b.tif,x.tif,"1,1"\n',
        'image,output,clicks\nimages/a.tif,a.tif,"1,1"\n',
        'image,output,clicks\nimages/a.tif,soft.tif,"1,1"\nimages/c.tif,x.tif,"1,1"\n',
    ],
    ids=["of another row", "its own", "by a link"],
)
def test_an_input_is_never_an_output(folder, capsys, text):
    (folder / "images/soft.tif").symlink_to(folder / "images/c.tif")
    before = {p.name: p.read_bytes() for p in (folder / "images").glob("*.tif")}
    assert main(["batch", table(folder, text), "-o", "images", "--overwrite", *WALKER]) == 2
    assert "output is an input" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in (folder / "images").glob("*.tif")} == before


def test_the_summary_does_not_replace_the_table(folder, capsys):
    (folder / "summary.csv").write_text('image,clicks\nimages/a.tif,"20,20"\n', "utf-8")
    assert main(["batch", "summary.csv", "-o", ".", "--overwrite", *WALKER]) == 2
    assert "output is an input" in capsys.readouterr().err


KILLER = """
import os, signal
from pathlib import Path
from napari_intseg.cli import batch

def run_and_die(job):
    mark = Path(job.args.image.parent, "killed")
    if job.args.image.name == "b.tif" and not mark.exists():
        mark.write_text(str(os.getpid()))
        begun = batch.JobRecord(job.name, batch.settings_of(job))
        batch._keep(job, begun)
        os.kill(os.getpid(), signal.SIGKILL)
    return batch.run_here(job)
"""


@pytest.fixture
def killer(folder, monkeypatch):
    """Jobs whose first attempt at b.tif ends the process."""
    (folder / "batch_killer.py").write_text(KILLER, "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    import batch_killer

    yield batch_killer.run_and_die
    sys.modules.pop("batch_killer")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_killed_worker_is_replaced_and_its_job_done_again(folder, killer, monkeypatch):
    monkeypatch.setattr(batch, "run_here", killer)
    words = ["--click", "20,20", "--workers", "1", *WALKER]
    assert main(["batch", "images", "-o", "out", *words]) == 0
    assert (folder / "images/killed").is_file()
    assert {row["status"] for row in summary(folder / "out").values()} == {"done"}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_cluster_gives_the_same_and_outlives_a_killed_worker(folder, killer, monkeypatch):
    distributed = pytest.importorskip("distributed")
    words = ["batch", "images", "--click", "20,20", *WALKER, "--quiet"]
    assert main([*words, "-o", "alone"]) == 0
    monkeypatch.setattr(batch, "run_here", killer)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        assert main([*words, "-o", "out", "--scheduler", cluster.scheduler_address]) == 0
    assert (folder / "images/killed").is_file()
    for name in ("a_labels.tif", "b_labels.tif", "c_labels.tif"):
        assert (folder / "out" / name).read_bytes() == (folder / "alone" / name).read_bytes()


@pytest.mark.usefixtures("folder")
def test_a_cluster_that_does_not_answer_is_named(monkeypatch, capsys):
    distributed = pytest.importorskip("distributed")

    def refuse(*_args, **_options):
        raise OSError("nobody there")

    monkeypatch.setattr(distributed, "Client", refuse)
    command = ["batch", "images", "-o", "out", "--click", "20,20", *WALKER]
    assert main([*command, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "dask cluster does not answer" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_cluster_of_another_machine_needs_tls_or_to_be_insisted_on(monkeypatch, capsys):
    distributed = pytest.importorskip("distributed")
    asked = []

    def refuse(address, **_options):
        asked.append(address)
        raise OSError("nobody there")

    monkeypatch.setattr(distributed, "Client", refuse)
    command = ["batch", "images", "-o", "out", "--click", "20,20", *WALKER, "--scheduler"]
    assert main([*command, "tcp://10.0.0.5:8786"]) == 2
    assert "address is not safe" in capsys.readouterr().err
    assert not asked
    assert main([*command, "tcp://10.0.0.5:8786", "--insecure"]) == 2
    assert main([*command, "tls://10.0.0.5:8786"]) == 2
    assert asked == ["tcp://10.0.0.5:8786", "tls://10.0.0.5:8786"]


@pytest.mark.usefixtures("folder")
def test_too_few_workers_are_refused(capsys):
    assert main(["batch", "images", "-o", "out", "--click", "1,1", "--workers", "0"]) == 2
    assert "workers are too few" in capsys.readouterr().err
