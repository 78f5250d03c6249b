"""Tensors of torch wherever arrays go, and features of transformers' tower in place of pictures."""

import os
import pathlib

import numpy as np
import pytest

import azimuth

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[3])
TINY = SOURCE / "models" / "azimuth-tiny"
QUESTION = "What is in the picture?"


@pytest.fixture(scope="module")
def engine():
    with azimuth.Engine.load(TINY, dtype="f32", threads=2) as engine:
        yield engine


@pytest.fixture(scope="module")
def reference():
    model = transformers.AutoModelForImageTextToText.from_pretrained(TINY, dtype=torch.float32, attn_implementation="eager")
    return model.eval(), transformers.AutoProcessor.from_pretrained(TINY)


@pytest.fixture(scope="module")
def inputs(reference):
    parts = [{"type": "image", "image": str(TINY / "demo.png")}, {"type": "text", "text": QUESTION}]
    return reference[1].apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True, tokenize=True,
                                            return_dict=True, return_tensors="pt")


def test_preprocess_is_the_processor(engine, inputs):
    arrays = engine.preprocess(QUESTION, images=[TINY / "demo.png"])
    assert set(inputs) - {"attention_mask"} <= set(arrays)
    np.testing.assert_array_equal(arrays["input_ids"][0], inputs["input_ids"][0])
    np.testing.assert_array_equal(arrays["image_grid_thw"], inputs["image_grid_thw"])
    np.testing.assert_allclose(arrays["pixel_values"], inputs["pixel_values"], atol=2e-6)


def test_tensors_of_a_processor_go_in_as_they_are(engine, reference, inputs):
    given = azimuth.Pixels(inputs["pixel_values"], inputs["image_grid_thw"][0])
    found = engine.forward(ids=inputs["input_ids"], images=[given])
    with torch.no_grad():
        expected = reference[0](**inputs).logits[0].numpy()
    np.testing.assert_allclose(found.logits, expected, rtol=0, atol=2e-4 * expected.std())


def test_features_of_a_tower_in_torch(engine, reference, inputs):
    """What an engine of ids alone cannot be given: features and DeepStack levels of transformers' own tower."""
    with torch.no_grad():
        output = reference[0].model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"], return_dict=True)
        expected = reference[0](**inputs).logits[0].numpy()
        embeddings = reference[0].get_input_embeddings()(inputs["input_ids"])
    features = azimuth.Features(output.pooler_output, output.deepstack_features, inputs["image_grid_thw"][0])
    beside_ids = engine.forward(ids=inputs["input_ids"], images=[features])
    np.testing.assert_allclose(beside_ids.logits, expected, rtol=0, atol=2e-4 * expected.std())
    alone = engine.forward(inputs_embeds=embeddings, images=[features])  # torch's embeddings have the placeholders' bits, too
    np.testing.assert_array_equal(alone.logits, beside_ids.logits)
    (medium,) = engine.encode_images([TINY / "demo.png"], last_hidden_state=True)
    np.testing.assert_allclose(medium.features, output.pooler_output, rtol=0, atol=2e-4 * medium.features.std())
    assert medium.last_hidden_state.shape == tuple(output.last_hidden_state.shape)


def test_dtypes_strides_and_gradients(engine, inputs):
    (medium,) = engine.encode_images([TINY / "demo.png"])
    ids = inputs["input_ids"][0]
    expected = engine.forward(ids=ids, images=[medium])
    rows, levels = torch.tensor(medium.features), [torch.tensor(level) for level in medium.deepstack]
    wide = torch.zeros(len(rows), 2 * rows.shape[1])
    wide[:, ::2] = rows
    for given in (rows, wide[:, ::2], rows.t().contiguous().t(), rows.double()):
        found = engine.forward(ids=ids.int(), images=[azimuth.Features(given, levels, medium.patches)])
        np.testing.assert_array_equal(found.logits, expected.logits)
    for half in (rows.bfloat16(), rows.half()):
        found = engine.forward(ids=ids, images=[azimuth.Features(half, levels, medium.patches)])
        widened = engine.forward(ids=ids, images=[azimuth.Features(half.float(), levels, medium.patches)])
        np.testing.assert_array_equal(found.logits, widened.logits)
    for wrong in (rows.clone().requires_grad_(), rows.to("meta")):
        with pytest.raises(azimuth.InvalidArgument, match="detach|memory"):
            engine.forward(ids=ids, images=[azimuth.Features(wrong, levels, medium.patches)])
    with pytest.raises(azimuth.InvalidArgument, match="complex"):
        engine.forward(inputs_embeds=torch.zeros(2, 192, dtype=torch.complex64))


def test_results_become_tensors(engine, inputs):
    out = engine.forward(ids=inputs["input_ids"][0], images=[TINY / "demo.png"], hidden_states=True)
    logits = torch.from_dlpack(out.logits)
    assert logits.shape == out.logits.shape and logits.data_ptr() == out.logits.ctypes.data
    logits[0] = 0
    assert not out.logits[0].any()
    (score,) = engine.score([{"ids": inputs["input_ids"][0], "images": [TINY / "demo.png"],
                              "completion_ids": torch.tensor([399, 11])}])
    assert torch.from_dlpack(score.logprobs).dtype == torch.float64
