"""BLIP-2: positions of OPT, one run of image tokens per sample, and prompts without an image, which the reference refuses."""

import copy

import torch
from tokenizers import AddedToken


def grids(inputs):
    return {"image": [], "video": []}


def extend(reference):
    class Blip2Reference(reference):
        def __init__(self, folder):
            super().__init__(folder)
            # A tokenizer that names its image token names it as a string, on which the processor fails.
            if isinstance(self.processor.image_token, str):
                self.processor.image_token = AddedToken(self.processor.image_token, normalized=False, special=True)

        def encode(self, samples, request, padding_side=None):
            """Samples without an image are alone; where they are among others, those with one are what has pixels."""
            pictured = [sample for sample in samples if sample.images]
            return super().encode(pictured or samples, request, padding_side)

        def prompt_pass(self, inputs):
            if "pixel_values" in inputs:
                return super().prompt_pass(inputs)
            return self._with_language_model(super().prompt_pass, inputs)

        def greedy(self, inputs, steps, ignore_eos):
            decoder_config = self.model.language_model.generation_config
            try:
                # The decoder generates, and fills in what is None from its own generation config.
                self.model.language_model.generation_config = copy.deepcopy(decoder_config)
                self.model.language_model.generation_config.eos_token_id = None if ignore_eos else self.stops
                if "pixel_values" in inputs:
                    return super().greedy(inputs, steps, ignore_eos)
                return self._with_language_model(super().greedy, inputs, steps, ignore_eos)
            finally:
                self.model.language_model.generation_config = decoder_config

        def _with_language_model(self, run, *arguments):
            """Runs the decoder by itself: the whole model asks for pixels."""
            whole = self.model
            self.model = whole.language_model
            try:
                return run(*arguments)
            finally:
                self.model = whole

        def spans(self, inputs, ids, grids, merge):
            images = torch.tensor(ids) == self.config.image_token_id
            count = int(images.sum())
            if count == 0:
                return [text_span(0, len(ids))]
            image = {"kind": "image", "begin": 0, "media": 0, "tile": 0, "view": 0, "end": count, "grid": [1, 1, count]}
            return [image, text_span(count, len(ids))] if len(ids) > count else [image]

    return Blip2Reference


def text_span(begin, end):
    return {"kind": "text", "begin": begin, "media": -1, "tile": 0, "view": 0, "end": end, "grid": [0, 0, 0]}
