"""BiTr-UNet: the published figures, any input size, evaluation without chance, and that it can learn."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from BraTSOSLib.segmentation.networks.bitrunet import (  # noqa: E402
    COMPACT,
    PUBLISHED,
    BiTrUNet,
    BiTrUNetConfig,
    fold_space,
    unfold_space,
)
from BraTSOSLib.segmentation.training.losses import region_loss, supervised_loss  # noqa: E402

SMALL = BiTrUNetConfig.from_dict(
    {**COMPACT.to_dict(), "widths": [8, 8, 16, 16, 16], "token_dims": [16, 16], "mlp_dims": [32, 32], "fold": 1}
)


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_size_has_the_live_parameters_of_the_paper_and_its_parts():
    network = BiTrUNet(PUBLISHED)
    assert parameters(network) == 44_651_769
    assert parameters(network.level4) == 666_678
    assert parameters(network.bottom) == 2_663_870
    assert parameters(network.up5) == 180_608 + 885_504
    assert sum(parameters(layer) for layer in network.skip_transformer.layers) == 21_000_192
    assert sum(parameters(layer) for layer in network.bottom_transformer.layers) == 9_459_712


def test_published_network_answers_logits_of_four_classes_at_any_multiple_of_16():
    network = BiTrUNet(PUBLISHED).eval()
    with torch.inference_mode():
        logits = network(torch.randn(1, 4, 32, 48, 32))
    assert logits.shape == (1, 4, 32, 48, 32)
    assert not torch.allclose(logits.sum(dim=1), torch.ones(1, 32, 48, 32), atol=0.05), "softmax was applied"
    with pytest.raises(ValueError, match="multiples of 16"):
        network(torch.randn(1, 4, 40, 48, 32))


def test_evaluation_is_free_of_chance_and_training_is_not():
    network = BiTrUNet(PUBLISHED)
    x = torch.randn(1, 4, 32, 32, 32)
    with torch.inference_mode():
        network.eval()
        assert torch.equal(network(x), network(x))
        network.train()
        assert not torch.equal(network(x), network(x))


def test_learned_positions_are_used_as_they_are_on_the_published_grid_and_resized_elsewhere():
    block = BiTrUNet(PUBLISHED).bottom_transformer.eval()
    with torch.no_grad():
        torch.nn.init.normal_(block.position)
        x = torch.randn(1, 256, 8, 8, 8)
        before = block(x)
        block.position.add_(1.0 * torch.arange(8.0)[:, None, None])
        assert not torch.allclose(before, block(x)), "the position code has no effect"
        assert block(torch.randn(1, 256, 4, 6, 4)).shape == (1, 128, 4, 6, 4)


def test_every_parameter_of_the_compact_network_receives_a_gradient():
    network = BiTrUNet(SMALL)
    outputs = network.forward_supervised(torch.randn(1, 4, 32, 32, 32))
    assert {name: tuple(v.shape[2:]) for name, v in outputs.items()} == {
        "main": (32, 32, 32),
        "half": (16, 16, 16),
        "quarter": (8, 8, 8),
    }
    supervised_loss(outputs, torch.rand(1, 3, 32, 32, 32)).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_folding_space_loses_nothing_and_keeps_neighbours_together():
    x = torch.arange(2 * 4 * 6 * 8.0).reshape(1, 2, 4, 6, 8)
    folded = fold_space(x, 2)
    assert folded.shape == (1, 16, 2, 3, 4)
    assert torch.equal(unfold_space(folded, 2), x)
    assert torch.equal(folded[0, :8, 0, 0, 0], x[0, 0, :2, :2, :2].flatten())


def test_a_small_network_overfits_one_patch():
    torch.manual_seed(0)
    network = BiTrUNet(SMALL)
    target = torch.zeros(1, 3, 16, 16, 16)
    target[:, 0, 3:13, 3:13, 3:13] = 1
    target[:, 1, 5:11, 5:11, 5:11] = 1
    target[:, 2, 5:11, 5:11, 5:8] = 1
    image = 0.2 * torch.randn(1, 4, 16, 16, 16)
    image[:, :3] += target
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    first = float(region_loss(network(image), target).detach())
    for _ in range(60):
        loss = region_loss(network(image), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.25 * first
