"""azimuth.verify against live transformers: equal on golden checkpoints, red in the right stage where one thing was changed."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from azimuth.verify import EngineRunner, Unusable, verify

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[3])
TRACES = SOURCE / "tests" / "golden" / "trace"
TINY = SOURCE / "models" / "azimuth-tiny"
SUBJECT = TRACES / "qwen3_vl_one_patch_f32" / "model"  # f32, so that NumPy reads its tensors
QUICK = {"max_new_tokens": 4}


@pytest.mark.parametrize(
    "case",
    [
        "qwen3_vl_two_images", "qwen2_5_vl_windows_divide", "gemma3_v4_batch", "gemma4_shared_keys", "internvl_tiles_thumbnail_v4",
        "smolvlm_batch_padded", "llava_next_batch_of_tiles", "llava_onevision_several_images", "qwen3_tied", "paligemma_v4_batch",
        "blip_2_caption_and_question",
    ],
)  # fmt: skip
def test_golden_checkpoints_are_equal(case):
    report = verify(TRACES / case / "model", **QUICK)
    assert report.equal, report.text()
    assert len(report.types[0].findings) >= 1


def test_every_type_of_the_bundled_model_is_within_its_ceiling():
    report = verify(TINY, dtypes=["f32", "bf16", "q8", "q4"], **QUICK)
    assert report.equal, report.text()
    assert [each.stage_names()[-1] for each in report.types[1:]] == ["next token"] * 3


def changed_copy(folder, change):
    copy = folder / "model"
    shutil.copytree(SUBJECT, copy)
    change(copy)
    return copy


def change_tensor(word, by=1.25):
    def change(folder):
        for file in folder.glob("*.safetensors"):
            tensors = safetensors.numpy.load_file(file)
            names = sorted(name for name in tensors if word in name)
            if names:
                tensors[names[0]] = (tensors[names[0]] * np.float32(by)).astype(tensors[names[0]].dtype)
                safetensors.numpy.save_file(tensors, file, metadata={"format": "pt"})
                return
        raise AssertionError(f"no tensor has {word} in its name")

    return change


def change_json(name, change_object):
    def change(folder):
        value = json.loads((folder / name).read_text(encoding="utf-8"))
        change_object(value)
        (folder / name).write_text(json.dumps(value), encoding="utf-8")

    return change


def image_processor(value):
    return value.get("image_processor", value)


FAULTS = {
    "prompt": change_json("chat_template.json", lambda value: value.update(chat_template=value["chat_template"] + "x")),
    "input_ids": change_json(
        "processor_config.json", lambda value: image_processor(value)["size"].update(longest_edge=36 * 4)
    ),
    "pixel_values": change_json("processor_config.json", lambda value: image_processor(value).update(image_mean=[0.4] * 3)),
    "vision_features": change_tensor("visual.merger"),
    "deepstack_features": change_tensor("deepstack_merger"),
    "layers_last": change_tensor("layers.1.mlp.down_proj"),
    "logits_last": change_tensor("language_model.norm"),
}


@pytest.mark.parametrize("stage", FAULTS)
def test_a_fault_turns_its_stage_red(tmp_path, stage):
    wrong = changed_copy(tmp_path, FAULTS[stage])
    report = verify(SUBJECT, open_runner=lambda folder, dtype, threads: EngineRunner(str(wrong), dtype, threads), **QUICK)
    assert not report.equal
    first = report.types[0].first_difference()
    assert first[0] == stage, report.text()


def test_a_narrow_type_of_another_checkpoint_is_far_from_the_reference(tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(TINY, copy)
    change_json("config.json", lambda value: value["text_config"].update(rms_norm_eps=1.0))(copy)
    report = verify(
        TINY, dtypes=["q8"], open_runner=lambda folder, dtype, threads: EngineRunner(str(copy), dtype, threads), **QUICK
    )
    assert report.types[0].first_difference()[0] == "next token"


def test_prompts_and_pictures_of_ones_own(tmp_path):
    report = verify(
        TINY, images=[TINY / "demo.png"], prompts=["What is in the picture?", "ok"], built_in=False, **QUICK
    )
    assert report.equal
    assert [finding.question for finding in report.types[0].findings] == ["demo.png, prompt 0", "demo.png, prompt 1"]


def test_the_command_prints_writes_json_and_says_by_its_exit_code(tmp_path):
    command = [sys.executable, "-m", "azimuth.verify", str(TINY), "--given-only", "--prompts", "ok", "--max-new-tokens", "2"]
    run = subprocess.run([*command, "--json", str(tmp_path / "r.json")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "equal in every stage" in run.stdout
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report["equal"] and report["types"][0]["requests"][0]["stages"]
    run = subprocess.run([*command, "--tolerance", "1e-9"], capture_output=True, text=True)
    assert run.returncode == 1
    assert "FIRST DIFFERENCE in layers_last" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "nowhere.png"], ["nowhere.png"]),
        (["--given-only"], ["expected prompts or images"]),
        (["--max-new-tokens", "0"], ["at least one new token"]),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, words):
    run = subprocess.run([sys.executable, "-m", "azimuth.verify", str(TINY), *arguments], capture_output=True, text=True)
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert all(word in run.stderr for word in words)


def test_a_folder_that_holds_no_model_is_one_sentence(tmp_path):
    with pytest.raises(Unusable, match="does not open"):
        verify(tmp_path)
