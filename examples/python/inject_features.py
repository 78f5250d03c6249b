"""Image features put in place of a picture's pixels, by way of NumPy and of files.

    python examples/python/inject_features.py [--model MODEL] [--image IMAGE] [--question TEXT] [--dtype f32|bf16|q8|q4]

Engines that take token ids alone cannot be given features. Here the tower runs once; what it returns is taken to NumPy, to a
file and back, and stands where the picture stood: beside messages, beside token ids, and beside embeddings, in which the
placeholders are found because their rows are, bit for bit, what embed_tokens() returns for the placeholder. Every way gives the
same bits as the picture itself. At the end a quarter of the features is blanked, and the answer changes.
"""

import argparse
import pathlib
import tempfile

import numpy as np

import azimuth

TINY = pathlib.Path(__file__).resolve().parents[2] / "models" / "azimuth-tiny"


def ways_in(engine, image, question, folder):
    """(name, logits of the prompt) of each way; the first is the picture itself."""
    (medium,) = engine.encode_images([image], last_hidden_state=True)
    ids = engine.preprocess(question, images=[image])["input_ids"][0]
    print(f"picture    grid of patches {medium.patches}, behind the merger {medium.grid}")
    print(f"tower      {medium.last_hidden_state.shape} patches, features {medium.features.shape}, "
          f"DeepStack {[level.shape for level in medium.deepstack]}")
    print(f"prompt     {len(ids)} tokens")
    rows = np.array(medium.features)  # from here on they could come from anywhere: torch, another machine, a database
    features = azimuth.Features(rows, deepstack=[np.array(level) for level in medium.deepstack], grid=medium.patches)
    path = pathlib.Path(folder) / "picture.safetensors"
    engine.save_features(medium, path)
    yield "picture", engine.forward(question, images=[image]).logits
    yield "features beside messages", engine.forward(question, images=[features]).logits
    yield "features beside token ids", engine.forward(ids=ids, images=[features]).logits
    yield "features beside embeddings", engine.forward(inputs_embeds=engine.embed_tokens(ids), images=[features]).logits
    yield f"features from {path.name}", engine.forward(question, images=[azimuth.load_features(path)]).logits


def blanked(engine, image):
    """The picture's features without the first quarter of their rows."""
    (medium,) = engine.encode_images([image])
    arrays = [np.array(array) for array in (medium.features, *medium.deepstack)]
    for array in arrays:
        array[:len(array) // 4] = 0
    return azimuth.Features(arrays[0], deepstack=arrays[1:], grid=medium.patches)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=TINY)
    parser.add_argument("--image", default=TINY / "demo.png")
    parser.add_argument("--question", default="What is in the picture?")
    parser.add_argument("--dtype", default="f32")
    options = parser.parse_args()
    with azimuth.Engine.load(options.model, dtype=options.dtype) as engine, tempfile.TemporaryDirectory() as folder:
        expected = None
        for name, logits in ways_in(engine, options.image, options.question, folder):
            expected = logits if expected is None else expected
            same = np.array_equal(logits, expected)
            print(f"{name:34} {logits.shape} {'the same bits' if same else 'DIFFERENT'}")
            assert same
        for name, image in (("picture", options.image), ("blanked", blanked(engine, options.image))):
            answer = engine.generate(options.question, images=[image], temperature=0.0, max_new_tokens=32)
            print(f"{name}: {answer}")


if __name__ == "__main__":
    main()
