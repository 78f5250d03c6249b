"""What `azimuth trace MODEL --request R.json` must print, computed by transformers (f32, eager, CPU).

tests/oracle/reference_trace.py runs it with the pinned release for the goldens, azimuth.verify on a user's checkpoint.

The format is that of docs/trace.md. Every sample is run alone, without padding, unless the request names a padding_side:
then the prompt runs as one padded batch and the answer is cut back to each sample's own tokens. Greedy decoding always
runs per sample. Intermediate numbers are taken by hooks, never recomputed.
"""

import copy
import functools
import json
import pathlib
import sys
import warnings

import numpy
import PIL.Image
import PIL.ImageOps
import torch
import transformers
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.video_utils import VideoMetadata

from . import observers

REFERENCE = "5.23.0"
KNOWN_KEYS = {
    "conversations", "prompts", "images", "videos", "add_generation_prompt", "processor_kwargs", "max_new_tokens",
    "ignore_eos", "compat", "padding_side", "frequencies",
}  # fmt: skip


# ---- numbers ----------------------------------------------------------------------------------------------------------


def shortest(values):
    """Nested lists of the shortest decimals that read back as the same f32."""
    array = numpy.asarray(values)
    if array.dtype.kind in "iub":
        return array.tolist()
    if array.ndim == 0:
        return float(str(numpy.float32(array)))
    return [shortest(item) for item in array]


def as_f64(tensor):
    return tensor.detach().to(torch.float64).numpy()


def spread(array):
    """Population standard deviation."""
    return float(array.std())


def feature_summary(tensor):
    """tensor: [tokens, hidden]."""
    array = as_f64(tensor)
    return {
        "shape": list(array.shape),
        "norm": float(numpy.linalg.norm(array)),
        "std": spread(array),
        "first_token16": shortest(array[0, :16]),
        "last_token16": shortest(array[-1, :16]),
    }


def layer_summary(vector):
    """vector: [hidden]."""
    array = as_f64(vector)
    return {"norm": float(numpy.linalg.norm(array)), "std": spread(array), "first8": shortest(array[:8])}


def pixel_summary(tensor):
    array = as_f64(tensor)
    first = tensor.detach().flatten()[:32].numpy()
    return {
        "shape": list(array.shape), "mean": float(array.mean()), "std": spread(array), "first32": shortest(first)
    }  # fmt: skip


def log_softmax(logits):
    """[..., vocab] f64, in nats."""
    return torch.log_softmax(logits.to(torch.float64), dim=-1)


# ---- request ----------------------------------------------------------------------------------------------------------


def read_request(path):
    with open(path, encoding="utf-8") as file:
        request = {key: value for key, value in json.load(file).items() if value is not None}
    for key in sorted(set(request) - KNOWN_KEYS):
        print(f"reference_trace: unknown key {key!r} is ignored", file=sys.stderr)
    if "conversations" not in request and "prompts" not in request:
        raise SystemExit("expected 'conversations' or 'prompts' in the request, got neither")
    if request.get("frequencies", "as-reference") != "as-reference":
        raise SystemExit(f"expected frequencies as-reference, got {request['frequencies']!r}")
    if request.get("compat", "tf5") != "tf5":
        raise SystemExit(f"expected compat tf5 or none, which is all that this reference can be, got {request['compat']!r}")
    return request


def open_picture(path):
    """The upright picture with its alpha channel, which the image processor composites on white."""
    return PIL.ImageOps.exif_transpose(PIL.Image.open(path))


def picture_path(part):
    source = part.get("image") or part.get("url") or part.get("path") or part.get("image_url")
    return source["url"] if isinstance(source, dict) else source


class Video:
    """frames: [count, height, width, 3] uint8; metadata as transformers keeps it; sampled: whether frames were chosen."""

    def __init__(self, paths, metadata, sampled):
        self.frames = numpy.stack([numpy.array(open_picture(path).convert("RGB")) for path in paths])
        self.sampled = sampled
        self.metadata = VideoMetadata(**{"total_num_frames": len(paths), **metadata})
        if self.metadata.frames_indices is None:
            self.metadata.frames_indices = list(range(len(paths)))

    def choose(self, processor, options, flat):
        """Samples the frames as the video processor would do with a decoded video. flat: options outside of videos_kwargs."""
        asked = any(flat.get(key) is not None for key in ("fps", "num_frames"))  # as apply_chat_template has it
        if self.sampled or not options.get("do_sample_frames", asked or processor.do_sample_frames):
            return
        self.sampled = True
        indices = sampled_indices(processor, self.metadata, options)
        self.frames, self.metadata.frames_indices = self.frames[indices], [int(i) for i in indices]


def sampled_indices(processor, metadata, options):
    names = ("fps", "num_frames", "initial_shift")
    chosen = {name: options[name] for name in names if options.get(name) is not None}
    if not chosen.keys() & {"fps", "num_frames"}:
        chosen["num_frames"] = processor.num_frames  # the processor's own fps is what counts without it
    return [int(i) for i in processor.sample_frames(metadata, **chosen) if i < metadata.total_num_frames]


class VideoFile:
    """The same of a file, which PyAV reads. fps: frames to take per second, as the message asks for them."""

    def __init__(self, path, fps):
        self.path, self.fps = path, fps
        self.frames = self.metadata = None

    def choose(self, processor, options, flat):
        smolvlm = type(processor).__name__ == "SmolVLMVideoProcessor"
        asked = any(flat.get(key) is not None for key in ("fps", "num_frames"))
        # SmolVLMProcessor.apply_chat_template always names fps and num_frames: it samples every file.
        sample = options.get("do_sample_frames", asked or smolvlm or processor.do_sample_frames)
        if self.fps:
            options, sample = {**options, "fps": self.fps}, True
            if not smolvlm:  # which takes num_frames for a bound
                options.pop("num_frames", None)
                processor = copy.copy(processor)
                processor.num_frames = None
        choose = functools.partial(sampled_indices, processor, options=options) if sample else None
        from .video_file import read_clip  # which needs PyAV

        self.frames, self.metadata = read_clip(self.path, choose)
        self.metadata.frames_indices = [int(i) for i in self.metadata.frames_indices]


def video_of_part(part):
    if part["type"] == "video_frames":
        return Video(part["frames"], part.get("metadata", {}), sampled=True)
    frames = part.get("video") or part.get("path")
    if isinstance(frames, str):
        return VideoFile(frames, part.get("fps"))
    return Video(frames, {"fps": part["fps"]} if part.get("fps") else {}, sampled=False)


def media_of_conversation(messages):
    images, videos = [], []
    for message in messages:
        for part in message["content"] if isinstance(message.get("content"), list) else []:
            if part["type"] in ("image", "image_url"):
                images.append(open_picture(picture_path(part)))
            elif part["type"] in ("video", "video_frames"):
                videos.append(video_of_part(part))
    return images, videos


def for_template(messages):
    """The messages as a template expects them: sampled frames are a video, image_url is an image."""
    messages = copy.deepcopy(messages)
    for message in messages:
        for part in message["content"] if isinstance(message.get("content"), list) else []:
            if part["type"] == "video_frames":
                part.clear()
                part.update(type="video")
            elif part["type"] == "image_url":
                part.clear()
                part.update(type="image")
    return messages


class Sample:
    """One prompt before tokenisation: rendered text, pictures, videos, and whether the tokenizer adds its own tokens."""

    def __init__(self, text, images, videos, rendered):
        self.text, self.images, self.videos, self.rendered = text, images, videos, rendered


def read_samples(request, renderer):
    """renderer: the processor, or the tokenizer of a text-only model."""
    conversations = request.get("conversations")
    prompts = request.get("prompts")
    count = len(conversations if conversations is not None else prompts)
    samples = []
    for i in range(count):
        if conversations is not None:
            images, videos = media_of_conversation(conversations[i])
        else:
            images = [open_picture(path) for path in (request.get("images") or [[]] * count)[i]]
            videos = [video_of_part(part) for part in (request.get("videos") or [[]] * count)[i]]
        if prompts is not None:
            samples.append(Sample(prompts[i], images, videos, rendered=conversations is not None))
            continue
        text = renderer.apply_chat_template(
            for_template(conversations[i]), tokenize=False,
            add_generation_prompt=request.get("add_generation_prompt", True),
        )  # fmt: skip
        samples.append(Sample(text, images, videos, rendered=True))
    return samples


def load_processor(folder):
    """The processor, with Pillow's resizing where its config names a class of that backend.

    transformers 5.23 itself takes torchvision even then; Azimuth takes the file at its word (docs/trace.md).
    """
    for name in ("processor_config.json", "preprocessor_config.json"):
        path = pathlib.Path(folder) / name
        if path.exists():
            config = json.loads(path.read_text(encoding="utf-8"))
            kind = config.get("image_processor", config).get("image_processor_type", "")
            if not kind:
                continue
            processor = AutoProcessor.from_pretrained(folder)
            if kind.endswith("Pil"):
                processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
            return processor
    return AutoProcessor.from_pretrained(folder)


# ---- the model, with everything that is observed -------------------------------------------------------------------------


def decoder_of(base):
    """The module that holds the decoder's layers."""
    decoder = getattr(base, "language_model", None) or getattr(base, "text_model", base)
    while not hasattr(decoder, "layers"):
        decoder = getattr(decoder, "model", None) or decoder.decoder
    return decoder


class Reference:
    batches = True  # whether a padded batch gives what its samples give alone
    any_release = False  # of transformers

    def __init__(self, folder):
        if transformers.__version__ != REFERENCE and not self.any_release:
            raise SystemExit(f"expected transformers {REFERENCE}, got {transformers.__version__}")
        self.config = AutoConfig.from_pretrained(folder)
        self.multimodal = self.config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
        auto = AutoModelForImageTextToText if self.multimodal else AutoModelForCausalLM
        self.model, report = auto.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        for kind in ("missing_keys", "mismatched_keys", "error_msgs"):
            if report.get(kind):
                raise ValueError(f"expected a complete checkpoint, got {kind}: {sorted(report[kind])[:5]}")
        self.model.eval()
        self.stops = self.model.generation_config.eos_token_id
        self.processor = load_processor(folder) if self.multimodal else None
        self.tokenizer = self.processor.tokenizer if self.multimodal else AutoTokenizer.from_pretrained(folder)
        self.base = base = getattr(self.model, "model", self.model)
        self.decoder = decoder_of(base)
        self.layer_outputs, self.rotary_positions, self.features = [], [], []
        for layer in self.decoder.layers:
            layer.register_forward_hook(self._see_layer)
        # Learned positions are looked up in a table (OPT), in which the row is the position plus an offset.
        embedding = getattr(self.decoder, "rotary_emb", None) or self.decoder.embed_positions
        embedding.register_forward_pre_hook(self._see_positions, with_kwargs=True)
        self.observer = observers.of(self.config.model_type)
        self._feature_depth = 0
        self.watch_features()

    def watch_features(self):
        for kind in ("image", "video"):
            if hasattr(self.base, f"get_{kind}_features"):
                self._watch_features(kind)

    def _see_layer(self, module, arguments, output):
        self.layer_outputs.append(output[0] if isinstance(output, tuple) else output)

    def _see_positions(self, module, arguments, keywords):
        positions = keywords["position_ids"] if "position_ids" in keywords else arguments[1]
        kind = keywords.get("layer_type", arguments[2] if len(arguments) > 2 else None)
        if kind is None or kind == self.decoder.config.layer_types[0]:  # every layer type has its own call
            self.rotary_positions.append(positions.clone())

    def _watch_features(self, kind):
        inner = getattr(self.base, f"get_{kind}_features")

        @functools.wraps(inner)  # generate() reads the signature
        def watched(*arguments, **keywords):
            self._feature_depth += 1
            output = inner(*arguments, **keywords)
            self._feature_depth -= 1
            if self._feature_depth == 0:  # videos may be encoded through the function for images
                self.features.append((kind, output))
            return output

        setattr(self.base, f"get_{kind}_features", watched)

    def forget(self):
        self.layer_outputs.clear()
        self.rotary_positions.clear()
        self.features.clear()

    def encode(self, samples, request, padding_side=None):
        """Processor or tokenizer output of these samples as tensors, padded where there is more than one length."""
        options = copy.deepcopy(request.get("processor_kwargs") or {})
        padding = {"padding": len(samples) > 1, "return_tensors": "pt"}
        if padding_side:
            padding["padding_side"] = padding_side
        bos = self.tokenizer.bos_token
        texts = [sample.text for sample in samples]
        if not self.multimodal:
            options.setdefault("add_special_tokens", not samples[0].rendered)
            return self.tokenizer(texts, **options, **padding)
        if samples[0].rendered and bos is not None and texts[0].startswith(bos):
            options["add_special_tokens"] = False
        images = [sample.images for sample in samples]
        videos = [video for sample in samples for video in sample.videos]
        video_options = options.setdefault("videos_kwargs", {})
        for video in videos:
            video.choose(self.processor.video_processor, {**options, **video_options}, options)
        options.pop("do_sample_frames", None)  # done above
        if videos:
            video_options["video_metadata"] = [copy.copy(video.metadata) for video in videos]
            video_options["do_sample_frames"] = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return self.processor(
                text=texts, images=images if any(images) else None, videos=[v.frames for v in videos] or None,
                **options, **padding,
            )  # fmt: skip

    @torch.no_grad()
    def prompt_pass(self, inputs):
        """logits [batch, n, vocab], layers [layer][batch, n, hidden], positions [axes or 1, batch, n], features."""
        self.forget()
        if hasattr(self.base, "rope_deltas"):
            self.base.rope_deltas = None
        mask = inputs["attention_mask"]
        pictures = any(name.startswith("pixel_values") for name in inputs)
        if not mask.all() and not (pictures and hasattr(self.base, "get_rope_index")):
            # forward() would count the padding; generate() counts like this.
            inputs = {**inputs, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
        output = self.model(**inputs, use_cache=False)
        positions = self.rotary_positions[0]
        if positions.ndim == 2:
            positions = positions[None]
        batch = inputs["input_ids"].shape[0]
        return output.logits, list(self.layer_outputs), positions.expand(-1, batch, -1), list(self.features)

    @torch.no_grad()
    def greedy(self, inputs, steps, ignore_eos):
        """ids [steps], logits [steps, vocab], positions [axes or 1, steps] that the ids take when they are fed back."""
        self.forget()
        # generate() fills what is None from the model's own generation config, so that is replaced, too.
        stops = None if ignore_eos else self.stops
        config = GenerationConfig(do_sample=False, max_new_tokens=steps, eos_token_id=stops, pad_token_id=0)
        self.model.generation_config = copy.deepcopy(config)
        output = self.model.generate(
            **inputs, generation_config=config, output_logits=True, return_dict_in_generate=True
        )
        length = inputs["input_ids"].shape[1]
        ids = output.sequences[0, length:].tolist()
        logits = torch.cat(output.logits, dim=0)
        fed = [p if p.ndim == 3 else p[None] for p in self.rotary_positions]
        last = fed[-1][:, 0, -1] + 1
        positions = torch.stack([p[:, 0, -1] for p in fed[1:]] + [last], dim=-1)
        if hasattr(self.base, "get_rope_index") and positions.shape[0] == 1:
            positions = positions.expand(3, -1)
        return ids, logits, positions

    def spans(self, inputs, ids, grids, merge):
        """Spans of one sample, from what its processor returned."""
        if hasattr(self.observer, "spans"):
            return self.observer.spans(inputs, ids, self.config)
        type_ids = inputs["mm_token_type_ids"][0].tolist() if "mm_token_type_ids" in inputs else [0] * len(ids)
        return spans_of(type_ids, grids["image"], grids["video"], merge)


def open_reference(folder):
    """The reference, as the family's observer extends it."""
    observer = observers.of(AutoConfig.from_pretrained(folder).model_type)
    kind = observer.extend(Reference) if hasattr(observer, "extend") else Reference
    return kind(folder)


# ---- one sample's part of the answer ------------------------------------------------------------------------------------


def merged(grid, merge):
    return [grid[0], grid[1] // merge, grid[2] // merge]


def spans_of(type_ids, image_grids, video_grids, merge):
    """Maximal runs of text and one span per image and per video, or per frame group where text stands between them.

    type_ids: [n] with 0 text, 1 image, 2 video; grids in patches, in the order of the sample.
    """
    spans, counts = [], {1: 0, 2: 0}
    pending_frames = [(i, grid) for i, grid in enumerate(video_grids) for _ in range(grid[0])]
    begin = 0
    while begin < len(type_ids):
        kind = type_ids[begin]
        span = {"kind": ("text", "image", "video")[kind], "begin": begin, "media": -1, "tile": 0, "view": 0}
        if kind == 0:
            end = begin
            while end < len(type_ids) and type_ids[end] == 0:
                end += 1
            grid = [0, 0, 0]
        else:
            media, patches = (counts[1], image_grids[counts[1]]) if kind == 1 else pending_frames[counts[2]]
            grid = merged(patches, merge)
            end = begin + grid[0] * grid[1] * grid[2]
            if kind == 2 and any(k != kind for k in type_ids[begin:end]):  # text between the frames
                grid[0], end = 1, begin + grid[1] * grid[2]
            counts[kind] += grid[0] if kind == 2 else 1
            span["media"] = media
            if any(k != kind for k in type_ids[begin:end]) or end > len(type_ids):
                raise SystemExit(f"the grids do not fit the placeholders from token {begin} on")
        span["end"], span["grid"] = end, grid
        spans.append(span)
        begin = end
    return spans


def axes_of(positions):
    """[axes, n] -> [n] for one axis, [axes][n] for several; whole numbers as integers."""
    rows = positions.tolist()
    return rows[0] if len(rows) == 1 else rows


def whole_features(features):
    """Every array, images first, and per DeepStack level the sample's arrays one after another."""
    arrays, levels = [], []
    for kind in ("image", "video"):
        for seen, output in features:
            if seen != kind:
                continue
            arrays.extend(output.pooler_output)
            for level, parts in enumerate(getattr(output, "deepstack_features", None) or []):
                if level == len(levels):
                    levels.append([])
                levels[level].extend(parts)
    return {"vision_features": arrays, "deepstack_features": [torch.cat(parts) for parts in levels]}


def feature_entries(features):
    """Summaries of the same."""
    whole = whole_features(features)
    return tuple([feature_summary(array) for array in whole[name]] for name in ("vision_features", "deepstack_features"))


def score_fields(logits, ids):
    """logits: [n, vocab]; ids: [n]."""
    log_p = log_softmax(logits)
    # The head may lack rows for tokens that no model writes (mllama's image token): no number then.
    taken = [shortest(log_p[i, token].numpy()) if token < log_p.shape[1] else None for i, token in enumerate(ids[1:])]
    entropies = -(log_p.exp() * log_p).sum(-1)
    return [None, *taken], shortest(entropies.numpy())


def trace(reference, request, keep=None):
    """The answer of docs/trace.md. keep(sample, arrays): is handed the whole arrays of each sample as well, {"layers":
    [layers] of [n, hidden], "logits": [n, vocab], "vision_features", "deepstack_features": lists of [tokens, hidden]}; and
    those of the request with None for the sample: {"pixel_values": [arrays], ...}.
    """
    if hasattr(reference.observer, "prepare"):
        reference.observer.prepare(reference.model, request)
    renderer = reference.processor if reference.multimodal else reference.tokenizer
    samples = read_samples(request, renderer)
    side = request.get("padding_side") if reference.batches else None
    fields = [
        "prompt", "input_ids", "spans", "position_ids", "rope_delta", "image_grid_thw", "video_grid_thw",
        "vision_features", "deepstack_features", "layers_last", "logits_last", "logprobs", "entropies", "greedy_ids",
        "greedy_text", "greedy_logprobs", "greedy_margins", "decode_position_ids",
    ]  # fmt: skip
    answer = {field: [] for field in fields}
    alone = [reference.encode([sample], request) for sample in samples]
    whole = reference.encode(samples, request, side)
    padded = reference.prompt_pass(whole) if side else None
    merge = getattr(getattr(reference.config, "vision_config", None), "spatial_merge_size", 1)
    observer = reference.observer
    if hasattr(observer, "merge"):
        merge = observer.merge(reference.config)

    for i, sample in enumerate(samples):
        inputs = alone[i]
        ids = inputs["input_ids"][0].tolist()
        logits, layers, positions, features = reference.prompt_pass(inputs)
        logits, positions, layers = logits[0], positions[:, 0], [layer[0] for layer in layers]
        if padded:
            kept = whole["attention_mask"][i].bool()
            logits, positions = padded[0][i][kept], padded[2][:, i][:, kept]
            layers = [layer[i][kept] for layer in padded[1]]
        grids = {kind: inputs.get(f"{kind}_grid_thw") for kind in ("image", "video")}
        grids = {kind: [] if grid is None else grid.tolist() for kind, grid in grids.items()}
        if hasattr(observer, "grids"):
            grids = observer.grids(inputs)
        arrays, levels = feature_entries(features)
        if keep:
            keep(i, {"layers": layers, "logits": logits, **whole_features(features)})
        logprobs, entropies = score_fields(logits, ids)
        steps, ignore = request.get("max_new_tokens", 24), request.get("ignore_eos", True)
        new_ids, new_logits, new_positions = reference.greedy(inputs, steps, ignore)
        top = new_logits.topk(2, dim=-1).values

        answer["prompt"].append(sample.text)
        answer["input_ids"].append(ids)
        if hasattr(observer, "sample_spans"):
            answer["spans"].append(observer.sample_spans(reference.processor, sample, ids))
        else:
            answer["spans"].append(reference.spans(inputs, ids, grids, merge))
        answer["position_ids"].append(axes_of(positions))
        answer["rope_delta"].append(int(positions.max()) + 1 - len(ids))
        answer["image_grid_thw"].append(grids["image"])
        answer["video_grid_thw"].append(grids["video"])
        for name, entry in observer.fields(inputs).items() if hasattr(observer, "fields") else ():
            answer.setdefault(name, []).append(entry)
        answer["vision_features"].append(arrays)
        answer["deepstack_features"].append(levels)
        answer["layers_last"].append([layer_summary(layer[-1]) for layer in layers])
        answer["logits_last"].append(shortest(logits[-1].numpy()))
        answer["logprobs"].append(logprobs)
        answer["entropies"].append(entropies)
        answer["greedy_ids"].append(new_ids)
        answer["greedy_text"].append(reference.tokenizer.decode(new_ids, skip_special_tokens=True))
        picked = log_softmax(new_logits).gather(1, torch.tensor(new_ids)[:, None])[:, 0]
        answer["greedy_logprobs"].append(shortest(picked.numpy()))
        answer["greedy_margins"].append(shortest((top[:, 0] - top[:, 1]).numpy()))
        answer["decode_position_ids"].append(axes_of(new_positions))

    for name in ("pixel_values", "pixel_values_videos"):
        if keep and name in whole:
            keep(None, {name: getattr(whole, "arrays", [whole[name]])})
        if name in whole:
            answer[name] = [pixel_summary(array) for array in getattr(whole, "arrays", [whole[name]])]
    if "pixel_attention_mask" in whole:  # [samples or videos, tiles or frames, rows, columns]
        answer["pixel_attention_mask"] = [{"shape": [*a.shape[:2], *a.shape[3:]]} for a in whole.arrays]
    if not reference.multimodal:
        del answer["vision_features"]
    silent = any(hasattr(observer, name) for name in ("grids", "sample_spans"))  # the processor returns no grids
    if not reference.multimodal or silent:
        del answer["image_grid_thw"], answer["video_grid_thw"]
    if not any(answer["deepstack_features"]):
        del answer["deepstack_features"]
    return answer
