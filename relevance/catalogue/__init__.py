"""The catalogue on disk: the records of a shop's products, computed before a shopper asks.

    manifest.json        written last, with its own digest: a directory that has it is a finished catalogue
    records-00000.bin    records, one behind the other (`record_format`)
    records-00000.idx    where each product's record lies (`index_file`)

A finished catalogue is never changed. A new one is built in another directory and takes the old one's place by
rename, or by a symbolic link that is replaced.
"""

from relevance.catalogue.errors import CatalogueError
from relevance.catalogue.reader import Catalogue
from relevance.catalogue.writer import CatalogueWriter

__all__ = ["Catalogue", "CatalogueError", "CatalogueWriter"]
