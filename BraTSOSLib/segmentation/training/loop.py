"""The training loop: whole-brain crops, AdamW, cosine schedule, averaged weights, checkpoints that resume.

Every step draws from a generator seeded with (seed, step), so a resumed run sees the batches that the interrupted one
would have seen, and its place in the schedule is stored with the weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError, ModelError
from ..networks.bitrunet import BiTrUNet, BiTrUNetConfig
from ..windows import run_windows
from .augmentation import random_affine_crop, random_appearance
from .cache import TARGET_REGIONS, TrainingCase
from .losses import supervised_loss

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes
    ----------
    minutes : training time; the cosine follows the clock, so that it ends on time on any machine
    steps : number of steps instead of a time, for runs that must be repeatable
    learning_rate, warm_up : peak rate of AdamW, and the share of the run in which it rises
    ema : decay of the averaged weights, which are the ones that are kept
    crop : (z, y, x) at 2 mm, nearly a whole brain
    tumour_share : share of crops centred on a tumour voxel instead of anywhere in the brain
    checkpoint_minutes : time between checkpoints
    """

    minutes: float | None = 60.0
    steps: int | None = None
    learning_rate: float = 1.5e-3
    warm_up: float = 0.03
    ema: float = 0.995
    crop: tuple[int, int, int] = (64, 96, 64)
    tumour_share: float = 0.7
    checkpoint_minutes: float = 3.0

    def rate(self, done: float) -> float:
        """Learning rate when ``done`` (0..1) of the run is over."""
        if done < self.warm_up:
            return self.learning_rate * (0.02 + 0.98 * done / self.warm_up)
        return self.learning_rate * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


class Trainer:
    """Trains one BiTr-UNet on preprocessed cases.

    Parameters
    ----------
    config : the network, which is trained on 2 mm volumes
    cases, validation : preprocessed cases; validation may be empty
    output : folder for ``checkpoint.pt`` and ``log.csv``
    """

    def __init__(
        self,
        config: BiTrUNetConfig,
        cases: Sequence[TrainingCase],
        validation: Sequence[TrainingCase],
        output: Path,
        *,
        schedule: Schedule,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        if not cases:
            raise InputError("No training case is left: give a folder with labelled cases.")
        if not any((case.target > 0).any() for case in cases):
            raise InputError("All training label maps are empty: there is nothing to learn from.")
        torch.manual_seed(seed)
        self.config, self.cases, self.validation = config, cases, validation
        self.output, self.schedule, self.seed, self.device = output, schedule, seed, torch.device(device)
        self.network = BiTrUNet(config).to(self.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        nn.init.constant_(self.network.head.bias, -3.0)  # most voxels are healthy
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 1e-2}, {"params": plain, "weight_decay": 0.0}],
            lr=schedule.learning_rate,
            betas=(0.9, 0.98),
        )
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.step = 0
        self.elapsed = 0.0
        self.scaler = torch.amp.GradScaler(enabled=self.device.type == "cuda")

    def start_from(self, state: dict[str, Tensor]) -> None:
        """Warm start from weights of the same network."""
        self.network.load_state_dict(state)
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint written by ``save``."""
        try:
            stored = torch.load(path, map_location=self.device, weights_only=True)
            if BiTrUNetConfig.from_dict(stored["config"]) != self.config or stored["seed"] != self.seed:
                raise ModelError(f"{path.name} was written by a run with another network or seed: start a new one.")
            self.network.load_state_dict(stored["network"])
            self.optimiser.load_state_dict(stored["optimiser"])
            self.scaler.load_state_dict(stored["scaler"])
            self.average, self.step, self.elapsed = stored["average"], stored["step"], stored["elapsed"]
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"The checkpoint {path.name} cannot be read ({type(error).__name__}): it may be cut short."
            ) from error

    def save(self) -> Path:
        """Write ``checkpoint.pt``, whole or not at all."""
        self.output.mkdir(parents=True, exist_ok=True)
        path = self.output / "checkpoint.pt"
        temporary = path.with_suffix(".tmp")
        torch.save(
            {
                "config": _lists(self.config.to_dict()),
                "seed": self.seed,
                "network": self.network.state_dict(),
                "average": self.average,
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
                "step": self.step,
                "elapsed": self.elapsed,
            },
            temporary,
        )
        temporary.replace(path)
        return path

    @property
    def done(self) -> float:
        """Share of the schedule that is over, 0 to 1."""
        if self.schedule.steps is not None:
            return self.step / self.schedule.steps
        return self.elapsed / (60 * (self.schedule.minutes or 60))

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Image (1, 4, z, y, x) and target (1, 3, z, y, x) of a step; depends on the seed and the step alone."""
        rng = np.random.default_rng([self.seed, step])
        order = np.random.default_rng([self.seed, 1, step // len(self.cases)]).permutation(len(self.cases))
        case = self.cases[order[step % len(self.cases)]]
        image = torch.from_numpy(case.image.astype(np.float32))
        target = torch.from_numpy(case.target.astype(np.float32))
        tumour = case.target[0] > 0.5
        where = tumour if rng.random() < self.schedule.tumour_share and tumour.any() else (case.image[0] != 0)
        candidates = np.flatnonzero(where)
        point = np.array(np.unravel_index(candidates[rng.integers(candidates.size)], where.shape))
        size = self.schedule.crop
        # keep the crop inside the brain's box where it fits: half of an empty crop teaches nothing
        shape = np.array(image.shape[1:])
        half = np.array(size) / 2
        centre = np.where(shape > size, np.clip(point, half, np.maximum(shape - half, half)), shape / 2)
        crop, wanted = random_affine_crop(image, target, size, centre, rng)
        return random_appearance(crop, rng)[None], wanted[None].clamp(0, 1)

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """Train until the schedule is over; an interrupt leaves a usable checkpoint. Returns the last metrics."""
        self.output.mkdir(parents=True, exist_ok=True)
        log = self.output / "log.csv"
        if self.step == 0:
            log.write_text("step,minutes,loss,rate," + ",".join(TARGET_REGIONS) + "\n")
        metrics: dict[str, Any] = {}
        running, last_save = 0.0, time.monotonic()
        try:
            while self.done < 1:
                started = time.monotonic()
                loss = self._train_step()
                self.elapsed += time.monotonic() - started
                running = loss if running == 0 else 0.98 * running + 0.02 * loss
                if progress is not None:
                    progress(f"step {self.step}, loss {running:.3f}", min(self.done, 1.0))
                if time.monotonic() - last_save > 60 * self.schedule.checkpoint_minutes or self.done >= 1:
                    self.save()
                    metrics = self.validate()
                    rate = f"{self.schedule.rate(self.done):.2e}"
                    row = [self.step, round(self.elapsed / 60, 2), round(running, 4), rate]
                    with log.open("a") as stream:
                        stream.write(",".join(str(v) for v in [*row, *metrics.values()]) + "\n")
                    last_save = time.monotonic()
        except KeyboardInterrupt:
            self.save()
            raise
        return metrics

    def _train_step(self) -> float:
        self.network.train()
        rate = self.schedule.rate(self.done)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        image, target = self.batch(self.step)
        image = image.to(self.device).contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.device.type == "cuda"):
            outputs = self.network.forward_supervised(image)
        loss = supervised_loss({name: value.float() for name, value in outputs.items()}, target.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        # a young average follows quickly, so that early checkpoints are worth looking at
        decay = min(self.schedule.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        self.step += 1
        return float(loss.detach())

    def validate(self) -> dict[str, float]:
        """Mean Dice of the averaged weights over the validation cases, on the training's own grid."""
        if not self.validation:
            return {}
        network = BiTrUNet(self.config).to(self.device)
        network.load_state_dict(self.average)
        network.eval().to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        scores = []
        for case in self.validation:
            probability = predict(network, case.image.astype(np.float32), self.schedule.crop)
            scores.append([_dice(p > 0.5, t > 0.5) for p, t in zip(probability, case.target, strict=True)])
        return {name: round(float(v), 4) for name, v in zip(TARGET_REGIONS, np.mean(scores, axis=0), strict=True)}


def predict(network: BiTrUNet, image: np.ndarray, window: tuple[int, int, int]) -> np.ndarray:
    """Region probabilities float32 (3, z, y, x) of a normalised image (4, z, y, x), in windows as in training."""
    device = next(network.parameters()).device
    shape = image.shape[1:]
    padding = [(0, 0)] + [(0, max(w - n, 0)) for n, w in zip(shape, window, strict=True)]
    tensor = torch.from_numpy(np.pad(image, padding))[None].to(device)

    def forward(part: Tensor) -> Tensor:
        return network(part.contiguous(memory_format=torch.channels_last_3d)).sigmoid()

    with torch.inference_mode():
        probability = run_windows(forward, tensor, window)
    return probability[0, :, : shape[0], : shape[1], : shape[2]].float().cpu().numpy()


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2.0 * int((a & b).sum()) / total


def _lists(value: Any) -> Any:
    """Tuples as lists, which is how JSON and the safe unpickler know them."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
