#!/usr/bin/env bash
# Make the environment of the official readers that judge our exports: setup.sh FOLDER
# They stay out of the library's own environment. torch is the CPU build. What comes without its dependencies pins others
# than the rest, or would bring in several GB that reading labels does not need; what it does need stands in the first list.
# aiohttp is Ray's: without it, its threads that look for fsspec's HTTP class at the same moment may raise.
# panopticapi-lite is panopticapi, which the registry has under this name alone.
set -euo pipefail
python3 -m venv "$1"
"$1/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$1/bin/python" -m pip install --quiet torch==2.13.0 numpy pyyaml pillow requests tqdm opencv-python-headless pycocotools \
  tensorflow-cpu==2.21.0 pyspark==4.1.4 datasets==5.2.0 "ray[data]==2.60.0" \
  aiohttp appdirs attrs "cachetools<8" defusedxml httpx ijson imagesize json-stream jsonschema lxml matplotlib nltk orjson platformdirs pyjwt \
  ruamel.yaml shapely ujson xmljson \
  av imgviz loguru natsort "pydeprecate<0.14" scipy tabulate tifffile xmltodict \
  aiofiles async-asgi-testclient beautifulsoup4 bidict cacheout fastapi==0.136.3 jsonpatch numerize prettytable psutil \
  pydicom pynrrd python-dotenv python-json-logger==3.0.1 python-magic requests-toolbelt SimpleITK starlette==1.3.1 \
  stringcase trimesh uvicorn varname \
  --editable "$(dirname "$0")/../.."
"$1/bin/python" -m pip install --quiet --no-deps torchvision==0.28.0 ultralytics==8.4.190 datumaro==1.13.12 \
  label-studio-sdk==2.1.2 cvat-sdk==2.80.0 lvis==0.5.3 panopticapi-lite==0.2.0 supervision==0.31.2 trackeval==1.3.0 motmetrics==1.4.0 \
  supervisely==6.74.51 imutils labelme==6.3.1 PyQt5==5.15.11 PyQt5-sip PyQt5-Qt5==5.15.19 onnxruntime
"$1/bin/python" -W ignore -c "import ultralytics.data.utils, supervision, supervisely"
