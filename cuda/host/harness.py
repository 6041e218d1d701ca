"""Builds `replay` from the kernels and runs it on recorded launches. Used by check.sh and mutants.py."""

import os
import re
import shutil
import struct
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HOST = Path(__file__).resolve().parent
CUDA = HOST.parent
OUT = Path(os.environ.get("CARGO_TARGET_DIR") or CUDA.parent / "target").resolve() / "cuda-host"

FLAGS = ["-std=c++17", "-g1", "-O1", "-fno-omit-frame-pointer", "-fno-strict-aliasing", "-ffp-contract=off",
         "-w"]
SANITIZERS = {
    "ASan+UBSan": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "TSan": ["-fsanitize=thread"],
}
# The scheduler is not sanitized itself: it is told what it is to tell the sanitizer.
SCHEDULER = {"ASan+UBSan": ["-DCUDA_CPU_ADDRESS"], "TSan": ["-DCUDA_CPU_THREAD"]}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:atexit_sleep_ms=0",
}
# ThreadSanitizer runs the threads of a block last to first, so that both orders are run.
ARGUMENTS = {"ASan+UBSan": [], "TSan": ["--reverse"]}

LAUNCHES = 40  # of a kernel, for AddressSanitizer
SAME_SHAPE = 4  # of a kernel and a grid and block, for ThreadSanitizer
BLOCKS = 16  # of a launch, for ThreadSanitizer
SECONDS = 200  # for the launches of one kernel


class Failure(Exception):
    """What is wrong, for people."""


def main(name, function):
    """Runs a program's function on the folder of recorded launches and says what fails."""
    try:
        if len(sys.argv) != 2:
            raise Failure("the folder of recorded launches is wanted, and nothing else")
        function(Path(sys.argv[1]))
    except Failure as failure:
        sys.stdout.flush()
        sys.exit(f"{name}: {failure}")


def pool():
    return ThreadPoolExecutor(os.cpu_count())


def command(arguments, **options):
    return subprocess.run([str(argument) for argument in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **options)


def must(arguments):
    done = command(arguments)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, arguments))}\n{done.stdout.rstrip()}")
    return done.stdout


# Building


def compilers():
    found = [name for name in ("g++", "clang++") if shutil.which(name)]
    if not found:
        raise Failure("neither g++ nor clang++ is there")
    return found


ENTRY = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^()]*\)\s*)?(\w+)\s*\(')


def kernels_of(source):
    """Names of the kernels of a .cu file, those that macros make included."""
    text = must([compilers()[0], "-E", "-P", "-x", "c++", source])
    names = ENTRY.findall(text)
    if not names or len(names) != len(re.findall(r"\b__global__\b", text)):
        raise Failure(f'{source.name}: every kernel must read extern "C" __global__ void [__launch_bounds__(...)] name(')
    return names


def sources(folder=CUDA):
    """Kernels of every .cu file."""
    return {source.name: kernels_of(source) for source in sorted(folder.glob("*.cu"))}


RUNTIME = ["cuda_cpu.o", "replay.o"]  # what does not depend on the kernels


def compile_runtime(compiler, sanitizer, out):
    return [compile_file(compiler, HOST / "cuda_cpu.cpp", out / RUNTIME[0], SCHEDULER[sanitizer]),
            compile_file(compiler, HOST / "replay.cpp", out / RUNTIME[1], SANITIZERS[sanitizer])]


def compile_file(compiler, source, target, flags):
    target.parent.mkdir(parents=True, exist_ok=True)
    must([compiler, *FLAGS, *flags, "-I", HOST, "-c", source, "-o", target])
    return target


def compile_kernels(compiler, sanitizer, out, folder, name, kernels):
    """The object of a .cu file, which registers its kernels."""
    out.mkdir(parents=True, exist_ok=True)
    wrapper, target = out / f"{name}.cpp", out / f"{name}.o"
    entries = "".join(f'    replay::Entry<&::{kernel}>::add("{kernel}");\n' for kernel in kernels)
    wrapper.write_text(f'#include "cuda_cpu.h"\n#include "kernel.h"\n#include "{folder / name}"\n\n'
                       f"__attribute__((constructor)) static void register_kernels() {{\n{entries}}}\n")
    compile_file(compiler, wrapper, target, SANITIZERS[sanitizer])
    # Shared arrays are all that a kernel has in .bss. One whose function is not static is put elsewhere.
    for line in must(["nm", target]).splitlines():
        kind, symbol = line.split()[-2:]
        if kind in "uVv" and symbol.startswith("_ZZ"):
            raise Failure(f"{name}: declare the function of this __shared__ variable static: {symbol}")
    must(["objcopy", "--rename-section", ".bss=cuda_shared", target])
    return target


def link(compiler, sanitizer, target, objects):
    must([compiler, *SANITIZERS[sanitizer], *objects, "-o", target])
    return target


def build(compiler, sanitizers, folder=CUDA):
    """`replay` with the kernels of a folder, for each of some sanitizers; the folder of the objects is `OUT/compiler/sanitizer`."""
    everything = sources(folder)
    with pool() as workers:
        jobs = {}
        for sanitizer in sanitizers:
            out = OUT / compiler / sanitizer
            jobs[sanitizer] = [workers.submit(compile_kernels, compiler, sanitizer, out, folder, name, kernels)
                               for name, kernels in everything.items()]
            jobs[sanitizer].append(workers.submit(compile_runtime, compiler, sanitizer, out))
        programs = {}
        for sanitizer, parts in jobs.items():
            objects = [part.result() for part in parts[:-1]] + parts[-1].result()
            programs[sanitizer] = link(compiler, sanitizer, OUT / compiler / sanitizer / "replay", objects)
        return programs


# Recorded launches


class Launch:
    """The head of a recorded launch."""

    def __init__(self, path):
        self.path = path
        try:
            with path.open("rb") as file:
                if file.readline(64) != b"PTXLAUNCH1\n":
                    raise Failure(f"{path} is not a recorded launch")
                self.kernel = file.readline(1024).decode().rstrip("\n")
                dimensions = struct.unpack("<7I", file.read(28))
                self.blocks = dimensions[0] * dimensions[1] * dimensions[2]
                self.shape = dimensions[:6]
                (count,) = struct.unpack("<I", file.read(4))
                values = [file.read(*struct.unpack("<I", file.read(4))) for _ in range(count)]
        except (struct.error, UnicodeDecodeError):
            raise Failure(f"{path} is damaged") from None
        # Of what may be an address, only whether it is null tells launches apart.
        self.values = tuple(value if len(value) < 8 else any(value) for value in values)


def varied(launches):
    """The same launches, those first that have the largest value of a parameter, then those of a new shape, then those with new
    values of parameters."""
    # Addresses are compared with nothing; floats of one sign order like the integers of their bits.
    numbers = [[int.from_bytes(value, "little") if isinstance(value, bytes) else 0 for value in launch.values]
               for launch in launches]
    largest = {max(range(len(launches)), key=lambda i: numbers[i][j]) for j in range(len(numbers[0]))} if launches else set()
    ranks, shapes, values = [], set(), set()
    for i, launch in enumerate(launches):
        new_shape, new_values = launch.shape not in shapes, (launch.shape, launch.values) not in values
        ranks.append(0 if i in largest else 1 if new_shape else 2 if new_values else 3)
        shapes.add(launch.shape)
        values.add((launch.shape, launch.values))
    return [launch for _, launch in sorted(zip(ranks, launches), key=lambda pair: pair[0])]


def choose(launches, sanitizer):
    """What of a kernel's launches is run."""
    if sanitizer != "TSan":
        return varied(launches)[:LAUNCHES]
    small = [launch for launch in launches if launch.blocks <= BLOCKS] or [min(launches, key=lambda launch: launch.blocks)]
    shapes = defaultdict(list)
    for launch in varied(small):
        shapes[launch.shape].append(launch)
    return [launch for same in shapes.values() for launch in same[:SAME_SHAPE]]


def recorded(folder):
    """The launches recorded in a folder and those within, by kernel."""
    paths = sorted(folder.rglob("*.launch"))
    if not paths:
        raise Failure(f"there are no recorded launches in {folder}")
    launches = defaultdict(list)
    for path in paths:
        launch = Launch(path)
        launches[launch.kernel].append(launch)
    return launches


# Running


def without_random_addresses():
    """ThreadSanitizer may not find room for its shadow memory where addresses are random."""
    setarch = [shutil.which("setarch") or "setarch", os.uname().machine, "-R"]
    try:
        return setarch if command([*setarch, "true"]).returncode == 0 else []
    except OSError:
        return []


FIXED_ADDRESSES = without_random_addresses()


def replay(program, sanitizer, launches, arguments=()):
    """Whether all is well, and what was printed."""
    start = FIXED_ADDRESSES if sanitizer == "TSan" else []
    paths = [launch.path for launch in launches]
    try:
        done = command([*start, program, *ARGUMENTS[sanitizer], *arguments, *paths], timeout=SECONDS,
                       env={**os.environ, **ENVIRONMENT})
    except subprocess.TimeoutExpired:
        return False, f"no end after {SECONDS} s"
    # A line names the launch that comes: only the last one matters.
    lines = done.stdout.splitlines()
    begun = [i for i, line in enumerate(lines) if line.startswith("replay: ") and line.endswith(".launch")]
    kept = [line for i, line in enumerate(lines) if i not in begun[:-1]]
    return done.returncode == 0, "\n".join(kept)


def check(folder):
    began = time.monotonic()
    launches, faults = recorded(folder), []
    known = [kernel for kernels in sources().values() for kernel in kernels]
    faults += [f"no recorded launch of {kernel}" for kernel in known if kernel not in launches]
    faults += [f"recorded launches of {kernel}, which no cuda/*.cu has" for kernel in launches if kernel not in known]
    for compiler in compilers():
        programs = build(compiler, SANITIZERS)
        built = time.monotonic()

        def run(sanitizer, kernel):
            chosen = choose(launches[kernel], sanitizer)
            start = time.monotonic()
            well, text = replay(programs[sanitizer], sanitizer, chosen)
            return well, text, len(chosen), time.monotonic() - start

        with pool() as workers:
            jobs = {(kernel, sanitizer): workers.submit(run, sanitizer, kernel)
                    for kernel in known if kernel in launches for sanitizer in SANITIZERS}
        total = 0
        for (kernel, sanitizer), job in jobs.items():
            well, text, count, seconds = job.result()
            total += count
            if well:
                line = next(line for line in text.splitlines() if line.startswith(f"{kernel}: "))
                print(f"{sanitizer:<10} {line}, {seconds:.1f} s")
            else:
                print(f"{sanitizer:<10} {kernel}: FAILED\n{text}")
                faults.append(f"{kernel} by {compiler}, {sanitizer}")
        print(f"{compiler}: {len(known)} kernels, {total} launches replayed, built in {built - began:.0f} s, "
              f"run in {time.monotonic() - built:.0f} s")
        began = time.monotonic()
    if faults:
        raise Failure("failed\n" + "\n".join(faults))


if __name__ == "__main__":
    main("check.sh", check)
