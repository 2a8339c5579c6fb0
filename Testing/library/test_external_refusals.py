"""Foreign files that are not to be trusted or understood: nothing runs, one sentence, nothing is left behind."""

from __future__ import annotations

import json
import os
import pickle
import re

import pytest

torch = pytest.importorskip("torch", reason="models need PyTorch")
pytest.importorskip("monai.networks.nets", reason="the imported networks are MONAI's")

import external_models as foreign  # noqa: E402

from BraTSOSLib import models  # noqa: E402
from BraTSOSLib.cli import main  # noqa: E402
from BraTSOSLib.errors import InputError, ModelError  # noqa: E402
from BraTSOSLib.models import find_model, imported_models, models_folder, remove_model  # noqa: E402
from BraTSOSLib.segmentation.external import import_model, names  # noqa: E402


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of imported models, which no refused import may have made or filled."""
    monkeypatch.setenv("BRATSOS_MODELS", str(tmp_path / "models"))
    yield tmp_path / "models"
    left = [path.name for path in (tmp_path / "models").glob("*")]
    assert left in ([], ["kept.json", "kept.safetensors"], ["kept.safetensors", "kept.json"]), left


@pytest.fixture
def bundle(tmp_path):
    return foreign.write_bundle(tmp_path / "bundle")


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_the_payload_is_one(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "made")))
    assert (tmp_path / "made").exists()


def test_a_pickle_in_a_bundle_does_not_run(bundle, tmp_path):
    state = foreign.segresnet().state_dict()
    torch.save({"state_dict": state, "config": Payload(tmp_path / "made")}, bundle / "models" / "model.pt")
    with pytest.raises(ModelError, match=r"model\.pt holds Python objects .* never loaded"):
        import_model(bundle, "kept")
    assert not (tmp_path / "made").exists()


def test_a_pickle_without_torchs_archive_does_not_run(bundle, tmp_path):
    (bundle / "models" / "model.pt").write_bytes(pickle.dumps(Payload(tmp_path / "made"), protocol=2))
    with pytest.raises(ModelError, match=r"model\.pt"):
        import_model(bundle, "kept")
    assert not (tmp_path / "made").exists()


def test_a_pickle_in_an_nnunet_checkpoint_does_not_run(tmp_path):
    source = foreign.write_nnunet(tmp_path / "nn")
    file = source / "fold_0" / "checkpoint_final.pth"
    held = torch.load(file, weights_only=False)
    torch.save({**held, "logging": Payload(tmp_path / "made")}, file)
    with pytest.raises(ModelError, match="holds Python objects"):
        import_model(source, "kept")
    assert not (tmp_path / "made").exists()


def test_expressions_of_a_bundle_are_never_evaluated(bundle, tmp_path):
    made = tmp_path / "made"
    code = f"$__import__('os').mkdir({str(made)!r})"
    config = foreign.inference()
    config["imports"].append(code)
    config["inferer"]["overlap"] = code
    config["preprocessing"]["transforms"].append({"_target_": "Lambdad", "keys": "image", "func": code})
    foreign.write_json(bundle / "configs" / "inference.json", config)
    card = json.loads(import_model(bundle, "kept").read_text(encoding="utf-8"))
    assert "Lambdad is set by code, which is never run" in card["limits"]
    remove_model("kept")
    for network in (code, {**foreign.SEGRESNET, "init_filters": code}, {**foreign.SEGRESNET, "_target_": code}):
        foreign.write_json(bundle / "configs" / "inference.json", foreign.inference(network))
        with pytest.raises(ModelError, match=r"inference\.json (defines|names) the network"):
            import_model(bundle, "kept")
    assert not made.exists()


def test_references_lead_to_plain_values_of_the_same_file_only(bundle):
    config = {
        **foreign.inference({**foreign.SEGRESNET, "init_filters": "@sizes#1"}),
        "sizes": [4, "@eight"],
        "eight": 8,
    }
    foreign.write_json(bundle / "configs" / "inference.json", config)
    import_model(bundle, "kept")
    remove_model("kept")
    for value in ("@sizes#7", "@nowhere", "@sizes#1"):
        config |= {"eight": value}
        foreign.write_json(bundle / "configs" / "inference.json", config)
        with pytest.raises(ModelError, match="reference"):
            import_model(bundle, "kept")


def test_torchscript_that_writes_files_is_refused(tmp_path):
    class Writer(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, "made")
            return x[:, :3]

    torch.jit.save(torch.jit.script(Writer()), str(tmp_path / "model.ts"))
    with pytest.raises(ModelError, match="does more than compute"):
        import_model(tmp_path / "model.ts", "kept", inputs=["t1", "t1ce", "t2", "flair"], outputs=["WT", "TC", "ET"])
    assert not os.path.exists("made")


@pytest.mark.parametrize(
    "name", ["../outside", "a/b", "..", ".hidden", "", "con", "nul.txt", "a" * 65, "c:x", "é", "a."]
)
def test_names_that_leave_the_folder_or_suit_no_platform(bundle, name):
    with pytest.raises(InputError, match="cannot be given to a model"):
        import_model(bundle, name)


def test_names_of_bundled_and_taken_models(bundle, folder):
    with pytest.raises(InputError, match="belongs to a bundled model"):
        import_model(bundle, "Survival-Student")
    import_model(bundle, "kept")
    before = (folder / "kept.json").read_bytes()
    with pytest.raises(InputError, match="an imported model named KEPT already"):
        import_model(bundle, "KEPT")
    assert (folder / "kept.json").read_bytes() == before


def spoil(path, content=b""):
    def change(bundle):
        if content is None:
            (bundle / path).unlink()
        else:
            (bundle / path).write_bytes(content)

    return change


def describe(**changes):
    return lambda bundle: foreign.write_json(bundle / "configs" / "metadata.json", foreign.metadata(**changes))


def configure(*arguments, **keywords):
    return lambda bundle: foreign.write_json(
        bundle / "configs" / "inference.json", foreign.inference(*arguments, **keywords)
    )


def cut(bundle):
    file = bundle / "models" / "model.pt"
    file.write_bytes(file.read_bytes()[:5000])


def other_weights(bundle):
    torch.save({"a": torch.ones(3)}, bundle / "models" / "model.pt")


def not_finite(bundle):
    state = foreign.segresnet().state_dict()
    next(iter(state.values()))[0] = float("nan")
    torch.save(state, bundle / "models" / "model.pt")


STEPS = {
    "fixed": {**foreign.NORMALISE, "nonzero": False},
    "scale": {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 1},
    "lps": {"_target_": "Orientationd", "keys": "image", "axcodes": "PLI"},
    "slices": {"_target_": "Spacingd", "keys": "image", "pixdim": [1.0, 1.0, 3.0]},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("configs/metadata.json", None), r"no configs/metadata\.json, which names a bundle's channels"),
        (spoil("configs/metadata.json", b"{"), r"metadata\.json is no JSON"),
        (spoil("configs/metadata.json", b"[]"), r"metadata\.json holds no table"),
        (spoil("configs/inference.json", None), r"no configs/inference\.json"),
        (spoil("configs/inference.json", b"{}"), r"inference\.json defines no network"),
        (spoil("models/model.pt", None), "has no weights"),
        (spoil("models/model.pt", b"version https://git-lfs.github.com/spec/v1"), "git lfs pull"),
        (spoil("models/model.pt", b"nothing of the kind"), r"model\.pt is (cut|damaged)"),
        (cut, r"model\.pt is cut short, damaged"),
        (other_weights, "do not fit"),
        (not_finite, "not finite"),
        (describe(inputs={"0": "CT"}), "input channels of bundle are CT"),
        (describe(inputs={}), "input channels of bundle are not named"),
        (describe(outputs={"0": "Tumor core", "1": "Liver", "2": "Enhancing tumor"}), "are Tumor core, Liver"),
        (describe(outputs={"0": "background", "1": "ED", "2": "NCR", "3": "ET"}), "--outputs"),
        (configure({"_target_": "scripts.nets.Mine"}), "network 'scripts.nets.Mine', which is not one of"),
        (configure({"_target_": "os.system", "command": "true"}), "network 'os.system'"),
        (configure({"_target_": "SegResNet", "in_channels": 4}), "out_channels"),
        (configure({**foreign.SEGRESNET, "wings": 2}), "do not fit"),
        (configure(steps=(STEPS["fixed"],)), "over all voxels or by fixed numbers"),
        (configure(steps=(STEPS["scale"],)), "ScaleIntensityRanged"),
        (configure(steps=(STEPS["lps"],)), "turns its scans to PLI"),
        (configure(steps=(STEPS["slices"],)), "only cubes"),
    ],
)  # fmt: skip
def test_bundles_that_cannot_be_imported(bundle, change, message, capfd):
    change(bundle)
    assert main(["models", "add", str(bundle), "--name", "kept"]) == 2
    error = capfd.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1 and not error.startswith("error: unexpected")


def test_channels_can_be_given_where_the_bundle_names_none(bundle):
    (bundle / "configs" / "metadata.json").unlink()
    card = import_model(bundle, "kept", inputs=["t1ce", "t1", "t2", "flair"], outputs=["TC", "WT", "ET"])
    assert json.loads(card.read_text(encoding="utf-8"))["training_data"] == "not stated by the importer"


def change_plans(**changes):
    planned = foreign.plans()
    planned["configurations"]["3d_lowres"] |= changes
    return {"planned": planned}


def change_network(**changes):
    name = changes.pop("name", "PlainConvUNet")
    arguments = foreign.architecture() | changes
    return change_plans(architecture={"network_class_name": f"package.{name}", "arch_kwargs": arguments})


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (change_network(name="ResidualEncoderUNet"), "is a ResidualEncoderUNet, which cannot be imported"),
        (change_network(n_conv_per_stage=[2, 2, 3, 2]), "differs from nnU-Net's usual one"),
        (change_network(dropout_op="torch.nn.Dropout3d"), "differs from nnU-Net's usual one"),
        (change_network(kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]]), "other kernels on some levels"),
        (change_network(features_per_stage=[4, 6, 8, 12]), "do not fit"),
        (change_network(n_stages=5, strides=[*foreign.STRIDES, [2, 2, 2]], kernel_sizes=[[3, 3, 3]] * 5,
                        features_per_stage=[*foreign.WIDTHS, 8], n_conv_per_stage=[2] * 5,
                        n_conv_per_stage_decoder=[2] * 4), r"is missing \("),
        (change_plans(spacing=[5.0, 1.0, 1.0]), "only cubes"),
        (change_plans(normalization_schemes=["CTNormalization"] * 4), "CTNormalization"),
        (change_plans(previous_stage="3d_lowres"), "second stage of a cascade"),
        ({"planned": foreign.plans(configurations={"3d_fullres": {"inherits_from": "3d_fullres"}})}, "leads nowhere"),
        ({"planned": foreign.plans(configurations={"2d": {}})}, "no configuration '3d_fullres'"),
        ({"planned": {}}, "no configuration"),
        ({"described": foreign.dataset(channel_names={"0": "CT"})}, "input channels"),
        ({"described": foreign.dataset(labels={"background": 0, "liver": 1, "x": 2, "y": 3})}, "liver"),
        ({"described": foreign.dataset(labels={"background": 0, "ET": 2, "ED": 3})}, "numbered"),
        ({"described": foreign.dataset(labels={"bg": 0, "WT": [1], "TC": [1, 2], "ET": [3]})}, "do not lie within"),
        ({"described": foreign.dataset(labels={"background": 0, "ED": 1, "NCR": 2, "ET": 3})}, "do not fit"),
        ({"described": {}}, "no channel_names"),
    ],
)  # fmt: skip
def test_nnunet_models_that_cannot_be_imported(tmp_path, written, message):
    source = foreign.write_nnunet(tmp_path / "nn", **written)
    with pytest.raises((ModelError, InputError), match=message):
        import_model(source, "kept")


def test_nnunet_folders_that_are_incomplete(tmp_path):
    source = foreign.write_nnunet(tmp_path / "nn")
    with pytest.raises(InputError, match="no checkpoint for the fold '3': choose one of fold_0"):
        import_model(source, "kept", fold="3")
    file = source / "fold_0" / "checkpoint_final.pth"
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(ModelError, match=r"fold_0/checkpoint_final\.pth is cut short"):
        import_model(source, "kept")
    file.unlink()
    with pytest.raises(ModelError, match="no fold_0"):
        import_model(source, "kept")


def test_what_is_no_model_at_all(tmp_path):
    with pytest.raises(InputError, match="There is no"):
        import_model(tmp_path / "nowhere", "kept")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is no model that can be imported"):
        import_model(tmp_path / "empty", "kept")
    torch.save(foreign.segresnet().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="weights alone do not say which network"):
        import_model(tmp_path / "weights.pt", "kept")


def test_a_disk_that_fails_leaves_nothing(bundle, folder, monkeypatch):
    from BraTSOSLib.segmentation.external import store

    def fail(card, fields):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write", fail)
    with pytest.raises(OSError, match="No space left"):
        import_model(bundle, "kept")
    assert not folder.exists()


def test_bundled_and_unknown_models_are_not_removed():
    with pytest.raises(InputError, match="is bundled and cannot be removed"):
        remove_model("survival-student")
    for name in ("nothing", "../models/kept"):
        with pytest.raises(InputError, match="no imported model named"):
            remove_model(name)
    with pytest.raises(InputError, match="no model named 'nothing': choose one of segmenter"):
        find_model("nothing")


def test_a_damaged_import_is_listed_and_can_be_removed(bundle, folder):
    import_model(bundle, "kept")
    (folder / "kept.json").write_text("{", encoding="utf-8")
    assert "cannot be read" in imported_models()[0]["problem"]
    assert main(["models"]) == 0
    assert [path.name for path in remove_model("kept")] == ["kept.json", "kept.safetensors"]


def test_the_platforms_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("BRATSOS_MODELS")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    places = {}
    for platform in ("win32", "darwin", "linux"):
        monkeypatch.setattr(models.sys, "platform", platform)
        places[platform] = models_folder().as_posix()
    assert places["win32"].endswith("local/BraTSOS/Models")
    assert places["darwin"].endswith("Library/Application Support/BraTSOS/Models")
    assert places["linux"].endswith("xdg/bratsos/models")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("T1Gd", "t1ce"), ("t1c", "t1ce"), ("T1 post-contrast", "t1ce"), ("T1n", "t1"), ("T1-weighted", "t1"),
     ("T1 pre-contrast", "t1"), ("T2w", "t2"), ("t2f", "flair"), ("T2-FLAIR", "flair"), ("CT", None)],
)  # fmt: skip
def test_names_of_modalities(given, meant):
    assert names.modality(given) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [("Tumor core", "TC"), ("whole tumour (WT)", "WT"), ("GD-enhancing tumor", "ET"), ("Enhancing tumor", "ET"),
     ("non-enhancing tumor", "NCR"), ("NCR/NET", "NCR"), ("necrotic tumor core", "NCR"), ("peritumoral edema", "ED"),
     ("SNFH", "ED"), ("background", "background"), ("liver", None), ("resection cavity", None)],
)  # fmt: skip
def test_names_of_outputs(given, meant):
    assert names.output(given) == meant
