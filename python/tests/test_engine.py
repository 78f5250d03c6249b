"""Engines, answers, conversations."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

import azimuth
from conftest import ANSWER, QUESTION, TINY, TWO_IMAGES

GREEDY = {"temperature": 0.0, "max_new_tokens": 32}


def test_info_describes_the_model(engine):
    info = engine.info
    assert (info.model_type, info.dtype, info.layers, info.hidden, info.has_vision) == ("qwen3_vl", "f32", 4, 192, True)
    assert info.threads == 2 and info.directory == str(TINY)


def test_an_answer_and_its_numbers(engine, demo):
    answer = engine.generate(QUESTION, images=[demo], **GREEDY)
    assert answer.text == str(answer) == ANSWER
    assert answer.finish == "end_of_text"
    assert answer.ids.dtype == np.int32 and answer.logprobs.dtype == np.float64
    assert answer.ids.shape == answer.logprobs.shape == answer.entropies.shape
    assert (answer.logprobs <= 0).all() and (answer.entropies >= 0).all()
    assert answer.steps == len(answer.ids) + 1
    assert [stage.name for stage in answer.stages] == ["preprocess", "vision", "prefill", "decode"]
    assert engine.tokenizer.decode(answer.ids) == ANSWER


def test_every_form_of_a_picture_is_the_same_picture(engine, demo, pixels):
    with open(demo, "rb") as file:
        content = file.read()
    forms = [demo, TINY / "demo.png", content, Image.open(io.BytesIO(content)), pixels, pixels[:, ::-1][:, ::-1]]
    answers = [engine.generate(QUESTION, images=[form], **GREEDY) for form in forms]
    for answer in answers[1:]:
        assert answer.text == ANSWER
        np.testing.assert_array_equal(answer.logprobs, answers[0].logprobs)


def test_pil_pictures_are_turned_upright_as_files_are(engine, tmp_path, pixels):
    turned = Image.fromarray(pixels[:, :48])
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    turned.save(path, exif=exif)
    from_file = engine.positions(QUESTION, images=[path])
    from_object = engine.positions(QUESTION, images=[Image.open(path)])
    assert from_file.media[0].original_width == from_object.media[0].original_width == turned.height


def test_messages_with_pictures_anywhere(engine, pixels):
    messages = [{"role": "user", "content": [{"type": "image", "image": pixels}, {"type": "text", "text": QUESTION}]}]
    assert engine.generate(messages, **GREEDY).text == ANSWER
    assert engine.generate(messages=messages, **GREEDY).text == ANSWER
    assert engine.generate(azimuth.Request(messages=messages), **GREEDY).text == ANSWER


def test_a_rendered_prompt(engine, demo):
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    messages[0]["content"][0]["image"] = demo
    text = engine.tokenizer.apply_chat_template(messages)
    assert engine.generate(prompt=text, images=[demo], **GREEDY).text == ANSWER


def test_videos_as_arrays_and_lists(engine, pixels):
    frames = np.stack([pixels] * 4)
    as_array = engine.positions("What moves?", videos=[frames])
    as_list = engine.positions("What moves?", videos=[list(frames)])
    assert [span.kind for span in as_array.spans if span.kind != "text"]
    np.testing.assert_array_equal(as_array.ids, as_list.ids)


def test_a_stream_gives_the_same_text(engine, demo):
    with engine.generate(QUESTION, images=[demo], stream=True, **GREEDY) as stream:
        with pytest.raises(azimuth.InvalidArgument, match="read to its end"):
            stream.generation
        pieces = list(stream)
    assert len(pieces) > 3 and "".join(pieces) == ANSWER
    assert stream.generation.text == ANSWER


def test_a_stream_that_is_left_frees_its_session(engine, demo):
    session = engine.session()
    stream = session.generate(QUESTION, images=[demo], stream=True, **GREEDY)
    next(stream)
    stream.close()
    assert list(stream) == []
    assert session.generate(QUESTION, images=[demo], **GREEDY).text == ANSWER
    stream = session.generate(QUESTION, images=[demo], stream=True, **GREEDY)
    next(stream)
    del stream
    assert session.generate(QUESTION, images=[demo], **GREEDY).text == ANSWER


def test_a_batch_answers_as_single_calls_do(engine, demo):
    questions = [QUESTION, "How many shapes are there?", [{"role": "user", "content": "hello"}]]
    batch = engine.generate(questions[:2], images=[demo], **GREEDY) + engine.generate([questions[2]], **GREEDY)
    single = [engine.generate(each, images=[demo], **GREEDY) for each in questions[:2]]
    single.append(engine.generate(questions[2], **GREEDY))
    assert [each.text for each in batch] == [each.text for each in single]
    for one, other in zip(batch, single):
        np.testing.assert_array_equal(one.logprobs, other.logprobs)


def test_stop_texts_and_ids_end_an_answer(engine, demo):
    answer = engine.generate(QUESTION, images=[demo], stop="blue", **GREEDY)
    assert answer.text == "red circle, " and answer.finish == "stop"
    assert engine.generate(QUESTION, images=[demo], stop=["square", "circle"], **GREEDY).text == "red "
    whole = engine.generate(QUESTION, images=[demo], **GREEDY)
    ended = engine.generate(QUESTION, images=[demo], stop_ids=whole.ids[2:3], **GREEDY)
    np.testing.assert_array_equal(ended.ids, whole.ids[:2])
    assert engine.generate(QUESTION, images=[demo], temperature=0.0, max_new_tokens=3).finish == "length"


def test_a_seed_repeats_a_sample(engine, demo):
    options = {"temperature": 3.0, "max_new_tokens": 24, "ignore_eos": True}
    first, again, other = (engine.generate(QUESTION, images=[demo], seed=seed, **options) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.ids, again.ids)
    assert first.text != other.text


def test_a_conversation_remembers(engine, demo):
    session = engine.session(system="Answer shortly.")
    assert session.ask(QUESTION, [demo], **GREEDY).cached_tokens == 0
    second = session.ask("How many shapes are there?", **GREEDY)
    assert second.cached_tokens > 20 and second.cached_images == 1
    assert [message["role"] for message in session.messages] == ["system", "user", "assistant", "user", "assistant"]
    fresh = engine.generate(session.messages[:-1], **GREEDY)
    assert fresh.text == second.text
    np.testing.assert_array_equal(fresh.logprobs, second.logprobs)


def test_a_failed_question_leaves_the_conversation(engine, demo):
    session = engine.session()
    with pytest.raises(azimuth.NotFound):
        session.ask(QUESTION, ["no_such.png"])
    assert session.messages == []
    assert session.ask(QUESTION, [demo], **GREEDY).text == ANSWER


def test_text_and_progress_are_told(engine, demo):
    pieces, stages = [], []
    answer = engine.generate(QUESTION, images=[demo], on_text=pieces.append,
                             progress=lambda stage, fraction: stages.append((stage, fraction)), **GREEDY)
    assert "".join(pieces) == answer.text
    assert {"vision", "prefill"} <= {stage for stage, _ in stages}
    assert all(0.0 <= fraction <= 1.0 for _, fraction in stages)


def test_functions_run_in_the_thread_that_asked(engine, demo):
    threads = set()
    engine.generate(QUESTION, images=[demo], on_text=lambda piece: threads.add(threading.get_ident()), **GREEDY)
    assert threads == {threading.get_ident()}


def test_sessions_answer_at_the_same_time(engine, demo):
    answers = [None] * 4

    def ask(index):
        answers[index] = engine.generate(QUESTION, images=[demo], **GREEDY).text

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(answers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [ANSWER] * len(answers)


def test_the_lock_is_given_back_while_the_engine_works(engine, demo):
    counted = 0
    running = threading.Event()
    over = threading.Event()

    def work():
        running.set()
        engine.generate(QUESTION, images=[demo], ignore_eos=True, temperature=0.0, max_new_tokens=200)
        over.set()

    thread = threading.Thread(target=work)
    thread.start()
    running.wait()
    while not over.wait(0.0005):
        counted += 1
    thread.join()
    assert counted > 10


def test_loading_tells_its_progress_and_types():
    fractions = []
    with azimuth.Engine.load(TINY, dtype="q8", threads=1, progress=fractions.append) as engine:
        assert engine.info.dtype == "q8"
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_an_engine_without_weights_lays_prompts_out(demo):
    engine = azimuth.Engine.load(TINY, weights=False)
    assert engine.positions(QUESTION, images=[demo]).ids.shape[0] == 3
    with pytest.raises(azimuth.InvalidArgument, match="without"):
        engine.generate(QUESTION, images=[demo])


def test_a_trace_is_the_golden_one():
    import json
    expected = json.loads((TWO_IMAGES / "expected.json").read_text())
    request = json.loads((TWO_IMAGES / "request.json").read_text())
    with azimuth.Engine.load(TWO_IMAGES / "model", dtype="f32") as engine:
        found = engine.trace(request["conversations"], base_directory=TWO_IMAGES, max_new_tokens=12)
        directly = engine.trace(azimuth.Request(messages=request["conversations"][0], base_directory=TWO_IMAGES),
                                max_new_tokens=12)
    assert found == directly
    for key in ("prompt", "input_ids", "position_ids", "image_grid_thw", "greedy_ids", "greedy_text", "rope_delta"):
        assert found[key] == expected[key], key
    logits = np.array(expected["logits_last"])
    np.testing.assert_allclose(found["logits_last"], logits, rtol=0, atol=2e-4 * logits.std())


def test_messages_of_the_engine_go_to_logging(engine, caplog):
    with caplog.at_level("WARNING", logger="azimuth"):
        engine.positions("hello", processor_kwargs={"no_such_key": 1})
    assert "no_such_key" in caplog.text


def test_names_and_kernels_of_the_build():
    assert any(family.model_type == "qwen3_vl" for family in azimuth.families())
    assert azimuth.kernels()


def test_a_quantised_directory_opens(tmp_path, demo):
    report = azimuth.quantize(TINY, tmp_path / "q8", "q8")
    assert report.bytes < report.original_bytes
    with azimuth.Engine.load(tmp_path / "q8") as engine:
        assert engine.info.quantised and engine.generate(QUESTION, images=[demo], **GREEDY).text == ANSWER
    with pytest.raises(azimuth.InvalidArgument, match="quantise the original"):
        azimuth.quantize(tmp_path / "q8", tmp_path / "again", "q8")
