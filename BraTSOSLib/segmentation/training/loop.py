"""The training loop: samples, steps, averaged weights, rounds of hard mining, checkpoints that resume.

Every random choice draws from a generator seeded with (seed, step), so a resumed run sees the batches that the
interrupted one would have seen; its place in the schedule is stored with the weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError, ModelError
from .cache import TrainingCase
from .checkpoint import load_into, read_checkpoint, write_checkpoint
from .interrupt import StopRequest, stop_between_steps
from .log import TrainingLog, time_left
from .losses import channel_targets, make_loss, median_frequency_weights, supervised_loss
from .mining import HardSet, find_hard, round_length, threshold_at
from .optimisation import Supervised, average_into, fresh_network, make_optimiser, number_format
from .prefetch import Prefetcher
from .processes import Processes
from .recipe import Recipe
from .sampling import Sampler
from .validation import Judge, mean_dice

Progress = Callable[[str, float], None]
_GPU_WORKERS = 6
_MOST_LOST_STEPS = 20
"""So many steps in a row may overflow in fp16 before the run stops; the scaler lowers its factor at each."""


class Trainer:
    """Trains one network on preprocessed cases.

    Parameters
    ----------
    recipe : how; see ``Recipe``
    cases, validation : preprocessed cases; validation may be empty
    output : folder for ``checkpoint.pt`` and ``log.csv``
    processes : the others that train the same network
    tensorboard : write TensorBoard's files too

    Raises
    ------
    InputError
        If there is nothing to learn from, or the window does not fit the network.
    """

    def __init__(
        self,
        recipe: Recipe,
        cases: Sequence[TrainingCase],
        validation: Sequence[TrainingCase],
        output: Path,
        *,
        device: str = "cpu",
        processes: Processes | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.recipe = recipe = recipe.resolved()
        self.cases, self.validation, self.output = cases, validation, Path(output)
        self.processes, self.device = processes or Processes(), torch.device(device)
        self._tensorboard = tensorboard
        self._check_cases()
        torch.manual_seed(recipe.seed)
        self.network, self.architecture, self.arguments = fresh_network(recipe)
        self.multiples = self.network.multiples
        self.network.to(self.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._forward = self.processes.share_gradients(Supervised(self.network))
        weights = None
        if recipe.class_weights == "median":
            weights = median_frequency_weights(cases, recipe.channels).to(self.device)
        self._loss = make_loss(str(recipe.loss), recipe.channels, weights)
        self.optimiser = make_optimiser(self.network, recipe)
        self._format = number_format(recipe.precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self._format == torch.float16)
        self.average = self._copy_of_state()
        self.sampler = Sampler(recipe, cases, self.multiples)
        self._samples = Prefetcher(self.sampler, _GPU_WORKERS if self.device.type == "cuda" else 0)
        self.judge = Judge(self.network, recipe, self.sampler, self._format)
        self.hard = HardSet()
        self.best: dict[str, Any] = {"score": -1.0, "state": {}}
        self.step, self.elapsed, self.loss = 0, 0.0, 0.0
        self._lost, self._stepping = 0, False

    def _check_cases(self) -> None:
        if not self.cases:
            raise InputError("No training case is left: give a folder with labelled cases.")
        if not any((case.target > 0).any() for case in self.cases):
            raise InputError("All training label maps are empty: there is nothing to learn from.")
        if self.recipe.keep == "best" and not self.validation:
            raise InputError("The best weights are to be kept, but no case is held out to judge them: hold out some.")

    def start_from(self, state: dict[str, Tensor], source: str = "the given model") -> None:
        """Warm start from weights of the same network."""
        load_into(self.network, state, source)
        self.average = self._copy_of_state()

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint written by ``save``; raises ``ModelError`` if it is damaged or of another run."""
        stored = read_checkpoint(path, self.device)
        self.recipe.check_same_run(Recipe.from_dict(stored["recipe"]), path.name)
        if stored["cases"] != [case.name for case in self.cases]:
            raise ModelError(f"{path.name} was written by a run with other training cases: start a new run.")
        try:
            load_into(self.network, stored["network"], path.name)
            self.optimiser.load_state_dict(stored["optimiser"])
            self.scaler.load_state_dict(stored["scaler"])
            self.average, self.step, self.elapsed = stored["average"], stored["step"], stored["elapsed"]
            self.hard, self.best, self.loss = HardSet.from_dict(stored["hard"]), stored["best"], stored["loss"]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The checkpoint {path.name} lacks parts ({error}): start a new run.") from error

    def save(self) -> None:
        """Write ``checkpoint.pt``, whole or not at all (the first process alone)."""
        if self.processes.first:
            content = {
                "recipe": self.recipe.to_dict(),
                "cases": [case.name for case in self.cases],
                "network": self.network.state_dict(),
                "average": self.average,
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
                "step": self.step,
                "elapsed": self.elapsed,
                "loss": self.loss,
                "hard": self.hard.to_dict(),
                "best": self.best,
            }
            write_checkpoint(content, self.output)

    @property
    def done(self) -> float:
        """Share of the schedule that is over, 0 to 1."""
        if self.recipe.steps is not None:
            return self.step / self.recipe.steps
        return self.elapsed / (60 * (self.recipe.minutes or 60))

    @property
    def kept(self) -> dict[str, Tensor]:
        """The weights that the run is for: the averaged ones of its end, or of its best validation."""
        state: dict[str, Tensor] = self.best["state"] if self.recipe.keep == "best" else {}
        return state or self.average

    def run(self, progress: Progress | None = None) -> dict[str, float]:
        """Train until the schedule is over; the metrics of the weights that are kept.

        Raises
        ------
        KeyboardInterrupt
            After a signal, at the end of the step, with a checkpoint.
        ModelError
            If the loss is no longer a number.
        """
        log = TrainingLog(self.output, self.step, tensorboard=self._tensorboard) if self.processes.first else None
        with stop_between_steps() as stop:
            try:
                self._run(stop, log, progress)
                metrics = self._validate_and_log(log, stop)
            except KeyboardInterrupt:
                if not self._stepping:
                    self.save()
                raise
            finally:
                self._samples.close()
                if log is not None:
                    log.close()
        return self.best["metrics"] if self.recipe.keep == "best" and "metrics" in self.best else metrics

    def _run(self, stop: StopRequest, log: TrainingLog | None, progress: Progress | None) -> None:
        saved = validated = time.monotonic()
        while True:
            self.elapsed, stopped = self.processes.agree([self.elapsed, float(stop.requested)], self.device)
            if stopped:
                raise KeyboardInterrupt
            if self.done >= 1:
                break
            self._mine_if_due(stop, log, progress)
            started = time.monotonic()
            self._stepping = True
            loss = self.train_step()
            self._stepping = False
            now = time.monotonic()
            self.elapsed += now - started
            self.loss = loss if self.loss == 0 else 0.98 * self.loss + 0.02 * loss
            if progress is not None:
                of = "" if self.recipe.steps is None else f" of {self.recipe.steps}"
                left = time_left(self.elapsed, self.done)
                progress(f"step {self.step}{of}, loss {self.loss:.3f}, {left}", min(self.done, 1.0))
            if now - saved >= 60 * self.recipe.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
            if self.done < 1 and now - validated >= 60 * self.recipe.validation_minutes:
                self._validate_and_log(log, stop)
                validated = time.monotonic()
        self.save()

    def train_step(self) -> float:
        """One step of the optimiser; the loss."""
        recipe = self.recipe
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.rate(self.done)
        # dropout draws from torch's own generator, which a resumed run must find as it was
        place = self.step * self.processes.world + self.processes.rank
        torch.manual_seed(int(np.random.SeedSequence([recipe.seed, 4, place]).generate_state(1)[0]))
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for part in range(recipe.accumulate):
            with self._without_exchange(part + 1 < recipe.accumulate):
                loss = self._part_loss(part) / recipe.accumulate
                self.scaler.scale(loss).backward()
            total += float(loss.detach())
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_([p for p in self.network.parameters() if p.requires_grad], recipe.clip)
        self._check_finite(total)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        average_into(self.average, self.network, recipe.ema, self.step)
        self.step += 1
        return total

    def _part_loss(self, part: int) -> Tensor:
        first = self.step * self.recipe.accumulate + part
        image, regions = self._samples.batch([self._numbers(first + ahead) for ahead in range(16)], self.hard)
        target = channel_targets(regions, image, self.recipe.channels).to(self.device)
        image = image.to(self.device).contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, dtype=self._format, enabled=self._format != torch.float32):
            outputs = self._forward(image)
        return supervised_loss({name: value.float() for name, value in outputs.items()}, target, self._loss)

    def _numbers(self, batch: int) -> tuple[int, ...]:
        """Numbers of the samples in this process's ``batch``-th batch."""
        first = (batch * self.processes.world + self.processes.rank) * self.recipe.batch_size
        return tuple(range(first, first + self.recipe.batch_size))

    def _without_exchange(self, wanted: bool) -> AbstractContextManager[None]:
        """Keep gradients to this process until the last part of a step."""
        return self._forward.no_sync() if wanted and self.processes.world > 1 else nullcontext()  # type: ignore[operator]

    def _check_finite(self, loss: float) -> None:
        self._lost = 0 if math.isfinite(loss) else self._lost + 1
        if self._lost > (_MOST_LOST_STEPS if self.scaler.is_enabled() else 0):
            raise ModelError(
                f"The loss is no longer a number at step {self.step}: resume with a lower --learning-rate or with "
                "--precision fp32 in a new run; the last checkpoint is kept."
            )

    def _mine_if_due(self, stop: StopRequest, log: TrainingLog | None, progress: Progress | None) -> None:
        recipe = self.recipe
        samples = recipe.batch_size * recipe.accumulate * self.processes.world
        due = self.step % round_length(recipe, len(self.cases), samples) == 0
        if recipe.mining == "off" or not due or self.step in (0, self.hard.step):
            return
        self.processes.share_first(self.average)
        self.judge.load(self.average)
        threshold = threshold_at(recipe, self.done)
        mine = range(self.processes.rank, len(self.cases), self.processes.world)

        def look(image: np.ndarray) -> np.ndarray:
            if stop.requested:
                raise KeyboardInterrupt
            if progress is not None:
                progress(f"step {self.step}, looking for hard {recipe.mining}", min(self.done, 1.0))
            return self.judge(image)

        found = sorted(self.processes.gather(find_hard(recipe, self.cases, mine, look, threshold)), key=lambda f: f[0])
        items = tuple(item for _, _, each in found for item in each)
        self.hard = HardSet(items, self.step, threshold, tuple(score for _, score, _ in found))
        if log is not None:
            log.write(self.step, minutes=round(self.elapsed / 60, 2), hard=len(items))

    def validate(self, told: Callable[[int], None] | None = None) -> dict[str, float]:
        """Mean Dice of the averaged weights over the validation cases, on the training's own grid."""
        self.judge.load(self.average)
        return mean_dice(self.validation, self.judge, told)

    def _validate_and_log(self, log: TrainingLog | None, stop: StopRequest) -> dict[str, float]:
        if log is None:
            return {}

        def told(done: int) -> None:
            if stop.requested:
                raise KeyboardInterrupt

        metrics = self.validate(told)
        rate = f"{self.recipe.rate(self.done):.2e}"
        log.write(self.step, minutes=round(self.elapsed / 60, 2), loss=round(self.loss, 4), rate=rate, **metrics)
        score = sum(metrics.values()) / 3
        if self.recipe.keep == "best" and score > self.best["score"]:
            state = {name: value.detach().cpu().clone() for name, value in self.average.items()}
            self.best = {"score": score, "state": state, "metrics": metrics, "step": self.step}
            self.save()
        return metrics

    def _copy_of_state(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}
