"""Positions as Qwen2-VL and Qwen2.5-VL were trained with: text after a video goes on behind the video's largest id.

transformers 4.57 and before do so; 5.23 goes on at start + max(rows, columns), inside the video's time range. Azimuth
follows the training by default and 5.23 under compat=tf5, so the reference has to be both. One line of its
get_rope_index differs.
"""

import inspect
import textwrap
import types

IN_5_23 = "current_pos += max(grid_thw[1], grid_thw[2]) // spatial_merge_size"
AS_TRAINED = "current_pos = int(vision_position_ids.max()) + 1"


def as_trained(function):
    """get_rope_index with the line of the training."""
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(IN_5_23) != 1:
        raise ValueError(f"expected the line {IN_5_23!r} once in {function.__qualname__}")
    names = dict(function.__globals__)
    exec(compile(source.replace(IN_5_23, AS_TRAINED), function.__code__.co_filename, "exec"), names)
    return names[function.__name__]


def prepare(model, request):
    """Makes the model number positions as the request's compat says: "tf5", or none for Azimuth's default."""
    base = model.model
    own = type(base).get_rope_index
    base.get_rope_index = types.MethodType(own if request.get("compat") == "tf5" else as_trained(own), base)
