"""What only some families have in a trace, one module per model_type.

A module may offer `grids(inputs)` -> {"image": [[t, h, w] in patches], "video": [...]}, `merge(config)` (patches per side of
a token) and `fields(inputs)` -> {name: this sample's entry}.
"""

import importlib
import pathlib


def of(model_type):
    """The observer of a family, or None where the generic trace says it all."""
    path = pathlib.Path(__file__).parent / f"{model_type}.py"
    return importlib.import_module(f"{__name__}.{model_type}") if path.exists() else None
