"""Tokenizers and chat templates, as transformers 5.23.0 runs them."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Tuple

import numpy as np
import numpy.typing as npt

from . import _core
from .arrays import as_numpy
from .errors import InvalidArgument
from .request import Messages, Request, to_json


class Tokenizer:
    """The tokenizer of an engine's checkpoint."""

    def __init__(self, engine: _core.Engine) -> None:
        self._engine = engine
        self._info = _core.tokenizer_info(engine)

    def encode(self, text: str, *, add_special_tokens: bool = False, parse_special: bool = True) -> npt.NDArray[np.int32]:
        """Ids (tokens,) int32. ``add_special_tokens``: what the tokenizer itself puts around a text (bos, eos).
        ``parse_special=False``: "<|im_end|>" and the like are text as any other."""
        return _core.encode(self._engine, text, add_special_tokens, parse_special)

    def decode(self, ids: Any, *, skip_special_tokens: bool = False) -> str:
        """Text of ids; those that do not exist are left out."""
        array = as_numpy(ids, "ids")
        if array.ndim > 1 or (array.size and array.dtype.kind not in "iu"):
            raise InvalidArgument(f"ids expected whole numbers in one dimension, found {array.dtype} of shape {array.shape}")
        return _core.decode(self._engine, array.reshape(-1).tolist(), skip_special_tokens)

    def token_to_id(self, token: str) -> Optional[int]:
        """The id of a token as the vocabulary spells it; None where there is none."""
        return _core.token_to_id(self._engine, token)

    def id_to_token(self, id: int) -> Optional[str]:
        return _core.id_to_token(self._engine, id)

    def apply_chat_template(self, messages: Messages, *, add_generation_prompt: bool = True, **kwargs: Any) -> str:
        """The rendered text, with one placeholder for each picture; nothing is opened. ``kwargs``: further variables of
        the template ("tools", "enable_thinking", ...)."""
        request = Request(messages=messages).build()
        return _core.render_chat(self._engine, request.messages, to_json(kwargs, "kwargs") if kwargs else "",
                                 add_generation_prompt)

    @property
    def vocab_size(self) -> int:
        """Added tokens included."""
        return self._info.vocab_size

    @property
    def tokenizer_class(self) -> str:
        """Of transformers, without "Fast"."""
        return self._info.tokenizer_class

    @property
    def special_tokens(self) -> List[Tuple[int, str]]:
        """Ids and texts of the special tokens."""
        return self._info.special_tokens

    @property
    def named_tokens(self) -> Mapping[str, str]:
        """Special tokens by name: "bos_token", "pad_token", "image_token", ..."""
        return dict(self._info.named_tokens)

    @property
    def has_chat_template(self) -> bool:
        return self._info.has_chat_template

    def __len__(self) -> int:
        return self.vocab_size

    def __repr__(self) -> str:
        return f"Tokenizer({self.tokenizer_class}, {self.vocab_size} tokens)"
