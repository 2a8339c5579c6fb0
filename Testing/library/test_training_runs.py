"""Whole runs of the command: killed and resumed, in two processes, from bundled weights, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from training_cases import TINY, tiny_recipe, write_labelled_cases  # noqa: E402

from BraTSOSLib.cli import main  # noqa: E402
from BraTSOSLib.segmentation.model import load_stages  # noqa: E402
from BraTSOSLib.segmentation.segmenter import BUNDLED  # noqa: E402
from BraTSOSLib.segmentation.training import Split, train  # noqa: E402
from BraTSOSLib.segmentation.training.checkpoint import read_checkpoint  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = 40
CHANGES = {"spacing": 1.0, "mining": "cases", "mining_every": 5, "mining_threshold": 1.0, "steps": STEPS}
COMMAND = (
    *("--arguments", json.dumps(TINY), "--window", "16,16,16", "--spacing", "1", "--steps", str(STEPS), "--seed", "3"),
    *("--mining", "cases", "--mining-every", "5", "--mining-threshold", "1", "--checkpoint-minutes", "0"),
    *("--validation", "B_1_a", "--device", "cpu", "--validation-minutes", "60"),
)
PAIR = """
import sys
from pathlib import Path
sys.path[:0] = [{library!r}, {tests!r}]
import torch
torch.set_num_threads(1)
from training_cases import blocks, tiny_recipe
from BraTSOSLib.segmentation.training.loop import Trainer
from BraTSOSLib.segmentation.training.processes import join_processes
with join_processes("cpu") as processes:
    recipe = tiny_recipe(steps=4, accumulate=2, mining="cases", mining_every=2, mining_threshold=1.0)
    out = Path({out!r})
    cases = blocks(3)
    run = Trainer(recipe, cases, cases[:1], out / f"run{{processes.rank}}", processes=processes)
    run.run()
    state = {{"network": run.network.state_dict(), "average": run.average, "scores": list(run.hard.scores)}}
    torch.save(state, out / f"rank{{processes.rank}}.pt")
"""


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _start(*arguments: object) -> subprocess.Popen[str]:
    code = "import sys; from BraTSOSLib.cli import main; sys.exit(main())"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", code, "train", "segmentation", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


def _wait_for_change(path: Path, before: int, process: subprocess.Popen[str]) -> None:
    """Wait until a checkpoint is written after the one of the time ``before``."""
    end = time.monotonic() + 900
    while not (path.exists() and path.stat().st_mtime_ns > before):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_run_that_is_interrupted_then_killed_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path):
    data = write_labelled_cases(tmp_path / "data")
    split = Split(validation=("B_1_a",))
    whole = train(data, tmp_path / "whole", tiny_recipe(**CHANGES), split=split, device="cpu")
    card = json.loads(whole.read_text())
    assert card["steps"] == STEPS
    assert card["held_out"] == ["B_1_a"]

    out, checkpoint = tmp_path / "out", tmp_path / "out" / "checkpoint.pt"
    process = _start(data, "-o", out, *COMMAND)
    _wait_for_change(checkpoint, 0, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=900)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    step = read_checkpoint(checkpoint)["step"]
    assert 0 < step < STEPS

    process = _start("--data", data, "-o", out, *COMMAND, "--resume")
    _wait_for_change(checkpoint, checkpoint.stat().st_mtime_ns, process)
    process.kill()
    process.communicate(timeout=900)
    assert process.returncode == -signal.SIGKILL
    assert step < read_checkpoint(checkpoint)["step"] < STEPS
    assert not (out / "segmenter.json").exists()

    resumed = train(data, out, tiny_recipe(**CHANGES, checkpoint_minutes=0.0), split=split, resume=True, device="cpu")
    assert json.loads(resumed.read_text())["sha256"] == card["sha256"]
    left = sorted(path.name for path in out.iterdir())
    assert left == ["cache", "checkpoint.pt", "log.csv", "segmenter.json", "segmenter.safetensors"]


def test_two_processes_train_one_network_and_one_of_them_writes(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = PAIR.format(library=str(REPOSITORY), tests=str(Path(__file__).parent), out=str(tmp_path))
    pair = []
    for rank in range(2):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        environment = {**os.environ, **place, **meet}
        pair.append(subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True))
    for process in pair:
        _, told = process.communicate(timeout=900)
        assert process.returncode == 0, told
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    for part in ("network", "average"):
        assert all(torch.equal(value, second[part][name]) for name, value in first[part].items())
    assert first["scores"] == second["scores"]
    assert len(first["scores"]) == 3
    assert sorted(path.name for path in (tmp_path / "run0").iterdir()) == ["checkpoint.pt", "log.csv"]
    assert not (tmp_path / "run1").exists()


def test_the_command_writes_a_model_that_loads_and_can_be_started_from(tmp_path: Path, capfd):
    data = write_labelled_cases(tmp_path / "data")
    out = tmp_path / "out"
    (tmp_path / "card.json").write_text('{"limits": "for a test"}')
    steps = list(COMMAND)
    steps[steps.index("--steps") + 1] = "2"
    classes = ["--outputs", "tissues", "--field", "tumour", "--name", "mine", "--card", str(tmp_path / "card.json")]
    arguments = ["train", "segmentation", "--data", str(data), "-o", str(out), *steps, *classes]
    assert main(arguments) == 0, capfd.readouterr().err
    (stage,), card = load_stages(out / "mine.json")
    assert stage.outputs == ("background", "NCR", "ED", "ET", "brain")
    assert (stage.spacing, stage.window, stage.field) == (1.0, (16, 16, 16), "tumour")
    assert stage.network(torch.zeros(1, 4, 16, 16, 16)).shape == (1, 5, 16, 16, 16)
    assert card["limits"] == "for a test"
    assert card["recipe"]["mining"] == "cases"
    assert {"Dice WT", "Dice TC", "Dice ET"} <= set(card["metrics"][0])

    assert main(arguments) == 2
    assert "--resume" in capfd.readouterr().err
    again = [str(item) for item in arguments]
    again[again.index("-o") + 1] = str(tmp_path / "again")
    for source in (out / "mine.json", out / "checkpoint.pt"):
        assert main([*again, "--start-from", str(source), "--overwrite"]) == 0, capfd.readouterr().err
    for source, words in ((tmp_path / "none.json", "none.json"), (BUNDLED, "no weights of this")):
        capfd.readouterr()
        assert main([*again, "--start-from", str(source), "--overwrite"]) == 2
        told = capfd.readouterr().err
        assert words in told
        assert told.count("\n") <= 2
