"""llama.cpp's side: fetched inside the source package of llama-cpp-python, built, fed with the same checkpoint."""

import json
import re
import shutil
import subprocess
import sys

import process

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
TARGETS = ["llama-bench", "llama-mtmd-cli", "llama-quantize"]
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release", "BUILD_SHARED_LIBS": "OFF", "LLAMA_OPENSSL": "OFF", "LLAMA_CURL": "OFF",
    "LLAMA_BUILD_TESTS": "OFF", "LLAMA_BUILD_EXAMPLES": "OFF", "LLAMA_BUILD_SERVER": "OFF", "LLAMA_BUILD_APP": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
}  # fmt: skip
AVX2_ONLY = {
    "GGML_NATIVE": "OFF", "GGML_SSE42": "ON", "GGML_AVX": "ON", "GGML_AVX2": "ON", "GGML_FMA": "ON", "GGML_F16C": "ON",
    "GGML_BMI2": "ON", "GGML_AVX_VNNI": "OFF", "GGML_AVX512": "OFF", "GGML_AMX_TILE": "OFF", "GGML_AMX_INT8": "OFF",
    "GGML_AMX_BF16": "OFF",
}  # fmt: skip
LEVELS = {"native": {"GGML_NATIVE": "ON"}, "avx2": AVX2_ONLY}

# g++ 12 takes _tile_loadconfig for a read of eight bytes and drops the stores to the other 56: the AMX build dies of
# the first product. One line keeps them, so that the peer runs at its best.
AMX_FILE = "ggml/src/ggml-cpu/amx/mmq.cpp"
AMX_CALL = "    _tile_loadconfig(&tc);\n"
AMX_BARRIER = '    asm volatile("" : : "m"(tc));\n'

FILE_TYPES = {"bf16": "bf16", "q8": "q8_0", "q4": "q4_0"}
TOWER_TYPES = ["f16", "q8_0"]
CARRIER_LAYERS = 4  # at least as many as DeepStack levels
CONTEXT = 8192

ENCODED = re.compile(r"(?:image slice encoded|mtmd batch encoding done) in (\d+(?:\.\d+)?) ms")
BATCH = re.compile(r"encoding mtmd batch, n_chunks = (\d+)")


# ---- what its programs print ----------------------------------------------------------------------------------------


def parse_bench(text):
    """llama-bench -o json -> [{"prompt", "generated", "depth", "rates": tokens per second of each repetition}]."""
    return [
        {"prompt": e["n_prompt"], "generated": e["n_gen"], "depth": e.get("n_depth", 0), "rates": e["samples_ts"]}
        for e in json.loads(text)
    ]


def rates_of(entries, **wanted):
    for entry in entries:
        if all(entry[key] == value for key, value in wanted.items()):
            return entry["rates"]
    raise process.Failed(f"expected llama-bench to report {wanted}, found {[{**e, 'rates': '...'} for e in entries]}")


def parse_encode_times(text):
    """Milliseconds per picture, in order, from what llama-mtmd-cli logs; a batch of n counts n times its share."""
    times, pictures = [], 1
    for line in text.splitlines():
        if batch := BATCH.search(line):
            pictures = max(1, int(batch.group(1)))
        if encoded := ENCODED.search(line):
            times += [float(encoded.group(1)) / pictures] * pictures
            pictures = 1
    return times


# ---- building -------------------------------------------------------------------------------------------------------


def sources(work, python=sys.executable):
    """The tree of llama.cpp, fetched and unpacked once. python: one with pip."""
    tree = work / "llama.cpp"
    if (tree / "CMakeLists.txt").exists():
        return tree
    archive = work / f"{PACKAGE.replace('-', '_')}-{VERSION}.tar.gz"
    if not archive.exists():
        fetch = [str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE]
        fetched = subprocess.run([*fetch, "--dest", str(work), f"{PACKAGE}=={VERSION}"])
        if fetched.returncode != 0 and not archive.exists():
            raise SystemExit(
                f"expected pip to download the source package {PACKAGE} {VERSION}, found no package; try again"
            )
    unpack(archive, tree)
    keep_tile_config(tree)
    return tree


def unpack(archive, tree):
    scratch = tree.with_name("llama.cpp.unpacked")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    process.run(["tar", "xf", archive, "-C", scratch, "--wildcards", "*/vendor/llama.cpp/*"])
    shutil.rmtree(tree, ignore_errors=True)
    next(scratch.glob("*/vendor/llama.cpp")).rename(tree)
    shutil.rmtree(scratch)


def keep_tile_config(tree):
    path = tree / AMX_FILE
    text = path.read_text() if path.exists() else ""
    if AMX_CALL in text and AMX_BARRIER not in text:
        path.write_text(text.replace(AMX_CALL, AMX_BARRIER + AMX_CALL))


def build(work, level, jobs, python):
    """The folder with llama.cpp's programs of a level, built once."""
    out = work / f"llama-{level}"
    programs = out / "bin"
    if all((programs / name).exists() for name in TARGETS):
        return programs
    print(f"peers: building llama.cpp for {level}; ten minutes and more on two cores", flush=True)
    configure = ["cmake", "-S", sources(work, python), "-B", out, "-G", "Ninja"]
    configure += [f"-D{key}={value}" for key, value in {**OPTIONS, **LEVELS[level]}.items()]
    for command in (configure, ["cmake", "--build", out, "-j", jobs, "--target", *TARGETS]):
        log = work / f"llama-{level}.log"
        with open(log, "a") as file:
            if subprocess.run([str(word) for word in command], stdout=file, stderr=file).returncode != 0:
                raise SystemExit(f"expected llama.cpp to build for {level}, found errors: {log}")
    return programs


# ---- converting -----------------------------------------------------------------------------------------------------


class Files:
    """GGUF files of one checkpoint, each made when it is first asked for."""

    def __init__(self, work, folder, programs, python, checkpoint, carrier, pure):
        """carrier: the same checkpoint with few decoder layers, below which the tower is timed. pure: `quantise`."""
        self.pure = pure
        self.work, self.folder, self.programs, self.python = work, folder, programs, python
        self.checkpoint, self.carrier_checkpoint = checkpoint, carrier
        folder.mkdir(parents=True, exist_ok=True)

    def made(self, name, command):
        """folder/name, written by `command(part)`; a file that was cut short never gets the name."""
        path = self.folder / name
        if not path.exists():
            print(f"peers: writing {path}", flush=True)
            part = self.folder / f"part-{name}"
            process.run(command(part))
            part.rename(path)
        return path

    def convert(self, checkpoint, out, *arguments):
        script = sources(self.work) / "convert_hf_to_gguf.py"
        return [self.python, script, checkpoint, "--outfile", out, *arguments]

    def quantise(self, source, out, kind):
        # --pure: every matrix has the type, the tied head included, which llama-quantize keeps at six bits by itself.
        pure = ["--pure"] if self.pure else []
        return [self.programs / "llama-quantize", *pure, source, out, kind.upper()]

    def decoder(self, dtype):
        whole = self.made("text-bf16.gguf", lambda out: self.convert(self.checkpoint, out, "--outtype", "bf16"))
        if dtype == "bf16":
            return whole
        kind = FILE_TYPES[dtype]
        name = f"text-{kind}{'-pure' if self.pure else ''}.gguf"
        return self.made(name, lambda out: self.quantise(whole, out, kind))

    def carrier(self):
        convert = lambda out: self.convert(self.carrier_checkpoint, out, "--outtype", "bf16")  # noqa: E731
        whole = self.made("carrier-bf16.gguf", convert)
        return self.made("carrier-q4_0.gguf", lambda out: self.quantise(whole, out, "q4_0"))

    def make(self, dtypes, towers):
        """All files that will be asked for, before anything is timed."""
        for dtype in dtypes:
            if dtype in FILE_TYPES:
                self.decoder(dtype)
        for kind in TOWER_TYPES if towers else []:
            self.carrier()
            self.tower(kind)

    def tower(self, kind):
        convert = lambda out: self.convert(self.carrier_checkpoint, out, "--mmproj", "--outtype", kind)  # noqa: E731
        return self.made(f"mmproj-{kind}.gguf", convert)


# ---- running --------------------------------------------------------------------------------------------------------


class Llama:
    def __init__(self, programs, files, threads, repetitions):
        self.programs, self.files, self.threads, self.repetitions = programs, files, threads, repetitions
        self.environment = {"OMP_NUM_THREADS": str(threads)}

    def bench(self, dtype, *arguments):
        command = [self.programs / "llama-bench", "-m", self.files.decoder(dtype), "-t", self.threads, "-o", "json"]
        return parse_bench(process.run([*command, "-r", self.repetitions, *arguments], self.environment).stdout)

    def text(self, dtype, prompt, generated):
        """Tokens per second of a prompt, and behind it, as `azimuth bench` times them."""
        prefill = self.bench(dtype, "-p", prompt, "-n", 0)
        decode = self.bench(dtype, "-p", 0, "-n", generated, "-d", prompt)
        return {
            "prefill": process.median(rates_of(prefill, prompt=prompt)),
            "decode": process.median(rates_of(decode, generated=generated, depth=prompt)),
        }

    def decode_behind(self, dtype, depth, generated):
        entries = self.bench(dtype, "-p", 0, "-n", generated, "-d", depth)
        return process.median(rates_of(entries, generated=generated, depth=depth))

    def vision(self, kind, picture_file):
        """Milliseconds of encoding a picture: the median of those after the first."""
        pictures = ",".join([str(picture_file)] * (1 + self.repetitions))
        command = [self.programs / "llama-mtmd-cli", "-m", self.files.carrier(), "--mmproj", self.files.tower(kind)]
        command += ["--image", pictures, "-p", "What?", "-n", 1, "-c", CONTEXT, "-t", self.threads, "--temp", 0]
        finished = process.run(command, self.environment)
        times = parse_encode_times(finished.stdout + "\n" + finished.stderr)
        if len(times) != 1 + self.repetitions:
            raise process.Failed(
                f"expected llama-mtmd-cli to time {1 + self.repetitions} pictures, found {len(times)}: "
                f"{process.tail(finished.stderr)}"
            )
        return process.median(times[1:])


def version(work):
    text = (sources(work) / "CMakeLists.txt").read_text()
    numbers = [re.search(rf"LLAMA_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH")]
    own = ".".join(n.group(1) for n in numbers) if all(numbers) else "of unknown version"
    return f"llama.cpp {own} (in {PACKAGE} {VERSION})"
