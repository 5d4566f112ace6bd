"""The kernels in C: all else about the package stands in pyproject.toml."""

from __future__ import annotations

from setuptools import Extension, setup

# Optional: where there is no compiler Python does their work, more slowly.
setup(
    ext_modules=[
        Extension(f"smalti.native.{name}", [f"src/smalti/native/{name}.c"], optional=True)
        for name in ("_json", "_files")
    ]
)
