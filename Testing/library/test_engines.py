"""Engines: PyTorch and OpenVINO give the same logits, and everything that can go wrong is said in one sentence."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from BraTSOSLib.errors import DependencyError, InputError
from BraTSOSLib.resources import resource
from BraTSOSLib.segmentation import engine_cache, engines
from BraTSOSLib.segmentation.engines import DeviceMemoryError, choose_device, make_engine, smaller_windows
from BraTSOSLib.segmentation.model import Stage, load_stages
from BraTSOSLib.segmentation.segmenter import BUNDLED

torch = pytest.importorskip("torch")

WINDOW = (16, 24, 16)
IDENTITY = "0123456789abcdef" * 4
ROOT = Path(__file__).resolve().parents[2]


class Plain(torch.nn.Module):
    """Two convolutions with a norm and an interpolation whose sizes come from the input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv3d(4, 8, 3, stride=2, padding=1)
        self.norm = torch.nn.GroupNorm(4, 8)
        self.last = torch.nn.Conv3d(8, 3, 1)

    def forward(self, x):
        deep = torch.relu(self.norm(self.first(x)))
        return torch.nn.functional.interpolate(self.last(deep), size=x.shape[2:], mode="trilinear")


class Random(torch.nn.Module):
    """Never the same twice, so no conversion can be right."""

    def forward(self, x):
        return x[:, :3] + torch.rand_like(x[:, :3])


class Unconvertible(torch.nn.Module):
    """An operation that OpenVINO does not have."""

    def forward(self, x):
        return x[:, :3] + torch.linalg.svdvals(x[:, :3].double()).sum().float()


class Failing(torch.nn.Module):
    """Fails as often as told, then returns three channels of its input."""

    def __init__(self, error: Exception, times: int = 99) -> None:
        super().__init__()
        self.error, self.times = error, times

    def forward(self, x):
        self.times -= 1
        if self.times >= 0:
            raise self.error
        return x[:, :3]


def stage(network, identity=IDENTITY, window=WINDOW) -> Stage:
    return Stage(load=lambda: network.eval(), identity=identity, window=window)


def no_network() -> None:
    raise AssertionError("the network was built though its converted copy is in the cache")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRATSOS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Plain()


@pytest.fixture
def part():
    return np.random.default_rng(1).standard_normal((1, 4, *WINDOW), dtype=np.float32)


def expected(network, part):
    with torch.inference_mode():
        return network(torch.from_numpy(part)).numpy()


def needs_openvino():
    pytest.importorskip("openvino", reason="OpenVINO is not installed")


def test_torch_gives_the_networks_own_logits(network, part):
    engine = make_engine(stage(network), "cpu", "torch")
    logits = engine(part)
    assert (engine.name, engine.device, engine.precision) == ("torch", "cpu", "float32")
    assert logits.dtype == np.float32 and logits.shape == (1, 3, *WINDOW)
    np.testing.assert_allclose(logits, expected(network, part), atol=1e-5)


def test_torch_takes_views_of_larger_arrays_and_other_windows(network, part):
    larger = np.zeros((4, 32, 32, 32), dtype=np.float32)
    larger[:, 1:17, 2:26, 3:19] = part[0]
    engine = make_engine(stage(network), "cpu", "torch")
    np.testing.assert_allclose(engine(larger[None, :, 1:17, 2:26, 3:19]), expected(network, part), atol=1e-5)
    assert engine(larger[None]).shape == (1, 3, 32, 32, 32)


def test_openvino_equals_torch(network, part):
    needs_openvino()
    engine = make_engine(stage(network), "cpu", "openvino")
    assert (engine.name, engine.device, engine.precision, engine.notes) == ("openvino", "cpu", "float32", [])
    np.testing.assert_allclose(engine(part), expected(network, part), atol=1e-4)
    view = np.concatenate([part, part], axis=-1)[..., : WINDOW[2]]
    assert not view.flags.c_contiguous
    np.testing.assert_allclose(engine(view), expected(network, part), atol=1e-4)


def test_openvino_gives_the_bundled_models_label_maps():
    needs_openvino()
    first = load_stages(resource("Models", f"{BUNDLED}.json"))[0][0]
    part = np.random.default_rng(2).standard_normal((1, 4, *first.window), dtype=np.float32)
    part[..., 16:48, 16:48] += 1.5
    two = make_engine(first, "cpu", "openvino")(part)
    one = make_engine(first, "cpu", "torch")(part)
    assert np.abs(one - two).max() < 1e-4
    assert np.count_nonzero((one > 0) != (two > 0)) <= 1 and (one > 0).any()


def test_openvino_that_gives_other_logits_is_not_believed(network, part, monkeypatch):
    needs_openvino()
    from BraTSOSLib.segmentation import openvino_engine

    monkeypatch.setattr(openvino_engine, "_TOLERANCE", 0.0)
    engine = make_engine(stage(network), "cpu")
    assert engine.name == "torch" and "other results" in engine.notes[0]
    np.testing.assert_allclose(engine(part), expected(network, part), atol=1e-5)


def test_auto_takes_openvino_on_the_cpu_and_torch_without_it(network, monkeypatch):
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    assert make_engine(stage(network), "cpu").name == "torch"
    monkeypatch.undo()
    needs_openvino()
    assert make_engine(stage(network), "cpu").name == "openvino"


def test_openvino_asked_for_without_the_package(network, monkeypatch):
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    with pytest.raises(DependencyError, match="pip install openvino"):
        make_engine(stage(network), "cpu", "openvino")


def test_second_start_needs_no_network(network, part, own_cache):
    needs_openvino()
    first = make_engine(stage(network), "cpu", "openvino")
    assert len(list(own_cache.rglob("*.compiled"))) == 1
    second = make_engine(Stage(load=no_network, identity=IDENTITY, window=WINDOW), "cpu", "openvino")
    assert np.array_equal(first(part), second(part))


def test_second_start_imports_neither_torch_nor_telemetry(network, own_cache):
    needs_openvino()
    make_engine(stage(network), "cpu", "openvino")
    program = (
        "import sys, numpy as np\n"
        "from BraTSOSLib.segmentation.engines import make_engine\n"
        "from BraTSOSLib.segmentation.model import Stage\n"
        f"engine = make_engine(Stage(load=None, identity={IDENTITY!r}, window={WINDOW}), 'cpu', 'auto')\n"
        f"assert engine.name == 'openvino' and engine(np.zeros((1, 4, *{WINDOW}), np.float32)).shape[1] == 3\n"
        "print([name for name in ('torch', 'openvino_telemetry.main') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


@pytest.mark.parametrize("damage", ["cut short", "another format"])
def test_damaged_cache_is_made_again(network, part, own_cache, damage):
    needs_openvino()
    make_engine(stage(network), "cpu", "openvino")
    (kept,) = own_cache.rglob("*.compiled")
    whole = kept.read_bytes()
    if damage == "cut short":
        kept.write_bytes(whole[: len(whole) // 2])
    else:
        engine_cache.write_compiled(kept.stem, b"not a network")
    engine = make_engine(stage(network), "cpu", "openvino")
    np.testing.assert_allclose(engine(part), expected(network, part), atol=1e-4)
    assert engine_cache.read_compiled(kept.stem) not in (None, b"not a network")


def test_other_weights_or_windows_are_not_taken_from_the_cache(network, part, own_cache):
    needs_openvino()
    make_engine(stage(network), "cpu", "openvino")
    torch.manual_seed(5)
    other = Plain()
    engine = make_engine(stage(other, identity="f" * 64), "cpu", "openvino")
    np.testing.assert_allclose(engine(part), expected(other, part), atol=1e-4)
    assert make_engine(stage(network, window=(16, 16, 16)), "cpu", "openvino")(part[:, :, :, :16]).shape[3] == 16
    assert len(list(own_cache.rglob("*.compiled"))) == 3


def test_weights_without_a_hash_are_not_kept(network, part, own_cache):
    needs_openvino()
    engine = make_engine(stage(network, identity="None"), "cpu", "openvino")
    np.testing.assert_allclose(engine(part), expected(network, part), atol=1e-4)
    assert not list(own_cache.rglob("*.compiled"))


def test_cache_that_cannot_be_written_is_said(network, part, tmp_path, monkeypatch):
    needs_openvino()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BRATSOS_CACHE", str(tmp_path / "file"))
    engine = make_engine(stage(network), "cpu", "openvino")
    np.testing.assert_allclose(engine(part), expected(network, part), atol=1e-4)
    assert len(engine.notes) == 1 and str(tmp_path / "file") in engine.notes[0]


def test_cache_keeps_what_was_used_last(own_cache, monkeypatch):
    monkeypatch.setattr(engine_cache, "_KEPT", 2)
    for age, key in ((300, "a"), (200, "b")):
        engine_cache.write_compiled(key, key.encode())
        path = own_cache / "engines" / f"{key}.compiled"
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert engine_cache.read_compiled("a") == b"a"
    engine_cache.write_compiled("c", b"c")
    assert [engine_cache.read_compiled(key) for key in "abc"] == [b"a", None, b"c"]


@pytest.mark.parametrize("kind", [Random, Unconvertible])
def test_network_that_openvino_cannot_run_goes_to_torch(kind, part):
    needs_openvino()
    engine = make_engine(stage(kind()), "cpu", "auto")
    assert engine.name == "torch" and engine(part).shape == (1, 3, *WINDOW)
    assert len(engine.notes) == 1 and engine.notes[0].endswith("PyTorch runs it.")
    assert kind is Random or "linalg_svdvals" in engine.notes[0]
    with pytest.raises(Exception, match="OpenVINO") as raised:
        make_engine(stage(kind()), "cpu", "openvino")
    assert type(raised.value).__name__ == "ConversionError"


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_torchscript(network, part, engine):
    if engine == "openvino":
        needs_openvino()
    scripted = torch.jit.script(network.eval())
    made = make_engine(stage(scripted), "cpu", engine)
    np.testing.assert_allclose(made(part), expected(network, part), atol=1e-4)


def test_too_little_memory_is_told(part):
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    engine = make_engine(stage(Failing(error)), "cpu", "torch")
    with pytest.raises(DeviceMemoryError, match="16 × 24 × 16 voxels"):
        engine(part)
    other = make_engine(stage(Failing(RuntimeError("shapes do not fit"))), "cpu", "torch")
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        other(part)


def test_mps_without_an_operation_falls_back_to_the_cpu(part):
    engine = make_engine(stage(Failing(NotImplementedError("aten::x is not for MPS. More."), times=1)), "cpu", "torch")
    to = torch.Tensor.to
    engine.device = "mps"
    with pytest.MonkeyPatch.context() as patch:  # no such device here: its tensors stay where they are
        patch.setattr(torch.Tensor, "to", lambda self, device, **how: to(self, "cpu", **how))
        logits = engine(part)
    assert np.array_equal(logits, part[:, :3])
    assert engine.device == "cpu" and len(engine.notes) == 1 and "aten::x" in engine.notes[0]


def test_smaller_windows():
    assert smaller_windows((128, 128, 96)) == [(64, 128, 96), (64, 64, 96), (64, 64, 48), (32, 64, 48), (32, 32, 48)]
    assert smaller_windows((48, 48, 48)) == []
    assert all(n % 32 == 0 for window in smaller_windows((160, 224, 192), multiple=32) for n in window)


def test_unknown_names(network):
    for arguments, words in (
        ({"engine": "tensorrt"}, "tensorrt"),
        ({"device": "gpu"}, "gpu"),
        ({"device": "cpu:1"}, "cpu:1"),
        ({"device": "cuda:x"}, "cuda:x"),
        ({"precision": "int8"}, "int8"),
        ({"threads": 0}, "0 threads"),
    ):
        with pytest.raises(InputError, match=words):
            make_engine(stage(network), **{"device": "cpu", **arguments})


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_without_a_card(network):
    assert choose_device("auto") in ("cpu", "mps")
    with pytest.raises(InputError, match="this machine has none"):
        make_engine(stage(network), "cuda")


def test_openvino_is_for_the_cpu(network, monkeypatch):
    needs_openvino()
    monkeypatch.setattr(engines, "choose_device", lambda name: "cuda")
    with pytest.raises(InputError, match="runs on the CPU"):
        make_engine(stage(network), "cuda", "openvino")
    assert make_engine(stage(network), "auto", "openvino").device == "cpu"


def test_bfloat16_only_where_the_processor_has_it(network, part):
    needs_openvino()
    import openvino

    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        engine = make_engine(stage(network), "cpu", "openvino", precision="bfloat16")
        np.testing.assert_allclose(engine(part), expected(network, part), atol=0.1)
    else:
        with pytest.raises(InputError, match="bfloat16"):
            make_engine(stage(network), "cpu", "openvino", precision="bfloat16")


def test_threads_as_asked(network, monkeypatch):
    before = torch.get_num_threads()
    try:
        make_engine(stage(network), "cpu", "torch", threads=1)
        assert torch.get_num_threads() == 1 and engines.thread_count(None) == 1
        assert engines.thread_count(3) == 3
    finally:
        torch.set_num_threads(before)
    monkeypatch.delitem(sys.modules, "torch")
    for value, count in (("2", 2), ("4,2", 4), ("", None), ("many", None)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert engines.thread_count(None) == count


def test_gpu_benchmark_times_variants(network, capsys, monkeypatch):
    """On the CPU here: that the script still runs, not how long it takes."""
    monkeypatch.syspath_prepend(ROOT / "Testing" / "benchmarks")
    import gpu

    settings = argparse.Namespace(device="cpu", repeats=1, skip_compile=True)
    rows = gpu.time_network(network, torch.randn(1, 4, *WINDOW), settings)
    assert len(rows) == len(capsys.readouterr().out.splitlines()) == 8
    assert not any("failed" in row for row in rows.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_gpu_benchmark_says_says_in_one_line_that_there_is_no_gpu():
    script = ROOT / "Testing" / "benchmarks" / "gpu.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) == 1 and "no CUDA device" in done.stdout
