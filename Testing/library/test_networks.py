"""The networks of the papers: figures, signature, that every part is used and can learn, costs, bad arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed (pip install bratsos[train])")

from BraTSOSLib.errors import DependencyError, InputError, ModelError  # noqa: E402
from BraTSOSLib.segmentation.networks import ARCHITECTURES, PRESETS, build_network, create  # noqa: E402
from BraTSOSLib.segmentation.networks.cost import COSTS, describe  # noqa: E402
from BraTSOSLib.segmentation.networks.cost_measurement import measure  # noqa: E402
from BraTSOSLib.segmentation.training.losses import region_loss, supervised_loss  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]

PUBLISHED_PARAMETERS = {
    "bitrunet": 44_651_769,
    "transbts": 32_723_908,
    "3dfcnn": 1_288_717,
    "3dfcnn-57": 923_693,
    "unet3d": 22_627_972,
    "vnet": 45_611_916,
    "residual-unet": 4_811_129,
    "nnunet": 31_195_151,
    "segresnet": 4_702_227,
}
"""Of the papers' networks without what their published code builds and never uses."""
PUBLISHED_GMAC = {
    "bitrunet": (128, 196.5),
    "transbts": (128, 325.4),
    "3dfcnn": (64, 24.1),
    "3dfcnn-57": (64, 25.7),
    "unet3d": (128, 543.5),
    "vnet": (128, 760.9),
    "residual-unet": (128, 13.9),
    "nnunet": (128, 482.8),
    "segresnet": (128, 148.0),
}
TINY = {
    "bitrunet-compact": {
        "widths": [8, 8, 16, 16, 16],
        "token_dims": [16, 16],
        "mlp_dims": [32, 32],
        "fold": 1,
        "cbam_reduction": 1,
    },
    "transbts-small": {"widths": [8, 8, 16, 16], "blocks": [1, 1, 1, 1], "token_dim": 32, "depth": 1, "mlp_dim": 64},
    "3dfcnn-small": {"stem": 8, "down": [1, 2], "bottleneck": 2, "up": [2, 1]},
    "med3d-small": {"encoder_width": 0.125, "widths": [4, 8, 8, 16]},
    "unet3d-small": {"features": [8, 8, 16, 16, 16, 8]},
    "vnet-small": {"levels": 3},
    "residual-unet-small": {},
    "nnunet-small": {"filters": [8, 8, 16, 16, 16]},
    "segresnet-small": {"blocks_down": [1, 1, 1], "blocks_up": [1, 1]},
}
"""One of each architecture, small enough to learn within a second or two."""
BOX = (16, 16, 32)


def on_meta(name, **overrides):
    with torch.device("meta"):
        return create(name, **overrides)


def smallest_box(network):
    z, y, x = network.multiples
    return (2 * z, y, x)


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_a_published_network_has_the_parameters_of_its_paper(name):
    assert sum(p.numel() for p in on_meta(name).parameters()) == PUBLISHED_PARAMETERS[name]


@pytest.mark.parametrize("name", PUBLISHED_GMAC)
def test_a_published_network_multiplies_as_often_as_its_paper_s(name):
    size, gmac = PUBLISHED_GMAC[name]
    cube = (size,) * 3
    # COSTS are measured again by another test
    cost = COSTS[name] if PRESETS[name].window == cube else measure(lambda: create(name), cube)
    assert cost.gmac == pytest.approx(gmac, abs=0.08)


def test_the_parts_of_transbts_and_of_the_deeper_vnet_have_their_published_sizes():
    def count(*modules):
        return sum(p.numel() for module in modules for p in module.parameters())

    network = on_meta("transbts")
    assert count(network.stem, network.levels) == 4_402_320
    assert count(network.transformer.layers) == 21_000_192
    assert network.transformer.position.numel() == 2_097_152
    assert count(network.transformer.restore) == 2_212_608 + 885_504
    assert count(network.ups) == 355_824
    assert count(on_meta("3dfcnn", out_channels=4)) == 1_288_616
    convolutions = [m for m in on_meta("3dfcnn").modules() if isinstance(m, torch.nn.Conv3d | torch.nn.ConvTranspose3d)]
    assert len(convolutions) == 77
    assert on_meta("vnet-deeper").multiple == 2 * on_meta("vnet").multiple


@pytest.mark.parametrize("name", PRESETS)
def test_every_parameter_of_a_preset_reaches_an_output_of_the_right_shape(name):
    network = on_meta(name).train()
    box = smallest_box(network)
    outputs = network.forward_supervised(torch.empty(2, 4, *box, device="meta"))
    assert tuple(outputs["main"].shape) == (2, PRESETS[name].out_channels, *box)
    lattice = PRESETS[name].arguments.get("fold", 1)
    for factor, head in ((2, "half"), (4, "quarter"), (8, "eighth"), (16, "sixteenth")):
        if head in outputs:
            assert list(outputs[head].shape[2:]) == [n // (factor * lattice) for n in box]
    torch.stack([logits.sum() for logits in outputs.values()]).sum().backward()
    assert [key for key, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", PRESETS)
def test_the_listed_cost_of_a_preset_is_what_it_costs(name):
    assert measure(lambda: create(name), PRESETS[name].window) == COSTS[name]


def test_listing_the_networks_needs_no_torch():
    assert [row.name for row in describe()] == list(PRESETS)
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import BraTSOSLib.segmentation.networks.cost as c; "
        "c.describe(); print('torch' in sys.modules or 'monai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_memory_counts_what_is_alive_at_once():
    class Chain(torch.nn.Module):
        in_channels = 4

        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(*[torch.nn.Conv3d(4, 4, 3, padding=1, bias=False) for _ in range(5)])

        def forward(self, x):
            return self.layers(x)

        def forward_supervised(self, x):
            return {"main": self(x)}

    cost = measure(Chain, (50, 50, 50))
    one = 4 * 4 * 50**3 / 1e6
    assert cost.gmac == pytest.approx(5 * 4 * 4 * 27 * 50**3 / 1e9, abs=0.01)
    assert cost.inference_mb == pytest.approx(3 * one, abs=1)
    assert 6 * one <= cost.training_mb <= 10 * one


@pytest.mark.parametrize("name", TINY)
def test_a_network_overfits_a_patch_with_all_its_weights_and_evaluates_without_chance(name):
    torch.manual_seed(0)
    network = create(name, **TINY[name])
    target = torch.zeros(1, 3, *BOX)
    target[:, 0, 3:13, 2:14, 4:26] = 1
    target[:, 1, 5:11, 4:12, 6:18] = 1
    target[:, 2, 5:11, 4:12, 6:12] = 1
    image = 0.2 * torch.randn(1, 4, *BOX)
    image[:, :3] += target
    before = {key: p.detach().clone() for key, p in network.named_parameters()}
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-2)
    losses: list[float] = []
    while len(losses) < 80 and (len(losses) < 2 or losses[-1] > 0.4 * losses[0]):
        outputs = network.forward_supervised(image)
        losses.append(float(region_loss(outputs["main"], target).detach()))
        optimiser.zero_grad()
        supervised_loss(outputs, target).backward()
        optimiser.step()
    assert losses[-1] <= 0.4 * losses[0]
    assert [key for key, p in network.named_parameters() if p.ndim > 1 and torch.equal(p, before[key])] == []
    with torch.inference_mode():
        network.eval()
        logits = network(image)
        assert torch.equal(logits, network(image))
        assert not ((logits >= 0) & (logits <= 1)).all(), "sigmoid or softmax was applied"


@pytest.mark.parametrize("name", PRESETS)
def test_an_input_that_does_not_fit_gives_one_sentence(name):
    network = on_meta(name)
    z, y, x = network.multiples
    for size in ((z, y, x + 1), (2 * z, y, 3 * x // 2)):
        with pytest.raises(InputError, match="needs axes that are multiples of"):
            network(torch.empty(1, 4, *size, device="meta"))
    with pytest.raises(InputError, match=r"\(batch, 4, z, y, x\)"):
        network(torch.empty(1, 3, z, y, 2 * x, device="meta"))
    if network.normalises_bottom:
        with pytest.raises(ValueError, match="longer than"):
            network(torch.empty(1, 4, z, y, x, device="meta"))


@pytest.mark.parametrize("name", PRESETS)
def test_arguments_survive_a_card_and_may_be_replaced(name):
    preset = PRESETS[name]
    network = on_meta(name, out_channels=3)
    with torch.device("meta"):
        again = build_network(preset.architecture, json.loads(json.dumps({**preset.arguments, "out_channels": 3})))
    assert network.out_channels == again.out_channels == 3
    assert {k: v.shape for k, v in network.state_dict().items()} == {k: v.shape for k, v in again.state_dict().items()}
    assert network.head.out_channels in (3, 24)  # 24: the folded BiTr-UNet, whose blocks of 2³ voxels are channels


def test_published_presets_answer_classes_and_narrow_ones_regions():
    assert {name for name, preset in PRESETS.items() if preset.outputs == "classes"} == {
        *PUBLISHED_PARAMETERS,
        "med3d-resnet10",
        "med3d-resnet18",
        "med3d-resnet50",
        "vnet-deeper",
    } - {"nnunet", "segresnet"}
    for preset in PRESETS.values():
        assert preset.out_channels == (3 if preset.outputs == "regions" else 5 if "3DFCNN" in preset.title else 4)


def test_unknown_names_and_arguments_give_one_sentence():
    with pytest.raises(InputError, match="'unet' is not known: choose one of bitrunet, transbts"):
        create("unet")
    with pytest.raises(ModelError, match=r"'UNet' is not known: this version builds .*VNet"):
        build_network("UNet", {})
    for architecture in sorted(set(ARCHITECTURES) & {preset.architecture for preset in PRESETS.values()}):
        with pytest.raises(ModelError, match=f"do not fit {architecture} .*colour"):
            build_network(architecture, {"colour": 3})
    with pytest.raises(ModelError, match="do not fit VNet"):
        create("vnet", levels=9)
    with pytest.raises(ModelError, match=r"do not fit Med3DUNet .*depth 11 of 10, 18, 34, 50"):
        create("med3d-small", depth=11)


def test_without_monai_one_sentence_says_so_and_the_bundled_network_still_builds(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
    for name in ("segresnet-small", "vnet-small", "med3d-small", "nnunet-small"):
        with pytest.raises(DependencyError, match=r"MONAI, .*pip install bratsos\[train\]"):
            create(name)
    for name in ("bitrunet-compact", "transbts-small", "3dfcnn-small"):
        on_meta(name)


def test_the_bundled_weights_fit_their_networks():
    from BraTSOSLib.segmentation.model import load_stages

    stages, card = load_stages(REPOSITORY / "Resources" / "Models" / "segmenter-bitrunet.json")
    assert [fields["architecture"] for fields in card["stages"]] == ["BiTrUNet"] * len(stages)
    for stage in stages:
        assert not stage.network.training
