"""Texts of others are read within bounds: what readers differ about, or cannot hold, is refused."""

import csv
import io
import json
import os

import pytest

from napari_intseg.core.files import check_values, csv_text, parse_json, read_json, read_text

ODD = {
    "nested lists": "[" * 5000 + "]" * 5000,
    "nested less deeply than Python gives up": "[" * 100 + "]" * 100,
    "nested names": '{"a":' * 2000 + "1" + "}" * 2000,
    "a name twice": '{"a": 1, "a": 2}',
    "no number": "[NaN]",
    "infinity": "[-Infinity]",
    "beyond floats": "[1e999]",
    "beyond 64 bits": f"[{'9' * 400}]",
    "beyond what Python reads": f"[{'9' * 5000}]",
    "half a letter": r'["\ud800"]',
    "half a letter as a name": r'{"\udfff": 1}',
    "half a letter in bytes": b'["\xed\xa0\x80"]',
    "no text": b"[\xff]",
    "not closed": "[1",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_json_is_one_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_all_else_is_read_as_python_reads_it(encoding, tmp_path):
    told = {"a": [1, -2.5e300, None, True, 2**64 - 1, "µ 😀"], "b": {"a": {"a": []}}}
    text = json.dumps(told, ensure_ascii=False)
    assert parse_json(text) == told
    (tmp_path / "a.json").write_text(text, encoding)
    assert read_json(tmp_path / "a.json") == told


def test_numbers_that_are_none_and_names_that_are_not_utf8_count_where_they_are_meant():
    assert parse_json("[Infinity]", any_number=True) == [float("inf")]
    assert parse_json(r'["\udcff.tif"]', ours=True) == ["\udcff.tif"]
    with pytest.raises(ValueError, match="surrogates"):
        parse_json(r'["\ud800"]', ours=True)


def test_values_that_repeat_each_other_are_not_unfolded():
    laughs: list[object] = ["ha"]
    for _ in range(40):
        laughs = [laughs, laughs]
    with pytest.raises(ValueError, match="repeated without end"):
        check_values(laughs, 1000)
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="nested"):
        check_values(circle, 1000)


def test_what_is_no_plain_file_or_too_large_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no plain file"):
        read_text(tmp_path / "pipe")
    (tmp_path / "a").write_text("123")
    assert read_text(tmp_path / "a", 3) == "123"
    with pytest.raises(ValueError, match="3 bytes are more than 2"):
        read_text(tmp_path / "a", 2)


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1"])
def test_a_name_in_a_table_is_no_formula(name):
    rows = list(csv.reader(io.StringIO(csv_text([("image", "pixels"), (name, 5)]), newline="")))
    assert rows == [["image", "pixels"], [f"'{name}", "5"]]


@pytest.mark.parametrize("text", ["-1.5", "+2", "-inf", "a.tif", "", "a=b", "1e-3", "a\nb"])
def test_numbers_and_plain_names_in_a_table_stay_as_they_are(text):
    assert list(csv.reader(io.StringIO(csv_text([(text, -3)]), newline=""))) == [[text, "-3"]]


def test_a_name_does_not_end_its_row():
    assert csv_text([("a\r=1", 5)]) == "a =1,5\n"
