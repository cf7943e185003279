# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks and times the libraries of build.py on a machine with an NVIDIA GPU and PyTorch.

usage: python benchmarks/gpu/run.py [--folder build/gpu] [--output gpu.json] [--cases part,of,names] [--seconds 1]

It needs this repository's Python files and the folder, nothing else; where build.py has predicted times for the device,
they stand beside the measured ones; peers that are not installed are passed over, with
the reason in the output. Exit status 2: there is no GPU, or no PyTorch that sees one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
from cases import CASES, HEADS, Case, lengths  # noqa: E402
from peers import PEERS  # noqa: E402

TOLERANCES = {"f16": 3e-3, "bf16": 2e-2, "f32": 1e-4}  # of the largest value


def machine() -> dict[str, Any]:
    """Device, driver and clocks."""
    import torch

    query = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit"
    done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True)
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "processors": properties.multi_processor_count,
        "torch": torch.__version__,
        "nvidia_smi": dict(zip(query.split(","), (part.strip() for part in done.stdout.splitlines()[0].split(","))))
        if done.returncode == 0 and done.stdout
        else None,
    }


def reference(case: Case, q: Any, k: Any, v: Any) -> Any:
    """The exact result, a head at a time; in f64, or f32 where that would take too long."""
    import torch

    n = q.shape[2]
    i, j = torch.arange(n, device=q.device)[:, None], torch.arange(n, device=q.device)[None]
    allowed = {"full": j >= 0, "causal": i >= j, "window": (i >= j) & (i - j <= 255)}[case.mask]
    heads = []
    for h in range(q.shape[1]):
        a, b, c = (x[0, h].double() for x in (q, k, v))
        if case.form == "linear":
            a, b = (1 + x.where(x > 0, x.exp() - 1) for x in (a, b))
            weights = (a @ b.T) * allowed
            heads.append(weights @ c / weights.sum(-1, keepdim=True))
        else:
            scores = (a @ b.T / math.sqrt(case.d)).masked_fill(~allowed, -math.inf)
            heads.append(scores.softmax(-1) @ c)
    return torch.stack(heads)[None]


def distance(result: Any, expected: Any) -> float:
    """The largest difference over the largest value; infinite with a NaN."""
    difference = (result.double() - expected.double()).abs().max() / expected.double().abs().max()
    return float(difference) if bool(difference.isfinite()) else math.inf


def milliseconds(call: Callable[[], Any], seconds: float) -> dict[str, Any]:
    """Times by events: the median and the least, once warm."""
    import torch

    for _ in range(5):
        call()
    torch.cuda.synchronize()
    times: list[float] = []
    while sum(times) < 1e3 * seconds and len(times) < 200 or len(times) < 10:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return {"ms": sorted(times)[len(times) // 2], "ms_min": min(times), "calls": len(times)}


def simulated(case: Case, library: Any, folder: Path) -> dict[str, Any]:
    """The device against the simulator, on the simulator's inputs."""
    import numpy
    import torch

    path = folder / f"{case.name}-simulated.npy"
    if not path.is_file():
        return {}
    inputs = [torch.from_numpy(numpy.load(folder / f"{case.name}-{name}.npy")).cuda() for name in "qkv"]
    return {"simulator_difference": distance(library.main(*inputs), torch.from_numpy(numpy.load(path)).cuda())}


def predicted(device: str, folder: Path) -> dict[str, Any]:
    """What build.py predicted for this device, by case and length."""
    path = folder / "predictions.json"
    machines = json.loads(path.read_text()) if path.is_file() else {}
    words = device.lower().replace(" ", "")
    return next((cases for machine, cases in machines.items() if machine in words), {})


def attempt(record: dict[str, Any], body: Callable[[], dict[str, Any]]) -> None:
    """Whatever goes wrong is a line of the record, and the rest goes on."""
    try:
        record.update(body())
    except Exception as error:  # noqa: BLE001
        record["error"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def measure(case: Case, n: int, library: Any, seconds: float) -> dict[str, Any]:
    import torch

    generator = torch.Generator("cuda").manual_seed(n)
    shape, dtype = (1, HEADS, n, case.d), getattr(torch, case.torch_dtype)
    q, k, v = (torch.randn(shape, generator=generator, device="cuda").to(dtype) for _ in range(3))
    # Forms that approximate have the simulator's results to agree with.
    checked = n <= 4096 and case.form in ("", "linear")
    expected = reference(case, q, k, v) if checked else None
    record: dict[str, Any] = {"case": case.name, "n": n, "heads": HEADS, "d": case.d, "dtype": case.dtype, "peers": {}}

    def ours() -> dict[str, Any]:
        result = library.main(q, k, v)
        found = {} if expected is None else {"error_max": distance(result, expected)}
        found |= milliseconds(lambda: library.main(q, k, v), seconds)
        return found | {"tflops": case.flops(n) / found["ms"] / 1e9}

    attempt(record, ours)
    for name, prepare in PEERS.items():
        peer: dict[str, Any] = {}
        attempt(peer, lambda prepare=prepare: milliseconds(prepare(case, q, k, v), seconds))
        record["peers"][name] = peer
    times = {name: peer["ms"] for name, peer in record["peers"].items() if "ms" in peer}
    if times and "ms" in record:
        record["best_peer"] = min(times, key=times.__getitem__)
        record["speedup"] = times[record["best_peer"]] / record["ms"]
    record["correct"] = "error" not in record and record.get("error_max", 0) <= TOLERANCES[case.dtype]
    return record


def no_gpu() -> str:
    """Why nothing can run here, or nothing."""
    try:
        import torch
    except ImportError as error:
        return f"expected PyTorch, got none: {error}"
    return "" if torch.cuda.is_available() else "expected an NVIDIA GPU that PyTorch sees, got none"


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks and times the libraries of build.py on a GPU.")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "gpu")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--cases", default="", help="parts of names, with commas between")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    options = parser.parse_args()
    if not (options.folder / "build.json").is_file():
        print(f"error: expected the folder of build.py, got '{options.folder}'", file=sys.stderr)
        return 1
    if reason := no_gpu():
        print(f"no GPU here: {reason}; nothing was measured", file=sys.stderr)
        return 2
    os.environ.setdefault("ATTN_RUNTIME_LIBRARY", str((options.folder / "libattn_runtime.so").resolve()))
    import attn_compiler

    build = json.loads((options.folder / "build.json").read_text())
    report: dict[str, Any] = {"machine": machine(), "build": build, "records": []}
    wanted = [part for part in options.cases.split(",") if part]
    predictions = predicted(report["machine"]["device"], options.folder)
    for case in CASES:
        path = options.folder / f"{case.name}.so"
        if not path.is_file() or (wanted and not any(part in case.name for part in wanted)):
            continue
        library = attn_compiler.load(path)
        check: dict[str, Any] = {"case": case.name}
        attempt(check, lambda case=case, library=library: simulated(case, library, options.folder))
        report["records"].append(check)
        for n in lengths(case):
            record = measure(case, n, library, options.seconds)
            prediction = predictions.get(case.name, {}).get(str(n), {})
            if "ms" in prediction:
                record["predicted_ms"], record["predicted_bound"] = prediction["ms"], prediction["bound"]
                if "ms" in record:
                    record["predicted_share"] = prediction["ms"] / record["ms"]
            report["records"].append(record)
            print(json.dumps(record), flush=True)
            options.output.write_text(json.dumps(report, indent=1))
    wrong = [one for one in report["records"] if one.get("correct") is False]
    print(f"{options.output}: {len(report['records'])} records, {len(wrong)} wrong or failed", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
