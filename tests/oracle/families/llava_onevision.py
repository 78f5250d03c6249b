"""LLaVA-OneVision: tiles for a single picture, one square each for several, pooled frames of a video."""

from transformers import LlavaOnevisionForConditionalGeneration

from . import checkpoint, llava_parts, media, vit_tower

KINDS = ["it", "it", "t", "iit", "itit", "vt", "vt", "vit", "i", "iiit", "vvt"]
VIDEO_OPTIONS = [
    {"videos_kwargs": {"do_sample_frames": True, "num_frames": 1}}, {"videos_kwargs": {"do_normalize": False}},
    {"videos_kwargs": {"resample": 2}}, {"videos_kwargs": {"do_sample_frames": False}}, {"num_frames": 2},
]  # fmt: skip


def processors(draw, vision, strategy, pinpoints, aspect):
    side = vision["image_size"]
    settings = {"size": {"height": side, "width": side}, "image_grid_pinpoints": pinpoints, "do_pad": True}
    image = llava_parts.image_processor(draw, "LlavaOnevisionImageProcessor", settings)
    video = {
        "video_processor_type": "LlavaOnevisionVideoProcessor", "size": settings["size"],
        **{key: image[key] for key in ("image_mean", "image_std", "resample", "rescale_factor", "do_rescale", "do_normalize")},
    }  # fmt: skip
    clip = vision["model_type"].startswith("clip")
    counts = {
        "processor_class": "LlavaOnevisionProcessor", "image_token": "<image>", "video_token": "<video>",
        "num_image_tokens": vit_tower.grid_side(vision) ** 2 + (1 if clip else 0),
        "vision_feature_select_strategy": strategy, "vision_aspect_ratio": aspect,
    }  # fmt: skip
    return counts, image, video


def write(draw, folder):
    voices = ["qwen", "qwen", "qwen", "vicuna"]
    model_folder, text, ids, voice, tie = llava_parts.begin(draw, folder, ("<image>", "<video>"), voices)
    kind = draw.pick("vision.kind", ["siglip", "siglip", "siglip", "clip"])
    vision = vit_tower.config(draw, kind)
    strategy = "default" if kind == "clip" else "full"
    side = vision["image_size"]
    most = draw.pick("model.most_tiles", [2, 3, 4])
    pinpoints = [[rows * side, columns * side] for rows in range(1, most + 1) for columns in range(1, most + 1)]
    aspect = draw.pick("model.aspect", ["anyres_max_9", "anyres_max_4", "anyres_max_1", "anyres_max_2"])
    config = {
        **llava_parts.feature_choice(draw, vision), **llava_parts.projector_choice(draw),
        "vision_feature_select_strategy": strategy, "image_token_index": ids["<image>"],
        "video_token_index": ids["<video>"], "image_grid_pinpoints": pinpoints, "vision_aspect_ratio": aspect,
        "tie_word_embeddings": tie, "text_config": text, "vision_config": vision,
    }  # fmt: skip
    llava_parts.write_checkpoint(draw, model_folder, LlavaOnevisionForConditionalGeneration, config, tie)
    llava_parts.write_processor(draw, model_folder, *processors(draw, vision, strategy, pinpoints, aspect))
    frames = draw.pick("request.frames", [1, 2, 3, 5])

    def write_video(name):
        if draw.odd(f"{name}.file", 0.25):
            return media.write_video_file(draw, name, side, folder, count=frames)
        sides = (int(v) for v in draw.stream(f"{name}.frames").integers(5, 2 * side, 2))
        height, width = draw.pick(f"{name}.hw", [None]) or sides
        paths = media.write_frame_files(draw, name, height, width, frames, folder)
        if draw.odd(f"{name}.whole", 0.4):
            return {"type": "video", "video": paths, "fps": draw.pick(f"{name}.fps", [1.0, 24.0])}
        return {"type": "video_frames", "frames": paths}

    options = [*llava_parts.PROCESSOR_OPTIONS, *VIDEO_OPTIONS]
    kinds = [kind for kind in KINDS if voice == "qwen" or "v" not in kind]  # the other templates know no videos
    body = llava_parts.request(draw, folder, max(4, side // 2), kinds, voice, options, write_video)
    checkpoint.write_json(folder / "request.json", body)


GOLDEN_CASES = {
    "llava_onevision_fewer_cells": (1, {
        **llava_parts.SMALL, "files.generation": 4, "files.processor": "v4", "files.names": "old", "text.voice": "qwen",
        "text.head_dim": 10, "sample0.system": False, "vision.kind": "siglip", "vision.remainder": 4, "model.most_tiles": 3,
        "model.aspect": "anyres_max_2", "sample0.turn0.parts": "it", "sample0.turn0.image0.hw": [60, 83],
        "text.window": False,
    }),
    "llava_onevision_several_images": (2, {
        **llava_parts.SMALL, "text.voice": "qwen", "text.head_dim": 8, "sample0.system": False, "vision.kind": "siglip", "model.most_tiles": 2,
        "request.samples": 2, "sample0.turn0.parts": "itit", "sample1.turn0.parts": "it", "sample1.turns": 1,
        "sample1.system": False, "sample0.turn0.image0.hw": [20, 33], "sample0.turn0.image2.hw": [50, 11],
        "sample1.turn0.image0.hw": [21, 21], "model.aspect": "anyres_max_9", "text.window": False,
    }),
    "llava_onevision_videos_and_image": (3, {
        **llava_parts.SMALL, "text.voice": "qwen", "text.head_dim": 10, "sample0.system": True, "vision.kind": "clip", "model.most_tiles": 2,
        "sample0.turn0.parts": "vit", "request.frames": 3, "sample0.turn0.video0.hw": [14, 25],
        "sample0.turn0.image1.hw": [24, 30], "model.aspect": "anyres_max_4", "text.window": False,
    }),
}  # fmt: skip
