"""Single networks against what they must equal: MONAI's own, MedicalNet's dilated ResNet, the stored positions."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed (pip install bratsos[train])")

from torch.nn import functional as F  # noqa: E402, N812

from BraTSOSLib.errors import ModelError  # noqa: E402
from BraTSOSLib.segmentation.networks import create  # noqa: E402
from BraTSOSLib.segmentation.networks.blocks import TokenTransformer  # noqa: E402
from BraTSOSLib.segmentation.networks.med3d import RESNETS, load_medicalnet, medicalnet_encoder  # noqa: E402

SMALL = {"encoder_width": 0.125, "widths": [4, 8, 8, 16]}


def medicalnet(state, depth, x):
    """MedicalNet's backbone for grey images, written out from its description: 1/8, layers 3 and 4 dilated."""

    def norm(x, name):
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts, training=False)

    def conv(x, name, **options):
        return F.conv3d(x, state[f"{name}.weight"], **options)

    x = F.max_pool3d(F.relu(norm(conv(x, "conv1", stride=2, padding=3), "bn1")), 3, 2, 1)
    for layer, stride, dilation in ((1, 1, 1), (2, 2, 1), (3, 1, 2), (4, 1, 4)):
        for block in range(RESNETS[depth][1][layer - 1]):
            name, step = f"layer{layer}.{block}", stride if block == 0 else 1
            three = {"padding": dilation, "dilation": dilation}
            if RESNETS[depth][0] == "basic":
                y = F.relu(norm(conv(x, f"{name}.conv1", stride=step, **three), f"{name}.bn1"))
                y = norm(conv(y, f"{name}.conv2", **three), f"{name}.bn2")
            else:
                y = F.relu(norm(conv(x, f"{name}.conv1"), f"{name}.bn1"))
                y = F.relu(norm(conv(y, f"{name}.conv2", stride=step, **three), f"{name}.bn2"))
                y = norm(conv(y, f"{name}.conv3"), f"{name}.bn3")
            if f"{name}.downsample.0.weight" in state:
                x = norm(conv(x, f"{name}.downsample.0", stride=step), f"{name}.downsample.1")
            elif x.shape != y.shape:
                x = F.avg_pool3d(x, 1, step)
                x = torch.cat([x, x.new_zeros(1, y.shape[1] - x.shape[1], *x.shape[2:])], dim=1)
            x = F.relu(x + y)
    return x


def shuffled(module):
    """The module's state with statistics and scales other than the initial ones."""
    state = module.state_dict()
    for name, value in state.items():
        if "bn" in name or "downsample.1" in name:
            value.copy_(torch.rand_like(value.float()) + 0.5)
    return state


@pytest.mark.parametrize("depth", [10, 18, 50])
def test_the_encoder_is_medicalnet_s(depth):
    torch.manual_seed(0)
    encoder = medicalnet_encoder(depth, width=0.125).eval()
    state = shuffled(encoder)
    x = torch.randn(1, 1, 32, 40, 32)
    with torch.inference_mode():
        y = encoder.maxpool(encoder.act(encoder.bn1(encoder.conv1(x))))
        for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
            y = layer(y)
        assert y.shape[2:] == (4, 5, 4)
        assert torch.equal(y, medicalnet(state, depth, x))


@pytest.mark.parametrize(
    ("depth", "parameters", "keys"),
    [(10, 14_355_520, 72), (18, 32_986_176, 102), (34, 63_295_808, 198), (50, 46_155_072, 318)],
)
def test_the_encoder_has_medicalnet_s_tensors(depth, parameters, keys):
    with torch.device("meta"):
        encoder = medicalnet_encoder(depth)
    assert sum(p.numel() for p in encoder.parameters()) == parameters
    assert len(encoder.state_dict()) == keys


def medicalnet_file(path, depth=10, prefix="module.", **more):
    state = shuffled(medicalnet_encoder(depth, width=0.125))
    stored = {**state, "conv_seg.0.weight": torch.zeros(3), **more}
    torch.save({"state_dict": {f"{prefix}{name}": value for name, value in stored.items()}}, path)
    return state


@pytest.mark.parametrize("per_modality", [True, False])
def test_published_weights_load_from_a_file(tmp_path, per_modality):
    state = medicalnet_file(tmp_path / "resnet_10.pth")
    network = create("med3d-small", **SMALL, per_modality=per_modality)
    load_medicalnet(network, tmp_path / "resnet_10.pth")
    loaded = network.encoder.state_dict()
    stem = state.pop("conv1.weight")
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    # four times the same image excites the repeated filters as the image alone does the published ones
    assert torch.allclose(loaded["conv1.weight"].sum(dim=1, keepdim=True), stem)


def test_shortcuts_without_weights_let_gradients_through():
    encoder = medicalnet_encoder(18, width=0.125)
    x = torch.randn(1, encoder.layer2[0].conv1.in_channels, 4, 4, 4, requires_grad=True)
    encoder.layer2[0].downsample(x).sum().backward()
    assert x.grad is not None
    assert float(x.grad.sum()) == pytest.approx(8 * x.shape[1])


def test_a_frozen_encoder_stays_as_it_is_and_a_tuned_one_does_not():
    torch.manual_seed(0)
    for frozen in (True, False):
        network = create("med3d-small", **SMALL, frozen=frozen).train()
        before = {key: value.clone() for key, value in network.encoder.state_dict().items()}
        network(torch.randn(1, 4, 16, 16, 16)).square().sum().backward()
        learned = [p for p in network.parameters() if p.grad is not None]
        torch.optim.SGD(learned, lr=0.1).step()
        same = [torch.equal(before[key], value) for key, value in network.encoder.state_dict().items()]
        assert all(same) if frozen else not any(same)
        assert all(p.grad is not None for key, p in network.named_parameters() if not key.startswith("encoder."))


def test_a_wrong_file_gives_one_sentence_and_changes_nothing(tmp_path):
    network = create("med3d-small", **SMALL)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    medicalnet_file(tmp_path / "deeper.pth", depth=18)
    medicalnet_file(tmp_path / "extra.pth", **{"layer1.0.conv9.weight": torch.zeros(3)})
    medicalnet_file(tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:5000])
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"state_dict": {"encoder.weight": torch.zeros(3)}}, tmp_path / "other.pth")
    torch.save(medicalnet_encoder(10, width=0.125), tmp_path / "pickled.pth")
    cases = {
        "deeper.pth": "holds a ResNet-18, the network has a ResNet-10",
        "extra.pth": "does not fit the network's ResNet-10: 1 of 72 tensors differ, layer1.0.conv9.weight for one",
        "cut.pth": "cut short",
        "text.pth": "no PyTorch file",
        "other.pth": "holds no MedicalNet encoder",
        "pickled.pth": "holds Python objects",
        "absent.pth": "cannot be read",
    }
    for name, sentence in cases.items():
        with pytest.raises(ModelError, match=sentence):
            load_medicalnet(network, tmp_path / name)
    wide = create("med3d-small", encoder_width=0.25)
    with pytest.raises(ModelError, match=r"does not fit the network's ResNet-10: .* tensors differ"):
        load_medicalnet(wide, tmp_path / "whole.pth")
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_the_basic_vnet_is_monai_s():
    from monai.networks.nets import VNet

    with torch.device("meta"):
        theirs = VNet(in_channels=4, out_channels=4)
        ours = create("vnet")
    theirs.to_empty(device="cpu")
    state = theirs.state_dict()
    for name, value in state.items():
        value.copy_(((torch.arange(value.numel()) % 13 - 6) / 100).reshape(value.shape))  # quicker than random numbers
        if name.endswith("running_var"):
            value.fill_(1)
    ours.load_state_dict(state, assign=True)
    x = torch.randn(1, 4, 16, 16, 16)
    with torch.inference_mode():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_dynunet_is_monai_s_with_auxiliary_outputs_on_their_own_grids():
    from monai.networks.nets import DynUNet

    ours = create("nnunet-small")
    theirs = DynUNet(
        3, 4, 3, [3] * 5, [1, 2, 2, 2, 2], [2] * 4, [8, 16, 32, 64, 128],
        deep_supervision=True, deep_supr_num=2, trans_bias=True,
    )  # fmt: skip
    theirs.load_state_dict({f"{key}": value for key, value in ours.body.state_dict().items()}, strict=False)
    x = torch.randn(1, 4, 32, 16, 16)
    with torch.inference_mode():
        stacked = theirs.train()(x).unbind(dim=1)
        outputs = ours.forward_supervised(x)
    assert list(outputs) == ["main", "half", "quarter"]
    for theirs_output, ours_output in zip(stacked, outputs.values(), strict=True):
        assert torch.allclose(theirs_output, F.interpolate(ours_output, x.shape[2:]), atol=1e-5)
    assert not [key for key in ours.state_dict() if "skip_layers" in key]


def test_strides_that_differ_by_axis_are_asked_for_by_axis():
    strides = [[1, 1, 1], [1, 2, 2], [2, 2, 2]]
    network = create("nnunet-small", kernel_size=[[1, 3, 3], 3, 3], strides=strides, filters=[4, 8, 8], deep_supr_num=1)
    assert network.multiples == (2, 4, 4)
    assert network(torch.randn(1, 4, 6, 8, 4)).shape == (1, 3, 6, 8, 4)


def test_stored_positions_are_used_untouched_on_their_grid_and_resized_elsewhere(monkeypatch):
    options = {"width": 16, "grid": (2, 4, 2), "depth": 1, "heads": 2, "mlp_dim": 16, "dropout": 0.0}
    block = TokenTransformer(8, 8, **options, token_voxels=2).eval()
    torch.nn.init.normal_(block.position)
    resized = []
    original = F.interpolate
    monkeypatch.setattr(F, "interpolate", lambda *a, **k: resized.append(k["size"]) or original(*a, **k))
    with torch.inference_mode():
        x = torch.randn(1, 8, 2, 4, 4)
        before = block(x)
        assert resized == []
        block.position.neg_()
        assert not torch.allclose(before, block(x)), "the positions have no effect"
        assert block(torch.randn(1, 8, 4, 4, 8)).shape == (1, 8, 4, 4, 8)
        assert resized == [(4, 4, 4)]


def test_a_dense_network_takes_boxes_and_not_cubes_alone():
    network = create("3dfcnn-small", stem=4, down=[1, 1], bottleneck=1, up=[1, 1]).eval()
    with torch.inference_mode():
        assert network(torch.randn(1, 4, 8, 12, 4)).shape == (1, 3, 8, 12, 4)


def test_training_drops_channels_where_the_papers_do():
    for name, x in (("transbts", (8, 8, 16)), ("3dfcnn", (16, 16, 32))):
        narrow = {"widths": [8, 8, 8, 8], "token_dim": 16, "mlp_dim": 16} if name == "transbts" else {"stem": 4}
        network = create(name, **narrow)
        image = torch.randn(1, 4, *x)
        with torch.inference_mode():
            assert not torch.equal(network.train()(image), network(image))
            assert torch.equal(network.eval()(image), network(image))
