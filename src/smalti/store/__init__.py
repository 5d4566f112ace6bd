"""The native store: versions of a dataset on any file system that keeps writers apart.

store.py        Store: the verbs
history.py      the versions as they lie on a file system
manifest.py     what a version says of itself; docs/design/store.md is its specification
operations.py   append, replace, update, delete, restore, compact: what a commit does to a version
commit.py       commit, and commit again on top of others' versions
touched.py      which samples two versions differ in
files.py        data files: written, hashed, read
scan.py         a version as a lazy dataset
diff.py check.py prune.py tags.py   one verb each
media.py        images that are stored with the dataset
localize.py     images brought to this machine
exchange.py     the store as a source and a target of read, write and convert
readme.py       the README beside the data
"""
