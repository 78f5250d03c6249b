"""What enters in place of pictures and text: pixels, features, ids, embeddings. The numbers behind are the same bits."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import azimuth
from azimuth import Features, Pixels
from conftest import ANSWER, QUESTION, TINY, golden_samples, open_golden
from test_bad_input import OnlyDlpack

GREEDY = {"temperature": 0.0, "max_new_tokens": 32}
# One of each layout of pixels and each way into the decoder.
FAMILIES = ["qwen3_vl_two_images", "qwen2_5_vl_windows_divide", "gemma4_shared_keys", "gemma3_crops",
            "internvl_tiles_thumbnail_v4", "llava_interleaved_siglip", "llava_next_batch_of_tiles", "smolvlm_batch_padded",
            "idefics2_padded_pictures", "mllama_two_tiles"]


@pytest.fixture(scope="module", params=["f32", "bf16", "q8"])
def typed(request):
    """The bundled model in each type of weights."""
    with azimuth.Engine.load(TINY, dtype=request.param, threads=2, feature_cache_bytes=0, prefix_cache_bytes=0) as engine:
        yield engine


def same(found, expected):
    np.testing.assert_array_equal(found.logits, expected.logits)


# ---- features


def test_features_are_the_picture(typed, demo):
    (medium,) = typed.encode_images([demo])
    assert medium.kind == "image" and medium.patches == (1, 8, 8) and medium.grid == (1, 4, 4)
    assert medium.features.shape == (16, 192) and medium.features.dtype == np.float32
    assert [level.shape for level in medium.deepstack] == [(16, 192)]
    picture = typed.generate(QUESTION, images=[demo], **GREEDY)
    copied = Features(medium.features.copy(), [level.copy() for level in medium.deepstack], medium.patches)
    for given in (medium, medium.input, copied):
        answer = typed.generate(QUESTION, images=[given], **GREEDY)
        assert answer.text == picture.text
        np.testing.assert_array_equal(answer.logprobs, picture.logprobs)
        same(typed.forward(QUESTION, images=[given]), typed.forward(QUESTION, images=[demo]))


def test_deepstack_counts(engine, demo):
    (medium,) = engine.encode_images([demo])
    whole = engine.forward(QUESTION, images=[medium])
    silent = Features(medium.features, [np.zeros_like(level) for level in medium.deepstack], medium.patches)
    assert not np.array_equal(engine.forward(QUESTION, images=[silent]).logits, whole.logits)
    with pytest.raises(azimuth.InvalidArgument, match="1 DeepStack level.*found 0|found none"):
        engine.forward(QUESTION, images=[Features(medium.features, (), medium.patches)])


def test_features_stand_wherever_pictures_do(engine, demo):
    (medium,) = engine.encode_images([demo])
    part = [{"type": "image", "image": medium}, {"type": "text", "text": QUESTION}]
    messages = [{"role": "user", "content": part}]
    assert engine.generate(messages, **GREEDY).text == ANSWER
    prompt = engine.tokenizer.apply_chat_template(messages)
    assert engine.generate(prompt=prompt, images=[medium], **GREEDY).text == ANSWER
    assert engine.session().ask(QUESTION, [medium], **GREEDY).text == ANSWER
    assert [answer.text for answer in engine.generate([QUESTION, QUESTION], images=[medium], **GREEDY)] == [ANSWER] * 2
    assert "".join(engine.generate(QUESTION, images=[medium], stream=True, **GREEDY)) == ANSWER
    report = engine.positions(QUESTION, images=[medium])
    np.testing.assert_array_equal(report.ids, engine.positions(QUESTION, images=[demo]).ids)
    assert engine.lint(QUESTION, images=[medium]).tokens == len(report.token_ids)
    attention = [engine.attend(QUESTION, images=[given]).queries[0].layers[3].mean for given in (medium, demo)]
    np.testing.assert_array_equal(*attention)
    with pytest.raises(azimuth.InvalidArgument, match="forward"):
        engine.trace(QUESTION, images=[medium])


def test_features_beside_pictures(engine, demo, pixels):
    turned = np.ascontiguousarray(pixels[:, ::-1])
    (medium,) = engine.encode_images([turned])
    expected = engine.forward("Compare them.", images=[demo, turned, demo])
    same(engine.forward("Compare them.", images=[demo, medium, demo]), expected)


def test_features_from_a_file(engine, demo, tmp_path):
    (medium,) = engine.encode_images([demo], last_hidden_state=True)
    engine.save_features(medium, tmp_path / "picture.safetensors")
    read = azimuth.load_features(tmp_path / "picture.safetensors")
    assert read.grid == medium.patches and not read.video
    np.testing.assert_array_equal(read.rows, medium.features)
    np.testing.assert_array_equal(read.deepstack[0], medium.deepstack[0])
    same(engine.forward(QUESTION, images=[read]), engine.forward(QUESTION, images=[demo]))
    engine.save_features(medium, tmp_path / "picture.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "picture.npy"), medium.features)
    rows = azimuth.load_features(tmp_path / "picture.npy").rows
    np.testing.assert_array_equal(rows, medium.features)
    np.save(tmp_path / "half.npy", medium.features.astype(np.float16))
    np.testing.assert_array_equal(azimuth.load_features(tmp_path / "half.npy").rows, medium.features.astype(np.float16))
    with pytest.raises(azimuth.NotFound, match="none.npy"):
        azimuth.load_features(tmp_path / "none.npy")
    (tmp_path / "other.txt").write_text("features")
    with pytest.raises(azimuth.Error, match="other.txt"):
        azimuth.load_features(tmp_path / "other.txt")
    with pytest.raises(azimuth.InvalidArgument, match="safetensors"):
        engine.save_features(medium, tmp_path / "picture.txt")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "picture.npy").read_bytes()[:300])
    with pytest.raises(azimuth.Error):
        azimuth.load_features(tmp_path / "cut.npy")


def test_videos_are_features_too(engine, pixels):
    frames = [pixels, np.ascontiguousarray(pixels[::-1])] * 2
    (medium,) = engine.encode_images(videos=[frames])
    assert medium.kind == "video" and medium.patches[0] == 2
    rows = medium.features
    expected = engine.forward("What moves?", videos=[frames])
    ids = engine.preprocess("What moves?", videos=[frames])["input_ids"][0]
    same(engine.forward(ids=ids, videos=[medium]), expected)
    copied = Features(rows, medium.deepstack, medium.patches, video=True)
    same(engine.forward(ids=ids, videos=[copied]), expected)
    both = engine.encode_images([pixels], videos=[frames])
    assert [each.kind for each in both] == ["image", "video"]
    again = engine.encode_images([medium, pixels])
    assert [each.kind for each in again] == ["image", "video"]
    np.testing.assert_array_equal(again[1].features, rows)
    with pytest.raises(azimuth.InvalidArgument, match="given twice"):
        engine.encode_images([pixels], images=[pixels])


@pytest.mark.parametrize("name", FAMILIES)
def test_features_of_every_family(name):
    with open_golden(name) as engine:
        for sample in golden_samples(name):
            expected = engine.forward(sample)
            media = engine.encode_images(sample)
            ids = engine.preprocess(sample)["input_ids"][0]
            assert all(medium.features.shape[1] == engine.info.hidden for medium in media)
            kwargs = sample.processor_kwargs
            same(engine.forward(ids=ids, images=media, processor_kwargs=kwargs), expected)


# ---- pixels


def pictures_of(arrays):
    """A processor's arrays of one sample, cut as trainers cut them."""
    pixels = arrays.get("pixel_values")
    if pixels is None:
        return []
    if "image_grid_thw" in arrays:
        ends = np.cumsum(arrays["image_grid_thw"].prod(axis=1))
        return [Pixels(pixel_values=part, image_grid_thw=grid)
                for part, grid in zip(np.split(pixels, ends[:-1]), arrays["image_grid_thw"])]
    if "image_position_ids" in arrays:
        return [Pixels(pixel_values=part, image_position_ids=places)
                for part, places in zip(pixels, arrays["image_position_ids"])]
    if "image_sizes" in arrays:
        return [Pixels(pixel_values=part, image_sizes=size) for part, size in zip(pixels, arrays["image_sizes"])]
    if "aspect_ratio_ids" in arrays:
        tiles = arrays["aspect_ratio_mask"][0].sum(axis=1)
        return [Pixels(pixel_values=part[:count], aspect_ratio_ids=ratio)
                for part, count, ratio in zip(pixels[0], tiles, arrays["aspect_ratio_ids"][0])]
    if "pixel_attention_mask" in arrays:
        return [Pixels(pixel_values=pixels[0], pixel_attention_mask=arrays["pixel_attention_mask"][0].astype(np.int64))]
    return [Pixels(pixel_values=pixels)]


@pytest.mark.parametrize("name", FAMILIES)
def test_arrays_of_a_processor_come_back(name):
    with open_golden(name) as engine:
        for sample in golden_samples(name):
            arrays = engine.preprocess(sample)
            given = azimuth.Request(ids=arrays["input_ids"][0], images=pictures_of(arrays),
                                    processor_kwargs=sample.processor_kwargs)
            same(engine.forward(given), engine.forward(sample))


def videos_of(arrays):
    pixels = arrays["pixel_values_videos"]
    if "video_position_ids" in arrays:  # of one video
        return [Pixels(pixel_values_videos=pixels, video_position_ids=arrays["video_position_ids"])]
    ends = np.cumsum(arrays["video_grid_thw"].prod(axis=1))
    seconds = arrays.get("second_per_grid_ts", [None] * len(ends))
    return [Pixels(pixel_values_videos=part, video_grid_thw=grid, second_per_grid_ts=second)
            for part, grid, second in zip(np.split(pixels, ends[:-1]), arrays["video_grid_thw"], seconds)]


@pytest.mark.parametrize("name", ["qwen2_5_vl_video_seconds_tf5", "qwen3_vl_video_timestamps", "qwen3_5_image_and_video",
                                  "gemma4_frames_and_image"])
def test_arrays_of_videos_come_back(name):
    with open_golden(name) as engine:
        for sample in golden_samples(name):
            arrays, expected = engine.preprocess(sample), engine.forward(sample)
            given = azimuth.Request(ids=arrays["input_ids"][0], images=pictures_of(arrays), videos=videos_of(arrays))
            same(engine.forward(given), expected)
            media = engine.encode_images(given)
            images = [medium for medium in media if medium.kind == "image"]
            features = azimuth.Request(ids=arrays["input_ids"][0], images=images, videos=media[len(images):])
            same(engine.forward(features), expected)


def test_rows_and_columns_of_tiles_write_the_prompt():
    """Ovis2's prompt names them: features know theirs, pixels are told."""
    with open_golden("ovis2_closest_ratio_two") as engine:
        (sample,) = golden_samples("ovis2_closest_ratio_two")
        arrays, expected = engine.preprocess(sample), engine.forward(sample)
        media = iter(engine.encode_images(sample))
        messages = [{**message, "content": [{"type": "image", "image": next(media)} if part["type"] == "image" else part
                                            for part in message["content"]]} for message in sample.messages]
        same(engine.forward(messages), expected)
        count = len(arrays["pixel_values"])
        wrong = Pixels(pixel_values=arrays["pixel_values"], tile_rows=count, tile_columns=count)
        with pytest.raises(azimuth.InvalidArgument, match=f"{count}"):
            engine.forward("What is it?", images=[wrong])


def test_pixels_of_any_type_and_stride(engine, demo):
    arrays = engine.preprocess(QUESTION, images=[demo])
    rows, grid = arrays["pixel_values"], arrays["image_grid_thw"][0]
    expected = engine.forward(QUESTION, images=[demo])
    wide = np.zeros((2 * len(rows), rows.shape[1]), np.float32)
    wide[::2] = rows
    for given in (rows, wide[::2], np.asfortranarray(rows), rows.astype(np.float64), rows.tolist(), OnlyDlpack(rows.copy())):
        same(engine.forward(QUESTION, images=[Pixels(pixel_values=given, image_grid_thw=grid)]), expected)
    for sizes in (grid.tolist(), tuple(grid), grid[None], grid.astype(np.int32)):
        same(engine.forward(QUESTION, images=[Pixels(pixel_values=rows, image_grid_thw=sizes)]), expected)


# ---- ids and embeddings


def test_ids_are_the_messages(typed, demo):
    ids = typed.preprocess(QUESTION, images=[demo])["input_ids"][0]
    expected = typed.generate(QUESTION, images=[demo], **GREEDY)
    for given in (ids, ids.tolist(), tuple(ids), ids.astype(np.int64), ids[None], OnlyDlpack(ids.copy()), ids[::-1][::-1]):
        answer = typed.generate(ids=given, images=[demo], **GREEDY)
        np.testing.assert_array_equal(answer.logprobs, expected.logprobs)
        assert answer.text == expected.text
    assert typed.positions(ids=ids, images=[demo]).token_ids.tolist() == ids.tolist()


def test_embeddings_are_the_ids(typed, demo):
    """Placeholders are found in embeddings alone, because their rows are what embed_tokens gives, bit for bit."""
    ids = typed.preprocess(QUESTION, images=[demo])["input_ids"][0]
    expected = typed.forward(QUESTION, images=[demo])
    rows = typed.embed_tokens(ids)
    assert rows.shape == (len(ids), 192) and rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.concatenate([typed.embed_tokens([each]) for each in ids]))
    (medium,) = typed.encode_images([demo])
    same(typed.forward(inputs_embeds=rows, images=[medium]), expected)
    same(typed.forward(inputs_embeds=rows[None], images=[demo]), expected)
    same(typed.forward(inputs_embeds=rows, ids=ids, images=[medium]), expected)
    same(typed.forward(inputs_embeds=np.asfortranarray(rows), images=[medium]), expected)
    with pytest.raises(azimuth.InvalidArgument, match="0 image placeholders|no placeholder|16"):
        typed.forward(inputs_embeds=rows + np.float32(1e-6), images=[medium])


def test_embeddings_without_media_run_as_they_are(engine):
    ids = engine.tokenizer.encode("red circle, blue square")
    expected = engine.forward(ids=ids)
    same(engine.forward(inputs_embeds=engine.embed_tokens(ids)), expected)
    moved = engine.embed_tokens(ids)
    moved[1] += 0.5
    found = engine.forward(inputs_embeds=moved)
    np.testing.assert_array_equal(found.logits[0], expected.logits[0])
    assert not np.array_equal(found.logits[1], expected.logits[1])


# ---- the example of the document that asked for injection


class TestSeed002:
    """A grid of [1, 18, 24]: 432 patches of the tower, 108 features behind its merger, a prompt of 126 tokens."""

    GRID = (1, 18, 24)

    @pytest.fixture(params=["f32", "bf16", "q8"])
    def engine(self, request):
        with open_golden("qwen3_vl_two_images", request.param) as engine:
            yield engine

    @pytest.fixture
    def picture(self):
        values = np.random.default_rng(2).uniform(-1, 1, (432, 324)).astype(np.float32)
        return Pixels(pixel_values=values, image_grid_thw=self.GRID)

    def prompt(self, engine):
        named = [engine.tokenizer.token_to_id(name) for name in ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>")]
        return [*range(60, 67), named[0], *[named[1]] * 108, named[2], *range(70, 79)]

    def test_432_patches_become_108_features(self, engine, picture):
        (medium,) = engine.encode_images([picture], last_hidden_state=True)
        assert medium.patches == (1, 18, 24) and medium.grid == (1, 9, 12)
        assert medium.last_hidden_state.shape == (432, engine.info.tower_hidden)
        assert medium.features.shape == (108, engine.info.hidden)
        assert [level.shape for level in medium.deepstack] == [(108, engine.info.hidden)] * 2

    def test_injected_features_are_the_picture_in_a_prompt_of_126_tokens(self, engine, picture):
        ids = self.prompt(engine)
        assert len(ids) == 126
        expected = engine.forward(ids=ids, images=[picture])
        assert expected.logits.shape == (126, engine.info.vocab)
        (medium,) = engine.encode_images([picture])
        injected = Features(medium.features, medium.deepstack, self.GRID)
        same(engine.forward(ids=ids, images=[injected]), expected)
        rows = engine.embed_tokens(ids)
        same(engine.forward(inputs_embeds=rows, images=[injected]), expected)
        answers = [engine.generate(ids=ids, images=[given], max_new_tokens=4, temperature=0.0, ignore_eos=True)
                   for given in (picture, injected)]
        np.testing.assert_array_equal(answers[0].logprobs, answers[1].logprobs)
        rows[8:116] = medium.features  # as the document does it, where DeepStack is left out: another prompt
        assert not np.array_equal(engine.forward(inputs_embeds=rows).logits, expected.logits)

    def test_counts_that_do_not_add_up(self, engine, picture):
        ids = self.prompt(engine)
        with pytest.raises(azimuth.InvalidArgument, match="107 image placeholders.*108 features"):
            engine.forward(ids=ids[:20] + ids[21:], images=[picture])
        with pytest.raises(azimuth.InvalidArgument, match="432 .*396"):
            engine.forward(ids=ids, images=[Pixels(picture.pixel_values, (1, 18, 22))])


# ---- what is refused


def spoiled(array, value):
    array = array.copy()
    array[3, 5] = value
    return array


@pytest.mark.parametrize("change, sentence", [
    (lambda f: Features(f.rows[:15], f.deepstack, f.grid), r"\[15, 192\].*\[16, 192\]|15 .*16"),
    (lambda f: Features(f.rows.T, f.deepstack, f.grid), r"\[192, 16\]"),
    (lambda f: Features(f.rows[:, :100], f.deepstack, f.grid), r"192.*\[16, 100\]"),
    (lambda f: Features(f.rows[None], f.deepstack, f.grid), r"\[1, 16, 192\]"),
    (lambda f: Features(f.rows[:0], f.deepstack, f.grid), r"\[0, 192\]"),
    (lambda f: Features(f.rows, [f.deepstack[0][:3]], f.grid), r"\[3, 192\]"),
    (lambda f: Features(f.rows, [*f.deepstack] * 2, f.grid), "1 DeepStack level.*found 2"),
    (lambda f: Features(f.rows, f.deepstack), "expected a grid"),
    (lambda f: Features(f.rows, f.deepstack, (1, 8)), "three numbers.*found 2"),
    (lambda f: Features(f.rows, f.deepstack, (1, 8, 6)), "16 .*12|12 .*16"),
    (lambda f: Features(f.rows, f.deepstack, (1, -8, 8)), "-8"),
    (lambda f: Features(f.rows, f.deepstack, (1.0, 8.0, 8.0)), "whole numbers, found float64"),
    (lambda f: Features(spoiled(f.rows, np.nan), f.deepstack, f.grid), "NaN"),
    (lambda f: Features(spoiled(f.rows, np.inf), f.deepstack, f.grid), "infinity"),
    (lambda f: Features(f.rows, [spoiled(f.deepstack[0], np.nan)], f.grid), "NaN"),
    (lambda f: Features(f.rows.astype(complex), f.deepstack, f.grid), "complex128"),
    (lambda f: Features("rows", f.deepstack, f.grid), "numbers"),
    (lambda f: Features([[1, 2], [3]], f.deepstack, f.grid), "numbers"),
    (lambda f: Features(object(), f.deepstack, f.grid), "numbers"),
    (lambda f: Features(None, f.deepstack, f.grid), "numbers"),
    (lambda f: Features(f.rows, f.deepstack, f.grid, image_size=(3,)), r"two numbers \(height, width\), found 1"),
])
def test_wrong_features(engine, demo, change, sentence):
    (medium,) = engine.encode_images([demo])
    good = Features(medium.features, medium.deepstack, medium.patches)
    with pytest.raises(azimuth.InvalidArgument, match=sentence):
        engine.generate(QUESTION, images=[change(good)], **GREEDY)


@pytest.mark.parametrize("fields, sentence", [
    ({}, "neither"),
    ({"pixel_values": np.zeros((64, 864)), "pixel_values_videos": np.zeros((64, 864))}, "both"),
    ({"pixel_values": np.zeros((64, 864))}, "expected a grid"),
    ({"pixel_values": np.zeros((63, 864)), "image_grid_thw": (1, 8, 8)}, "63.*64|64.*63"),
    ({"pixel_values": np.zeros((64, 863)), "image_grid_thw": (1, 8, 8)}, r"864.*\[64, 863\]"),
    ({"pixel_values": np.zeros((3, 96, 96)), "image_grid_thw": (1, 8, 8)}, r"\[3, 96, 96\]"),
    ({"pixel_values": np.full((64, 864), np.nan), "image_grid_thw": (1, 8, 8)}, "NaN"),
    ({"pixel_values": np.zeros((64, 864)), "image_grid_thw": (1, 8, 8.5)}, "whole numbers"),
    ({"pixel_values": np.zeros((64, 864)), "image_grid_thw": (0, 8, 8)}, "0 x 8 x 8"),
    ({"pixel_values": np.zeros((64, 864)), "image_grid_thw": (2**40, 2**40, 8)}, "grid"),
    ({"pixel_values": np.zeros((49, 864)), "image_grid_thw": (1, 7, 7)}, "7"),
    ({"pixel_values": np.zeros((64, 864)), "image_grid_thw": (1, 8, 8), "image_sizes": (1, 2, 3)}, "two numbers"),
    ({"pixel_values": np.zeros((64, 864)), "image_grid_thw": (1, 8, 8), "second_per_grid_ts": (1, 2)}, "one number"),
    ({"pixel_values": np.zeros((64, 864)), "image_position_ids": np.zeros((64, 2))}, "whole numbers, found float64"),
    ({"pixel_values": "pixels", "image_grid_thw": (1, 8, 8)}, "numbers"),
])
def test_wrong_pixels(engine, fields, sentence):
    with pytest.raises(azimuth.InvalidArgument, match=sentence):
        engine.forward(QUESTION, images=[Pixels(**fields)])


@pytest.mark.parametrize("ids, sentence", [
    ([], "at least one"), ([60, -3], "-3.*token 1|token 1.*-3"), ([60, 100000], "100000"), ([60, 2**40], r"2\^31"),
    ([1.5], "whole numbers"), (["a"], "numbers"), ([[1, 2], [3, 4]], r"\(2, 2\)"), (np.zeros(()), r"\(tokens,\)"),
    ("text", "numbers"), ([True], "bool"), ([None], "numbers"), (np.zeros((0,)), "whole"),
])
def test_wrong_ids(engine, ids, sentence):
    with pytest.raises(azimuth.Error, match=sentence):
        engine.generate(ids=ids, **GREEDY)
    with pytest.raises(azimuth.Error):
        engine.embed_tokens(ids if isinstance(ids, str) or len(np.shape(ids)) == 0 or len(ids) else [-1])


def test_counts_that_do_not_add_up_name_both_numbers(engine, demo):
    ids = engine.preprocess(QUESTION, images=[demo])["input_ids"][0]
    (medium,) = engine.encode_images([demo])
    with pytest.raises(azimuth.InvalidArgument, match="15 image placeholders.*16 features"):
        engine.generate(ids=np.delete(ids, 5), images=[medium], **GREEDY)
    with pytest.raises(azimuth.InvalidArgument, match="16 image placeholders.*no images"):
        engine.generate(ids=ids, **GREEDY)
    with pytest.raises(azimuth.InvalidArgument, match="image"):
        engine.generate(ids=ids, videos=[Features(medium.features, medium.deepstack, medium.patches, video=True)])
    with pytest.raises(azimuth.InvalidArgument, match="16.*32|2 images"):
        engine.generate(ids=ids, images=[medium, demo], **GREEDY)
    with pytest.raises(azimuth.InvalidArgument, match="two of them"):
        engine.generate("hello", ids=ids)
    with pytest.raises(azimuth.InvalidArgument):
        engine.generate(ids=ids, prompt="hello")
    with pytest.raises(azimuth.InvalidArgument, match="31 tokens|31.*32"):
        engine.forward(ids=ids, inputs_embeds=engine.embed_tokens(ids[:31]), images=[medium])


@pytest.mark.parametrize("rows, sentence", [
    (np.zeros((2, 3)), r"\[tokens, 192\].*\[2, 3\]"), (np.zeros((0, 192)), r"\(0, 192\)"), (np.zeros(192), r"\[192\]"),
    (np.zeros((2, 3, 192)), r"\[2, 3, 192\]"), (np.full((2, 192), np.nan), "NaN"), (np.full((2, 192), np.inf), "infinity"),
    ("rows", "numbers"), (np.zeros((2, 192), complex), "complex"), (object(), "numbers"),
])
def test_wrong_embeddings(engine, rows, sentence):
    with pytest.raises(azimuth.InvalidArgument, match=sentence):
        engine.forward(inputs_embeds=rows)


def test_wrong_pictures_to_encode(engine, demo):
    for given in (demo, TINY / "demo.png", 3, np.zeros((8, 8, 3), np.uint8)):
        with pytest.raises(azimuth.InvalidArgument, match=r"write \[x\]"):
            engine.encode_images(given)
    with pytest.raises(azimuth.Error):
        engine.encode_images([3])
    with pytest.raises(azimuth.NotFound, match="no_such.png"):
        engine.encode_images(["no_such.png"])
    with pytest.raises(TypeError, match="function"):
        engine.encode_images([demo], progress=3)
    with pytest.raises(TypeError):
        engine.encode_images([demo], no_such=3)
    assert engine.encode_images([]) == [] == engine.encode_images(messages=[{"role": "user", "content": "hello"}])


def test_features_of_another_model(engine, demo):
    with open_golden("qwen3_vl_two_images") as other:
        (medium,) = other.encode_images([demo])
    with pytest.raises(azimuth.InvalidArgument, match="192"):
        engine.generate(QUESTION, images=[medium], **GREEDY)


def test_a_model_without_a_tower_takes_no_pictures(demo):
    with open_golden("qwen3_tied") as text:
        with pytest.raises(azimuth.Error):
            text.encode_images([demo])
        with pytest.raises(azimuth.Error):
            text.forward(ids=[60, 61], images=[Features(np.zeros((1, text.info.hidden), np.float32))])


def test_progress_and_hooks_of_encoding(engine, demo):
    fractions, stages = [], []
    hooks = azimuth.Hooks(on_read=lambda tap: stages.append(tap.stage))
    engine.encode_images([demo, demo], progress=fractions.append, hooks=hooks)
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert {"pixels", "tower_layer", "tower_output", "features", "deepstack"} <= set(stages)

    def double(tap):
        if tap.stage == "features":
            tap.values *= 2

    (plain,), (doubled,) = engine.encode_images([demo]), engine.encode_images([demo], hooks=azimuth.Hooks(on_write=double))
    np.testing.assert_array_equal(doubled.features, 2 * plain.features)
    error = KeyError("mine")

    def fails(tap):
        raise error

    with pytest.raises(KeyError) as caught:
        engine.encode_images([demo], hooks=azimuth.Hooks(on_read=fails))
    assert caught.value is error
    with pytest.raises(KeyError):
        engine.encode_images([demo], progress=fails)


def test_what_was_given_may_change_and_what_came_out_stays(engine, demo):
    (medium,) = engine.encode_images([demo])
    rows = medium.features.copy()
    given = Features(rows, medium.deepstack, medium.patches)
    request = azimuth.Request(messages=[{"role": "user", "content": [{"type": "image", "image": given}]}])
    expected = engine.forward(request)
    kept = medium.features
    del medium
    np.testing.assert_array_equal(kept, rows)
    assert not kept.flags.writeable
    rows[:] = 0
    assert not np.array_equal(engine.forward(request).logits, expected.logits)


def test_no_other_library_is_imported():
    program = f"""
        import sys
        for name in ("torch", "transformers", "safetensors"):
            sys.modules[name] = None  # importing it raises
        import azimuth
        engine = azimuth.Engine.load({str(TINY)!r}, dtype="f32", threads=1)
        (medium,) = engine.encode_images([{str(TINY / "demo.png")!r}])
        features = azimuth.Features(medium.features, medium.deepstack, medium.patches)
        print(engine.generate({QUESTION!r}, images=[features], temperature=0.0))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True)
    assert result.stdout == ANSWER + "\n", result.stdout + result.stderr
