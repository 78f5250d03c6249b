"""Tests of what needs no network, no peer and no NumPy: parsing, the rules, the shapes; the generator where NumPy is.

python3 bench/peers/peers_test.py
"""

import json
import struct
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import azimuth
import compare
import llama
import machine
import models
import process
import rules
import table

try:
    import make_checkpoint
except ImportError:  # no NumPy
    make_checkpoint = None

MODEL = models.MODELS["qwen3-vl-2b"]


class LlamaBench(unittest.TestCase):
    TEXT = json.dumps([
        {"n_prompt": 256, "n_gen": 0, "n_depth": 0, "avg_ts": 20.0, "samples_ts": [19.0, 21.0]},
        {"n_prompt": 0, "n_gen": 32, "n_depth": 256, "avg_ts": 4.0, "samples_ts": [3.0, 5.0, 4.0]},
    ])  # fmt: skip

    def test_takes_the_entry_that_is_asked_for(self):
        entries = llama.parse_bench(self.TEXT)
        self.assertEqual(llama.rates_of(entries, prompt=256), [19.0, 21.0])
        self.assertEqual(llama.rates_of(entries, generated=32, depth=256), [3.0, 5.0, 4.0])

    def test_says_what_it_found_instead(self):
        with self.assertRaisesRegex(process.Failed, "'depth': 8192.*found.*'prompt': 256"):
            llama.rates_of(llama.parse_bench(self.TEXT), generated=32, depth=8192)

    def test_reads_releases_without_depth(self):
        entries = llama.parse_bench('[{"n_prompt": 1, "n_gen": 0, "samples_ts": [2.0]}]')
        self.assertEqual(llama.rates_of(entries, prompt=1, depth=0), [2.0])


class EncodeTimes(unittest.TestCase):
    def test_both_spellings(self):
        self.assertEqual(
            llama.parse_encode_times("image slice encoded in 15 ms\nx\nimage slice encoded in 16 ms"), [15.0, 16.0]
        )
        log = "0.13.980.578 I encoding mtmd batch, n_chunks = 1 (done = 1, total = 5)\n"
        self.assertEqual(
            llama.parse_encode_times(log + "0.29.897.174 I mtmd batch encoding done in 15916 ms\n"), [15916.0]
        )

    def test_a_batch_is_shared_among_its_pictures(self):
        log = "encoding mtmd batch, n_chunks = 3 (done = 1, total = 7)\nmtmd batch encoding done in 30 ms\n"
        self.assertEqual(llama.parse_encode_times(log), [10.0, 10.0, 10.0])

    def test_other_lines_are_no_times(self):
        self.assertEqual(llama.parse_encode_times("image decoded (batch 1/1) in 771 ms\nload time = 3 ms"), [])


class AmxPatch(unittest.TestCase):
    def test_is_applied_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / llama.AMX_FILE
            path.parent.mkdir(parents=True)
            path.write_text("    tc.rows[7] = 16;\n" + llama.AMX_CALL)
            llama.keep_tile_config(Path(folder))
            llama.keep_tile_config(Path(folder))
            self.assertEqual(path.read_text(), "    tc.rows[7] = 16;\n" + llama.AMX_BARRIER + llama.AMX_CALL)


class AzimuthBench(unittest.TestCase):
    REPORT = {"dtype": "bf16", "threads": 2, "cpu": "avx2", "load_s": 1.0, "preprocess_ms": 1.0, "vision_ms": 50.0,
              "vision_patches": 468, "prefill_tok_s": 90.0, "decode_tok_s": 9.0, "peak_rss_mb": 800.0}  # fmt: skip

    def test_with_and_without_a_picture(self):
        figures = azimuth.parse_bench(json.dumps(self.REPORT))
        self.assertEqual((figures["decode"], figures["prefill"], figures["vision"]), (9.0, 90.0, 50.0))
        self.assertNotIn("vision", azimuth.parse_bench(json.dumps(self.REPORT | {"vision_patches": 0})))

    def test_accuracy(self):
        found = azimuth.parse_accuracy('{"dtype": "q8", "tokens": 9, "mean_kl": 0.001, "top1_agreement": 0.99}')
        self.assertEqual(found, {"mean_kl": 0.001, "top1_agreement": 0.99})
        with self.assertRaisesRegex(process.Failed, "expected .* mean_kl, found dtype, cpu"):
            azimuth.parse_accuracy('{"dtype": "q8", "cpu": "avx2"}')


class Programs(unittest.TestCase):
    def test_failures_say_what_was_expected(self):
        with self.assertRaisesRegex(process.Failed, "code 0, found 3: no such thing"):
            process.run([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"])
        with self.assertRaisesRegex(process.Failed, "expected a program at /nowhere"):
            process.run(["/nowhere"])

    def test_time_and_memory_of_a_run(self):
        finished = process.run([sys.executable, "-c", "print('out')"])
        self.assertEqual(finished.stdout, "out\n")
        self.assertGreater(finished.seconds, 0)
        self.assertGreater(finished.peak_mb, 1)

    def test_a_hanging_program_is_ended(self):
        with self.assertRaisesRegex(process.Failed, "found -9"):
            process.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


class Rules(unittest.TestCase):
    LIMITS = rules.merged([
        {"read_gb_s": 10.0, "f32_gflops": {"avx2": 80.0, "avx512": 140.0},
         "bf16_gflops": {"avx512_bf16": 60.0, "amx": 2000.0},
         "int8_gops": {"maddwd_paddd": 120.0, "maddubs_paddw": 110.0, "amx": 4000.0}},
        {"read_gb_s": 20.0, "f32_gflops": {"avx2": 70.0}, "bf16_gflops": {},
         "int8_gops": {"maddwd_paddd": 100.0, "maddubs_paddw": 150.0}},
    ])  # fmt: skip

    def test_the_best_report_is_the_limit(self):
        self.assertEqual(self.LIMITS.read, 20e9)
        self.assertEqual(self.LIMITS.products("f32", "avx2"), 80e9)
        self.assertEqual(self.LIMITS.products("q8", "avx2"), 120e9)
        self.assertEqual(self.LIMITS.products("q4", "native"), 4000e9)

    def test_whole_bytes_cannot_be_multiplied_with_seven_bits(self):
        self.assertEqual(self.LIMITS.products("q8", "avx2"), 120e9)
        self.assertEqual(self.LIMITS.products("q8", "avx2", narrow_rows=True), 150e9)
        self.assertEqual(self.LIMITS.products("q4", "avx2"), 150e9)

    def test_a_level_uses_only_its_own_instructions(self):
        self.assertEqual(self.LIMITS.products("bf16", "avx2"), 80e9)  # widened to f32
        self.assertEqual(self.LIMITS.products("bf16", "native"), 2000e9)
        self.assertEqual(self.LIMITS.attention("q8", "avx2"), 80e9)
        self.assertEqual(self.LIMITS.attention("f32", "native"), 140e9)

    def test_the_slower_of_reading_and_computing_limits(self):
        self.assertAlmostEqual(rules.Work(40e9, 1e9).seconds(self.LIMITS, "q8", "avx2"), 2.0)
        self.assertAlmostEqual(rules.Work(1e9, 240e9, 80e9).seconds(self.LIMITS, "q8", "avx2"), 3.0)

    def test_targets(self):
        self.assertEqual(rules.ratio_target("decode", "q4"), 1.8)
        self.assertEqual(rules.ratio_target("decode", "q8"), 1.6)
        self.assertEqual(rules.ratio_target("prefill", "q8"), 2.2)
        self.assertEqual(rules.ratio_target("prefill", "q4"), 1.8)
        self.assertEqual(rules.ratio_target("vision", "q8", 468), 2.0)
        self.assertEqual(rules.ratio_target("vision", "q8", 5292), 1.7)
        self.assertEqual(rules.ratio_target("vision", "bf16", 468), 1.0)
        self.assertIsNone(rules.ratio_target("first token", "q4"))

    def test_a_missed_ratio_is_made_up_for_by_the_limit(self):
        self.assertEqual(rules.verdict(1.9, 1.8, 0.1), "yes")
        self.assertEqual(rules.verdict(1.7, 1.8, 0.79), "no")
        self.assertEqual(rules.verdict(1.7, 1.8, 0.81), "by the limit")
        self.assertEqual(rules.verdict(None, 1.8, 0.5), "")
        self.assertEqual(rules.verdict(5.0, None, 0.9), "")

    def test_q4_keeps_the_head_and_the_first_layer_wider(self):
        layers, head = 1409286144, 311164928
        self.assertEqual(rules.layer_bytes(MODEL, "q4"), (layers * 27 / 28 * 4.5 + layers / 28 * 8.25) / 8)
        self.assertEqual(rules.decoder_bytes(MODEL, "q4") - rules.layer_bytes(MODEL, "q4"), head * 8.25 / 8)

    def test_work_of_a_token(self):
        work = rules.decode_work(MODEL, "q8", 1000, 114688)
        weights = 1409286144 + 311164928  # layers and tied head
        self.assertAlmostEqual(work.bytes, weights * 8.25 / 8 + 1000 * 114688, delta=1)
        self.assertEqual(work.attention, 4 * 28 * 16 * 128 * 1000)

    def test_growth_and_memory(self):
        self.assertAlmostEqual(rules.growth_limit(MODEL, "q8", 1024, 1024, 114688), 1.15)
        self.assertGreater(rules.growth_limit(MODEL, "q4", 1024, 8192, 229376), 1.15 * 2)
        everything = models.count(MODEL.tensors(MODEL.config))
        self.assertAlmostEqual(
            rules.memory_limit_mb(MODEL, "bf16", 0, 0) * 2**20 / 1.15, 2 * everything, delta=0.01 * everything
        )


class Rows(unittest.TestCase):
    def setUp(self):
        self.samples = table.Samples()
        self.limits = {}
        self.tables = table.Tables(MODEL, "avx2", self.samples, self.limits, 114688)

    def add(self, engine, dtype, stage, *values):
        for value in values:
            self.samples.add(engine, dtype, stage, value)

    def test_medians_are_compared(self):
        self.add("azimuth", "q4", "decode", 9.0, 1.0, 10.0)
        self.add("llama", "q4", "decode", 4.0, 5.0)
        self.limits["q4", "decode"] = [Rules.LIMITS] * 3
        row = self.tables.compared("decode", "q4", rules.Work(2e9), 1)
        self.assertEqual((row.azimuth, row.llama, row.ratio, row.met), (9.0, 4.5, 2.0, "yes"))
        self.assertAlmostEqual(row.limit, 10.0)  # 2 GB at 20 GB/s
        self.assertAlmostEqual(row.share, 0.9)

    def test_rounds_are_compared_one_by_one(self):
        slow = rules.Limits(10e9, Rules.LIMITS.peaks)  # another program read as much in the second round
        self.add("azimuth", "q4", "decode", 9.0, 4.0, 9.0)
        self.add("llama", "q4", "decode", 4.5, 2.5, 4.5)
        self.limits["q4", "decode"] = [Rules.LIMITS, slow, slow]
        row = self.tables.compared("decode", "q4", rules.Work(2e9), 1)
        self.assertEqual(row.ratio, 2.0)
        self.assertAlmostEqual(row.share, 0.9)  # of 0.9, 0.8 and 1.8

    def test_a_tower_that_was_faster_in_turn(self):
        stage = "vision, 468 patches"
        self.add("azimuth", "q8", stage, 100.0, 100.0)
        self.add("llama", "f16", stage, 300.0, 200.0)
        self.add("llama", "q8_0", stage, 200.0, 300.0)
        self.assertEqual(self.tables.compared(stage, "q8", rules.Work(1.0), 1e3, 468).ratio, 2.0)

    def test_towers_are_compared_with_the_faster_file(self):
        stage = "vision, 468 patches"
        self.add("azimuth", "q8", stage, 100.0)
        self.add("llama", "f16", stage, 300.0)
        self.add("llama", "q8_0", stage, 190.0)
        row = self.tables.compared(stage, "q8", rules.Work(1.0), 1e3, 468)
        self.assertEqual((row.llama, row.ratio, row.met), (190.0, 1.9, "no"))

    def test_bf16_is_compared_with_the_faster_type_of_transformers(self):
        self.add("azimuth", "bf16", "prefill", 100.0)
        self.add("transformers", "f32", "prefill", 50.0)
        self.add("transformers", "bf16", "prefill", 80.0)
        row = self.tables.compared("prefill", "bf16", rules.Work(1.0), 256)
        self.assertEqual((row.ratio, row.met), (1.25, "yes"))

    def test_growth_is_a_ratio_of_times(self):
        for engine, rates in {"azimuth": (10.0, 5.0), "llama": (9.0, 3.0)}.items():
            self.add(engine, "q4", "decode behind 1024", rates[0])
            self.add(engine, "q4", "decode behind 8192", rates[1])
        row = self.tables.growth("q4", (1024, 8192))
        self.assertEqual((row.azimuth, row.llama), (2.0, 3.0))

    def test_only_the_named_model_has_a_target_for_its_first_token(self):
        self.add("azimuth", "q4", "first token", 3.5)
        self.add("azimuth", "q8", "first token", 3.5)
        self.assertEqual([self.tables.first_token(t).met for t in ("q4", "q8")], ["no", ""])

    def test_rows_without_figures_are_left_out(self):
        rows = [
            table.Row("decode", "q4", 9.0, 4.5, ratio=2.0, target="1.8 x llama.cpp", met="yes"),
            table.Row("growth", "q4"),
        ]
        lines = table.markdown(rows).splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[2], "| decode | q4 | 9 tok/s | 4.5 tok/s |  | 2 | 1.8 x llama.cpp | - | - | yes |")


class Shapes(unittest.TestCase):
    def test_sizes_of_the_published_checkpoints(self):
        sizes = {"qwen3-vl-2b": 2.1275, "qwen3-vl-4b": 4.4378, "internvl3.5-1b": 0.9053, "gemma3-4b": 4.3001}
        for name, size in sizes.items():
            model = models.MODELS[name]
            self.assertAlmostEqual(models.count(model.tensors(model.config)) / 1e9, size, places=4, msg=name)

    def test_names_are_used_once(self):
        for model in models.MODELS.values():
            names = [tensor.name for tensor in model.tensors(model.config)]
            self.assertEqual(len(names), len(set(names)), model.name)

    def test_a_tower_computes_what_its_weights_and_patches_say(self):
        operations = models.tower_operations(MODEL, 468)
        blocks = 24 * (4 * 1024 * 1024 + 2 * 1024 * 4096) + 1024 * 3 * 2 * 16 * 16
        mergers = 4 * (4096 * 4096 + 4096 * 2048)
        self.assertEqual(operations, 2 * 468 * blocks + 2 * 117 * mergers + 4 * 24 * 1024 * 468 * 468)

    def test_pictures_have_the_patches_that_the_targets_name(self):
        self.assertEqual([compare.patches_of(MODEL, picture) for picture in compare.PICTURES], [468, 5292])


class Machine(unittest.TestCase):
    def test_reads_what_linux_says(self):
        cpu = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2 fma amx_int8\n\nprocessor\t: 1\n"
        found = machine.describe(cpu, "MemTotal:       16777216 kB\n")
        self.assertEqual((found["cpu"], found["cores"], found["memory_gb"]), ("A CPU", 2, 16.0))
        self.assertEqual(found["flags"], ["avx2", "fma", "amx_int8"])

    def test_options_are_checked(self):
        self.assertEqual(compare.chosen(["q4", "q8"])("q8,q4"), ["q8", "q4"])
        with self.assertRaisesRegex(compare.argparse.ArgumentTypeError, "expected some of q4,q8, found q5"):
            compare.chosen(["q4", "q8"])("q4,q5")


@unittest.skipIf(make_checkpoint is None, "NumPy is not installed")
class Checkpoints(unittest.TestCase):
    SMALL = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2,
             "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 40}  # fmt: skip
    TOWERS = {
        "qwen3-vl-2b": {"depth": 2, "hidden_size": 16, "intermediate_size": 20, "num_position_embeddings": 9,
                        "out_hidden_size": 32, "deepstack_visual_indexes": [1]},
        "internvl3.5-1b": {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 20, "image_size": [28, 28]},
        "gemma3-4b": {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 20, "image_size": 28},
    }  # fmt: skip

    def write(self, folder, name, seed=1, shard=1 << 20):
        model = models.scaled(models.MODELS[name], self.SMALL, self.TOWERS[name])
        make_checkpoint.write_checkpoint(folder, model, seed, shard, tokenizer=None)
        return model

    def read(self, path):
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__")
        return {name: (entry, data[8 + length :][slice(*entry["data_offsets"])]) for name, entry in header.items()}

    def test_files_hold_the_tensors_of_the_config(self):
        for name in self.TOWERS:
            with tempfile.TemporaryDirectory() as folder:
                model = self.write(Path(folder), name)
                found = self.read(Path(folder) / "model.safetensors")
                expected = {tensor.name: list(tensor.shape) for tensor in model.tensors(model.config)}
                self.assertEqual({n: entry["shape"] for n, (entry, _) in found.items()}, expected)
                for entry, data in found.values():
                    self.assertEqual(len(data), 2 * models.math.prod(entry["shape"]))
                self.assertTrue((Path(folder) / "preprocessor_config.json").exists())

    def test_shards_are_indexed_and_hold_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as many:
            self.write(Path(one), "qwen3-vl-2b")
            self.write(Path(many), "qwen3-vl-2b", shard=10000)
            whole = self.read(Path(one) / "model.safetensors")
            index = json.loads((Path(many) / "model.safetensors.index.json").read_text())["weight_map"]
            self.assertGreater(len(set(index.values())), 2)
            self.assertEqual(set(index), set(whole))
            for file in set(index.values()):
                for name, (_, data) in self.read(Path(many) / file).items():
                    self.assertEqual((index[name], data), (file, whole[name][1]))

    def test_the_seed_decides(self):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b, tempfile.TemporaryDirectory() as c:
            for folder, seed in ((a, 1), (b, 1), (c, 2)):
                self.write(Path(folder), "gemma3-4b", seed)
            first, again, other = (Path(f, "model.safetensors").read_bytes() for f in (a, b, c))
            self.assertEqual(first, again)
            self.assertNotEqual(first, other)

    def test_rounding_to_bf16(self):
        values = make_checkpoint.numpy.array([1.0, 1.00390625, 1.01171875, -2.5], dtype="float32")
        self.assertEqual([hex(v) for v in make_checkpoint.to_bf16(values)], ["0x3f80", "0x3f80", "0x3f82", "0xc020"])


if __name__ == "__main__":
    unittest.main()
