"""The notebook runs, and every output is what a reader should see."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "scripts" / "notebook" / "first_training.ipynb"


@pytest.fixture(scope="module")
def cells():
    """Return the outputs of the notebook's code cells."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # no output is kept in the file
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def test_the_summary_is_a_table(cells):
    (shown,) = cells[1]
    assert "<table>" in shown["data"]["text/html"]
    assert "4,810" in shown["data"]["text/plain"]


def test_the_picture_is_drawn_and_the_result_is_short(cells):
    picture, result = cells[2]
    assert "image/png" in picture["data"]
    assert result["data"]["text/plain"].startswith("FitResult(completed after 15 epochs: loss ")
    assert "val_accuracy" in result["data"]["text/html"]
    assert cells[3][0]["data"]["text/plain"].startswith("TrainState(epoch 15, step 690: 4,810 parameters, AdamState")


def test_the_mistake_is_named_with_its_remedy(cells):
    (error,) = cells[4]
    assert error["output_type"] == "error"
    assert error["evalue"].startswith("fit: expected labels y in [0, 3), as many as the network's outputs name, got ")


def test_nothing_is_written_to_the_error_stream(cells):
    assert [output for outputs in cells for output in outputs if output.get("name") == "stderr"] == []
