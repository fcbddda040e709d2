"""The examples run, and what was said in them is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sessile

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "needs", "said", "roles"),
    [
        ("openai_chat.py", "agents", "you asked 2 times: And a stalk?", ["user", "assistant"]),
        ("claude_chat.py", "claude_agent_sdk", "4 messages", ["user", "assistant"]),
    ],
)
def test_an_example_keeps_what_is_said_where_it_is_found(tmp_path, name, needs, said, roles):
    pytest.importorskip(needs)
    path = tmp_path / "agents.db"
    environment = {**os.environ, "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path / "config")}
    run = [sys.executable, str(EXAMPLES / name), str(path)]
    done = subprocess.run(run, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    with sessile.Store(path) as store:
        hits = list(store.search("sessile OR leaf"))
        assert {hit["role"] for hit in hits} >= set(roles[:1]) and hits
        assert {hit["work_dir"] for hit in hits} == {"/srv/chat"}
        (row,) = store.sessions()
        assert row["message_count"] == 4
        assert store.check() == []


def test_the_readmes_lines_work(tmp_path):
    text = (EXAMPLES.parent / "README.md").read_text()
    lines = text.split("```python\n", 1)[1].split("```", 1)[0]
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "The active entry." in done.stdout and (tmp_path / "out").is_dir()
