"""Annotation formats: each turns files into a schema and record batches, and back.

    protocol.py   what a format is: Format, Reader, Writer and the values they exchange
    report.py     Loss and Report: the account of a reading, a writing, a conversion
    registry.py   the table of formats, entry points, recognition
    options.py    a format's options as keyword arguments and command-line flags
    probe.py      a bounded look at a source, shared by all that try to recognise it

Then one file a format, or a folder where a format is too large for one. Formats never import each other.
"""
