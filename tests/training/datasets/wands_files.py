"""WANDS files of our own in the published layout: three tab-separated tables, quoted as CSV."""

from __future__ import annotations

from pathlib import Path

QUERIES = (
    'query_id\tquery\tquery_class\n0\tgarden gnome\tGarden Statues\n7\t"shelf 30"" wide"\t\n9\tlone stool\tStools\n'
)
PRODUCTS = (
    "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description\tproduct_features\t"
    "rating_count\taverage_rating\treview_count\n"
    '3\tfishing gnome\tGarden Statues|Outdoor Decor\tOutdoor / Statues\t"he said ""hi"",\tand sat\ndown"\t'
    "material : resin|color:red|height:12.5|color : white\t12.0\t4.5\t8.0\n"
    "11\t30'' oak shelf\t\t\t\t\t\t\t\n"
    "12\tstool\tStools\tFurniture / Stools\tthree legs\tseats : 1\t1.0\t5.0\t1.0\n"
)
LABELS = "id\tquery_id\tproduct_id\tlabel\n0\t0\t3\tExact\n1\t0\t11\tIrrelevant\n2\t7\t11\tPartial\n3\t9\t12\tExact\n"


def write_wands(folder: Path, queries: str = QUERIES, products: str = PRODUCTS, labels: str = LABELS) -> Path:
    for name, text in (("query", queries), ("product", products), ("label", labels)):
        (folder / f"{name}.csv").write_bytes(text.encode("utf-8"))
    return folder
