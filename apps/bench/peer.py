"""What the peers of `espalier bench` share: each request is a line of JSON, and so is its answer."""

import json
import os
import re
import sys
import time
import traceback

answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer


def reply(answer):
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def require(module):
    """The module, or an end of the process that says that it is missing."""
    try:
        return __import__(module)
    except ImportError as error:
        reply({"missing": str(error)})
        sys.exit()


def blas():
    """The library that multiplies matrices here: with Debian's libblas, the reference, many times slower than OpenBLAS."""
    with open("/proc/self/maps") as maps:
        files = [os.path.basename(line.split()[-1]) for line in maps]
    names = {re.sub(r"\.so.*", "", file) for file in files if "blas" in file}
    return ", ".join(sorted(names - {"libblas"} or names)) or "a BLAS of its own"


def serve(version, answer):
    reply({"version": version})
    for line in sys.stdin:
        try:
            reply(answer(**json.loads(line)))
        except Exception:
            reply({"error": traceback.format_exc()})


def rate(step, seconds):
    """How often a second `step` runs."""
    start, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - start < seconds:
        step()
        steps += 1
    return steps / (time.perf_counter() - start)


def fastest(forms, seconds):
    """Of {name: maker of a step} the fastest one's name and step; what fails is named and left out."""
    steps, rates = {}, {}
    for name, make in forms.items():
        try:
            step = make()
            for _ in range(3):  # the JIT optimises in its second run
                step()
            steps[name], rates[name] = step, 0
        except Exception as error:
            print(f"left out, since it fails: {name}: {str(error).strip().splitlines()[-1]}", file=sys.stderr)
    for _ in range(2):
        for name in rates:
            rates[name] = max(rates[name], rate(steps[name], seconds))
    best = max(rates, key=rates.get)
    return best, steps[best]
