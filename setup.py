"""Build and install strava-backup; settings of the tools are in pyproject.toml."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
SAMPLE = "strava-backup.conf.sample"
KEYRING_LIBRARY = 'secretstorage>=3.3; sys_platform == "linux"'


class BuildWithSample(build_py):
    """Copies the sample config into the package, where --login and --authorize read it.

    Not a link in the repository, since Git for Windows checks out a link as a text file by default
    (https://gitforwindows.org/symbolic-links.html). An editable install reads the original.
    """

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_file(SAMPLE, self._target())

    def get_output_mapping(self) -> dict[str, str]:
        return {**super().get_output_mapping(), self._target(): SAMPLE}

    def _target(self) -> str:
        return str(Path(self.build_lib, "strava_backup", SAMPLE))


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
    package_data={"strava_backup": ["py.typed"]},
    cmdclass={"build_py": BuildWithSample},
    install_requires=[
        "appdirs>=1.4.4",
        "beautifulsoup4>=4.12",
        "filelock>=4",
        "m3u8>=6",
        "requests>=2.31",
        "stravalib>=2.6",
        "tqdm>=4.65",
    ],
    extras_require={
        "chrome": ["cryptography>=3.4", KEYRING_LIBRARY],
        "lz4": ["lz4>=3"],
        "test": [
            "cryptography>=3.4",
            "hypothesis>=6.100",
            "lz4>=3",
            "mypy>=1.10",
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
            KEYRING_LIBRARY,
            "trustme>=1.1",
            "types-requests>=2.31",
        ],
    },
    entry_points={"console_scripts": ["strava-backup = strava_backup.__main__:main"]},
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: End Users/Desktop",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: System :: Archiving :: Backup",
    ],
)
