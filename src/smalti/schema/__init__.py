"""What a dataset is made of: features, categories, the schema and its Arrow and JSON forms, samples.

types.py       Arrow types as JSON, and the types that several modules share
categories.py  Category and Categories: the class table, with the source's ids and order
features.py    what a column means; each feature lowers to an Arrow type
schema.py      Schema: the columns' features, to and from Arrow metadata and JSON
objects.py     Objects: the column-wise view of one sample's objects
sample.py      Sample: a row as Python sees it
"""
