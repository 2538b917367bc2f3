"""Build the package from `settings.ini`, so that no fact about it stands in two files.

nbdev's template `setup.py` is not used: it knows one extra only, no package data, and a fixed list of Python versions.
"""

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=["="])
parser.read(here / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]

STATUS = {"1": "1 - Planning", "2": "2 - Pre-Alpha", "3": "3 - Alpha", "4": "4 - Beta", "5": "5 - Production/Stable"}
first, stop = (int(cfg[key].split(".")[1]) for key in ("min_python", "max_python"))
extras = {key.removesuffix("_requirements"): cfg[key].split() for key in cfg if key.endswith("_requirements")}


def readme() -> str:
    """README.md with absolute links: it is read on PyPI too, where a path of the repository leads nowhere."""
    text = (here / "README.md").read_text(encoding="utf-8")
    raw = f"https://raw.githubusercontent.com/{cfg['user']}/{cfg['repo']}/{cfg['branch']}/"
    page = f"{cfg['git_url']}/blob/{cfg['branch']}/"
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|[#/])", rf"\g<1>{raw}", text)
    text = re.sub(r'(<img [^>]*src=")(?![a-z]+:|[#/])', rf"\g<1>{raw}", text)
    return re.sub(r"((?<!!)\[[^\]\[]+\]\()(?![a-z]+:|[#/])", rf"\g<1>{page}", text)


setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=readme(),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    license_expression=cfg["license"],
    license_files=["LICENSE"],
    url=cfg["git_url"],
    project_urls={
        "Documentation": cfg["doc_host"] + cfg["doc_baseurl"],
        "Source": cfg["git_url"],
        "Issues": cfg["git_url"] + "/issues",
        "Changelog": f"{cfg['git_url']}/blob/{cfg['branch']}/CHANGELOG.md",
    },
    keywords=cfg["keywords"].split(),
    classifiers=[
        f"Development Status :: {STATUS[cfg['status']]}",
        f"Intended Audience :: {cfg['audience']}",
        f"Natural Language :: {cfg['language']}",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(first, stop)),
        "Topic :: Scientific/Engineering :: Bio-Informatics",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["vcell", "vcell.*"]),
    package_data={"vcell": ["py.typed", "*.js", "*.css", "demo/**/*"]},
    include_package_data=False,
    python_requires=f">={cfg['min_python']},<{cfg['max_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    # by the second nbdev finds what a name in backticks stands for, and where its code is
    entry_points={"console_scripts": cfg["console_scripts"].split(), "nbdev": ["vcell=vcell._modidx:d"]},
    zip_safe=False,
)
