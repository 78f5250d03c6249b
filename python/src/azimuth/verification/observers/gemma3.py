"""Gemma 3: every crop of pan and scan is a tile of its image, behind the whole image; token_type_ids mark image tokens."""

import math

from . import image_runs


def grids(inputs):
    return {"image": [], "video": []}


def fields(inputs):
    return {"token_type_ids": inputs["token_type_ids"][0].tolist()}


def extend(reference):
    class Gemma3Reference(reference):
        def __init__(self, folder):
            super().__init__(folder)
            self.crops = []
            inner = self.processor._process_images

            def watched(images, **options):
                processed, replacements = inner(images, **options)
                self.crops = [int(count) for count in processed["num_crops"]]
                return processed, replacements

            self.processor._process_images = watched

        def encode(self, samples, request, padding_side=None):
            self.crops = []
            inputs = super().encode(samples, request, padding_side)
            inputs.tiles = [1 + count for count in self.crops]
            return inputs

        def spans(self, inputs, ids, grids, merge):
            side = math.isqrt(self.config.mm_tokens_per_image)
            return image_runs.spans(ids, self.config.image_token_id, [1, side, side], inputs.tiles)

    return Gemma3Reference
