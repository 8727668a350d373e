import errno
import gzip
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import numpy as np
import pytest

from funcnet.data import IDXError, load_mnist, mnist

REAL_FILES = dict(mnist.FILES)
REAL = Path(os.environ.get("FUNCNET_DATA") or "unset") / "mnist"

X, Y, X_TEST, Y_TEST = REAL_FILES  # the names


def idx(array):
    code = {"uint8": 8, "int8": 9}[array.dtype.name]
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def labels(rows):
    return np.arange(rows, dtype=np.uint8) // 20


def images(rows):
    return np.broadcast_to(labels(rows)[:, None, None], (rows, 7, 5)).copy()


ARRAYS = {X: images(200), Y: labels(200), X_TEST: images(100), Y_TEST: labels(100)}
UNPACKED = {name: idx(array) for name, array in ARRAYS.items()}
PACKED = {name: gzip.compress(content) for name, content in UNPACKED.items()}
SMALL_FILES = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in UNPACKED.items()}

OK = b"HTTP/1.0 200 OK\r\n\r\n"
NOT_FOUND = b"HTTP/1.0 404 Not Found\r\n\r\n"
GOOD = {name: OK + content for name, content in PACKED.items()}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        time.sleep(self.server.delay)
        answer = self.server.answers[self.path.removeprefix("/mnist/").removesuffix(".gz")]
        if callable(answer):
            answer(self)
        else:
            self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextmanager
def serving(answers, delay=0.0):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.answers, server.delay, server.requests = answers, delay, []
        server.url = f"http://127.0.0.1:{server.server_port}/mnist/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def serve():
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(serving(*args, **kwargs))


@pytest.fixture
def closed():
    """Return the address of a port that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/mnist"


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Return the folder that small files are downloaded to."""
    monkeypatch.setattr(mnist, "FILES", SMALL_FILES)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("FUNCNET_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home" / "mnist"


def put(folder, contents, suffix=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}{suffix}").write_bytes(content)


def left_in(folder):
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def check(loaded):
    for array, expected in zip([array for part in loaded for array in part], ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)


def test_downloads_each_file_once_and_keeps_it(serve, folder):
    mirror = serve(GOOD)
    for _ in range(3):
        check(load_mnist(mirrors=[mirror.url]))
    assert mirror.requests == [f"/mnist/{name}.gz" for name in SMALL_FILES]
    assert left_in(folder) == {f"{name}.gz" for name in SMALL_FILES}
    assert {name: (folder / f"{name}.gz").read_bytes() for name in PACKED} == PACKED


def test_a_mirror_may_be_named_without_a_last_slash(serve):
    check(load_mnist(mirrors=[serve(GOOD).url.rstrip("/")]))


def test_takes_the_second_mirror_where_the_first_is_down(serve, closed):
    mirror = serve(GOOD)
    check(load_mnist(mirrors=[closed, mirror.url]))
    assert len(mirror.requests) == 4


def test_asks_no_second_mirror_where_the_first_answers(serve):
    first, second = serve(GOOD), serve(GOOD)
    check(load_mnist(mirrors=[first.url, second.url]))
    assert (len(first.requests), len(second.requests)) == (4, 0)


def reset(handler, answer):
    """Write a part of an answer, and break the connection off."""
    handler.wfile.write(answer)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


OTHER = UNPACKED[X][:-1] + b"\xff"
BAD_ANSWERS = {
    "absent": (NOT_FOUND, "HTTP Error 404: Not Found"),
    "broken": (b"HTTP/1.0 500 Oh\r\n\r\n", "HTTP Error 500: Oh"),
    "not HTTP": (b"nonsense\r\n", "nonsense"),
    "nothing": (b"", "closed connection without response"),
    "no data": (OK, "expected a gzip file of 7016 decompressed bytes, got a different file"),
    "other bytes": (OK + gzip.compress(OTHER), "expected SHA-256 .*, got " + hashlib.sha256(OTHER).hexdigest()),
    "other text": (OK + b"<html>Sign in</html>", "incorrect header check"),
    "unpacked": (OK + UNPACKED[X], "incorrect header check"),
    "cut": (OK + PACKED[X][:-1], "expected a gzip file of 7016 decompressed bytes"),
    "cut in half": (OK + PACKED[X][: len(PACKED[X]) // 2], "expected a gzip file of 7016 decompressed bytes"),
    "damaged": (OK + PACKED[X][:-8] + b"12345678", "incorrect data check"),
    "shorter": (OK + gzip.compress(UNPACKED[X][:-1]), "expected a gzip file of 7016 decompressed bytes"),
    "longer": (OK + gzip.compress(UNPACKED[X] + b"\0"), "expected a gzip file of 7016 decompressed bytes"),
    "much longer": (OK + gzip.compress(bytes(5_000_000)), "expected a gzip file of 7016 decompressed bytes"),
    "with a tail": (OK + PACKED[X] + b"tail", "expected a gzip file of 7016 decompressed bytes"),
    "never ending": (OK + bytes(100_000), "incorrect header check"),
    "in two parts": (OK + gzip.compress(UNPACKED[X][:9]) + gzip.compress(UNPACKED[X][9:]), "expected a gzip file of"),
    "cut by its length": (b"HTTP/1.0 200 OK\r\nContent-Length: 20\r\n\r\n" + PACKED[X], "expected a gzip file of 7016"),
    "a negative length": (b"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n" + PACKED[X][:-1], "expected a gzip file of"),
    "cut in a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + PACKED[X][:32],
        "Incomplete|gzip",
    ),
    "chunks without a size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsize\r\n", "Incomplete|invalid"),
    "a long header": (b"HTTP/1.0 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n" + PACKED[X], "header line"),
    "many headers": (b"HTTP/1.0 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n" + PACKED[X], "more than 100 headers"),
    "sent in a circle": (f"HTTP/1.0 302 Found\r\nLocation: {X}.gz\r\n\r\n".encode(), "HTTP Error 302"),
    "sent to a file": (b"HTTP/1.0 302 Found\r\nLocation: file:///etc/hostname\r\n\r\n", "HTTP Error 302.*not allowed"),
    "sent nowhere": (b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "refused|denied"),
    "broken off": (lambda handler: reset(handler, OK + PACKED[X][:20]), "Connection reset by peer|gzip file of 7016"),
}


@pytest.mark.parametrize(("answer", "words"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_refuses_a_bad_answer_and_takes_the_next_mirrors(serve, folder, answer, words):
    bad, good = serve(GOOD | {X: answer}), serve(GOOD)
    with pytest.raises(ConnectionError, match=f"{bad.url}{X}.gz: .*{words}"):
        load_mnist(mirrors=[bad.url])
    assert left_in(folder) == set()
    check(load_mnist(mirrors=[bad.url, good.url]))
    assert good.requests == [f"/mnist/{X}.gz"]
    assert left_in(folder) == {f"{name}.gz" for name in SMALL_FILES}


def test_a_mirror_that_stays_silent_is_given_up(monkeypatch, serve, folder):
    monkeypatch.setattr(mnist, "TIMEOUT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"{url}/{X}.gz: .*timed out"):
            load_mnist(mirrors=[url])
    assert left_in(folder) == set()


def test_a_mirror_that_drips_is_given_up(monkeypatch, serve, folder):
    monkeypatch.setattr(mnist, "LONGEST_SECONDS", -1)
    with pytest.raises(ConnectionError, match=f"{X}.gz: expected the file within -1 s, got [0-9]+ bytes of it"):
        load_mnist(mirrors=[serve(GOOD).url])
    assert left_in(folder) == set()


def test_follows_a_mirror_that_has_moved(serve):
    there = serve(GOOD)
    moved = {name: f"HTTP/1.0 301 Moved\r\nLocation: {there.url}{name}.gz\r\n\r\n".encode() for name in SMALL_FILES}
    check(load_mnist(mirrors=[serve(moved).url]))
    assert len(there.requests) == 4


def test_reads_chunks_and_right_bytes_under_a_wrong_length(serve):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(PACKED[X]),
        PACKED[X],
    )
    longer = b"HTTP/1.0 200 OK\r\nContent-Length: 99999\r\n\r\n" + PACKED[Y]
    check(load_mnist(mirrors=[serve(GOOD | {X: chunked, Y: longer}).url, serve(GOOD).url]))


def test_a_large_file_takes_little_memory(monkeypatch, serve, folder):
    content = np.random.default_rng(0).integers(0, 128, 2**22, np.uint8).tobytes()  # it shrinks to 7/8
    packed = gzip.compress(content, 1)
    monkeypatch.setattr(mnist, "FILES", {X: (len(content), hashlib.sha256(content).hexdigest())})
    server = serve({X: OK + packed})
    tracemalloc.start()
    try:
        path = mnist.download(X, folder, [server.url])
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
    assert path.read_bytes() == packed


def test_offline_says_what_to_fetch_from_where_and_where_to_put_it(closed, folder):
    with pytest.raises(ConnectionError, match="Connection refused") as refused:
        load_mnist(mirrors=[closed, "nowhere"])
    lines = str(refused.value).splitlines()
    assert lines[0] == f"load_mnist: {X} is not on this machine and could not be downloaded."
    assert lines[1].startswith(f"  {closed}/{X}.gz: ")
    assert lines[2].startswith(f"  nowhere/{X}.gz: ")
    assert lines[3] == f"Download {X}.gz from one of these addresses by other means and put it in {folder}."
    assert left_in(folder) == set()


def test_what_was_put_there_by_other_means_is_used(closed, folder):
    with pytest.raises(ConnectionError, match=re.escape(f"put it in {folder}.")):
        load_mnist(mirrors=[closed])
    put(folder, PACKED)
    check(load_mnist(mirrors=[closed]))


@pytest.mark.parametrize(("contents", "suffix"), [(PACKED, ".gz"), (UNPACKED, "")], ids=["packed", "unpacked"])
def test_asks_for_no_file_that_is_there(serve, folder, contents, suffix):
    put(folder, contents, suffix)
    mirror = serve(GOOD)
    check(load_mnist(mirrors=[mirror.url]))
    assert mirror.requests == []


def test_asks_only_for_the_file_that_is_missing(serve, folder):
    put(folder, {name: content for name, content in PACKED.items() if name != Y_TEST})
    mirror = serve(GOOD)
    check(load_mnist(mirrors=[mirror.url]))
    assert mirror.requests == [f"/mnist/{Y_TEST}.gz"]


def test_a_part_that_a_killed_download_left_is_not_taken_for_the_file(serve, folder):
    put(folder, dict.fromkeys(SMALL_FILES, b"half"), ".part")
    check(load_mnist(mirrors=[serve(GOOD).url]))
    assert left_in(folder) == {f"{name}.gz" for name in SMALL_FILES}


def test_a_full_disk_leaves_no_part_behind(monkeypatch, serve, folder):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConnectionError, match="No space left on device"):
        load_mnist(mirrors=[serve(GOOD).url])
    assert left_in(folder) == set()


def test_a_folder_that_cannot_be_made_is_named(serve, folder):
    put(folder.parent, {"mnist": b"a file"}, "")
    expected = rf"is not on this machine, and {re.escape(str(folder))} cannot hold it: .*exists.*: set FUNCNET_DATA to"
    with pytest.raises(OSError, match=expected):
        load_mnist(mirrors=[serve(GOOD).url])


def test_a_folder_without_locks_is_named(monkeypatch, serve, folder):
    def acquire(_):
        raise NotImplementedError("the file system has no locks")

    (folder / f".{X}.lock").mkdir(parents=True)
    expected = rf"^load_mnist: {X} is not on this machine, and {re.escape(str(folder))} cannot hold it: "
    with pytest.raises(OSError, match=f"{expected}.*directory.*: set FUNCNET_DATA to"):
        load_mnist(mirrors=[serve(GOOD).url])
    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(OSError, match=f"{expected}the file system has no locks: set FUNCNET_DATA to"):
        load_mnist(mirrors=[serve(GOOD).url])


def test_a_folder_in_the_place_of_the_part_is_named(serve, folder):
    (folder / f"{X}.part").mkdir(parents=True)
    with pytest.raises(ConnectionError, match=rf"directory|not permitted: '.*{X}\.part'"):
        load_mnist(mirrors=[serve(GOOD).url])


def test_of_several_threads_one_downloads(serve):
    mirror, barrier = serve(GOOD, delay=0.05), threading.Barrier(4)

    def load():
        barrier.wait()
        return load_mnist(mirrors=[mirror.url])

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(load) for _ in range(4)]:
            check(future.result())
    assert mirror.requests == [f"/mnist/{name}.gz" for name in SMALL_FILES]


PROCESS = """
import json, sys
from funcnet.data import load_mnist, mnist

mnist.FILES = json.loads(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([[array.tolist() for array in part] for part in load_mnist(mirrors=sys.argv[2:])]))
"""


def test_of_several_processes_one_downloads(serve):
    mirror = serve(GOOD, delay=0.1)
    command = [sys.executable, "-c", PROCESS, json.dumps(SMALL_FILES), mirror.url]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        both = [stack.enter_context(subprocess.Popen(command, text=True, **pipes)) for _ in range(2)]
        assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
        ended = list(pool.map(lambda process: process.communicate("go\n"), both))
    assert [stderr for _, stderr in ended] == ["", ""]
    for stdout, _ in ended:
        check([[np.array(array, np.uint8) for array in part] for part in json.loads(stdout)])
    assert mirror.requests == [f"/mnist/{name}.gz" for name in SMALL_FILES]


@pytest.mark.parametrize("missing", SMALL_FILES)
def test_a_file_missing_from_a_directory_is_named_and_not_downloaded(serve, tmp_path, missing):
    put(tmp_path, {name: content for name, content in PACKED.items() if name != missing})
    mirror = serve(GOOD)
    words = f"load_mnist: expected the four IDX files in {tmp_path}, got no {missing} or {missing}.gz"
    with pytest.raises(FileNotFoundError, match=re.escape(words)):
        load_mnist(tmp_path, mirrors=[mirror.url])
    assert mirror.requests == []


def test_a_directory_may_hold_another_set(tmp_path):
    put(tmp_path, {X: idx(images(3)), Y: idx(labels(3)), X_TEST: idx(images(1)), Y_TEST: idx(labels(1))}, "")
    (x, _), (x_test, y_test) = load_mnist(str(tmp_path))
    assert (x.shape, x_test.shape, y_test.shape) == ((3, 7, 5), (1, 7, 5), (1,))


MISMATCHED = {
    "fewer labels": ({Y: labels(199)}, r"train images .* got shapes \(200, 7, 5\) and \(199,\)"),
    "more labels": ({Y_TEST: labels(101)}, r"t10k images .* got shapes \(100, 7, 5\) and \(101,\)"),
    "swapped": ({X: labels(200), Y: images(200)}, r"got shapes \(200,\) and \(200, 7, 5\)"),
    "flat images": ({X: images(200).reshape(200, 35)}, r"got shapes \(200, 35\) and \(200,\)"),
    "deep labels": ({Y: labels(200)[:, None]}, r"got shapes \(200, 7, 5\) and \(200, 1\)"),
    "no images": ({X: images(0), Y: labels(0)}, r"got shapes \(0, 7, 5\) and \(0,\)"),
    "signed images": ({X: images(200).astype(np.int8)}, "expected train files of uint8, got int8 and uint8"),
    "signed labels": ({Y_TEST: labels(100).astype(np.int8)}, "expected t10k files of uint8, got uint8 and int8"),
}


@pytest.mark.parametrize(("arrays", "words"), MISMATCHED.values(), ids=MISMATCHED)
def test_refuses_files_that_do_not_belong_together(tmp_path, arrays, words):
    put(tmp_path, UNPACKED | {name: idx(array) for name, array in arrays.items()}, "")
    with pytest.raises(IDXError, match=re.escape(f"{tmp_path}: ") + f".*{words}"):
        load_mnist(tmp_path)


def test_refuses_a_damaged_file_by_name(folder):
    put(folder, PACKED | {Y: PACKED[Y][:-1]})
    with pytest.raises(IDXError, match=re.escape(f"{folder / Y}.gz: damaged gzip data")):
        load_mnist(mirrors=[])


@pytest.mark.parametrize(
    ("variables", "home"),
    [
        ({"FUNCNET_DATA": "data", "XDG_CACHE_HOME": "cache"}, "data"),
        ({"XDG_CACHE_HOME": "cache"}, "cache/funcnet"),
        ({"FUNCNET_DATA": "", "XDG_CACHE_HOME": "cache"}, "cache/funcnet"),
        ({}, "user/.cache/funcnet"),
        ({"FUNCNET_DATA": "", "XDG_CACHE_HOME": ""}, "user/.cache/funcnet"),
    ],
)
def test_the_environment_names_the_folder(monkeypatch, serve, tmp_path, variables, home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for name in ("FUNCNET_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value and str(tmp_path / value))
    if variables.get("FUNCNET_DATA"):
        with pytest.raises(FileNotFoundError, match="expected FUNCNET_DATA to be a folder that exists"):
            load_mnist()
        assert not (tmp_path / "data").exists()
        (tmp_path / "data").mkdir()
    assert mnist.data_home() == tmp_path / home
    check(load_mnist(mirrors=[serve(GOOD).url]))
    assert left_in(tmp_path / home / "mnist") == {f"{name}.gz" for name in SMALL_FILES}


def test_a_directory_goes_before_the_environment(tmp_path, folder):
    put(folder, {X: b"another"})
    put(tmp_path, PACKED)
    check(load_mnist(tmp_path, mirrors=[]))


@pytest.mark.skipif(not REAL.is_dir(), reason="needs MNIST in $FUNCNET_DATA/mnist")
def test_the_real_mnist_is_the_known_one():
    (x, y), (x_test, y_test) = load_mnist(REAL)
    assert (x.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    for name, array in zip(REAL_FILES, (x, y, x_test, y_test), strict=True):
        content = idx(array)
        assert REAL_FILES[name] == (len(content), hashlib.sha256(content).hexdigest())
    assert np.bincount(y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
