import math

import audit
import audited
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from funcnet.numerics import Binade

MADE_UP = audited.Audited(
    "made up", "jnp.where(x > 2.0, jnp.nan, jnp.where(x == 2.0, 0.0, x))", lambda x: x, lambda x: mpmath.mpf(1)
)
NEWEST = jax.__version_info__ >= (0, 12)


@pytest.mark.usefixtures("standard_promotion")
def test_what_is_wrong_is_found_by_sweeping_and_reproduced(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(audited, "TABLE", [*audited.TABLE, MADE_UP])
    picture, record = tmp_path / "audit.png", tmp_path / "audit.json"
    only = ["jss.i0(x)", "jnp.logaddexp(x, x)", "jnp.expm1(x)", "jnp.sqrt(x)", "jnp.where"]
    options = ["--picture", str(picture), "--workers", "1", "--record", str(record), "--only", *only]
    errors = audit.main(options)["errors"]
    found = {(each.function, each.what): each for each in errors}
    assert ("jnp.sqrt(x)", "value") not in found
    assert (("jnp.expm1(x)", "derivative") in found) != NEWEST
    assert (("jss.i0(x)", "derivative") in found) == (jax.__version_info__ < (0, 11))
    masked = found["jnp.logaddexp(x, x)", "cotangent of 0"]
    assert math.isnan(eval(masked.reproduction, {"jax": jax, "jnp": jnp})[0])
    assert found["jnp.logaddexp(x, x)", "derivative"].right == "1"
    first, second = [each for each in errors if each.function == MADE_UP.expression and each.what == "value"]
    assert (first.got, second.got) == ("nan", "0.0")
    assert "nan" in capsys.readouterr().out
    assert picture.stat().st_size < 150_000
    audit.main(["--compare", str(record), str(record)])
    assert capsys.readouterr().out.count("| wrong | wrong |") >= 3


@pytest.mark.parametrize("function", ["spence", "log_ndtr"])
def test_the_definitions_for_many_digits_are_those_of_scipy(function):
    special = pytest.importorskip("scipy.special")
    each = next(each for each in audited.TABLE if each.expression == f"jss.{function}(x)")
    points = [0.1, 0.5, 1.5, 5.0, 100.0] + [-3.0, -2000.0] * (each.domain[0] < 0)
    right = getattr(special, function)(np.array(points))
    np.testing.assert_allclose([float(each.value(mpmath.mpf(x))) for x in points], right, rtol=1e-13)
    slopes = [float(mpmath.diff(each.value, x)) for x in points[:4]]
    np.testing.assert_allclose([float(each.slope(mpmath.mpf(x))) for x in points[:4]], slopes, rtol=1e-10)


def test_ranges_merge_neighbours():
    binades = [Binade(sign, exponent, 1e9, 0.0, 1) for sign, exponent in ((-1, 1), (-1, 0), (1, 5))]
    assert audit.ranges(binades) == "-4 to -1, 32 to 64"
    assert audit.short("jnp.linalg.norm(jnp.stack([x, 1.0]))") == "jnp.linalg.norm([x, 1])"
