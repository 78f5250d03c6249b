"""TRL 1.16's own GRPOTrainer on a checkpoint: the tensors that it makes of prompts with images, and what it scores.

Nothing is copied from TRL: the trainer is built and run, with given completions in place of sampled ones. What it hands
to `_get_per_token_logps_and_entropies` is what a trainer holds, and what that method returns is the reference.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import inspect
import tempfile
import warnings

import datasets
import torch
import transformers
import trl
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from trl.trainer.utils import add_fused_lm_head, pad

from reference_trace import load_processor

REFERENCE = "1.16.0"


class Held(Exception):
    """Carries the arguments of `_get_per_token_logps_and_entropies` out of the trainer."""


class RecordingTrainer(trl.GRPOTrainer):
    given = None  # completions of the next batch, lists of ids
    recording = False

    def _get_per_token_logps_and_entropies(self, *arguments, **keywords):
        if self.recording:
            signature = inspect.signature(trl.GRPOTrainer._get_per_token_logps_and_entropies)
            names = list(signature.parameters)[2:]  # behind self and model
            raise Held({**dict(zip(names, arguments[1:])), **keywords})
        return super()._get_per_token_logps_and_entropies(*arguments, **keywords)


def given_completions(prompts, trainer):
    """A rollout function that samples nothing. (Without one TRL 1.16 passes None for a prompt without images, which the
    processors of transformers 5.23 refuse.)"""
    ids, _, _ = trainer._tokenize_prompts(prompts)
    return {"prompt_ids": ids, "completion_ids": trainer.given, "logprobs": [[0.0] * len(c) for c in trainer.given]}


def open_trainer(folder, image_options=None):
    """A trainer on the checkpoint in `folder`: f32, eager attention, CPU, temperature 1.

    image_options: images_kwargs of the processor, of which TRL itself knows nothing.
    """
    if trl.__version__ != REFERENCE:
        raise SystemExit(f"expected TRL {REFERENCE}, got {trl.__version__}")
    folder = str(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    multimodal = config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    auto = transformers.AutoModelForImageTextToText if multimodal else transformers.AutoModelForCausalLM
    model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    if config.model_type == "gemma3":
        # Gemma3ForConditionalGeneration never caps its logits, whatever the config says; TRL caps by the config.
        model.config.text_config.final_logit_softcapping = None
    processor = load_processor(folder) if multimodal else transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer = getattr(processor, "tokenizer", processor)
    tokenizer.padding_side = tokenizer.truncation_side = "left"  # as GRPOTrainer opens it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = trl.GRPOConfig(
            output_dir=tempfile.mkdtemp(prefix="azimuth-trl-"), report_to=[], use_cpu=True, bf16=False, beta=0.0,
            per_device_train_batch_size=2, num_generations=2, gradient_accumulation_steps=1, steps_per_generation=2,
            gradient_checkpointing=False,
        )  # fmt: skip
        data = datasets.Dataset.from_list([{"prompt": [{"role": "user", "content": "unused"}]}] * 8)
        trainer = RecordingTrainer(
            model=model, reward_funcs=lambda completions, **_: [0.0] * len(completions), args=arguments,
            train_dataset=data, processing_class=processor, rollout_func=given_completions,
        )  # fmt: skip
    trainer.model.eval()
    trainer.image_options = image_options
    return trainer


def set_temperature(trainer, temperature):
    trainer.temperature = temperature
    add_fused_lm_head(trainer.model, temperature=temperature, outputs=("log_probs", "entropy"))


def held_by_trainer(trainer, prompts, images, completions):
    """What the trainer passes to its scoring function.

    prompts: [sample] text of one user turn; images: [sample][image] PIL; completions: [sample][token] ids.
    """
    inputs = [
        {"prompt": [{"role": "user", "content": prompt}], **({"images": pictures} if any(images) else {})}
        for prompt, pictures in zip(prompts, images, strict=True)
    ]
    trainer.given, trainer.recording = completions, True
    trainer.model.train()  # so that the old log-probabilities are asked for
    try:
        trainer._generate_and_score_completions(inputs)
    except Held as held:
        return held.args[0]
    finally:
        trainer.recording = False
        trainer.model.eval()
    raise AssertionError("the trainer scored nothing")


def rendered(trainer, prompt, images):
    content = [{"type": "image"}] * len(images) + [{"type": "text", "text": prompt}]
    messages = [{"role": "user", "content": content if trainer._is_vlm else prompt}]
    return trainer.processing_class.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def processed(trainer, prompts, images):
    """The processor's tensors of these prompts, without the second bos that TRL's own call adds to a rendered text."""
    texts = [rendered(trainer, *sample) for sample in zip(prompts, images, strict=True)]
    bos = trainer._tokenizer.bos_token
    options = {"add_special_tokens": False} if bos is not None and texts[0].startswith(bos) else {}
    pictures = {"images": images} if any(images) else {}
    if pictures and trainer.image_options:
        options["images_kwargs"] = trainer.image_options
    return trainer.processing_class(text=texts, padding=True, return_tensors="pt", **pictures, **options)


def held_by_hand(trainer, prompts, images, completions):
    """The same as held_by_trainer(), for families on which TRL 1.16 stumbles before it scores."""
    inputs = processed(trainer, prompts, images)
    ids = [torch.tensor(c) for c in completions]
    completion_ids = pad(ids, padding_value=trainer._tokenizer.pad_token_id, padding_side="right")
    completion_mask = pad([torch.ones_like(c) for c in ids], padding_value=0, padding_side="right")
    held = {
        "input_ids": torch.cat([inputs.pop("input_ids"), completion_ids], dim=1),
        "attention_mask": torch.cat([inputs.pop("attention_mask"), completion_mask], dim=1),
        "logits_to_keep": completion_ids.shape[1], "num_images": [len(pictures) for pictures in images],
        "num_tiles": None,
    }  # fmt: skip
    for name, tensor in inputs.items():
        behind = "token_type_ids" in name  # token_type_ids and mm_token_type_ids
        held[name] = torch.cat([tensor, tensor.new_zeros(completion_ids.shape)], dim=1) if behind else tensor
    return held


@torch.no_grad()
def scores(trainer, held, batch_size=None):
    """TRL's (log-probabilities [B, K], entropies [B, K]) as f32 arrays."""
    arguments = {**held, "batch_size": batch_size, "compute_entropy": True}
    logps, entropies, _ = trainer._get_per_token_logps_and_entropies(trainer.model, **arguments)
    return logps.numpy(), entropies.numpy()


@torch.no_grad()
def scores_alone(trainer, held, prompts, images, temperature):
    """The same from plain forward passes of transformers, each sample alone and without padding.

    Shares nothing with TRL but the ids: the images go through the processor once more, one sample at a time.
    """
    ids, mask, keep = held["input_ids"], held["attention_mask"].bool(), held["logits_to_keep"]
    logps, entropies = torch.zeros(ids.shape[0], keep), torch.zeros(ids.shape[0], keep)
    for b, sample in enumerate(zip(prompts, images, strict=True)):
        inputs = processed(trainer, *([part] for part in sample))
        own = ids[b][mask[b]]
        for name in ("token_type_ids", "mm_token_type_ids"):
            if name in inputs:
                behind = inputs[name].new_zeros((1, len(own) - inputs[name].shape[1]))
                inputs[name] = torch.cat([inputs[name], behind], dim=1)
        assert own[: inputs["input_ids"].shape[1]].tolist() == inputs["input_ids"][0].tolist()
        inputs["input_ids"], inputs["attention_mask"] = own[None], torch.ones_like(own)[None]
        logits = trainer.model(**inputs, use_cache=False).logits[0].to(torch.float64) / temperature
        log_p = torch.log_softmax(logits, dim=-1)[:-1]
        kept = mask[b].nonzero()[:, 0][1:] - (ids.shape[1] - keep)  # column of each token that has one in front
        log_p, scored, kept = log_p[kept >= 0], own[1:][kept >= 0], kept[kept >= 0]
        logps[b, kept] = log_p[torch.arange(len(kept)), scored].float()
        entropies[b, kept] = -(log_p.exp() * log_p).sum(-1).float()
    return logps.numpy(), entropies.numpy()
