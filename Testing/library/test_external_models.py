"""Other people's models, imported: they compute what they computed at home, are listed, used and removed."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models need PyTorch")
nets = pytest.importorskip("monai.networks.nets", reason="the imported networks are MONAI's")

import external_models as foreign  # noqa: E402
from small_cases import GRID, small_volumes, write_case  # noqa: E402

from BraTSOSLib.case import Case  # noqa: E402
from BraTSOSLib.cli import main  # noqa: E402
from BraTSOSLib.models import find_model, segmentation_models  # noqa: E402
from BraTSOSLib.segmentation.external import import_model  # noqa: E402
from BraTSOSLib.segmentation.model import load_stages, region_probabilities  # noqa: E402
from BraTSOSLib.segmentation.segmenter import Segmenter  # noqa: E402


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BRATSOS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def stage_of(card):
    (stage,), fields = load_stages(card)
    return stage, fields


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def test_a_bundle_computes_what_monai_computes(tmp_path):
    network = foreign.segresnet()
    card = import_model(foreign.write_bundle(tmp_path / "zoo", network=network), "zoo")
    stage, fields = stage_of(card)
    assert stage.inputs == ("t1ce", "t1", "t2", "flair")
    assert stage.outputs == ("TC", "WT", "ET")
    assert (stage.normalisation, stage.orientation, stage.spacing, stage.overlap) == ("nonzero", "LPS", 1.0, 0.25)
    assert stage.window == (16, 32, 24)  # the bundle's (x, y, z), as our (z, y, x)
    assert fields["threshold"] == 0.4
    x = noise(1, 4, 24, 32, 16)  # as MONAI reads a BraTS file: x to the left, y to posterior, z up
    with torch.inference_mode():
        expected = network(x).permute(0, 1, 4, 3, 2)
        found = stage.network(x.permute(0, 1, 4, 3, 2))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    regions = region_probabilities(found[0].numpy(), stage.outputs)
    np.testing.assert_allclose(regions[0], torch.sigmoid(expected[0, 1]).numpy(), atol=1e-5)  # WT


def test_a_bundle_that_turns_its_scans_keeps_its_axes(tmp_path):
    network = foreign.segresnet()
    steps = ({"_target_": "Orientationd", "keys": ["image"], "axcodes": "RAS"},
             {"_target_": "Spacingd", "keys": "image", "pixdim": [1.0, 1.0, 1.0]}, foreign.NORMALISE)  # fmt: skip
    source = foreign.write_bundle(tmp_path / "ras", network=network, config=foreign.inference(steps=steps))
    stage, fields = stage_of(import_model(source, "ras"))
    assert (stage.orientation, stage.window) == ("RAS", (24, 32, 16))
    assert "assumed" not in fields["limits"]
    x = noise(1, 4, 24, 32, 16)
    with torch.inference_mode():
        torch.testing.assert_close(stage.network(x), network(x), rtol=0, atol=0)


def test_kernels_and_strides_by_axis_are_turned_too(tmp_path):
    described = {
        "_target_": "monai.networks.nets.UNet", "spatial_dims": 3, "in_channels": 4, "out_channels": 3,
        "channels": [4, 8, 8], "strides": [[2, 2, 1], [1, 2, 2]], "kernel_size": [3, 5, 3], "num_res_units": 1,
        "norm": ["INSTANCE", {"affine": True}],
    }  # fmt: skip
    network = nets.UNet(**{key: value for key, value in described.items() if key != "_target_"}).eval()
    source = foreign.write_bundle(tmp_path / "unet", network=network, config=foreign.inference(described))
    stage, _ = stage_of(import_model(source, "unet"))
    x = noise(1, 4, 8, 16, 12)
    with torch.inference_mode():
        expected, found = network(x), stage.network(x.permute(0, 1, 4, 3, 2)).permute(0, 1, 4, 3, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_nnu_nets_dynunet_in_a_bundle(tmp_path):
    described = {
        "_target_": "DynUNet", "spatial_dims": 3, "in_channels": 4, "out_channels": 3, "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 6, 8],
        "norm_name": ["INSTANCE", {"affine": True}],
    }  # fmt: skip
    network = nets.DynUNet(**{key: value for key, value in described.items() if key != "_target_"}).eval()
    source = foreign.write_bundle(tmp_path / "dyn", network=network, config=foreign.inference(described))
    stage, fields = stage_of(import_model(source, "dyn"))
    assert fields["architecture"] == "DynUNet"
    x = noise(1, 4, 16, 16, 16)
    with torch.inference_mode():
        expected, found = network(x), stage.network(x.permute(0, 1, 4, 3, 2)).permute(0, 1, 4, 3, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_torchscript_file_with_its_metadata_inside(tmp_path):
    network = foreign.segresnet()
    script = torch.jit.trace(network, torch.zeros(1, 4, 16, 16, 16), check_trace=False)
    extra = {"metadata.json": json.dumps(foreign.metadata()), "inference.json": json.dumps(foreign.inference())}
    torch.jit.save(script, str(tmp_path / "model.ts"), _extra_files=extra)
    stage, fields = stage_of(import_model(tmp_path / "model.ts", "script"))
    assert (fields["architecture"], fields["weights"], stage.orientation) == ("TorchScript", "script.ts", "RAS")
    x = noise(1, 4, 16, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(stage.network(x), network(x), rtol=0, atol=1e-5)


def test_weights_under_a_key_and_with_prefixes(tmp_path):
    source = foreign.write_bundle(tmp_path / "nested")
    state = {f"module.{key}": value for key, value in foreign.segresnet().state_dict().items()}
    torch.save({"model": state, "epoch": 3}, source / "models" / "model.pt")
    stage, _ = stage_of(import_model(source, "nested"))
    assert stage.network.body.convInit.conv.weight.shape == (8, 4, 3, 3, 3)


@pytest.mark.parametrize("form", ["new", "old"])
def test_nnunet_computes_what_its_own_network_computes(tmp_path, form):
    planned = foreign.plans()
    if form == "old":
        lowres = planned["configurations"]["3d_lowres"]
        del lowres["architecture"]
        lowres |= {
            "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 8,
            "n_conv_per_stage_encoder": [2] * 4, "n_conv_per_stage_decoder": [2] * 3,
            "pool_op_kernel_sizes": list(foreign.STRIDES), "conv_kernel_sizes": [[3, 3, 3]] * 4,
        }  # fmt: skip
        if foreign.WIDTHS[1] != 8:  # the older form doubles the width on each level
            widths, foreign.WIDTHS = foreign.WIDTHS, (4, 8, 8, 8)
    try:
        card = import_model(
            foreign.write_nnunet(tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres", planned=planned), "nn"
        )
        state = foreign.plain_conv_state()
        stage, fields = stage_of(card)
        assert stage.inputs == ("t1", "t1ce", "t2", "flair")
        assert stage.outputs == ("WT", "TC", "ET")
        assert stage.window == (16, 32, 32)
        x = noise(1, 4, 8, 16, 32)
        with torch.inference_mode():
            found, expected = stage.network(x), foreign.plain_conv_forward(state, x)
    finally:
        if form == "old":
            foreign.WIDTHS = widths
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert fields["imported"]["from"] == "nnU-Net v2 model"
    assert "1251 cases" in fields["training_data"]


def test_nnunet_in_another_axis_order(tmp_path):
    turned = foreign.plans(transpose_forward=[2, 0, 1], transpose_backward=[1, 2, 0])
    stage, _ = stage_of(import_model(foreign.write_nnunet(tmp_path / "turned", planned=turned), "turned"))
    assert stage.window == (32, 32, 16)  # the plan's (16, 32, 32) is of the axes (x, z, y)
    x = noise(1, 4, 16, 32, 8)  # (z, y, x)
    with torch.inference_mode():
        expected = foreign.plain_conv_forward(foreign.plain_conv_state(), x.permute(0, 1, 4, 2, 3)).permute(
            0, 1, 3, 4, 2
        )
        torch.testing.assert_close(stage.network(x), expected, rtol=1e-4, atol=1e-4)


def test_nnunets_own_package_agrees(tmp_path):
    unet = pytest.importorskip("dynamic_network_architectures.architectures.unet", reason="nnU-Net's own networks")
    arguments = foreign.architecture() | {
        "conv_op": torch.nn.Conv3d, "norm_op": torch.nn.InstanceNorm3d, "nonlin": torch.nn.LeakyReLU,
    }  # fmt: skip
    torch.manual_seed(0)
    network = unet.PlainConvUNet(input_channels=4, num_classes=3, deep_supervision=False, **arguments).eval()
    source = foreign.write_nnunet(tmp_path / "own")
    file = source / "fold_0" / "checkpoint_final.pth"
    held = torch.load(file, weights_only=False)
    assert held["network_weights"].keys() == network.state_dict().keys()
    torch.save({**held, "network_weights": network.state_dict()}, file)
    stage, _ = stage_of(import_model(source, "own"))
    x = noise(1, 4, 16, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(stage.network(x), network(x), rtol=0, atol=1e-5)


def test_nnunets_labels_instead_of_regions(tmp_path):
    labels = {"background": 0, "edema": 1, "a": 2, "b": 3}
    source = foreign.write_nnunet(tmp_path / "classes", described=foreign.dataset(labels=labels), outputs=4)
    stage, _ = stage_of(import_model(source, "classes", labels={"a": "NCR", "3": "ET"}))
    assert stage.outputs == ("background", "ED", "NCR", "ET")


def test_regions_with_unknown_names_are_told_apart_by_their_nesting(tmp_path):
    labels = {"background": 0, "x": [2, 3], "y": [1, 2, 3], "z": 3}
    source = foreign.write_nnunet(tmp_path / "nested", described=foreign.dataset(labels=labels))
    stage, _ = stage_of(import_model(source, "nested"))
    assert stage.outputs == ("TC", "WT", "ET")


def test_a_fold_can_be_chosen(tmp_path):
    source = foreign.write_nnunet(tmp_path / "folds", folds=("0", "2"))
    _, fields = stage_of(import_model(source, "fold", fold="2"))
    assert fields["stated_by_source"]["fold"] == "fold_2"
    assert "fold_0 are there too" in fields["limits"]


def test_add_list_show_use_and_remove(tmp_path, folder, capfd):
    source = foreign.write_bundle(tmp_path / "zoo")
    assert main(["models", "add", str(source), "--name", "zoo-brats"]) == 0
    assert "Imported:" in capfd.readouterr().out
    assert main(["models", "--json"]) == 0
    listed = {card["name"]: card for card in json.loads(capfd.readouterr().out)}
    assert listed["zoo-brats"]["origin"] == "imported" and listed["survival-student"]["origin"] == "bundled"
    assert main(["models"]) == 0
    assert "zoo-brats 0.5.2  segmentation  (imported)" in capfd.readouterr().out
    assert main(["models", "show", "zoo-brats"]) == 0
    shown = capfd.readouterr().out
    assert "brats2018" in shown and "not checked on cases here" in shown
    assert find_model("zoo-brats") == folder / "zoo-brats.json"
    assert [card["name"] for card in segmentation_models()][-1] == "zoo-brats"

    case = Case("small", small_volumes(), GRID)
    labels = Segmenter("zoo-brats", device="cpu")(case, fast=True)
    assert labels.shape == GRID.size[::-1] and set(np.unique(labels)) <= {0, 1, 2, 4}

    assert main(["models", "remove", "zoo-brats"]) == 0
    assert list(folder.iterdir()) == []
    with pytest.raises(Exception, match="no model named 'zoo-brats'"):
        find_model("zoo-brats")


def test_segment_with_an_imported_model_from_the_command_line(tmp_path, capfd):
    import_model(foreign.write_nnunet(tmp_path / "nn"), "nn")
    case = write_case(tmp_path / "case")
    written = tmp_path / "labels.nii.gz"
    code = main(["segment", str(case), "--model", "nn", "-o", str(written), "--device", "cpu", "--fast"])
    assert code == 0, capfd.readouterr().err
    assert written.is_file()


def test_networks_are_listed_with_what_they_cost(capfd):
    assert main(["models", "--networks", "--json"]) == 0
    rows = {row["preset"]: row for row in json.loads(capfd.readouterr().out)}
    assert rows["nnunet"]["parameters"] == 31_195_151
    assert all(row["gmac"] > 0 and row["memory_mb"] > 0 and row["source"] for row in rows.values())
    assert main(["models", "--networks"]) == 0
    assert "31,195,151   482.7" in capfd.readouterr().out
    assert main(["models", "--networks", "show", "x"]) == 2
