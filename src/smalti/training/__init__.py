"""Datasets as training frameworks take them."""
