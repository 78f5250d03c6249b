"""Azimuth's side: its command, on the Hugging Face directory or on the directory that it quantised."""

import json
import shutil

import process

EIGHT_TOKENS = "one two three four five six seven eight"
QUANTISED = ("q8", "q4")


def parse_bench(text):
    """{"prefill", "decode": tokens per second, "vision": ms (absent without a picture), ...} from `bench --json`."""
    report = json.loads(text)
    figures = {"prefill": report["prefill_tok_s"], "decode": report["decode_tok_s"], "memory": report["peak_rss_mb"]}
    if report["vision_patches"] > 0:
        figures["vision"] = report["vision_ms"]
    return figures | {"patches": report["vision_patches"], "cpu": report["cpu"]}


ACCURACY = ["mean_kl", "max_kl", "top1_agreement", "mean_logprob_difference", "max_logprob_difference"]


def parse_accuracy(text):
    """The figures of `bench --accuracy --json` that a table has a column for."""
    report = json.loads(text)
    figures = {name: report[name] for name in ACCURACY if name in report}
    if not figures:
        raise process.Failed(f"expected `bench --accuracy --json` to print {ACCURACY[0]}, found {', '.join(report)}")
    return figures


class Azimuth:
    def __init__(self, command, checkpoint, folder, level, threads, repetitions):
        """folder: where quantised directories are kept."""
        self.command, self.checkpoint, self.folder = command, checkpoint, folder
        self.threads, self.repetitions = threads, repetitions
        self.environment = {} if level == "native" else {"AZIMUTH_CPU": level}

    def info(self):
        return json.loads(process.run([self.command, "info", self.checkpoint, "--json"]).stdout)

    def quantised(self, dtype):
        """The quantised directory, made where it is missing or older than the command, whose format it has.

        Raises Failed where the command cannot make one.
        """
        out, stamp = self.folder / dtype, self.stamp(dtype)
        if not self.is_made(dtype):
            shutil.rmtree(out, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            process.run([self.command, "quantize", self.checkpoint, out, "--type", dtype], self.environment)
            stamp.touch()
        return out

    def stamp(self, dtype):
        return self.folder / f"{dtype}.complete"

    def is_made(self, dtype):
        stamp = self.stamp(dtype)
        return stamp.exists() and stamp.stat().st_mtime >= self.command.stat().st_mtime

    def model(self, dtype):
        """The directory to run: the quantised one where it has been made, else the checkpoint, quantised at load."""
        return self.folder / dtype if self.is_made(dtype) else self.checkpoint

    def bench(self, dtype, prompt, generated, picture=None):
        command = [self.command, "bench", self.model(dtype), "--dtype", dtype, "--threads", self.threads]
        command += ["--prompt-tokens", prompt, "--gen", generated, "--repetitions", self.repetitions, "--json"]
        if picture:
            command += ["--image", f"{picture[0]}x{picture[1]}"]
        return process.run(command, self.environment)

    def text(self, dtype, prompt, generated):
        figures = parse_bench(self.bench(dtype, prompt, generated).stdout)
        return {stage: figures[stage] for stage in ("prefill", "decode", "memory")}

    def vision(self, dtype, picture):
        return parse_bench(self.bench(dtype, 1, 1, picture).stdout)["vision"]

    def first_token(self, dtype):
        """Seconds from the start of the command to its end, after one token for a question of eight."""
        command = [self.command, "run", self.quantised(dtype), EIGHT_TOKENS, "--dtype", dtype]
        command += ["--threads", self.threads, "--max-tokens", 1, "--temperature", 0]
        return process.run(command, self.environment).seconds

    def accuracy(self, dtype):
        """How far a type is from f32, of the checkpoint quantised at load; Failed where the command cannot say."""
        command = [self.command, "bench", self.checkpoint, "--dtype", dtype, "--threads", self.threads]
        return parse_accuracy(process.run([*command, "--accuracy", "--json"], self.environment).stdout)
