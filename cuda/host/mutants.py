#!/usr/bin/env python3
"""Puts the mistakes of mutants.txt into the kernels, one at a time: every one must make a check fail.

    cuda/host/mutants.py TRACE_DIR

A line of mutants.txt is `name | file | old text | new text | kernels`, blanks around ` | ` left out. The old text must be
in the file exactly once; `\\n` in a text is the end of a line. Kernels, separated by commas, are those that are run.
"""

import sys
import time

sys.dont_write_bytecode = True  # this folder is for sources

import harness
from harness import Failure

TABLE = harness.HOST / "mutants.txt"
ORDER = ["ASan+UBSan", "TSan"]
# What is printed by whom, the first that is found counts.
CATCHERS = [
    ("AddressSanitizer", "AddressSanitizer"),
    ("runtime error:", "UndefinedBehaviorSanitizer"),
    ("ThreadSanitizer", "ThreadSanitizer"),
    ("cuda_cpu: ", "divergence"),
    (": mismatch: ", "comparison"),
    ("no end after", "time limit"),
]


class Mutant:
    def __init__(self, line, number, known):
        fields = [field.strip() for field in line.split(" | ")]
        if len(fields) != 5:
            raise Failure(f"mutants.txt, line {number}: {len(fields)} fields, 5 are wanted")
        self.name, self.file, self.old, self.new, kernels = fields
        self.old, self.new = self.old.replace("\\n", "\n"), self.new.replace("\\n", "\n")
        self.kernels = [kernel.strip() for kernel in kernels.split(",")]
        for kernel in self.kernels:
            if kernel not in known:
                raise Failure(f"mutants.txt, line {number}: no cuda/*.cu has a kernel {kernel}")
        if not (harness.CUDA / self.file).is_file():
            raise Failure(f"mutants.txt, line {number}: there is no cuda/{self.file}")

    def sources(self, folder):
        """A copy of the kernels with the mistake in it."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in list(harness.CUDA.glob("*.cu")) + list(harness.CUDA.glob("*.cuh")):
            text = path.read_text()
            if path.name == self.file:
                if text.count(self.old) != 1:
                    raise Failure(f"{self.name}: the old text is {text.count(self.old)} times in {self.file}")
                text = text.replace(self.old, self.new)
            (folder / path.name).write_text(text)
        return folder


def read_table(known):
    lines = enumerate(TABLE.read_text().splitlines(), 1)
    mutants = [Mutant(line, number, known) for number, line in lines if line.strip() and not line.startswith("#")]
    if len({mutant.name for mutant in mutants}) != len(mutants):
        raise Failure("mutants.txt: two mutants have the same name")
    return mutants


def caught_by(text):
    return next((who for sign, who in CATCHERS if sign in text), None)


def run(mutant, compiler, runtime, files, launches):
    """Who caught a mutant and on which kernel; None where it survives."""
    out = harness.OUT / compiler / "mutants" / mutant.name
    folder = mutant.sources(out / "sources")
    for sanitizer in ORDER:
        objects = [harness.compile_kernels(compiler, sanitizer, out / sanitizer, folder, name, kernels)
                   for name, kernels in files.items() if set(kernels) & set(mutant.kernels)]
        program = harness.link(compiler, sanitizer, out / sanitizer / "replay", objects + runtime[sanitizer])
        for kernel in mutant.kernels:
            well, text = harness.replay(program, sanitizer, harness.choose(launches[kernel], sanitizer))
            if well:
                continue
            who = caught_by(text)
            if not who:
                raise Failure(f"{mutant.name}: the replay failed, but nobody says why\n{text}")
            return f"{who} on {kernel}"
    return None


def check(folder):
    began = time.monotonic()
    launches, files = harness.recorded(folder), harness.sources()
    mutants = read_table([kernel for kernels in files.values() for kernel in kernels])
    wanted = sorted({kernel for mutant in mutants for kernel in mutant.kernels})
    missing = [kernel for kernel in wanted if kernel not in launches]
    if missing:
        raise Failure(f"there is no recorded launch of {', '.join(missing)}")
    compiler = harness.compilers()[0]
    # Without a mistake everything must pass, or a mutant's failure says nothing.
    programs = harness.build(compiler, ORDER)
    for sanitizer in ORDER:
        for kernel in wanted:
            well, text = harness.replay(programs[sanitizer], sanitizer, harness.choose(launches[kernel], sanitizer))
            if not well:
                raise Failure(f"{kernel} fails without a mutation, {sanitizer}\n{text}")
    runtime = {sanitizer: [harness.OUT / compiler / sanitizer / name for name in harness.RUNTIME] for sanitizer in ORDER}
    faults = []
    with harness.pool() as workers:
        jobs = [(mutant, workers.submit(run, mutant, compiler, runtime, files, launches)) for mutant in mutants]
        for mutant, job in jobs:
            try:
                caught = job.result()
            except Failure as failure:
                caught = None
                faults.append(str(failure))
            else:
                if not caught:
                    faults.append(f"{mutant.name} survives")
            print(f"{mutant.name:<40} {caught or 'NOT CAUGHT'}", flush=True)
    print(f"{len(mutants)} mutants, {len(mutants) - len(faults)} caught, {time.monotonic() - began:.0f} s")
    if faults:
        raise Failure("failed\n" + "\n".join(faults))


if __name__ == "__main__":
    harness.main("mutants.py", check)
