"""The house keeps its rules: imports go down, importing does nothing else, modules stay small, the tools are quiet."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "funcnet").rglob("*.py"))

# Rooms from the ground up; a module imports only from rooms that its own stands on.
HELPERS = {"configuration", "errors", "checks", "layer"}
STANDS_ON = {
    "errors": set(),
    "configuration": {"errors"},
    "checks": {"errors"},
    "layer": {"checks", "configuration", "errors"},
    "activations": HELPERS,
    "information": HELPERS,
    "initializers": HELPERS,
    "losses": HELPERS | {"activations"},
    "penalties": HELPERS,
    "metrics": HELPERS | {"losses"},
    "jaxprs": {"checks", "compilation", "configuration", "errors"},
    "drawing": {"configuration", "errors"},
    "compilation": {"checks", "errors"},
    "settings": {"checks", "configuration", "errors"},
    "ending": set(),
    "callbacks": {"checks", "configuration", "ending", "errors", "plots"},
    "layers": HELPERS | {"activations", "initializers"},
    "numerics": {"checks", "configuration", "errors"},
    "objective": HELPERS | {"losses", "layers", "penalties"},
    "graph": {"checks", "configuration", "errors", "drawing", "jaxprs"},
    "derivatives": {"compilation", "errors", "jaxprs"},
    "rulecheck": HELPERS | {"compilation", "derivatives", "jaxprs"},
    "gradcheck": HELPERS
    | {"compilation", "derivatives", "jaxprs", "activations", "losses", "penalties", "layers", "objective"}
    | {"rulecheck"},
    "inspection": HELPERS | {"activations", "losses", "layers"},
    "summaries": HELPERS | {"jaxprs", "layers"},
    "neurons": HELPERS | {"jaxprs", "activations", "layers"},
    "optimizers": {"checks", "configuration", "errors", "settings"},
    "search": {"checks", "configuration", "ending", "errors", "settings"},
    "training": HELPERS
    | {"callbacks", "compilation", "jaxprs", "activations", "ending", "losses", "metrics", "penalties", "layers"}
    | {"objective", "optimizers", "search", "storage"},
    "data": {"checks", "errors"},
    "storage": HELPERS
    | {"activations", "initializers", "layers", "losses", "metrics", "optimizers", "penalties", "search"},
    "plots": HELPERS | {"drawing", "layers", "neurons", "numerics"},
    "cli": {"activations", "checks", "losses", "compilation", "data", "errors", "funcnet", "gradcheck", "rulecheck"},
    "__main__": {"cli"},
}
STANDS_ON["__init__"] = set(STANDS_ON) - {"cli", "__main__"}


def room_of(path):
    return path.relative_to(ROOT / "funcnet").parts[0].removesuffix(".py")


def imported_rooms(path):
    """Yield the rooms of funcnet that a module imports from."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = [*base, *(node.module or "").split(".")] if node.module else list(base)
            if module == ["funcnet"]:
                yield from (alias.name for alias in node.names)
            elif module[0] == "funcnet":
                yield module[1]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "funcnet":
                    yield alias.name.partition(".")[2].partition(".")[0] or "funcnet"


def test_every_room_has_its_place():
    assert {room_of(path) for path in MODULES} == set(STANDS_ON)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_down(path):
    room = room_of(path)
    assert set(imported_rooms(path)) - {room} <= STANDS_ON[room]


def test_equations_of_jax_programs_are_read_in_one_room():
    assert {room_of(path) for path in MODULES if "eqns" in path.read_text()} == {"jaxprs"}


def test_the_rooms_stand_on_each_other_without_cycles():
    standing = {room: below - {"funcnet"} for room, below in STANDS_ON.items()}
    while standing:
        ground = {room for room, below in standing.items() if not below & set(standing)}
        assert ground, f"a cycle among {sorted(standing)}"
        standing = {room: below for room, below in standing.items() if room not in ground}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_stay_small(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            assert body[-1].end_lineno - body[0].lineno + 1 <= 45, node.name


def test_importing_does_nothing_but_import():
    """No backend, no configuration, no JAX operation; what is heavy or seldom used stays out."""
    program = """
import jax, sys
before, loaded = dict(jax.config.values), set(sys.modules)
import funcnet
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized(), "a backend was initialized"
assert before.items() <= jax.config.values.items(), "the configuration was changed"
others = {name.split(".")[0] for name in set(sys.modules) - loaded} - set(sys.stdlib_module_names)
assert others <= {"funcnet", "jax", "jaxlib", "numpy"}, others
assert "urllib.request" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["lint", "format", "types"],
)
def test_the_tools_are_quiet(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_top_level_holds_what_it_should():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not listed:
        pytest.skip("not a git checkout")
    visible = {name.split("/")[0] for name in listed if not name.startswith(".")}
    assert visible <= {"pyproject.toml", "README.md", "funcnet", "tests", "scripts"}
