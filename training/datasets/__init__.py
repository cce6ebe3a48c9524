"""Dataset readers: each turns one published layout into the schema of `schema.py`.

loading.py   from the `data` setting to a dataset; schema.py: what every reader fills
generic.py   the layout for anybody's judgements, by relevance/product_row.py and grades.py
chorus.py, esci.py, wands.py   published data sets; html_text.py: what their markup says
assembly.py  the rules that all readers share when they put products and judgements together
rows.py, parquet.py, query_log.py   files, with errors that name file and line
synthetic/   the embedded catalogue: invented products and queries whose relevance is known
"""
