import json
import re
import subprocess
import sys

import pytest

import funcnet.cli
from funcnet.cli import main, verify

OPTIONS = {
    "--args": "ARRAY",
    "--rules": "",
    "--dtype": "NAME",
    "--json": "",
    "--layers": "SIZES",
    "--activation": "linear sigmoid tanh relu softmax step sign leaky_relu elu prelu softplus silu gelu",
    "--output": "linear sigmoid tanh relu softmax step sign leaky_relu elu prelu softplus silu gelu",
    "--loss": "softmax_cross_entropy sigmoid_cross_entropy binary_cross_entropy categorical_cross_entropy "
    "kl_divergence hinge quadratic squared_error mean_squared_error",
    "--batch-size": "N",
    "--seed": "N",
    "--no-cache": "",
}


@pytest.fixture
def check(capsys):
    """A function that runs ``funcnet verify`` and returns its exit code, output and error output."""

    def run(*arguments):
        code = main(["verify", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_without_options_it_proves_a_small_network(check):
    code, out, err = check()
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[:3] == [
        "network    Sequential(Dense(6, inputs=8), tanh, Dense(4))",
        "loss       softmax_cross_entropy, on 8 samples, seed 0",
        "ok: 146 derivatives, by hand, automatic and numerical (complex step), agree",
    ]
    assert [line.split("  ")[0] for line in lines[4:9]] == 2 * ["Dense(6, inputs=8) (layer 0)"] + 2 * [
        "Dense(4) (layer 2)"
    ] + ["(input)"]
    assert all(line.endswith(" ok") for line in lines[4:9])
    assert lines[9] == "kinks met: 0"


def test_it_checks_the_network_that_the_options_describe(check):
    code, out, _ = check("--layers", "3,5,2,2", "--activation", "gelu", "--output", "tanh", "--loss", "quadratic",
                         "--batch-size", 4, "--seed", 7)  # fmt: skip
    assert code == 0
    assert out.startswith(
        "network    Sequential(Dense(5, inputs=3), gelu, Dense(2), gelu, Dense(2), tanh)\n"
        "loss       quadratic, on 4 samples, seed 7\n"
    )


@pytest.mark.parametrize("loss", OPTIONS["--loss"].split())
def test_every_loss_has_an_output_and_targets_that_suit_it(check, loss):
    code, out, err = check("--loss", loss, "--layers", "3,2", "--batch-size", 3)
    assert (code, err) == (0, "")
    assert "\nok: " in out


def test_one_seed_explains_what_is_printed(check):
    first, again, other = (check("--layers", "3,2", "--seed", seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert first.splitlines()[4:] != other.splitlines()[4:]


def test_a_mismatch_is_exit_code_1(check, monkeypatch):
    softmax_cross_entropy = type(funcnet.softmax_cross_entropy)

    class Mistaken(softmax_cross_entropy):
        def gradient(self, output, target):
            return -super().gradient(output, target)

    wrong = verify.LOSSES["softmax_cross_entropy"]._replace(loss=Mistaken())
    monkeypatch.setitem(verify.LOSSES, "softmax_cross_entropy", wrong)
    code, out, err = check("--layers", "3,2")
    assert (code, err) == (1, "")
    assert out.splitlines()[2].endswith("DO NOT AGREE in 3 of 3 arrays")
    assert out.splitlines()[3] == (
        "start here: softmax_cross_entropy.gradient: -1 times the correct gradient everywhere: a wrong sign"
    )


@pytest.mark.parametrize("layers", ["3", "0"])
def test_sizes_without_input_and_output_are_wrong_usage(check, capsys, layers):
    with pytest.raises(SystemExit, match=r"^2$"):
        check("--layers", layers)
    expected = f"--layers: expected the sizes of the input and of the output, such as 8,6,4, got {layers!r}\n"
    assert capsys.readouterr().err.endswith(expected)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--layers", "3,2", "--loss", "binary_cross_entropy", "--output", "linear"),
            "check_gradients: expected a finite cost: does the output suit binary_cross_entropy?, got ",
        ),
    ],
)
def test_what_cannot_be_checked_is_told(check, arguments, text):
    code, out, err = check(*arguments)
    assert (code, err) == (4, "")
    assert f"the derivative: ValueError: {text}" in out


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the folder that the command runs in, with a wrong rule."""
    text = """
import jax
import jax.numpy as jnp

sine = jax.custom_jvp(jnp.sin)
sine.defjvps(lambda tangent, y, x: -tangent * jnp.cos(x))


def ends(x):
    raise SystemExit(0)


def talks(x):
    print("a word")
    jax.debug.print("another word")
    return 2 * x
"""
    (tmp_path / "own_rules.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_function_is_checked_by_its_name(check, module):
    code, out, err = check("jax.nn:relu", "--args", "float32[2]", "--dtype", "float64", "--json")
    found = json.loads(out)
    assert (code, err, found["verdict"]) == (0, "", "OK")
    assert found["function"].startswith("relu (functions.py:")
    code, out, _ = check("own_rules:sine", "--args", "float32[2]", "--dtype", "float64", "--rules")
    assert code == 1
    assert out.startswith("MISMATCH: wrong: the derivative of sin (ufuncs.py:")
    assert "-1 times the correct gradient everywhere: a wrong sign" in out


def test_a_function_that_cannot_be_checked_is_exit_code_4(check):
    code, out, err = check("jax.nn:relu", "--args", "int32[2]")
    assert (code, err) == (4, "")
    expected = "TypeError: check_function: expected an argument of a floating dtype, got none"
    assert out == (
        f"not checked: nothing could be checked of jax.nn:relu\nnot checked: jax.nn:relu, the derivative: {expected}\n"
    )
    code, out, _ = check("jax.nn:relu", "--args", "int32[2]", "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["findings"][0]["reason"]) == (4, "NOT_CHECKED", expected)


def test_a_function_that_ends_the_program_or_prints_is_judged_all_the_same(check, module, capsys, tmp_path):
    code, out, _ = check("own_rules:ends", "--args", "float32[2]")
    assert code == 4
    assert "own_rules:ends, the derivative: SystemExit: 0" in out
    code, out, err = check("own_rules:talks", "--args", "float32[1]", "--dtype", "float64", "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "OK")
    assert "a word" in err
    assert "another word" in err
    (tmp_path / "ending_module.py").write_text("raise SystemExit(0)")
    with pytest.raises(SystemExit, match=r"^2$"):
        check("ending_module:f")
    assert "expected the name of a function, got 'ending_module:f': " in capsys.readouterr().err


def test_the_report_on_a_network_is_json_too(check):
    code, out, _ = check("--layers", "3,2", "--json", "--dtype", "bfloat16")
    found = json.loads(out)
    assert (code, found["verdict"], found["function"]) == (0, "OK", "Sequential(Dense(2, inputs=3))")
    assert [each["argument"] for each in found["findings"]] == ["weight", "bias", "x"]
    assert any("bfloat16" in each for each in found["checked"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("jax.nn",), "expected MODULE:FUNCTION, such as jax.nn:gelu, got 'jax.nn'"),
        (("jax.nn:nothing",), "expected the name of a function, got 'jax.nn:nothing': module 'jax.nn' has no"),
        (("math:pi",), "expected the name of a function, got 'math:pi', of type float"),
        (("jax.nn:relu", "--args", "float32"), "--args: expected a dtype and a shape, such as float32[5,3], got"),
        (("jax.nn:relu", "--args", "real[2]"), "--args: expected a dtype and a shape, such as float32[5,3], got"),
        (("jax.nn:relu", "--dtype", "real"), "--dtype: expected the name of a floating dtype, got 'real'"),
        (("jax.nn:relu", "--args", f"float32[{10**15}]"), "--args: expected an array that fits into memory, got"),
        (("jax.nn:relu", "--args", "float32[2]", "--dtype", "int32"), "--dtype: expected the name of a floating dtype"),
        (("--rules",), "--args and --rules: expected the name of a function, MODULE:FUNCTION, too"),
        (("jax.nn:relu", "--args", "complex64[2]"), "--args: expected a dtype and a shape, such as float32[5,3], got"),
        (("jax.nn:relu", "--args", "str[2]"), "--args: expected a dtype and a shape, such as float32[5,3], got"),
        (("jax.nn:relu",), "--args: expected the arguments of jax.nn:relu, got 0: missing a required argument: 'x'"),
        (("jax.nn:relu", "--layers", "3,2"), "--layers: expected no function beside it, got 'jax.nn:relu'"),
    ],
)
def test_what_is_no_function_or_array_is_wrong_usage(check, capsys, arguments, text):
    with pytest.raises(SystemExit, match=r"^2$"):
        check(*arguments)
    assert text in capsys.readouterr().err


def test_a_module_that_cannot_be_imported_is_wrong_usage(check, capsys, tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        check("broken_module:f")
    assert "expected the name of a function, got 'broken_module:f': division by zero" in capsys.readouterr().err


def test_help_mentions_every_option(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["verify", "--help"])
    text = capsys.readouterr().out
    assert set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)) == set(OPTIONS)
    for option, values in OPTIONS.items():
        entry = re.search(rf"^  {option} (.*?)(?=^  --|^\S|\Z)", text, re.MULTILINE | re.DOTALL)[1]
        assert all(value in entry for value in values.split())
        assert "(default: " in entry
    assert "example: funcnet verify --layers 64,30,10" in text


def test_a_closed_output_ends_the_command_without_a_word():
    command = f"{sys.executable} -m funcnet verify --layers 3,2 --no-cache | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
