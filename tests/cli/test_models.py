"""``funcnet predict`` and ``funcnet evaluate``: a saved model applied to files."""

import gzip
import os
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.cli import main
from funcnet.data.npy import read_npy


def idx(values):
    array = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3) * 7
LABELS = np.array([0, 2, 1, 0, 1], np.uint8)
CLASSIFIER = fn.Sequential(fn.Rescaling(1 / 255), fn.Dense(3))
REGRESSION = fn.Dense(2)


def params_of(network, shape):
    return network.init(jax.random.key(1), shape)[0]


@pytest.fixture
def files(tmp_path):
    """A folder with a classifier, a regression, images, their labels and numbers."""
    params = params_of(CLASSIFIER, (6,))
    fn.save_model(tmp_path / "classes", CLASSIFIER, params, loss=fn.softmax_cross_entropy)
    fn.save_model(tmp_path / "numbers", REGRESSION, params_of(REGRESSION, (6,)), loss=fn.quadratic)
    fn.save_model(tmp_path / "no-loss", REGRESSION, params_of(REGRESSION, (6,)))
    (tmp_path / "t-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(idx(LABELS))
    (tmp_path / "alone-images-idx3-ubyte").write_bytes(idx(IMAGES))
    np.save(tmp_path / "x.npy", IMAGES.reshape(5, 6) / 100)
    np.save(tmp_path / "y.npy", np.arange(10.0).reshape(5, 2))
    return tmp_path


@pytest.fixture
def run(capsys, monkeypatch, files):
    """A function that runs a command in the folder of files and returns its exit code, output and error output."""
    monkeypatch.chdir(files)

    def call(*arguments):
        code = main([*arguments, "--no-cache"])
        return code, *capsys.readouterr()

    return call


def test_predicts_a_class_and_its_probability_for_each_image(run):
    rows = IMAGES.reshape(5, 6).astype(np.float32) / 255
    probabilities = np.asarray(jax.nn.softmax(params_of(CLASSIFIER, (6,))[1].weight @ rows.T, axis=0)).T
    expected = "".join(f"{row.argmax()}  {row.max():.4f}\n" for row in probabilities)
    assert run("predict", "classes", "t-images-idx3-ubyte.gz") == (0, expected, "")
    code, out, _ = run("predict", "classes", "t-images-idx3-ubyte.gz", "--output", "out.npy")
    assert (code, out) == (0, "5 predictions of shape (3,) in out.npy\n")
    np.testing.assert_allclose(np.load("out.npy"), probabilities, rtol=1e-5)


def test_predicts_the_numbers_of_a_regression(run):
    expected = np.load("x.npy").astype(np.float32) @ np.asarray(params_of(REGRESSION, (6,)).weight).T
    for model in ("numbers", "no-loss"):
        code, out, _ = run("predict", model, "x.npy")
        assert code == 0
        found = [[float(number) for number in line.split("  ")] for line in out.splitlines()]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_one_output_is_the_probability_of_the_second_class(run, files):
    network = fn.Dense(1)
    params = fn.DenseParams(np.array([[1.0, 0, 0, 0, 0, 0]], jnp.bfloat16), np.zeros(1, jnp.bfloat16))
    fn.save_model("binary", network, params, loss=fn.sigmoid_cross_entropy)
    np.save("two.npy", np.array([[2.0, 0, 0, 0, 0, 0], [-1.0, 0, 0, 0, 0, 0]]))
    np.save("labels.npy", np.array([1, 1]))
    assert run("predict", "binary", "two.npy")[1] == "1  0.8808\n0  0.7311\n"
    assert run("evaluate", "binary", "two.npy", "labels.npy")[1].endswith("accuracy 0.5000\n")
    fn.save_model("one", network, params, loss=fn.quadratic)
    assert run("evaluate", "one", "two.npy", "labels.npy")[1] == "loss 1.2500\n"  # ½ (1² + 2²)/2


def test_evaluates_with_the_labels_beside_the_images_or_others(run):
    means = fn.evaluate(*fn.load_model("classes")[:1], fn.softmax_cross_entropy, params_of(CLASSIFIER, (6,)),
                        (IMAGES.reshape(5, 6), LABELS), metrics=[fn.accuracy])  # fmt: skip
    expected = f"loss {means['loss']:.4f}  accuracy {means['accuracy']:.4f}\n"
    assert run("evaluate", "classes", "t-images-idx3-ubyte.gz") == (0, expected, "")
    assert run("evaluate", "classes", "alone-images-idx3-ubyte", "t-labels-idx1-ubyte") == (0, expected, "")
    means = fn.evaluate(REGRESSION, fn.quadratic, params_of(REGRESSION, (6,)), (np.load("x.npy"), np.load("y.npy")))
    assert run("evaluate", "numbers", "x.npy", "y.npy") == (0, f"loss {means['loss']:.4f}\n", "")
    np.save("labels.npy", LABELS % 2)
    means = fn.evaluate(REGRESSION, fn.quadratic, params_of(REGRESSION, (6,)),
                        (np.load("x.npy"), fn.data.one_hot(LABELS % 2, 2)), metrics=[fn.accuracy])  # fmt: skip
    expected = f"loss {means['loss']:.4f}  accuracy {means['accuracy']:.4f}\n"
    assert run("evaluate", "numbers", "x.npy", "labels.npy") == (0, expected, "")


class Own(fn.Activation):
    def value(self, z):
        return z


FAILURES = [
    (["predict", "absent", "x.npy"], "No such file or directory: 'absent'"),
    (["predict", "classes", "absent.npy"], "No such file or directory: 'absent.npy'"),
    (["predict", "x.npy", "x.npy"], "x.npy: expected a safetensors file"),
    (["predict", "classes", "classes"], "classes: expected an IDX file"),
    (["predict", "tree", "x.npy"], "tree: expected a file of a model, got a file of a tree: fn.load reads it"),
    (
        ["predict", "own", "x.npy"],
        "names that funcnet knows, got 'Own': a class or a value of your own is handed in, in",
    ),
    (["predict", "classes", "y.npy"], "y.npy: expected inputs of shape (n, 6), as the model takes them, got (5, 2)"),
    (
        ["predict", "numbers", "alone-images-idx3-ubyte"],
        "x of a floating dtype, got uint8: convert it, or start with fn.",
    ),
    (["predict", "classes", "nan.npy"], "expected x to be finite in float32, got nan at index (0, 1)"),
    (["predict", "classes", "none.npy"], "none.npy: expected at least one sample, got shape (0, 6)"),
    (["predict", "classes", "number.npy"], "number.npy: expected at least one sample, got shape ()"),
    (["predict", "classes", "folder.npy"], "folder.npy: expected a regular file, got a folder, a pipe or a device"),
    (["predict", "classes", "pipe"], "pipe: expected a regular file, got a folder, a pipe or a device"),
    (["predict", "classes", "x.npy", "--output", "absent/out.npy"], "No such file or directory: 'absent/out.npy'"),
    (["evaluate", "no-loss", "x.npy", "y.npy"], "no-loss: expected a model that was saved with its loss, got none"),
    (["evaluate", "classes", "x.npy", "two-labels"], "as many rows in y as in x, got 2 for 5"),
    (["evaluate", "classes", "x.npy", "large-labels"], "expected labels y in [0, 3)"),
    (["evaluate", "numbers", "x.npy", "t-labels-idx1-ubyte"], "one_hot: expected labels in [0, 2), got 2 at index 1"),
]


def test_a_failure_is_one_line_and_exits_with_1(run, files):
    fn.save("tree", np.ones(3))
    fn.save_model("own", fn.Sequential(fn.Dense(2), Own()), (params_of(REGRESSION, (6,)), ()))
    np.save("nan.npy", np.array([[0, np.nan, 0, 0, 0, 0]]))
    np.save("none.npy", np.zeros((0, 6)))
    np.save("number.npy", 3.0)
    os.mkdir("folder.npy")
    os.mkfifo("pipe")
    (files / "two-labels").write_bytes(idx([0, 1]))
    (files / "large-labels").write_bytes(idx([0, 1, 2, 3, 0]))
    for arguments, words in FAILURES:
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1), (arguments, err)
        assert err.startswith("funcnet: ")
        assert words in err


def test_wrong_usage_exits_with_2(run, capsys):
    for arguments, words in [
        (["predict", "classes"], "required: FILE"),
        (["predict"], "required: MODEL, FILE"),
        (["evaluate", "classes", "x.npy"], "required for a FILE of this name: LABELS"),
        (["evaluate", "classes", "alone-images-idx3-ubyte"], "required for a FILE of this name: LABELS"),
    ]:
        with pytest.raises(SystemExit, match=r"^2$"):
            run(*arguments)
        assert capsys.readouterr().err.endswith(f"{words}\n")


def npy(header, data=b"", version=b"\1\0"):
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", len(text)) + text + data


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
HOSTILE = {
    "empty": (b"", "a .npy file of version 1 or 2, got ValueError"),
    "another file": (b"PK\3\4" + bytes(100), "a .npy file of version 1 or 2"),
    "a pickle": (b"\x80\4N.", "a .npy file of version 1 or 2"),
    "a future version": (npy(HEADER, bytes(24), b"\4\0"), "a .npy file of version 1 or 2"),
    "a long header": (npy(HEADER.replace("(2, 3)", "(2, 3" + "," + " " * 60_000 + ")")), "a .npy file of version"),
    "a deep header": (npy("(" * 5000 + ")" * 5000), "a .npy file of version"),
    "a call in the header": (npy("__import__('os')"), "a .npy file of version"),
    "no shape": (npy("{'descr': '<f4', 'fortran_order': False}"), "a .npy file of version"),
    "a huge shape": (npy(HEADER.replace("(2, 3)", "(2**62, 4)")), "a .npy file of version"),
    "a large shape": (npy(HEADER.replace("(2, 3)", f"({2**62}, 4)"), bytes(24)), f"{2**66} bytes of data for shape"),
    "a negative shape": (npy(HEADER.replace("(2, 3)", "(-2, -3)"), bytes(24)), "24 bytes of data for shape"),
    "too short": (npy(HEADER, bytes(23)), r"24 bytes of data for shape \(2, 3\), got 23"),
    "too long": (npy(HEADER, bytes(25)), r"24 bytes of data for shape \(2, 3\), got 25"),
    "objects": (
        npy(HEADER.replace("<f4", "|O"), bytes(48)),
        "integers, floating numbers or booleans, got dtype object",
    ),
    "complex": (npy(HEADER.replace("<f4", "<c8"), bytes(48)), "integers, .*got dtype complex64"),
    "texts": (npy(HEADER.replace("<f4", "<U1"), bytes(24)), "integers, floating"),
    "records": (npy(HEADER.replace("'<f4'", "[('a', '<f4')]"), bytes(24)), "integers, floating"),
    "bytes without a meaning": (npy(HEADER.replace("<f4", "|V2"), bytes(12)), r"integers, .*dtype \|V2"),
}


def test_hostile_npy_files_are_refused(tmp_path):
    for content, words in HOSTILE.values():
        (tmp_path / "x.npy").write_bytes(content)
        with pytest.raises(ValueError, match=rf"x\.npy: expected (?s:.*){words}"):
            read_npy(tmp_path / "x.npy")


def test_npy_files_are_read_as_numpy_reads_them(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4, 2)) * 100
    for dtype in ("i1", "<u2", ">i4", "<i8", "?", "<f2", ">f4", "f8"):
        for array in (values.astype(dtype), np.asfortranarray(values.astype(dtype)), values.astype(dtype)[:0]):
            np.save(tmp_path / "x.npy", array)
            found = read_npy(tmp_path / "x.npy")
            np.testing.assert_array_equal(found, array)
            assert (found.dtype, found.dtype.isnative) == (array.dtype.newbyteorder("="), True)
