"""What a model learns from and how, and who judges it, each setting written once: its default, bounds, what it does.

Those of pairs and evaluations are of the workspace, as all of ``assistant.config.settings``; ``train.run_file`` reads
those of a training from run files and the command line. Screens take their labels and helps from here.
"""

from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, model_validator

from assistant.config.settings import Section

TrackerName = Literal["tensorboard", "mlflow", "wandb", "trackio"]


class PairsSettings(Section):
    """What instruction pairs are made from, and how many."""

    per_chunk: int = Field(6, ge=1, le=50, description="Most questions about one chunk.")
    most: int = Field(
        4000,
        ge=0,
        le=100_000_000,
        description="About so many questions at most; chunks are then chosen evenly. 0 takes every chunk.",
    )
    shares: dict[Literal["generated", "structure", "set", "feedback", "tone"], Annotated[float, Field(gt=0, le=1)]] = (
        Field({}, description='Most that sources may be of all pairs, as in {"structure": 0.5}; others have no limit.')
    )
    refusals: float = Field(
        0.1, ge=0.0, le=0.9, description="Share of pairs whose passages do not answer; more makes a model refuse more."
    )
    twins: float = Field(0.25, ge=0.0, le=1.0, description="Part of the refusals that change a name, number or year.")
    reading: float = Field(
        0.5,
        ge=0.0,
        le=0.9,
        description="Share of pairs, at most, from reading exercises that come with the program: made-up documents, and"
        " questions as people ask them.",
    )
    general: float = Field(
        0.04, ge=0.0, le=0.9, description="Share of pairs that are general chat, against forgetting."
    )
    round_trip: int = Field(
        8, ge=0, le=100, description="A question has to find its chunk among so many hits; 0 does not ask."
    )
    shuffled: float = Field(
        0.25,
        ge=0.0,
        le=1.0,
        description="Share of a document's evidence lists in which the place of the passage that answers is drawn; the"
        " others stand as the retriever ranks them.",
    )
    validation: float = Field(0.1, ge=0.0, le=0.5, description="Share of the documents that training is watched on.")
    test: float = Field(0.1, ge=0.0, le=0.5, description="Share of the documents that are kept from training.")
    hold_out: tuple[str, ...] = Field(
        (), description="Documents that are kept from training, as in policies/*; then they alone are the test split."
    )
    seed: int = Field(0, ge=0, le=2**31, description="Another seed makes other choices; the same one the same file.")
    tone: tuple[str, ...] = Field((), description="Files with examples of the house voice.")
    data: tuple[str, ...] = Field((), description="Files with your own questions and answers.")
    teacher: str = Field(
        "auto",
        description="Model that writes questions and answers: 'base' (engine.model), a name of the catalogue, or"
        " PROVIDER:MODEL of LangChain; empty: none. auto takes the base where it answers in its own words"
        " (engine.generate).",
    )
    teacher_url: str = Field("", description="Address of an OpenAI-compatible endpoint for the teacher and the judge.")
    teacher_seconds: float = Field(120.0, gt=0, le=86_400, description="Longest time for one reply of the teacher.")
    teacher_attempts: int = Field(
        5, ge=1, le=50, description="How often the teacher is asked before it counts as down."
    )
    generated_per_chunk: int = Field(
        4, ge=1, le=20, description="Questions that the teacher is asked to write a chunk."
    )
    retold: float = Field(1.0, ge=0.0, le=1.0, description="Part of the teacher's answers told again like pairs.tone.")
    judge: str = Field("", description="Model that judges what the teacher wrote, named like the teacher; empty: none.")

    @model_validator(mode="after")
    def _leave_some_to_train_on(self) -> "PairsSettings":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


_Column = Literal[
    "messages",
    "role",
    "content",
    "prompt",
    "completion",
    "instruction",
    "input",
    "context",
    "response",
    "system",
    "history",
]
Method = Literal["lora", "qlora", "lora-8bit", "dora", "full", "dpo", "kto"]
PREFERENCE_METHODS: tuple[Method, ...] = ("dpo", "kto")
"""Those that go on from an adapter, and learn which of two responses is better."""


def _listed(value: Any) -> Any:
    """``a,b`` and a single value as lists, so that a command line needs no brackets; ``none`` as an empty one."""
    if value == "none":
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


def _one_or_more(value: Any) -> Any:
    """A single name as a list of it; one with commas is still a single name."""
    return (value,) if isinstance(value, str) and value else value or ()


def _mapped(value: Any) -> Any:
    """``a:b,c:d`` as a mapping, so that a command line needs no braces."""
    if not isinstance(value, str):
        return value
    parts = (part.partition(":") for part in value.split(",") if part.strip())
    return {name.strip(): called.strip() for name, _, called in parts}


def _options(value: Any) -> Any:
    """``a:b,c:d`` as a mapping, whose values have the types that YAML gives them."""
    if not isinstance(value, str):
        return value
    try:
        return {name: yaml.safe_load(text) for name, text in _mapped(value).items()}
    except yaml.YAMLError:
        raise ValueError("not valid YAML") from None


class EvalSettings(Section):
    """Which models may judge answers, and where they run."""

    judges: tuple[str, ...] = Field(
        (),
        description="Models besides engine.model that may be chosen in the app to judge answers; --judge takes any.",
    )
    judge_url: str = Field(
        "", description="Address of an OpenAI-compatible server that runs the judge; empty: it runs in this process."
    )
    judge_key_file: str = Field(
        "", description="File with that server's key; empty takes the variable ASSISTANT_ENGINE_KEY, if there is one."
    )
    report_to: tuple[TrackerName, ...] = Field((), description="Programs that keep reports too, as in [mlflow].")


class TrainSettings(Section):
    """What is trained, on what, and how."""

    name: str = Field("", description="Name of the adapter; empty takes the name of the pairs.")
    pairs: str = Field(
        "", description="Set of pairs to learn from; empty takes the newest, for dpo and kto the newest preferences."
    )
    data: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = Field(
        (),
        description="Data to learn from as it is, in place of pairs: files, folders, or OWNER/NAME of the Hugging Face"
        " hub, with /FOLDER for a part of it.",
    )
    validation_data: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = Field(
        (), description="The same to validate on; empty draws a share of data."
    )
    validation_share: float = Field(
        0.1, ge=0.0, lt=1.0, description="Share of the conversations in data to validate on, where none are named."
    )
    columns: Annotated[dict[_Column, str], BeforeValidator(_mapped)] = Field(
        {}, description="What columns of data are called, as in instruction:asked,response:said."
    )
    method: Method = Field(
        "lora",
        description="lora; qlora (base in 4-bit NF4), lora-8bit, dora (direction and length apart), or full; dpo and"
        " kto go on from an adapter with preferences.",
    )
    adapter: str = Field("", description="Adapter that dpo and kto go on from; empty takes the newest.")
    beta: float = Field(
        0.1, gt=0, le=100, description="For dpo and kto: how closely the model is held to the adapter it started from."
    )
    rank: int = Field(16, ge=1, le=1024, description="Rank of the adapter's matrices.")
    alpha: float = Field(32.0, gt=0, le=100_000, description="Strength of the adapter: it is scaled by alpha / rank.")
    rslora: bool = Field(False, description="Scale by alpha / sqrt(rank), which keeps large ranks stable.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the adapter's inputs left out while training.")
    target_modules: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        ("all-linear",),
        min_length=1,
        description="Modules that get an adapter: all-linear (all but head, routers and eyes; with experts, attention"
        " alone), or names as in q_proj,v_proj.",
    )
    layers_to_transform: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_listed)] = Field(
        (), description="Layers that get an adapter, counted from 0, as in 20,21,22; empty takes all."
    )
    epochs: int = Field(
        1,
        ge=1,
        le=1000,
        description="How often each pair is seen, unless training stops early; few hundred pairs may want more.",
    )
    tone_epochs: int = Field(
        0,
        ge=0,
        le=1000,
        description="Further times that examples of the house voice are shown in an epoch, among all pairs.",
    )
    max_steps: int = Field(
        0,
        ge=0,
        le=1_000_000_000,
        description="Optimiser steps instead of epochs; 0 goes by epochs.",
    )
    batch: int = Field(8, ge=1, le=4096, description="Pairs in one optimiser step, over all processes.")
    learning_rate: float = Field(
        0.0, ge=0.0, le=1.0, description="Peak rate; 0 chooses it from the model's width (1e-3 at 135M, 2e-4 at 7B)."
    )
    optimizer: Literal["adamw", "adamw-8bit"] = Field(
        "adamw", description="AdamW, or the same with its moments in 8 bits, which saves memory, most of all for full."
    )
    loraplus_lr_ratio: float = Field(
        1.0,
        ge=1.0,
        le=1000,
        description="LoRA+: the rate of an adapter's second matrices as a multiple of the first ones'.",
    )
    neftune_noise_alpha: float = Field(
        0.0,
        ge=0.0,
        le=1000,
        description="NEFTune: strength of noise on embeddings while training, as in 5; 0 for none.",
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the rate falls after the warm-up."
    )
    warmup: float = Field(0.06, ge=0.0, lt=1.0, description="Share of the steps in which the rate rises.")
    weight_decay: float = Field(0.01, ge=0.0, le=1.0, description="Pull of weights towards zero (AdamW).")
    max_gradient: float = Field(1.0, gt=0, le=1_000_000, description="Norm to which gradients are clipped.")
    batch_tokens: int = Field(
        0,
        ge=0,
        le=100_000_000,
        description="Most tokens computed at once; more needs more memory. 0 takes 2048 on a CPU, 16384 on a GPU,"
        " or what fits, with checkpointing if need be.",
    )
    share_prefixes: bool = Field(
        True, description="Run system text and passages that pairs have in common once for all of them."
    )
    checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: a third slower, far less memory."
    )
    shard: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Each of several processes keeps a part of weights and moments (FSDP2); auto does so where one"
        " device has no room for all.",
    )
    evaluate_every: int = Field(
        0, ge=0, le=1_000_000_000, description="Steps between validations; 0 takes a quarter of an epoch, at least 10."
    )
    validation_pairs: int = Field(
        32, ge=0, le=100_000_000, description="Most pairs to validate on, drawn once by chance; 0 takes all."
    )
    validation_answers: int = Field(
        12,
        ge=0,
        le=100_000_000,
        description="Validation pairs that are answered at each validation: the weights with the most usable answers"
        " are kept. 0 goes by the loss alone.",
    )
    patience: int = Field(
        4, ge=0, le=1_000_000, description="Validations without progress that end a training; 0 never does."
    )
    checkpoint_minutes: float = Field(
        5.0, ge=0.0, le=100_000, description="Longest work that a crash can cost; 0 saves after every step."
    )
    seed: int = Field(7, ge=0, le=2**31, description="Everything random follows from it.")
    trainer: Literal["own", "trl", "auto"] = Field(
        "own",
        description="own, or TRL's trainers for the same rows (docs/training.md); auto takes these where accelerate was"
        " started for FSDP or DeepSpeed.",
    )
    trl: Annotated[dict[str, Any], BeforeValidator(_options)] = Field(
        {}, description="Further settings of TRL's trainer by its names, as in padding_free:true,optim:adafactor."
    )
    report_to: Annotated[tuple[TrackerName, ...], BeforeValidator(_listed)] = Field(
        (),
        description="Programs that get the metrics too: tensorboard, mlflow, wandb, trackio; wandb sends them away.",
    )
