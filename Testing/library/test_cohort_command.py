"""What the command `cohort` says, on a terminal, in a log and to a machine."""

from __future__ import annotations

import json
import sys

import pytest
from cohort_cases import CONTROL, MEASURED, STAGE, Bench, write_cases

from BraTSOSLib.cli import main
from BraTSOSLib.commands.cohort_console import PlainLines, Rate, duration, showing


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Bench(tmp_path, "a", "bad", "z")
    monkeypatch.setenv(CONTROL, str(bench.control))
    monkeypatch.setenv(MEASURED, "")
    yield bench
    bench.close()


def arguments(bench, *options):
    return ["cohort", str(bench.input), "-o", str(bench.output), "--stage", STAGE, *options]


def test_json_lines(bench, capsys):
    assert main(arguments(bench, "--json")) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0] == {"event": "found", "total": 3, "wrong": 0, "source": str(bench.input)}
    ends = {event["case"]: event["event"] for event in events if event["event"] in ("done", "failed")}
    assert ends == {"a": "done", "bad": "failed", "z": "done"}
    assert next(event for event in events if event["event"] == "failed")["error"].startswith("The scans of bad")
    assert {event["event"] for event in events} >= {"counts", "started", "collecting"}
    last = events[-1]
    assert (last["event"], last["total"], last["done"], last["failed"]) == ("finished", 3, 2, 1)


def test_plain_lines_and_exit_codes(bench, capsys):
    write_cases(bench.input, "empty")
    (bench.input / "empty" / "empty_t1.nii.gz").write_bytes(b"")
    assert main(arguments(bench)) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"4 cases in {bench.input}, 1 of which cannot be worked on:"
    assert "empty file" in said[1]
    assert any(line.startswith("failed: bad: The scans of bad are bad") for line in said)
    assert any(line.startswith("z in ") and "cases/" in line and "left" in line for line in said)
    assert said[-1].startswith("2 of 4 cases done, 2 failed")
    for name in ("bad", "empty"):
        (bench.input / name).rename(bench.folder / name)
    assert main(arguments(bench)) == 0


def test_impossible_options_are_bad_input(bench, capsys):
    for options in (
        ("--workers", "0"),
        ("--case-timeout", "-1"),
        ("--attempts", "0"),
        ("--scheduler", "tcp://127.0.0.1:9", "--workers", "2"),
        ("--stage", "nothing:here"),
    ):
        assert main(arguments(bench, *options)) == 2, options
        assert capsys.readouterr().err.startswith("error:")
    (bench.folder / "file").write_text("in the way")
    assert main(["cohort", str(bench.input), "-o", str(bench.folder / "file"), "--stage", STAGE]) == 2
    assert bench.begun() == {}


def test_rate_and_time_left(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("BraTSOSLib.commands.cohort_console.time.monotonic", lambda: clock[0])
    rate = Rate()
    rate.update({"event": "counts", "waiting": 90, "running": 0, "done": 10, "failed": 0})
    assert rate.text() == ""
    rate.update({"event": "started"})
    clock[0] = 60.0
    for _ in range(2):
        rate.update({"event": "done"})
    rate.update({"event": "failed"})
    assert (rate.finished, rate.left, rate.failed) == (13, 87, 1)
    assert rate.text() == "3.0 cases/min, 29 min 0 s left"


def test_large_cohorts_have_a_line_now_and_then(monkeypatch, capsys):
    clock = [100.0]
    monkeypatch.setattr("BraTSOSLib.commands.cohort_console.time.monotonic", lambda: clock[0])
    lines = PlainLines()
    lines({"event": "counts", "waiting": 1000, "running": 0, "done": 0, "failed": 0})
    lines({"event": "started", "case": "x"})
    for _ in range(300):
        clock[0] += 0.1
        lines({"event": "done", "case": "x", "seconds": 0.1})
    said = capsys.readouterr().out.splitlines()
    assert 3 <= len(said) <= 4
    assert "of 1000, 10.0 cases/s" in said[-1]


def test_the_bar_of_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with showing(as_json=False) as notify:
        notify({"event": "found", "total": 2, "wrong": 0, "source": "in"})
        notify({"event": "counts", "waiting": 2, "running": 0, "done": 0, "failed": 0})
        notify({"event": "started", "case": "[a]"})
        notify({"event": "failed", "case": "[a]", "error": "[red]no[/red]"})
    assert "failed: [a]: [red]no[/red]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.6, "1 min 0 s"), (5, "5 s"), (3661, "1 h 1 min"), (200_000, "2 d 7 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
