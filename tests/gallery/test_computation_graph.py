from xml.etree import ElementTree

import computation_graph


def test_worked_values_the_chain_rule_and_the_counts(tmp_path, capsys):
    picture, svg, dot = (tmp_path / f"graph.{kind}" for kind in ("png", "svg", "dot"))
    figures = computation_graph.main(["--picture", str(picture), "--svg", str(svg), "--dot", str(dot)])
    neuron = figures["neuron"]
    assert (neuron["d"][0], neuron["J"][0], neuron["w"][1], neuron["b"][1]) == (2, 2, -4, 2)
    assert figures["two layers"] == figures["chain rule"]
    for counts in figures["counts"]:
        assert counts.reverse == counts.operations + counts.parameters - 1
        assert counts.operations * counts.parameters / 2 <= counts.forward <= counts.operations * counts.parameters
    printed = capsys.readouterr().out
    assert "mul(w, x)          -4.0   2.0" in printed
    assert "64   192   128       319     320     12416   24576" in printed
    assert picture.stat().st_size < 150_000
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert dot.read_text(encoding="utf-8").startswith("digraph {")
