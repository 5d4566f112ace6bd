#!/usr/bin/env bash
# Make the environment of the official readers that judge our exports: setup.sh FOLDER
# They stay out of the library's own environment. torch is the CPU build; torchvision and ultralytics
# come without their dependencies, which would bring in several GB that reading labels does not need.
set -euo pipefail
python3 -m venv "$1"
"$1/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$1/bin/python" -m pip install --quiet torch==2.13.0 numpy pyyaml pillow requests tqdm opencv-python-headless pycocotools tensorflow-cpu==2.21.0 pyspark==4.1.4 datasets==5.2.0
"$1/bin/python" -m pip install --quiet --no-deps torchvision==0.28.0 ultralytics==8.4.190
# Their pins contradict those above, and what they need to read labels does not.
"$1/bin/python" -m pip install --quiet --no-deps datumaro==1.13.12 label-studio-sdk==2.1.2 cvat-sdk==2.80.0
"$1/bin/python" -m pip install --quiet appdirs attrs "cachetools<8" defusedxml httpx ijson imagesize json-stream jsonschema lxml nltk orjson platformdirs pyjwt ruamel.yaml shapely ujson xmljson
# lvis asks for its drawing library even to read; panopticapi-lite is panopticapi, which the registry has under this name alone.
"$1/bin/python" -m pip install --quiet --no-deps lvis==0.5.3 panopticapi-lite==0.2.0
"$1/bin/python" -m pip install --quiet matplotlib
"$1/bin/python" -m pip install --quiet --editable "$(dirname "$0")/../.."
"$1/bin/python" -W ignore -c "import ultralytics.data.utils"
