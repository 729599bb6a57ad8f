"""An activation more, added where docs/structure.md says: all that reads, trains and shows has it then."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.folders import swept
from support.shell import call

import sweep
from sweep.networks import activations, vocabulary
from sweep.networks.forward import predict
from sweep.networks.vocabulary import Argument
from sweep.report.page import page

TEXT = """
fixed: {epochs: 30, learning_rate: 0.05, width: 3}
vary: {activation: [relu, {name: celu, alpha: 0.5}], depth: [1, 2], seed: 3}
reliability: {target: 0.2}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keras's celu. Keras trains it; the native engine would need its code, the page and the commands need nothing."""
    with pytest.MonkeyPatch.context() as patch:
        add(patch)
        return swept(tmp_path_factory.mktemp("celu"), TEXT, engine="keras", confirm=4)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)


def add(patch: pytest.MonkeyPatch) -> None:
    def celu(z: activations.Doubles, alpha: float) -> activations.Doubles:
        return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0) / alpha))

    for names in (vocabulary.activations, vocabulary.output_activations):  # the second is made of the first
        patch.setitem(names, "celu", {"alpha": Argument(1.0, low=0.0, open_low=True)})
    patch.setitem(activations.functions, "celu", celu)


def test_the_document_names_these_places() -> None:
    text = (Path(__file__).parents[2] / "docs" / "structure.md").read_text()
    places = re.findall(r"`(sweep/\S+\.py)`", text.partition("## To add an activation")[2].partition("\n## ")[0])
    native, exceptions = "sweep/training/native/functions.py", "sweep/training/fused/optimizers.py"
    needed = ["sweep/networks/vocabulary.py", native, "sweep/networks/activations.py", exceptions]
    assert places == [*needed, "sweep/report/scripts.py", "sweep/networks/limits.py"]  # the last two may lack it


def test_its_networks_run_forward_as_keras_ran_them(finished: Path) -> None:
    results = sweep.load(finished)
    examples = [
        e
        for e in results.folder.read_examples()
        if "celu" in str(results.configuration(e.configuration).labels()["activation"])
    ]
    assert len(examples) > 1
    for example in examples:
        c = results.configuration(example.configuration)
        again = predict(c, example.weights, c.inputs().astype(np.float64))
        np.testing.assert_allclose(again, example.predictions[-1], rtol=0, atol=1e-5)


def test_the_page_draws_its_surfaces(finished: Path) -> None:
    html = page.build(sweep.load(finished))
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    assert {"relu", "celu(alpha=0.5)"} <= {level for c in data["columns"] for level in c["levels"]}
    assert all("z" in example for row in data["details"]["rows"] for example in row["e"])


@pytest.mark.parametrize("command", ["show", "importance", "verify", "report", "replay", "compare"])
def test_commands_answer(copy: Path, command: str) -> None:
    runs = sweep.load(copy).runs
    run = runs[runs["activation"].str.startswith("celu")]["run"].iloc[0]
    others = {"replay": [run, "--engine", "keras"], "compare": [run.split("-")[0], "activation=relu,depth=2"]}
    result = call(command, copy, *others.get(command, []))
    assert result.exit_code == 0, result.output
