"""Idefics 2, 3 and SmolVLM: pixels padded to the most tiles of a sample, and what their processors cannot do.

transformers 5.23 fails on a batch whose first sample has no image, on images beside videos and on Idefics2's
do_image_splitting where a call changes it. The arrays are put together here as the samples would be one by one. Videos of
a batch go through the processor one sample at a time, because its text names the most frames of all of them.
"""

import re

import torch

PIXELS = ("pixel_values", "pixel_attention_mask")


class Encoded(dict):
    """Inputs of the model. text: the prompt; tiles: of each image; frames: of each video; arrays: for the trace."""

    text, tiles, frames, arrays = "", (), (), ()


def grids(inputs):
    return {"image": [], "video": []}


def fields(inputs):
    return {}


def extend(reference_class):
    class IdeficsReference(reference_class):
        def encode(self, samples, request, padding_side=None):
            if len(samples) == 1:
                return self.encode_alone(samples, request)
            if any(sample.videos for sample in samples):
                return self.combine([self.encode_alone([sample], request) for sample in samples], padding_side)
            # The processor looks at the first sample's images; the others may have none.
            order = sorted(range(len(samples)), key=lambda i: not samples[i].images)
            inputs = self.encode_alone([samples[i] for i in order], request, padding_side)
            result = Encoded({name: value[torch.tensor(order).argsort()] for name, value in inputs.items()})
            result.arrays = [result["pixel_values"]] if "pixel_values" in result else []
            return result

        def encode_alone(self, samples, request, padding_side=None):
            """One sample, or several without videos of which the first has images if any has."""
            processor, idefics2 = self.processor.image_processor, self.config.model_type == "idefics2"
            splitting = processor.do_image_splitting
            options = request.get("processor_kwargs") or {}
            asked = {**options, **options.get("images_kwargs", {})}.get("do_image_splitting", splitting)
            processor.do_image_splitting = asked if idefics2 else splitting
            with Watched(self.processor) as seen:
                inputs = Encoded(super().encode(samples, request, padding_side))
            processor.do_image_splitting = splitting
            inputs.text = samples[0].text
            pictures = [image for sample in samples for image in sample.images]
            inputs.tiles = [5 if asked else 1 for _ in pictures] if idefics2 else tiles_of(seen.get("_process_images"))
            inputs.frames = frames_of(seen.get("_process_videos"))
            inputs.arrays = [inputs["pixel_values"]] if "pixel_values" in inputs else []
            if samples[0].images and samples[0].videos:
                mix(inputs, seen["_process_images"], seen["_process_videos"])
            return inputs

        def combine(self, alone, padding_side):
            """The batch of samples that were encoded one by one."""
            keywords = {"padding_side": padding_side} if padding_side else {}
            ids = {"input_ids": [inputs["input_ids"][0].tolist() for inputs in alone]}
            result = Encoded(self.tokenizer.pad(ids, return_tensors="pt", **keywords))
            images = [inputs.arrays[0] for inputs in alone if inputs.tiles]
            videos = [inputs.arrays[-1] for inputs in alone if inputs.frames]
            if images:
                images = [inputs.arrays[0] if inputs.tiles else images[0][:, :0] for inputs in alone]
            result.arrays = [stack(arrays) for arrays in (images, videos) if arrays]
            for name in PIXELS:  # in one row: the model takes them in order
                rows = [inputs[name].flatten(0, 1) for inputs in alone if name in inputs]
                if rows:
                    result[name] = torch.cat(rows)[None]
            return result

        def prompt_pass(self, inputs):
            logits, layers, positions, features = super().prompt_pass(inputs)
            if len(getattr(inputs, "arrays", ())) == 2:  # one array of the images, then one of each video
                self.forget()
                with torch.no_grad():
                    for kind, array in zip(("image", "video"), inputs.arrays):
                        self.base.get_image_features(array)
                        self.features[-1] = (kind, self.features[-1][1])
                features = list(self.features)
            return logits, layers, positions, features

        def spans(self, inputs, ids, grids, merge):
            """Maximal runs of text, and one span per tile or frame."""
            length = self.processor.image_seq_len
            side = round(length**0.5)
            grid = [1, 1, length] if self.config.model_type == "idefics2" else [1, side, side]
            return spans_of(ids, self.config.image_token_id, length, grid, planned_spans(inputs))

    return IdeficsReference


class Watched:
    """Keeps what steps of a processor return, by their names."""

    def __init__(self, processor):
        self.processor, self.seen = processor, {}
        self.names = [name for name in ("_process_images", "_process_videos") if hasattr(processor, name)]

    def __enter__(self):
        for name in self.names:
            setattr(self.processor, name, self.watch(name, getattr(self.processor, name)))
        return self.seen

    def __exit__(self, *error):
        for name in self.names:
            delattr(self.processor, name)

    def watch(self, name, inner):
        def watched(*arguments, **keywords):
            output = inner(*arguments, **keywords)
            self.seen[name] = dict(output[0])  # a copy: the processor removes keys
            return output

        return watched


def tiles_of(images):
    if images is None:
        return []
    rows = [row for sample in images["rows"] for row in sample]
    columns = [column for sample in images["cols"] for column in sample]
    return [r * c + 1 for r, c in zip(rows, columns)]


def frames_of(videos):
    return [] if videos is None else [len(metadata.frames_indices) for metadata in videos["video_metadata"]]


def marks_of(text):
    return re.findall("<image>|<video>", text)


def mix(inputs, images, videos):
    """Puts tiles and frames of one sample in the order of its prompt."""
    inputs.arrays = [images["pixel_values"], videos["pixel_values"]]
    tiles = iter(images["pixel_values"][0].split(inputs.tiles))
    frames = iter([array[:count] for array, count in zip(videos["pixel_values"], inputs.frames)])
    parts = [next(tiles) if mark == "<image>" else next(frames) for mark in marks_of(inputs.text)]
    inputs["pixel_values"] = torch.cat(parts)[None]
    inputs["pixel_attention_mask"] = torch.ones_like(inputs["pixel_values"][:, :, 0], dtype=torch.int64)


def stack(arrays):
    """[n, most, ...] of arrays [n_i, count_i, ...], zeros behind."""
    most = max(array.shape[1] for array in arrays)
    filled = [torch.cat([a, a.new_zeros(a.shape[0], most - a.shape[1], *a.shape[2:])], dim=1) for a in arrays]
    return torch.cat(filled)


def planned_spans(inputs):
    """kind, media and tile of every span of images and videos, in order."""
    tiles, frames = enumerate(inputs.tiles), enumerate(inputs.frames)
    for mark in marks_of(inputs.text):
        if mark == "<image>":
            media, count = next(tiles)
            yield from ({"kind": "image", "media": media, "tile": i} for i in range(count))
        else:
            media, count = next(frames)
            yield from ({"kind": "video", "media": media, "tile": 0} for _ in range(count))


def spans_of(ids, image_id, length, grid, plan):
    spans, begin = [], 0
    while begin < len(ids):
        end = begin
        if ids[begin] == image_id:
            end = begin + length
            spans.append({**next(plan), "begin": begin, "end": end, "view": 0, "grid": grid})
            if any(i != image_id for i in ids[begin:end]):
                raise SystemExit(f"expected {length} image tokens from token {begin} on")
        else:
            while end < len(ids) and ids[end] != image_id:
                end += 1
            text = {"kind": "text", "begin": begin, "end": end, "media": -1, "tile": 0, "view": 0, "grid": [0, 0, 0]}
            spans.append(text)
        begin = end
    return spans
