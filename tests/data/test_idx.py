import gzip
import io
import math
import os
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcnet.data import IDXError, read_idx
from funcnet.data import idx as idx_module
from tests.campaigns import idx as campaign

# For each dtype: its code in the file, its letter in struct, its name in NumPy, and some values.
KINDS = [
    (0x08, "B", "uint8", st.integers(0, 2**8 - 1)),
    (0x09, "b", "int8", st.integers(-(2**7), 2**7 - 1)),
    (0x0B, "h", "int16", st.integers(-(2**15), 2**15 - 1)),
    (0x0C, "i", "int32", st.integers(-(2**31), 2**31 - 1)),
    (0x0D, "f", "float32", st.floats(width=32, allow_nan=False)),
    (0x0E, "d", "float64", st.floats(allow_nan=False)),
]
MEBIBYTE = 2**20
HUGE = 2**32 - 1


def idx(shape, values, code=0x08, letter="B"):
    header = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + struct.pack(f">{len(values)}{letter}", *values)


GOOD = idx((2, 3), [1, 2, 3, 4, 5, 6])

# Invalid files, each with the text of its error.
BAD = {
    "empty": (b"", "a dtype code, got b''"),
    "two bytes": (GOOD[:2], "a dtype code, got"),
    "wrong first byte": (b"\1" + GOOD[1:], "whose first bytes are 0, 0"),
    "wrong second byte": (b"\0\1" + GOOD[2:], "whose first bytes are 0, 0"),
    "unknown dtype code": (b"\0\0\x0a" + GOOD[3:], "a dtype code, got"),
    "rank 0": (bytes([0, 0, 8, 0, 7]), "expected 1 to 8 dimensions, got 0"),
    "rank 9": (idx((1,) * 9, [7]), "expected 1 to 8 dimensions, got 9"),
    "cut in the sizes": (GOOD[:11], "expected the sizes of 2 dimensions, got the end of the file"),
    "no data": (GOOD[:12], r"expected 6 bytes of data for shape \(2, 3\), got 0"),
    "cut in the data": (GOOD[:-1], r"expected 6 bytes of data for shape \(2, 3\), got 5"),
    "cut in a number": (idx((2,), [1, 2], 0x0C, "i")[:-1], "expected 8 bytes of data .* got 7"),
    "a byte too many": (GOOD + b"\0", "expected 6 bytes of data .* got more"),
    "a byte where none should be": (idx((0, 3), [7]), "expected 0 bytes of data .* got more"),
    "one huge size": (
        idx((HUGE,), []),
        f"at most {2**31} bytes of data, got a header that declares shape \\({HUGE},\\)",
    ),
    "huge sizes": (idx((HUGE,) * 8, []), f"declares shape \\({HUGE}, {HUGE}, {HUGE}"),
    "just too many numbers": (idx((2**28 + 1,), [], 0x0E), f"declares shape \\({2**28 + 1},\\)"),
    "the most bytes, but absent": (idx((2**31,), []), f"expected {2**31} bytes of data .* got 0"),
    "nothing of huge sizes": (idx((0, HUGE, HUGE), []), "expected"),
    "huge sizes of nothing": (idx((HUGE, HUGE, 0), []), "expected"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


def written(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize(("code", "letter", "dtype", "numbers"), KINDS, ids=[kind[2] for kind in KINDS])
@given(data=st.data())
def test_reads_what_was_written(folder, name, code, letter, dtype, numbers, data):
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    size = math.prod(shape)
    values = data.draw(st.lists(numbers, min_size=size, max_size=size))
    array = read_idx(written(folder / name, idx(shape, values, code, letter)))
    assert (array.shape, array.dtype, array.dtype.isnative) == (tuple(shape), np.dtype(dtype), True)
    assert array.ravel().tolist() == values


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0), (1,) * 8])
def test_reads_empty_and_deep_shapes(tmp_path, shape):
    array = read_idx(written(tmp_path / "file", idx(shape, [9] * math.prod(shape))))
    assert array.shape == shape
    assert array.sum() == 9 * math.prod(shape)


def test_reads_data_of_several_chunks(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, 2 * MEBIBYTE + 5, np.uint8)
    content = idx(values.shape, []) + values.tobytes()
    for name in ("file", "file.gz"):
        np.testing.assert_array_equal(read_idx(written(tmp_path / name, content)), values)


def test_takes_a_path_as_text_and_gives_an_array_to_write_to(tmp_path):
    array = read_idx(str(written(tmp_path / "file", GOOD)))
    array[0, 0] = 100
    assert array.tolist() == [[100, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("name", ["bad", "bad.gz"])
@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_refuses_a_bad_file_by_name(tmp_path, name, content, words):
    path = written(tmp_path / name, content)
    with pytest.raises(IDXError, match=words) as refused:
        read_idx(path)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_a_missing_file_is_not_found(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        read_idx(tmp_path / name)


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / "folder").mkdir()
    (tmp_path / f"link-{name}").symlink_to("/dev/zero")
    for path in (tmp_path / name, tmp_path / "folder", tmp_path / f"link-{name}"):
        with pytest.raises(IDXError, match=rf"{path}: expected a regular file, got a folder, a pipe or a device"):
            read_idx(path)


def test_a_file_that_shrinks_while_it_is_read_is_refused(monkeypatch, tmp_path):
    path = written(tmp_path / "file", idx((3 * MEBIBYTE,), []) + bytes(3 * MEBIBYTE))
    opened = idx_module.open_regular

    class Shrinking(io.BufferedReader):
        def read(self, size=-1):
            data = super().read(size)
            if self.tell() > MEBIBYTE:
                os.truncate(path, 2 * MEBIBYTE)
            return data

    monkeypatch.setattr(idx_module, "open_regular", lambda path: Shrinking(opened(path).detach()))
    with pytest.raises(IDXError, match=rf"expected {3 * MEBIBYTE} bytes of data .* got {2 * MEBIBYTE - 8}$"):
        read_idx(path)


def test_reads_a_packed_file_in_several_parts(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(GOOD[:5]) + gzip.compress(b"") + gzip.compress(GOOD[5:]) + bytes(3))
    assert read_idx(path).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_refuses_a_packed_file_cut_anywhere(tmp_path):
    packed = gzip.compress(GOOD)
    path = tmp_path / "cut.gz"
    for length in range(len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(IDXError, match=r"cut\.gz: (damaged gzip data|expected an IDX file)"):
            read_idx(path)


def test_a_flipped_bit_in_a_packed_file_never_changes_the_array(tmp_path):
    packed = gzip.compress(GOOD, mtime=0)
    path, outcomes = tmp_path / "flipped.gz", set()
    for bit in range(8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            outcomes.add(str(read_idx(path).tolist()))  # the bit may be one of the time stamp
        except IDXError:
            outcomes.add("refused")
    assert outcomes == {"refused", "[[1, 2, 3], [4, 5, 6]]"}


@pytest.mark.parametrize("content", [GOOD, b"", gzip.compress(GOOD) + b"more"], ids=["unpacked", "empty", "tail"])
def test_refuses_what_is_not_gzip_under_a_packed_name(tmp_path, content):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(IDXError, match=r"file\.gz: (damaged gzip data|expected an IDX file)"):
        read_idx(path)


def test_every_mutation_is_refused_or_read_as_an_independent_reader_reads_it(tmp_path):
    """A sample of the campaign."""
    ends = campaign.judged(tmp_path, 2000, seed=1)
    assert set(ends) == {"refused", "read"}
    assert min(ends.values()) > 100


def test_the_campaign_tells_a_wrong_reader(monkeypatch, tmp_path):
    def wrong(path):
        array = read_idx(path)
        if array.size > 2:
            array.flat[0], array.flat[1] = array.flat[1], array.flat[0]
        return array

    monkeypatch.setattr(campaign, "read_idx", wrong)
    assert campaign.judged(tmp_path, 300)["read as something else"] > 10
    monkeypatch.setattr(campaign, "read_idx", lambda path: 1 / 0)
    assert campaign.judged(tmp_path, 3) == {"raised ZeroDivisionError": 3}


def peak_of_refusing(path, words):
    tracemalloc.start()
    try:
        with pytest.raises(IDXError, match=words):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        file.write(idx((10,), []))
        for _ in range(100):
            file.write(bytes(MEBIBYTE))
    assert path.stat().st_size < MEBIBYTE
    assert peak_of_refusing(path, "expected 10 bytes of data .* got more") < 20 * MEBIBYTE


@pytest.mark.parametrize("shape", [(HUGE,), (HUGE,) * 8, (2**31,)])
@pytest.mark.parametrize("name", ["huge", "huge.gz"])
def test_a_huge_header_takes_no_memory(tmp_path, name, shape):
    assert peak_of_refusing(written(tmp_path / name, idx(shape, [1, 2, 3])), "bytes of data") < 20 * MEBIBYTE


OPTIMIZED = """
import sys
from pathlib import Path
from funcnet.data import IDXError, read_idx
from funcnet.data import idx as idx_module
from tests.campaigns import idx as campaign

print("checked" if __debug__ else "optimized")
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(read_idx(path).tolist())
    except IDXError as error:
        print(error)
"""


def test_python_without_assertions_refuses_the_same(tmp_path):
    written(tmp_path / "good", GOOD)
    written(tmp_path / "good.gz", GOOD)
    for index, (content, _) in enumerate(BAD.values()):
        written(tmp_path / f"bad{index:02}", content)
        written(tmp_path / f"bad{index:02}.gz", content)
    command = [sys.executable, "-O", "-c", OPTIMIZED, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    first, *lines = ran.stdout.splitlines()
    assert first == "optimized"
    for path, line in zip(sorted(tmp_path.iterdir()), lines, strict=True):
        assert line.startswith("[[1, 2, 3], [4, 5, 6]]" if "good" in path.name else f"{path}: expected")
