"""A model of the Llama family as an OpenVINO graph, made from its weights.

What is written here is what Llama, Mistral, Qwen 2 and Qwen 3 have in common; biases and norms of heads are there when
their weights are. It is a stateful graph of the shape that OpenVINO GenAI turns into paged attention: ``input_ids``,
``attention_mask``, ``position_ids`` (batch, tokens) and ``beam_idx`` (batch) to ``logits`` (batch, tokens, vocabulary).
The mask is causal whatever ``attention_mask`` says: paged attention knows which tokens belong together.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

FAMILY = frozenset({"llama", "mistral", "qwen2", "qwen3"})
# Rotary positions whose angles depend on nothing but the position, so that a table can hold them.
_ROTARY = frozenset({"default", "linear", "llama3", "yarn"})
# The end of a slice that goes to the end, and the largest whole number of 8 bits with a sign.
_LAST = 2**63 - 1
_MOST_IN_8_BITS = 127


def openvino() -> Any:
    """The package ``openvino``, kept from reporting its use over the network, which it does when it is imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def why_unfit(config: Any) -> str:
    """Why no graph is made of a model with this configuration (of transformers); empty when one is."""
    if config.model_type not in FAMILY:
        return f"it is no Llama, Mistral or Qwen but {config.model_type}"
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act}"
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    if kinds - {"full_attention"} or (not kinds and window):
        return "its attention looks back over a window"
    kind = config.rope_parameters["rope_type"]
    return "" if kind in _ROTARY else f"its rotary positions are of kind {kind}"


def llama_graph(model: Any, *, in_8_bits: bool = False) -> Any:
    """The ``openvino.Model`` of a causal model of transformers; it shares the weights' memory.

    With ``in_8_bits`` matrices are held as whole numbers of 8 bits, each row with a scale of its own. The caller has
    asked ``why_unfit``.
    """
    import torch

    # Cosine and sine of every position: (positions, head size) in float32.
    positions = torch.arange(model.config.max_position_embeddings, device=model.device)[None]
    with torch.inference_mode():
        cos, sin = model.model.rotary_emb(torch.zeros(1, device=model.device), positions)
    return _Graph(model.config, model.state_dict(), cos[0], sin[0], in_8_bits).model()


class _Graph:
    """Nodes of one model; shapes in comments have batch B, tokens T, heads H, head size D."""

    def __init__(
        self,
        config: Any,
        weights: "Mapping[str, torch.Tensor]",
        cos: "torch.Tensor",
        sin: "torch.Tensor",
        in_8_bits: bool,
    ) -> None:
        ov = openvino()
        self._ov, self._op = ov, ov.opset13
        self._config = config
        self._weights = weights
        self._in_8_bits = in_8_bits
        self._heads, self._groups = config.num_attention_heads, config.num_key_value_heads
        self._size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._assigned: list[Any] = []
        self._ids = self._input("input_ids", [-1, -1], ov.Type.i64)
        self._mask = self._input("attention_mask", [-1, -1], ov.Type.i64)
        self._positions = self._input("position_ids", [-1, -1], ov.Type.i64)
        self._beams = self._input("beam_idx", [-1], ov.Type.i32)
        self._batch = self._pick(self._op.shape_of(self._ids), self._numbers(0))
        # Looked up rather than computed: in bfloat16 the angle of a far position would be rounded to nonsense.
        # Rows of the tables of angles: (B, 1, T, D).
        rows = (self._pick(self._op.constant(table.cpu().numpy()), self._positions) for table in (cos, sin))
        self._cos, self._sin = (self._op.unsqueeze(row, self._numbers(1)) for row in rows)

    def model(self) -> Any:
        """The whole graph."""
        op = self._op
        embeddings = self._weight("model.embed_tokens.weight")
        x = self._pick(embeddings, op.convert(self._ids, "i32"))
        for number in range(self._config.num_hidden_layers):
            name = f"model.layers.{number}."
            x = op.add(x, self._attention(self._norm(x, f"{name}input_layernorm.weight"), f"{name}self_attn."))
            inner = self._norm(x, f"{name}post_attention_layernorm.weight")
            gate, up = (self._linear(inner, f"{name}mlp.{one}_proj") for one in ("gate", "up"))
            x = op.add(x, self._linear(op.multiply(op.swish(gate), up), f"{name}mlp.down_proj"))
        x = self._norm(x, "model.norm.weight")
        tied = self._config.tie_word_embeddings
        logits = op.result(op.matmul(x, embeddings if tied else self._weight("lm_head.weight"), False, True))
        logits.output(0).set_names({"logits"})
        inputs = [self._ids, self._mask, self._positions, self._beams]
        return self._ov.Model([logits], self._assigned, inputs)

    def _attention(self, x: Any, name: str) -> Any:
        op = self._op
        query = self._rotated(self._split(x, f"{name}q", self._heads))
        key = self._remembered(self._rotated(self._split(x, f"{name}k", self._groups)), f"{name}key")
        value = self._remembered(self._split(x, f"{name}v", self._groups), f"{name}value")
        seen = op.scaled_dot_product_attention(
            query, self._repeated(key), self._repeated(value), self._float(0.0), causal=True
        )
        joined = op.reshape(op.transpose(seen, self._numbers(0, 2, 1, 3)), self._numbers(0, 0, -1), True)
        return self._linear(joined, f"{name}o_proj")

    def _split(self, x: Any, name: str, heads: int) -> Any:
        """(B, T, hidden) → (B, H, T, D), with a norm of heads if the model has one."""
        op = self._op
        split = op.reshape(self._linear(x, f"{name}_proj"), self._numbers(0, 0, heads, self._size), True)
        norm = f"{name}_norm.weight"
        split = self._norm(split, norm) if norm in self._weights else split
        return op.transpose(split, self._numbers(0, 2, 1, 3))

    def _rotated(self, x: Any) -> Any:
        """Rotary positions, the halves of a head as the two coordinates (transformers' order)."""
        op, half = self._op, self._size // 2
        first = op.slice(x, self._numbers(0), self._numbers(half), self._numbers(1), self._numbers(3))
        second = op.slice(x, self._numbers(half), self._numbers(_LAST), self._numbers(1), self._numbers(3))
        turned = op.concat([op.multiply(second, self._float(-1.0)), first], -1)
        return op.add(op.multiply(x, self._cos), op.multiply(turned, self._sin))

    def _remembered(self, x: Any, name: str) -> Any:
        """Keys or values of this call behind those of earlier ones: (B, H, all tokens, D)."""
        ov, op = self._ov, self._op
        info = ov.op.util.VariableInfo()
        info.data_shape = ov.PartialShape([-1, self._groups, -1, self._size])
        info.data_type, info.variable_id = ov.Type.f32, name
        variable = ov.op.util.Variable(info)
        nothing = op.concat([self._batch, self._numbers(self._groups, 0, self._size)], 0)
        past = op.read_value(op.broadcast(self._float(0.0), nothing), variable)
        joined = op.concat([self._pick(past, self._beams), x], 2)
        self._assigned.append(op.assign(joined, variable))
        return joined

    def _repeated(self, x: Any) -> Any:
        """One head of keys or values for each head of queries."""
        op = self._op
        if self._heads == self._groups:
            return x
        apart = op.unsqueeze(x, self._numbers(2))
        shape = op.shape_of(apart)
        front, back = (self._pick(shape, self._numbers(*which)) for which in ((0, 1), (3, 4)))
        each = op.concat([front, self._numbers(self._heads // self._groups), back], 0)
        wide = op.broadcast(apart, each, "BIDIRECTIONAL")
        return op.reshape(wide, self._numbers(0, self._heads, -1, self._size), True)

    def _norm(self, x: Any, name: str) -> Any:
        """x / √(mean of x² + ε) · weight, over the last axis."""
        op = self._op
        mean = op.reduce_mean(op.power(x, self._float(2.0)), self._numbers(-1), True)
        root = op.sqrt(op.add(mean, self._float(self._config.rms_norm_eps)))
        return op.multiply(op.multiply(x, op.divide(self._float(1.0), root)), self._weight(name))

    def _linear(self, x: Any, name: str) -> Any:
        product = self._op.matmul(x, self._weight(f"{name}.weight"), False, True)
        bias = f"{name}.bias"
        return self._op.add(product, self._weight(bias)) if bias in self._weights else product

    def _weight(self, name: str) -> Any:
        import torch

        tensor = self._weights[name].detach().cpu().contiguous()
        if self._in_8_bits and tensor.ndim > 1:
            matrix = tensor.float()
            scales = matrix.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / _MOST_IN_8_BITS
            whole = (matrix / scales).round().to(torch.int8)
            rows = self._op.convert(self._op.constant(whole.numpy()), "f32")
            return self._op.multiply(rows, self._op.constant(scales.numpy()))
        if tensor.dtype == torch.bfloat16:  # numpy has none
            packed = self._ov.Tensor(tensor.view(torch.uint16).numpy(), list(tensor.shape), self._ov.Type.bf16)
            return self._op.convert(self._op.constant(packed), "f32")
        constant = self._op.constant(tensor.numpy())
        return constant if tensor.dtype == torch.float32 else self._op.convert(constant, "f32")

    def _pick(self, x: Any, rows: Any) -> Any:
        return self._op.gather(x, rows, self._op.constant(0))

    def _input(self, name: str, shape: list[int], kind: Any) -> Any:
        node = self._op.parameter(self._ov.PartialShape(shape), kind, name=name)
        node.output(0).set_names({name})
        return node

    def _numbers(self, *values: int) -> Any:
        return self._op.constant(list(values), self._ov.Type.i64)

    def _float(self, value: float) -> Any:
        return self._op.constant(value, self._ov.Type.f32)
