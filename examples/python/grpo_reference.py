"""One GRPO step of TRL on pictures whose reference log-probabilities come from Azimuth.

    python examples/python/grpo_reference.py [MODEL] [--steps N]

TRL keeps a second copy of the model for the KL term. Here an engine takes its place: the trainer's own tensors go into
azimuth.trainer.per_token_logps_and_entropies, as they are. Toy size: the bundled model, two prompts, two completions each, on the
CPU. What the first step prints as kl is 0 but for rounding, because nothing has been trained yet: the policy in torch and the
reference in Azimuth are the same model.
"""

import argparse
import pathlib
import tempfile
import warnings

import datasets
import PIL.Image
import torch
import transformers
import trl

import azimuth
from azimuth.trainer import per_token_logps_and_entropies

TINY = pathlib.Path(__file__).resolve().parents[2] / "models" / "azimuth-tiny"


class EngineReference:
    """Stands where TRL has its reference model."""

    def __init__(self, folder):
        self.engine = azimuth.Engine.load(folder, dtype="f32")

    def eval(self):
        return self


class Trainer(trl.GRPOTrainer):
    """GRPOTrainer whose reference is an engine."""

    def __init__(self, *arguments, reference, beta, **keywords):
        super().__init__(*arguments, **keywords)  # with beta 0, so that no copy of the model is made
        self.ref_model, self.beta = reference, beta

    def _get_per_token_logps_and_entropies(self, model, *arguments, compute_aux_loss=False, **keywords):
        if not isinstance(model, EngineReference):
            return super()._get_per_token_logps_and_entropies(
                model, *arguments, compute_aux_loss=compute_aux_loss, **keywords
            )
        logps, entropies = per_token_logps_and_entropies(
            model.engine, *arguments, temperature=self.temperature, **keywords
        )
        return logps, entropies, None


def brevity(completions, **_):
    return [-len(completion[0]["content"]) / 100 for completion in completions]


def samples():
    picture = PIL.Image.open(TINY / "demo.png").convert("RGB")
    rows = [
        {"prompt": [{"role": "user", "content": "What is in the picture?"}], "images": [picture]},
        {"prompt": [{"role": "user", "content": "Compare them."}], "images": [picture, picture.rotate(90)]},
    ]
    return datasets.Dataset.from_list(rows * 2)


def train(folder=TINY, steps=2, beta=0.04):
    """Trains for `steps`; returns TRL's log of each."""
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    processor = transformers.AutoProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"
    arguments = trl.GRPOConfig(
        output_dir=tempfile.mkdtemp(), report_to=[], use_cpu=True, bf16=False, beta=0.0, max_steps=steps, logging_steps=1,
        per_device_train_batch_size=4, num_generations=2, max_completion_length=12, learning_rate=1e-4, temperature=1.0,
        gradient_checkpointing=False, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(
        model=model, reward_funcs=brevity, args=arguments, train_dataset=samples(), processing_class=processor,
        reference=EngineReference(folder), beta=beta,
    )  # fmt: skip
    trainer.train()
    return [log for log in trainer.state.log_history if "kl" in log]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=TINY)
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for number, log in enumerate(train(options.model, options.steps)):
        print(f"step {number}: kl {log['kl']:.2e}, reward {log['reward']:.3f}, loss {log['loss']:.2e}")


if __name__ == "__main__":
    main()
