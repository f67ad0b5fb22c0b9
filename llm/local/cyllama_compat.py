"""The only file that knows cyllama: one small face over 0.2 (Python 3.11) and 0.7 (Python 3.12 and newer)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..providers.base import ConfigProblem, NoAbility
from .extra import runtime

_Q8_0 = 7
"""llama.cpp's file type: 8-bit blocks of 32 weights."""

_SENTENCEPIECE = 1
"""llama.cpp's vocabulary type of models whose tokenizer puts a blank before every text."""

_quiet = threading.Lock()


def _llama() -> Any:
    module = runtime("cyllama.llama.llama_cpp")
    with _quiet:
        module.disable_logging()
        module.ggml_backend_load_all()
    return module


@dataclass(frozen=True, slots=True)
class Step:
    """One token to decode: its position, the sequences it belongs to, whether its next-token distribution is wanted."""

    token: int
    position: int
    sequences: Sequence[int]
    wanted: bool = False


class Weights:
    """A model file in memory, shared by every context on it; read-only, so threads may share it."""

    def __init__(self, path: Path) -> None:
        llama = _llama()
        params = llama.LlamaModelParams()
        params.n_gpu_layers = 0
        try:
            self.model = _model_class(llama)(str(path), params)
        except Exception as error:
            raise ConfigProblem(f"{path} cannot be read as a GGUF model ({error})\n  give another file") from error
        self._vocab = self.model.get_vocab()
        self.size: int = self._vocab.n_vocab
        """Number of tokens in the vocabulary."""

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text that continues another: no token is added and special tokens are read as plain text."""
        if not text:
            return []
        if self._vocab.vocab_type != _SENTENCEPIECE:
            return list(self._vocab.tokenize(text, False, False))
        # These tokenizers put a blank before whatever they are given; a line break in front takes it, and is cut off.
        lead = list(self._vocab.tokenize("\n", False, False))
        return list(self._vocab.tokenize("\n" + text, False, False))[len(lead) :]

    def start(self) -> list[int]:
        """The token(s) before a text: the model's beginning of sequence where it wants one, else nothing."""
        return [self._vocab.token_bos()] if self._vocab.get_add_bos() else []

    def line_break(self) -> list[int]:
        return list(self._vocab.tokenize("\n", False, False))

    def control_texts(self) -> list[str]:
        """How the model's control tokens are spelt, for example `<|im_start|>`."""
        texts = (self._vocab.get_text(i) for i in range(self.size) if self._vocab.is_control(i))
        return sorted({text for text in texts if len(text) > 1}, key=len, reverse=True)

    def scorable(self) -> bool:
        """Whether sequences can share a beginning in its memory: attention only."""
        return not (self.model.is_recurrent() or self.model.is_hybrid())

    def close(self) -> None:
        self.model.close()


class Context:
    """A memory of keys and values over shared weights. One thread at a time; one processor thread inside."""

    def __init__(self, weights: Weights, cells: int, batch: int, sequences: int) -> None:
        if not weights.scorable():
            raise NoAbility("log-likelihoods need a model with attention memory only; this one is recurrent")
        llama = _llama()
        params = llama.LlamaContextParams()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = cells, batch, batch, sequences
        params.n_threads = params.n_threads_batch = 1
        params.kv_unified = params.no_perf = True
        self._context = llama.LlamaContext(weights.model, params, False)
        self._batch = llama.LlamaBatch(n_tokens=batch, embd=0, n_seq_max=sequences)

    def cut(self, length: int) -> None:
        """Forget every sequence but the first, and of the first all from position `length` on."""
        if length:
            self._context.memory_seq_rm(0, length, -1)
            self._context.memory_seq_keep(0)
        else:
            self._context.kv_cache_clear(False)

    def branch(self, sequences: int) -> None:
        """Let sequences 1 .. `sequences` - 1 begin with what sequence 0 holds."""
        for sequence in range(1, sequences):
            self._context.memory_seq_cp(0, sequence, -1, -1)

    def decode(self, steps: Sequence[Step]) -> None:
        """Run one batch; afterwards `log_probs(i)` answers for the wanted steps."""
        self._batch.reset()
        for step in steps:
            self._batch.add(step.token, step.position, list(step.sequences), step.wanted)
        self._context.decode(self._batch)

    def log_probs(self, index: int) -> npt.NDArray[np.float64]:
        """Log-probabilities (nats) of all next tokens after step `index` of the last batch."""
        logits = np.array(self._context.get_logits_ith(index), dtype=np.float64)
        logits -= logits.max()
        logits -= np.log(np.exp(logits).sum())
        return logits

    def close(self) -> None:
        self._batch.close()
        self._context.close()


def write_as_q8_0(source: Path, target: Path) -> None:
    """Write a model file again with 8-bit weights."""
    llama = _llama()
    params = llama.LlamaModelQuantizeParams()
    params.ftype, params.allow_requantize, params.nthread = _Q8_0, True, 1
    llama.model_quantize(str(source), str(target), params)


def _model_class(llama: Any) -> Any:
    """0.2 reads `model.n_vocab`, which its own class lacks, whenever logits are asked for."""
    if hasattr(llama.LlamaModel, "n_vocab"):
        return llama.LlamaModel

    class LlamaModel(llama.LlamaModel):
        @property
        def n_vocab(self) -> int:
            return self.get_vocab().n_vocab

    return LlamaModel
