import doctest

import pytest
import scaling

QUICK = {"batch": (64, 256), "width": (16,), "depth": (1, 3), "samples": (1000,)}


def test_every_axis_is_measured_told_and_drawn(tmp_path, capsys):
    picture = tmp_path / "scaling.png"
    sizes = [text for name, of in QUICK.items() for text in (f"--{name}", *map(str, of))]
    figures = scaling.main(["--picture", str(picture), "--seconds", "0.01", *sizes])
    assert {name: tuple(row.size for row in rows) for name, rows in figures.items()} == QUICK
    assert all(row.seconds > 0 and row.rate > 0 for rows in figures.values() for row in rows)
    told = capsys.readouterr().out.splitlines()
    for axis in scaling.AXES:
        first = told.index(axis.title)
        assert "exponent" in told[first + 1]
        rows = told[first + 2 : told.index("", first) - 1]
        assert [int(line.split()[0]) for line in rows] == list(QUICK[axis.name])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 150_000


def test_the_default_sizes_are_those_that_the_text_names():
    ends = {axis.name: (axis.sizes[0], axis.sizes[-1]) for axis in scaling.AXES}
    assert ends == {"batch": (1, 8192), "width": (16, 4096), "depth": (1, 64), "samples": (1000, 1_000_000)}


def test_operations_are_those_of_the_matrix_products():
    problem = scaling.Problem((784, 512, 10), 300, 128)
    forward = 2 * 128 * (784 * 512 + 512 * 10)
    backward = forward + 2 * 128 * 512 * 10  # the weights' gradients, and the hidden layer's δ
    assert problem.operations == forward + backward
    assert problem.steps == 3


def test_the_line_of_slope_1_is_below_every_row():
    rows = [scaling.Row(size, seconds, 0.0, 1.0) for size, seconds in ((1, 8.0), (4, 8.0), (16, 16.0), (64, 80.0))]
    assert scaling.best(rows) == 1.0
    told = scaling.table(scaling.AXES[0], rows).splitlines()
    assert told[-1] == "at best 1e+06 µs per sample; at 8 that is the time of the first row"
    assert [line.split()[3] for line in told[3:6]] == ["0.00", "0.50", "1.16"]


def test_the_example_in_the_script_is_right():
    assert doctest.testmod(scaling) == (0, 1)


@pytest.mark.parametrize("axis", scaling.AXES, ids=lambda axis: axis.name)
def test_no_epoch_of_the_default_sizes_has_a_partial_batch(axis):
    for problem in map(axis.problem, axis.sizes):
        assert problem.samples % problem.batch_size == 0
        assert problem.samples > problem.batch_size  # one full batch would need no shuffle
