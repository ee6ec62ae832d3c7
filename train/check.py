"""What a training will need and learn, before anything is spent: ``assistant train --check``."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from assistant.artifacts.cards import run_folder
from assistant.artifacts.command_reports import CheckExample, CheckProbe, CheckReport
from assistant.config import Settings
from assistant.config.train_settings import Method
from assistant.errors import ConfigError
from assistant.text.printing import visible
from assistant.workspace import Workspace
from train.batches import Packed, TokenRow, computed_together, loss_tokens
from train.finetune import make_accelerator, make_trainer
from train.memory import fitted, needed
from train.model import count_parameters, free_bytes, window_of
from train.plan import Job, left_out, named, prepare
from train.run_file import validated
from train.trainer import out_of_memory_told

_BINS = 8  # lines that show the shape of a distribution at a glance
# What is tried of a model's layers: the others are like them.
_TRIED_LAYERS, _TRIES = 2, 2
# A forward pass takes a third of a step.
_VALIDATION_SHARE = 1 / 3


def check(workspace: Workspace, general: Settings, values: Mapping[str, Any]) -> CheckReport:
    """Read pairs and sizes, and try the first layers if memory allows; nothing is kept. Raises what training would."""
    job = prepare(named(validated(values), workspace), workspace, general)
    free = free_bytes(job.device.name)
    job, chosen = fitted(job, free)
    plan, schedule = job.plan, job.plan.schedule
    rows, decode = plan.rows, job.template.tokenizer.decode
    epoch = job.first_epoch
    shown = [row for step in epoch for row in step]
    batches = [
        batch for step in epoch for batch in computed_together(step, job.most_tokens, job.settings.share_prefixes)
    ]
    memory = needed(job)
    return CheckReport(
        name=job.settings.name,
        method=job.settings.method,
        base=general.engine.model,
        rows=len(rows),
        validation_rows=len(plan.validation),
        steps=schedule.total,
        learning_rate=schedule.peak,
        parameters=job.parameters.trained,
        base_parameters=job.parameters.base,
        window=window_of(job.config),
        lengths=histogram([len(row) for row in rows]),
        longest=max(rows, key=len).id,
        tokens=sum(map(len, shown)),
        packed_tokens=sum(len(one) for batch in batches for one in batch),
        loss_tokens=loss_tokens(shown),
        end_of_turn=decode([job.template.end_of_turn]),
        ended=sum(row.response[-1] == job.template.end_of_turn for row in rows),
        memory=memory,
        memory_total=memory.total,
        memory_free=free,
        examples=tuple(
            _example(row, job.settings.method, decode)
            for row in (rows[number] for number in sorted({0, len(rows) // 2, len(rows) - 1}))
        ),
        probe=_probe(job, batches, workspace) if memory.total <= free else None,
        dropped=job.dropped,
        chosen=chosen,
    )


def problems(report: CheckReport) -> list[str]:
    """What stands in the way of the training, a line each."""
    found = []
    if report.memory_total > report.memory_free:
        found.append(
            f"Error: about {_gib(report.memory_total)} are needed and {_gib(report.memory_free)} are free. "
            "Lower batch_tokens, or set checkpointing=true, or method=qlora."
        )
    if report.ended < report.rows:
        found.append(f"Error: {report.rows - report.ended} rows do not end with the end of the turn.")
    return found


def histogram(lengths: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(longest, number) of bins of equal width, from the shortest to the longest of ``lengths``."""
    least = min(lengths)
    width = (max(lengths) - least) // _BINS + 1
    counts = [0] * _BINS
    for length in lengths:
        counts[(length - least) // width] += 1
    return tuple((least + (number + 1) * width - 1, count) for number, count in enumerate(counts))


def lines(report: CheckReport) -> Iterator[str]:
    """The report for people."""
    share = report.parameters / report.base_parameters
    yield f"Adapter '{report.name}': {report.method} on {report.base}, {report.parameters:,} parameters ({share:.2%})"
    yield (
        f"Pairs: {report.rows} to train on, {report.validation_rows} to validate; {report.steps} steps, "
        f"learning rate {report.learning_rate:.2g}"
    )
    yield from map(visible, left_out(report.dropped))
    packs = report.probe is None or report.probe.packed
    computed = f"{report.packed_tokens / report.tokens:.0%} of them computed (shared prefixes once), " if packs else ""
    yield f"Tokens: {report.tokens:,} an epoch, {computed}{report.loss_tokens / report.tokens:.1%} carry loss"
    yield f"End of turn: '{visible(report.end_of_turn)}', trained in {report.ended} of {report.rows} rows"
    yield f"Row lengths (window {report.window or 'not stated'}; the longest is '{visible(report.longest)}'):"
    most = max(count for _, count in report.lengths)
    for longest, count in report.lengths:
        yield f"  to {longest:>6}  {count:>6}  {'█' * round(30 * count / most)}"
    memory = report.memory
    yield (
        f"Memory: {'' if memory.is_counted else 'more than '}{_gib(report.memory_total)} "
        f"(weights {_gib(memory.weights)}, training {_gib(memory.training)}, "
        f"activations {_gib(memory.activations)}, logits {_gib(memory.logits)}, passing {_gib(memory.passing)}) "
        f"of {_gib(report.memory_free)} free"
    )
    if report.chosen:
        yield report.chosen
    if probe := report.probe:
        yield (
            f"Speed: about {probe.tokens_per_second:,.0f} tokens/s, at most {probe.seconds / 60:.0f} min for all, "
            f"by what {probe.layers} layers took"
        )
    for example in report.examples:
        yield from ("", f"── {visible(example.id)}: what is trained stands in ⟦ ⟧")
        yield visible(f"{example.prompt}⟦{example.trained}⟧", keep_lines=True)
        if example.against:
            yield visible(f"… and this less: ⟦{example.against}⟧", keep_lines=True)


def _example(row: TokenRow, method: Method, decode: Callable[[list[int]], str]) -> CheckExample:
    response = decode(list(row.response))
    if not row.is_wanted:
        return CheckExample(row.id, decode(list(row.prompt)), "", response)
    against = decode(list(row.against)) if method == "dpo" else ""
    return CheckExample(row.id, decode(list(row.prompt)), response, against)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _probe(job: Job, batches: Sequence[tuple[Packed, ...]], workspace: Workspace) -> CheckProbe | None:
    """A small micro-batch through the first layers; the rest is reckoned, since all layers compute alike.

    All that is tried before a training is tried on them too: saving, loading, and packing. None where the adapter that
    is gone on from is in later layers alone.
    """
    config = copy.deepcopy(job.config)
    text = config.get_text_config()
    layers = text.num_hidden_layers
    tried = text.num_hidden_layers = min(_TRIED_LAYERS, layers)
    if kinds := getattr(text, "layer_types", None):
        text.layer_types = kinds[:tried]

    def work(batch: tuple[Packed, ...], layers_run: int) -> float:
        """Parameters that tokens meet: all of them those of the layers, those that count in the loss the head's too."""
        loss = loss_tokens([row for one in batch for row in one.rows])
        padded = len(batch) * max(map(len, batch))
        return float(padded * job.parameters.linear * layers_run / layers + loss * text.hidden_size * text.vocab_size)

    small = sorted(batches, key=lambda batch: work(batch, layers))[len(batches) // 4]
    rows = [row for one in small for row in one.rows]
    settings = job.settings.model_copy(update={"layers_to_transform": (), "trainer": "own"})
    start = replace(job.start, folder=None) if job.start else None
    try:
        count_parameters(config, job.general.engine, settings, start.config if start else None)
    except ConfigError:  # what is trained are modules of later layers alone
        if start:
            return None
        settings = settings.model_copy(update={"target_modules": ("all-linear",)})
    plan = replace(job.plan, rows=rows, validation=())
    shallow = replace(job, config=config, settings=settings, plan=plan, start=start)
    folder = run_folder(workspace, job.settings.name)
    trainer = make_trainer(shallow, make_accelerator(shallow), folder)
    times = [time.monotonic()]
    with out_of_memory_told(job.most_tokens):
        for _ in range(_TRIES):
            trainer.step(rows, job.plan.schedule)
            times.append(time.monotonic())
    # The first one prepares much, and each may have waited for other programs.
    speed = work(small, tried) / min(after - before for before, after in pairwise(times))
    tokens = sum(len(row) for batch in batches for one in batch for row in one.rows)
    tokens_per_second = tokens * speed / sum(work(batch, layers) for batch in batches)
    # Of a training that goes to its end; tokens of validations count as what they cost.
    plan, schedule = job.plan, job.plan.schedule
    validations = 1 + schedule.total // schedule.evaluate_every
    trained = schedule.total * sum(map(len, plan.rows)) / schedule.epoch
    answered = sum(len(row.prompt) for row, _ in plan.answers.asked) if plan.answers else 0
    spent = trained + validations * (sum(map(len, plan.validation)) + answered) * _VALIDATION_SHARE
    return CheckProbe(
        tokens_per_second=tokens_per_second,
        seconds=spent / tokens_per_second,
        layers=tried,
        packed=trainer.passes.kinds is not None,
    )
