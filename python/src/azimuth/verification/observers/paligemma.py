"""PaliGemma: pictures are turned to RGB, which the published processor leaves out, and labels are not asked for."""

import copy

from . import image_runs

IMAGE = "<image>"


def grids(inputs):
    return {"image": [], "video": []}


def fields(inputs):
    return {"token_type_ids": inputs["token_type_ids"][0].tolist()}


def extend(reference):
    class PaliGemmaReference(reference):
        batches = False  # forward() counts padding in positions that begin at 1

        def __init__(self, folder):
            super().__init__(folder)
            self.processor.image_processor.do_convert_rgb = True

        def encode(self, samples, request, padding_side=None):
            if len(samples) > 1:  # the processor writes placeholders only where no sample of a batch has any
                samples = [copy.copy(sample) for sample in samples]
                for sample in samples:
                    if IMAGE not in sample.text:
                        sample.text = IMAGE * len(sample.images) + sample.text
            inputs = super().encode(samples, request, padding_side)
            inputs.pop("labels", None)
            return inputs

        def spans(self, inputs, ids, grids, merge):
            vision = self.config.vision_config
            side = vision.image_size // vision.patch_size
            count = ids.count(self.config.image_token_id) // (side * side)
            return image_runs.spans(ids, self.config.image_token_id, [1, side, side], [1] * count)

    return PaliGemmaReference
