"""Tokenizer and chat template."""

import numpy as np
import pytest

import azimuth


def test_text_goes_through_ids_and_back(engine):
    tokenizer = engine.tokenizer
    ids = tokenizer.encode("red circle")
    assert ids.dtype == np.int32 and tokenizer.decode(ids) == "red circle"
    assert tokenizer.decode([]) == ""
    assert len(tokenizer) == tokenizer.vocab_size > 400


def test_special_tokens_are_known_and_can_be_text(engine):
    tokenizer = engine.tokenizer
    (end,) = tokenizer.encode("<|im_end|>")
    assert tokenizer.id_to_token(int(end)) == "<|im_end|>" and tokenizer.token_to_id("<|im_end|>") == end
    assert len(tokenizer.encode("<|im_end|>", parse_special=False)) > 1
    assert tokenizer.decode([end], skip_special_tokens=True) == ""
    assert (int(end), "<|im_end|>") in tokenizer.special_tokens
    assert tokenizer.token_to_id("no such token") is None and tokenizer.id_to_token(10**6) is None


def test_a_template_renders_and_shields(engine, pixels):
    messages = [{"role": "user", "content": [{"type": "image", "image": pixels}, {"type": "text", "text": "Hi"}]}]
    text = engine.tokenizer.apply_chat_template(messages)
    assert text == ("<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Hi<|im_end|>\n"
                    "<|im_start|>assistant\n")
    assert engine.tokenizer.apply_chat_template(messages, add_generation_prompt=False).endswith("<|im_end|>\n")


def test_bad_ids_and_messages_are_one_sentence(engine):
    with pytest.raises(azimuth.InvalidArgument, match="whole numbers"):
        engine.tokenizer.decode([0.5])
    with pytest.raises(azimuth.InvalidArgument, match="one dimension"):
        engine.tokenizer.decode([[1, 2]])
    with pytest.raises(azimuth.InvalidArgument, match="at least one message"):
        engine.tokenizer.apply_chat_template([])
