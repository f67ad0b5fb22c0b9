"""Torch is asked for by the first fit, and by nothing before it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from recloop.data import from_rows
from recloop.methods.recommenders import RecommenderError, open_recommender


def test_opening_a_torch_recommender_does_not_load_torch() -> None:
    code = (
        "import sys; from recloop.methods.recommenders import open_recommender, LightGCN, MultVAE; "
        "open_recommender('lightgcn'), open_recommender('multvae'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", ["lightgcn", "multvae"])
def test_without_the_extra_the_error_names_the_command_and_what_needs_none(name, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    model = open_recommender(name)
    with pytest.raises(RecommenderError, match=rf'{name}(.|\n)*pip install "recloop\[torch\]"(.|\n)*ease'):
        model.fit(from_rows([("u", "i")]))
