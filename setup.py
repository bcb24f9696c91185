"""Build and install strava-backup; settings of the tools are in pyproject.toml."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent

setup(
    name="strava-backup",
    version=runpy.run_path(str(HERE / "strava_backup" / "__init__.py"))["__version__"],
    description="Get your own data back from Strava, whole, and keep it current",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["strava_backup", "strava_backup.*"]),
    # A link to the file at the top level, so that there is one sample and not two.
    package_data={"strava_backup": ["py.typed", "strava-backup.conf.sample"]},
    install_requires=[
        "ConfigUpdater>=3.1",
        "appdirs>=1.4.4",
        "filelock>=4",
        "requests>=2.31",
        "stravalib>=2.6",
        "tqdm>=4.65",
    ],
    extras_require={
        "test": [
            "beautifulsoup4>=4.12",
            "hypothesis>=6.100",
            "mypy>=1.10",
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
            "trustme>=1.1",
            "types-requests>=2.31",
        ],
    },
    entry_points={"console_scripts": ["strava-backup = strava_backup.cli:main"]},
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: End Users/Desktop",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: System :: Archiving :: Backup",
    ],
)
