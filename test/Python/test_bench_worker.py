# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tests of the benchmark's processes: a worker that dies, hangs or refuses is reported by its reason.

They start the real worker; only what needs no peer package and no built compiler is run in it.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("numpy")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from attnbench import cases, probe  # noqa: E402
from attnbench.contenders import Settings  # noqa: E402
from attnbench.contest import Contender, Plan  # noqa: E402

KERNELS = """
#include <stdlib.h>
#include <math.h>
enum { D = 64, H = 8 };
void omp_set_num_threads(int);
static float *falloc(long n) { return malloc(4 * n); }
static float *scratch[64];
typedef void kernel(const float *, const float *, const float *, float *, int, float *);
static void attend_full(const float *q, const float *k, const float *v, float *o, int n, float *p) {
  for (int i = 0; i < n; i++) {
    double sum = 0, out[D] = {0};
    for (int j = 0; j < n; j++) {
      double s = 0;
      for (int d = 0; d < D; d++) s += q[i * D + d] * k[j * D + d];
      sum += s = exp(s / sqrt(D));
      for (int d = 0; d < D; d++) out[d] += s * v[j * D + d];
    }
    for (int d = 0; d < D; d++) o[i * D + d] = out[d] / sum;
  }
}
static void attend_causal(const float *q, const float *k, const float *v, float *o, int n, float *p) { abort(); }
static void window(const float *q, const float *k, const float *v, float *o, int n, float *p) {}
static void run(kernel *f, float **t, int n, int heads) {
  for (long h = 0; h < heads; h++) f(t[0] + h * n * D, t[1] + h * n * D, t[2] + h * n * D, t[3] + h * n * D, n, scratch[0]);
}
int main(void) { return 0; }
"""


@pytest.fixture(scope="module")
def limits(tmp_path_factory):
    """A limits folder whose kernels are slow but right, crash, or do nothing."""
    try:
        name = probe.compiler()
    except RuntimeError as error:
        pytest.skip(str(error))
    if "clang" not in name:
        pytest.skip("the limit programs are built with clang")
    folder = tmp_path_factory.mktemp("limits")
    (folder / "lim.h").write_text("")
    (folder / "softmax.c").write_text(KERNELS)
    return folder


def start(case, name, folder, limits=None):
    contender = Contender(name, case, Settings(1, str(folder / "build"), limits and str(limits)), folder / "log.txt")
    contender.wait_until_ready(120)
    return contender


def test_turns_of_a_good_contender(tmp_path, limits):
    for size in (64, 32):  # the second needs a copy of the folder with another head size
        one = start(cases.Case("softmax", heads=2, kv_heads=2, n=64, m=64, d=size), "limit", tmp_path, limits)
        try:
            assert one.failed is None and one.ready["error"] < 1e-6
            one.turn(Plan(turn_ms=1))
            assert one.failed is None and one.calls >= 1 and one.best_ms < 1e4
        finally:
            one.close()


@pytest.mark.parametrize("mask, reason", [("causal", "process ended with SIGABRT"), ("window", "wrong result")])
def test_crash_and_wrong_result_are_reasons(tmp_path, limits, mask, reason):
    one = start(cases.Case("softmax", heads=2, kv_heads=2, n=64, m=64, mask=mask), "limit", tmp_path, limits)
    assert one.failed.startswith(reason)


def test_missing_limits_are_a_reason(tmp_path):
    one = start(cases.Case("softmax", heads=1, kv_heads=1, n=8, m=8), "limit", tmp_path)
    assert one.failed == "no limits folder given"


def test_missing_package_is_a_reason(tmp_path, monkeypatch):
    (tmp_path / "openvino.py").write_text("raise ImportError('openvino is not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    one = start(cases.Case("softmax", heads=1, kv_heads=1, n=8, m=8), "openvino", tmp_path)
    assert one.failed == "ImportError: openvino is not here"


def test_probe_finds_plausible_rates(tmp_path):
    try:
        machine = probe.Probe(tmp_path, 1)
    except RuntimeError as error:
        pytest.skip(str(error))
    machine.sample(bfloat16=True, bandwidth=True, iterations=100_000)
    assert 1 < machine.fma_gflops < 1000 and 0.1 < machine.read_gbs < 1000


def run(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "benchmarks" / "run.py"), "--no-install", *arguments],
                          capture_output=True, text=True)


def test_command_line_errors():
    assert "unknown case 'nope'" in run("--cases", "nope").stderr
    assert "expected a folder, got '/nowhere'" in run("--limits", "/nowhere").stderr
    assert run("--list", "--cases", "decode").stdout == "decode-n16384-d128\n"


def test_report_of_a_file(tmp_path):
    record = {"case": "decode", "form": "exact", "n": 16384, "dtype": "float32", "threads": 2, "ms": 7.25, "gflops": 37.0,
              "peak_fraction": 0.16, "peak_rss_mb": 0.5, "peers": {"sdpa": 41.4}, "best_peer": "sdpa", "speedup": 5.71,
              "limit_ms": 7.07, "limit_ratio": 0.975, "d": 128, "batch": 1, "gbs": 18.5, "read_gbs": 46.6}
    (tmp_path / "bench.json").write_text(json.dumps([record]))
    command = [sys.executable, str(ROOT / "benchmarks" / "report.py"), str(tmp_path / "bench.json"), "--markdown"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[2] == "| decode | 16384 | 128 | 7.25 | 18.5 GB/s | 40% | sdpa 41.4 | 5.71× | 7.07 | 0.975 | 0.5 | 1/1 |"


def test_case_survives_the_pipe():
    for case in cases.all_cases():
        assert cases.Case(**json.loads(json.dumps(dataclasses.asdict(case)))) == case
