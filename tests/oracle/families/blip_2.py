"""BLIP-2 with OPT: a tower with a class token, a Q-Former whose queries stand in front of the prompt, no template."""

import copy

import numpy
from transformers import Blip2Config, Blip2ForConditionalGeneration

from . import checkpoint, media, opt, text_only

SMALL = {
    **{key: value for key, value in opt.SMALL.items() if key not in ("request.raw", "request.padded", "prompt0")},
    "text.heads": 2, "text.head_dim": 12, "text.norm_before": True, "text.act": "relu", "text.tie": True, "vision.patch": 8,
    "vision.heads": 2, "vision.head_dim": 11, "vision.depth": 2, "vision.side": 3, "vision.intermediate": 36,
    "qformer.heads": 2, "qformer.head_dim": 12, "qformer.intermediate": 44, "qformer.queries": 5, "processor.pil": False,
    "sample0.no_image": False, "sample0.image.kind": "png", "text.scale": 0.3, "vision.scale": 1.0,
}  # fmt: skip
GOLDEN_CASES = {
    "blip_2_caption_and_question": (1, {
        **SMALL, "dtype": "bf16", "files.generation": 5, "files.processor": "v5", "tokenizer.string_image_token": True,
        "qformer.depth": 3, "qformer.frequency": 2, "qformer.act": "gelu", "vision.act": "gelu", "sample0.prompt": "",
        "sample1.prompt": "Question: What is in the picture? Answer:", "sample1.no_image": False, "sample0.image.hw": [31, 70],
        "sample1.image.hw": [5, 3], "sample1.image.kind": "rgba", "qformer.mlp.off_centre": True, "vision.qkv_bias": True,
        "request.padded": True, "request.padding_side": "left",
    }),
    "blip_2_v4_small_streams": (2, {
        **SMALL, "dtype": "bf16", "files.generation": 4, "files.processor": "v4", "tokenizer.string_image_token": False,
        "qformer.depth": 2, "qformer.frequency": 3, "qformer.act": "gelu", "qformer.eps": 0.01, "vision.eps": 1e-5,
        "vision.act": "quick_gelu", "vision.scale": 0.01, "text.scale": 0.03, "sample0.prompt": "a photo of",
        "sample0.image.hw": [40, 24], "sample1.no_image": True, "sample1.prompt": "a photo of", "vision.qkv_bias": False,
        "vision.rest": 3, "processor.class": "BlipImageProcessor",
        "request.options": {"text_kwargs": {"add_special_tokens": False}},
    }),
    "blip_2_pil_norms_behind": (3, {
        **SMALL, "dtype": "f16", "files.generation": 5, "files.processor": "v5", "tokenizer.string_image_token": False,
        "qformer.depth": 2, "qformer.frequency": 1, "qformer.act": "relu", "vision.act": "gelu_pytorch_tanh",
        "request.samples": 1, "text.norm_before": False, "text.tie": False, "processor.pil": True, "sample0.image.hw": [60, 41],
        "sample0.image.kind": "jpeg", "sample0.prompt": "a photo of", "text.scale": 1.0, "vision.qkv_bias": True,
    }),
}  # fmt: skip


def vision_config(draw):
    heads = draw.pick("vision.heads", [1, 2, 3])
    patch = draw.pick("vision.patch", [6, 8, 10])
    return {
        "model_type": "blip_2_vision_model",
        "hidden_size": heads * draw.pick("vision.head_dim", [8, 11, 12, 16]),
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "num_hidden_layers": draw.pick("vision.depth", [1, 2, 3]),
        "num_attention_heads": heads,
        # A side that is no multiple of the patch: the convolution leaves the rest out.
        "image_size": patch * draw.pick("vision.side", [2, 3, 4]) + draw.odd("vision.rest", 0.15, [1, 3], 0),
        "patch_size": patch,
        "hidden_act": draw.pick("vision.act", ["gelu", "gelu", "quick_gelu", "gelu_pytorch_tanh"]),
        "layer_norm_eps": draw.pick("vision.eps", [1e-6, 1e-5]),
        "qkv_bias": draw.chance("vision.qkv_bias", 0.8),
        "attention_dropout": 0.0,
    }


def qformer_config(draw, vision_hidden):
    heads = draw.pick("qformer.heads", [1, 2, 3])
    config = {
        "model_type": "blip_2_qformer",
        "vocab_size": 30,
        "hidden_size": heads * draw.pick("qformer.head_dim", [8, 12, 14]),
        "num_hidden_layers": draw.pick("qformer.depth", [1, 2, 3, 4]),
        "num_attention_heads": heads,
        "intermediate_size": draw.pick("qformer.intermediate", [30, 44, 60]),
        "hidden_act": draw.pick("qformer.act", ["gelu", "gelu", "gelu", "relu"]),
        "max_position_embeddings": 16,
        "layer_norm_eps": draw.pick("qformer.eps", [1e-12, 1e-12, 1e-5]),
        "cross_attention_frequency": draw.pick("qformer.frequency", [1, 2, 2, 3]),
        "encoder_hidden_size": vision_hidden,
    }
    if draw.odd("qformer.text_input", 0.15):  # the layers' second MLPs are saved, and see nothing
        config["use_qformer_text_input"] = True
    return config


def tower_tensor(name, shape, rng, draw, scale, text_scale):
    """One tensor of the tower or of what stands behind it. scale: size of the tower's residual stream."""
    noise = rng.standard_normal(shape)
    in_qformer = name.startswith("qformer.")
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "qformer.mlp" if in_qformer else "vision.mlp")
    if name.startswith("query_tokens") or name.endswith(("class_embedding", "position_embedding")):
        return (1.0 if name.startswith("query_tokens") else scale) * noise
    if "patch_embedding" in name:
        return scale * (0.2 * noise if noise.ndim == 1 else 2 / numpy.sqrt(numpy.prod(shape[1:])) * noise)
    if "norm" in name.lower():
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if name.startswith("language_projection"):
        return text_scale * (0.2 * noise if noise.ndim == 1 else 1.2 / numpy.sqrt(shape[1]) * noise)
    if ".fc1." in name or ".intermediate" in name:
        return mean + 0.4 * noise if noise.ndim == 1 else gain_in / numpy.sqrt(shape[1]) * noise
    out_scale = 1.0 if in_qformer else scale
    if ".fc2." in name or ".output_query." in name:
        return out_scale * (0.2 * noise if noise.ndim == 1 else gain_out / numpy.sqrt(shape[1]) * noise)
    if "projection" in name or ".output.dense" in name:
        return out_scale * (0.2 * noise if noise.ndim == 1 else noise / numpy.sqrt(shape[1]))
    return 0.3 * noise if noise.ndim == 1 else 1.5 / numpy.sqrt(shape[1]) * noise  # queries, keys, values


PROCESSOR_FLAGS = [
    {"do_rescale": False, "do_normalize": False}, {"do_normalize": False}, {"resample": 2}, {"resample": 1},
    {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.4, 0.3]}, {"rescale_factor": 1 / 127.5},
]  # fmt: skip


def processor_files(draw, folder, side, queries):
    image = {
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"height": side, "width": side},
        "processor_class": "Blip2Processor",
        **draw.odd("processor.flags", 0.3, PROCESSOR_FLAGS, {}),
    }  # fmt: skip
    image["image_processor_type"] = "BlipImageProcessorPil" if draw.chance("processor.pil", 0.1) else "BlipImageProcessor"
    shared = {"num_query_tokens": queries, "processor_class": "Blip2Processor"}
    if draw.pick("files.processor", ["v5", "v4"]) == "v5":
        checkpoint.write_json(folder / "processor_config.json", {"image_processor": image, **shared})
        return
    token = {"__type": "AddedToken", "content": "<image>", "lstrip": False, "normalized": False, "rstrip": False}
    checkpoint.write_json(folder / "processor_config.json", {"image_token": {**token, "special": True}, **shared})
    if not image["image_processor_type"].endswith("Pil"):
        image["image_processor_type"] = draw.pick("processor.class", ["BlipImageProcessor", "BlipImageProcessorFast"])
    if draw.odd("processor.size_number", 0.2):
        image["size"] = side
    checkpoint.write_json(folder / "preprocessor_config.json", image)


OPTIONS = [
    {"images_kwargs": {"do_normalize": False}}, {"do_rescale": False}, {"images_kwargs": {"resample": 2}},
    {"text_kwargs": {"add_special_tokens": False}}, {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
]  # fmt: skip


def request(draw, folder, side):
    """Raw prompts, as the model card shows them: a caption without text, a question, the start of a sentence."""
    prompts, images = [], []
    for i in range(draw.pick("request.samples", [1, 1, 2, 3])):
        line = text_only.line(draw, f"sample{i}.line")
        prompts.append(draw.pick(f"sample{i}.prompt", ["", f"Question: {line} Answer:", line, "a photo of"]))
        alone = draw.chance(f"sample{i}.no_image", 0.15)
        images.append([] if alone else [media.write_picture(draw, f"sample{i}.image", side, folder)])
    body = {
        "prompts": prompts,
        "max_new_tokens": draw.pick("request.new_tokens", [3, 6, 12, 24]),
    }  # fmt: skip
    if any(images):
        body["images"] = images
    options = draw.odd("request.options", 0.25, OPTIONS, None)
    if options is not None:
        body["processor_kwargs"] = options
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if all(images) and draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    # transformers 5 saves the image token with the tokenizer, as a string on which its processor then fails.
    string_token = draw.chance("tokenizer.string_image_token", 0.3)
    more = {"image_token": "<image>", "extra_special_tokens": {"image_token": "<image>"}} if string_token else {}
    ids, count = opt.gpt2_tokenizer(model_folder, draw, [*opt.SPECIALS, "<image>"], more=more)
    text_only.write_generation_config(draw, model_folder, ids, ["</s>", "<pad>"], count)

    text = opt.sizes(draw)
    tie = text["tie_word_embeddings"]
    # Features take the place of embeddings in front of the projection to the decoder's width, so both widths agree.
    text.update(
        word_embed_proj_dim=text["hidden_size"], vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]),
        bos_token_id=ids["</s>"], eos_token_id=ids["</s>"], pad_token_id=ids["<pad>"], model_type="opt",
    )  # fmt: skip
    vision = vision_config(draw)
    queries = draw.pick("qformer.queries", [1, 3, 5, 8])
    config = {
        "text_config": text,
        "vision_config": vision,
        "qformer_config": qformer_config(draw, vision["hidden_size"]),
        "num_query_tokens": queries,
        "image_token_index": ids["<image>"],
        "tie_word_embeddings": tie,
    }
    hf_config = Blip2Config(**copy.deepcopy(config))
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    tensors = {}
    for name, shape in checkpoint.parameter_shapes(Blip2ForConditionalGeneration, hf_config).items():
        rng = draw.stream(f"weights/{name}")
        if name.startswith("language_model."):
            if tie and name.endswith("lm_head.weight"):
                continue
            tensors[name] = opt.tensor(name, shape, rng, scale)
        else:
            tensors[name] = tower_tensor(name, shape, rng, draw, vision_scale, scale)
    if tie and draw.odd("files.tied_head_saved", 0.3):
        tensors["language_model.lm_head.weight"] = tensors["language_model.model.decoder.embed_tokens.weight"]
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        document = {"architectures": ["Blip2ForConditionalGeneration"], "model_type": "blip-2", **config}
        document.update(torch_dtype=dtype, transformers_version="4.57.3", use_decoder_only_language_model=True)
        if tie:
            document.pop("tie_word_embeddings")
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "Blip2ForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    processor_files(draw, model_folder, vision["image_size"], queries)
    checkpoint.write_json(folder / "request.json", request(draw, folder, vision["image_size"]))
