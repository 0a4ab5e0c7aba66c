"""The example plugin, as a package: installed by pip into an environment of its own, and used end to end."""

from __future__ import annotations

import json
import site
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "d7nb-poll"
CHECKOUT = Path(__file__).parents[2]

SCRIPT = """
import json
import pandas as pd
import d7nb

people = pd.DataFrame({"phone": ["+12025550123", "+12025550124"], "name": ["Ali", "Sara"], "age": ["17", "40"]})
from d7nb_poll import Poll

plan = d7nb.plan(people, Poll("{name}, are you coming?", ["Yes", "No"]), to="phone", originator="+12025550100")
with d7nb.Sandbox(extra_types=["POLL"]) as sandbox:
    delivery = plan.send(sandbox.client(), progress=False)
    sent = sandbox.messages["content"].tolist()
table = d7nb.plugins.table().set_index("name").loc["poll"].to_dict()
outcomes, reasons = (delivery.frame[name].astype("str").fillna("").tolist() for name in ("d7_outcome", "d7_reason"))
print(json.dumps({"outcomes": outcomes, "reasons": reasons, "sent": sent, "table": table}))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the example installed, and everything else from this environment."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    (folder,) = home.glob("lib/python*/site-packages")
    borrowed = [CHECKOUT, *site.getsitepackages()]
    (folder / "borrowed.pth").write_text("\n".join(map(str, borrowed)), encoding="utf-8")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*install, "--no-deps", "--no-build-isolation", "--no-index", str(EXAMPLE)], check=True)
    return python


def test_it_is_found_listed_and_used_end_to_end(python: Path, tmp_path: Path) -> None:
    run = subprocess.run([str(python), "-c", SCRIPT], check=True, capture_output=True, text=True, cwd=tmp_path)
    told = json.loads(run.stdout)
    assert told["table"] == {
        "version": "0.1",
        "source": "d7nb-poll",
        "hooks": "d7nb_content_types, d7nb_filters",
        "status": "active",
    }
    assert told["outcomes"] == ["skipped", "accepted"]
    assert told["reasons"][0].startswith("age breaks greater_than_or_equal_to(18)")
    assert told["sent"] == [
        {
            "message_type": "POLL",
            "poll": {"question": "Sara, are you coming?", "choices": [{"text": "Yes"}, {"text": "No"}]},
        }
    ]


def test_its_type_keeps_its_rules(python: Path, tmp_path: Path) -> None:
    script = "import d7nb_poll; d7nb_poll.Poll('Which?', ['one', 'one'])"
    run = subprocess.run([str(python), "-c", script], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert "two choices are the same (Meta)" in run.stderr
