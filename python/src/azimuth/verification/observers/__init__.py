"""What only some families have in a trace, one module per model_type.

A module may offer `prepare(model, request)`, called before anything runs, `grids(inputs)` -> {"image": [[t, h, w] in
patches], "video": [...]}, `merge(config)` (patches per side of a token), `spans(inputs, ids, config)` -> this sample's spans
where grids do not say it all, `sample_spans(processor, sample, ids)` -> the same from the sample itself, `fields(inputs)` ->
{name: this sample's entry} and `extend(Reference)` -> a class that takes its place.
"""

import importlib
import pathlib


def of(model_type):
    """The observer of a family, or None where the generic trace says it all."""
    name = model_type.replace("-", "_")
    path = pathlib.Path(__file__).parent / f"{name}.py"
    return importlib.import_module(f"{__name__}.{name}") if path.exists() else None
