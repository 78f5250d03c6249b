"""How much a model prefers one answer about pictures to another: log-probabilities of both, token by token.

    python examples/python/score_preference_pair.py [--model MODEL] [--image IMAGE ...] [--question TEXT]
                                                    [--chosen TEXT] [--rejected TEXT] [--temperature T]

What preference trainers (DPO and its kin) need of a reference model. Both completions belong to the same prompt, which is
encoded and read once; --image may be given several times, or not at all with --no-image. The last line is the same pair without
its pictures, which tells how much of the preference the pictures make.
"""

import argparse
import pathlib

import azimuth

TINY = pathlib.Path(__file__).resolve().parents[2] / "models" / "azimuth-tiny"


def pair(images, question, chosen, rejected):
    """Two samples with one prompt. The text that ends an answer is no part of a completion; give completion_ids for it."""
    parts = [{"type": "image", "image": image} for image in images]
    messages = [{"role": "user", "content": [*parts, {"type": "text", "text": question}]}]
    return [{"id": name, "messages": messages, "completion": text}
            for name, text in (("chosen", chosen), ("rejected", rejected))]


def show(engine, name, score):
    print(f"\n{name}: {score.logprobs.sum():.4f} nats in {len(score.logprobs)} tokens "
          f"({score.shared_tokens} of {score.prompt_tokens} prompt tokens and {score.shared_media} pictures were there already)")
    for token, logprob, entropy, best in zip(score.completion_ids, score.logprobs, score.entropies, score.top[0][:, 0]):
        hint = "" if best == token else f"   rather {engine.tokenizer.decode([best])!r}"
        print(f"  {engine.tokenizer.decode([token])!r:14} {logprob:9.4f}   entropy {entropy:.4f}{hint}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=TINY)
    parser.add_argument("--image", action="append", help="may be given several times")
    parser.add_argument("--no-image", action="store_true")
    parser.add_argument("--question", default="What is in the picture?")
    parser.add_argument("--chosen", default="red circle, blue square, purple heart, yellow star")
    parser.add_argument("--rejected", default="red circle, blue square, purple heart, green star")
    parser.add_argument("--temperature", type=float, default=1.0)
    options = parser.parse_args()
    images = [] if options.no_image else options.image or [TINY / "demo.png"]
    texts = (options.question, options.chosen, options.rejected)
    with azimuth.Engine.load(options.model, dtype="f32") as engine:
        chosen, rejected = engine.score(pair(images, *texts), temperature=options.temperature, top=1)
        show(engine, "chosen", chosen)
        show(engine, "rejected", rejected)
        print(f"\nmargin {chosen.logprobs.sum() - rejected.logprobs.sum():.4f} nats")
        blind = engine.score(pair([], *texts), temperature=options.temperature)
        print(f"margin without pictures {blind[0].logprobs.sum() - blind[1].logprobs.sum():.4f} nats")


if __name__ == "__main__":
    main()
