"""What a run leaves behind: one HTML page that needs nothing else, and a JSON beside it.

record.py    the JSON, as types         figures.py   from outcomes to figures (pure)
build.py     from a trial to a record   pictures.py  the plots
page.py      the page                   write.py     both files
"""
