"""Mllama: pictures stay outside of the sequence, and layers that attend to them are left out where there are none."""

import torch


def grids(inputs):
    return {"image": [], "video": []}


def fields(inputs):
    names = ("aspect_ratio_ids", "aspect_ratio_mask")
    return {name: inputs[name][0].tolist() if name in inputs else [] for name in names}


def extend(reference):
    class MllamaReference(reference):
        # In a padded batch, tokens in front of a sample's first picture also see what other samples' pictures are
        # padded with, and positions count the padding.
        batches = False

        def watch_features(self):
            """What the decoder attends to: [pictures * tiles, patches, hidden], padded tiles too."""
            self.base.multi_modal_projector.register_forward_hook(self._see_projection)
            for index, layer in enumerate(self.decoder.layers):
                layer.register_forward_pre_hook(lambda *_, index=index: self._fill_up_to(index))
            self.decoder.norm.register_forward_pre_hook(lambda *_: self._fill_up_to(len(self.decoder.layers)))
            self.decoder.embed_tokens.register_forward_hook(self._see_embeddings)

        def _see_projection(self, module, arguments, output):
            self.features.append(("image", Features(output.flatten(0, 2))))

        def _see_embeddings(self, module, arguments, output):
            self.embeddings, self.first_layer = output, len(self.layer_outputs)

        def _fill_up_to(self, index):
            """A layer that is left out passes on what it would have got."""
            while len(self.layer_outputs) - self.first_layer < index:
                skipped_all = len(self.layer_outputs) == self.first_layer
                self.layer_outputs.append(self.embeddings if skipped_all else self.layer_outputs[-1])

        def encode(self, samples, request, padding_side=None):
            """The processor fails where the first sample has no picture: such samples go last, and their pixels back."""
            order = sorted(range(len(samples)), key=lambda i: not samples[i].images)
            inputs = super().encode([samples[i] for i in order], request)
            if "pixel_values" in inputs:
                inputs["pixel_values"] = inputs["pixel_values"][torch.tensor(order).argsort()]
            return inputs

        def spans(self, inputs, ids, grids, merge):
            spans, images = [], 0
            for i, token in enumerate(ids):
                if token == self.config.image_token_id:
                    spans.append({"kind": "image", "begin": i, "end": i + 1, "media": images, "grid": [1, 1, 1]})
                    images += 1
                elif spans and spans[-1]["kind"] == "text":
                    spans[-1]["end"] = i + 1
                else:
                    spans.append({"kind": "text", "begin": i, "end": i + 1, "media": -1, "grid": [0, 0, 0]})
            return [{**span, "tile": 0, "view": 0} for span in spans]

    return MllamaReference


class Features:
    """As the output of get_image_features, which this family does not have."""

    def __init__(self, arrays):
        self.pooler_output = arrays
